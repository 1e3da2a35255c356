"""Tries what a run needs of the places outside this machine, before a manifest depends on them; nothing is bought."""

from __future__ import annotations

from collections.abc import Iterator

from batchgen.commands.job import manifest_of
from batchgen.errors import UsageError
from batchgen.manifest.file_names import bucket_problem
from batchgen.store.pictures.bucket import Bucket
from batchgen.store.pictures.bucket_probe import Probed, probe


def bucket_of(what: str) -> str:
    """Return the address of a bucket: ``what`` itself, or what the manifest of that path says.

    Raise :class:`UsageError` if it is neither.
    """
    if "://" in what:
        if problem := bucket_problem(what):
            raise UsageError(f"the bucket {problem}")
        return what.rstrip("/")
    address = manifest_of(what).output.pictures
    if address is None:
        raise UsageError(f"{what}: it has no output.pictures, so its pictures rest on this disk and there is no bucket")
    return address


def try_bucket(address: str) -> Iterator[Probed]:
    """Try what a run does in a bucket, on an object of its own that is removed again."""
    yield from probe(Bucket(address))
