"""What a run needs of a bucket, tried one after the other before anything is bought."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from batchgen.store.pictures.bucket import Bucket, BucketFailed, TagMismatch

OWN = "_batchgen"


@dataclass(frozen=True, slots=True)
class Probed:
    """One thing that was tried, and what is wrong, for good or for now; ``None`` if it works."""

    what: str
    problem: str | None
    lasting: bool = True


def probe(bucket: Bucket) -> Iterator[Probed]:
    """Try what a run does in ``bucket`` on an object of its own, and remove that; end at the first failure."""
    path = f"{OWN}/probe-{secrets.token_hex(8)}"
    for what, step in _steps(bucket, path):
        lasting = True
        try:
            problem = step()
        except BucketFailed as error:
            problem, lasting = str(error), error.lasting
        except TagMismatch:
            problem = _NO_MATCH
        if problem is not None and not problem.startswith(bucket.address):
            problem = f"{bucket.address}: {problem}"
        yield Probed(what, problem, lasting)
        if problem is not None:
            return


def refuse_unfit(bucket: Bucket) -> None:
    """Raise :class:`BucketFailed` if ``bucket`` can't do what a run needs."""
    for one in probe(bucket):
        if one.problem is not None:
            raise BucketFailed(one.problem, lasting=one.lasting)


def _steps(bucket: Bucket, path: str) -> Iterator[tuple[str, Callable[[], str | None]]]:
    def write() -> str | None:
        return None if bucket.create(path, b"1", {"key": "probe"}) else _NO_CREATE

    def write_once() -> str | None:
        return _NO_CREATE if bucket.create(path, b"2") else None

    def read() -> str | None:
        there = bucket.read(path)
        return None if there and there.content == b"1" and there.attributes.get("key") == "probe" else _NO_ATTRIBUTES

    def replace() -> str | None:
        there = bucket.head(path)
        tag = bucket.replace(path, b"3", there.tag if there else None)
        try:
            bucket.replace(path, b"4", there.tag if there else None)
        except TagMismatch:
            return None if tag else _NO_MATCH
        return _NO_MATCH

    def listed() -> str | None:
        return None if any(one.path == path for one in bucket.list(OWN)) else "a new object is not listed"

    def delete() -> str | None:
        bucket.delete([path])
        return None if bucket.head(path) is None else "a deleted object is still there"

    yield "write", write
    yield "write once (If-None-Match)", write_once
    yield "read with attributes", read
    yield "replace what is known (If-Match)", replace
    yield "list", listed
    yield "delete", delete


_NO_CREATE = (
    "the service writes over an object although it was told not to (If-None-Match), so it can't keep what was paid for"
)
_NO_MATCH = (
    "the service replaces an object that somebody else has changed (If-Match), so two runs could not be told apart"
)
_NO_ATTRIBUTES = "the service does not keep the attributes of an object, in which receipts stand"
