"""Gives up pictures whose bytes are gone, if their user asked for that: only then may they be paid for once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from batchgen.planning.plan import Plan
from batchgen.request import number_of
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import transitions
from batchgen.store.ledger.ledger import Ledger, now_ms
from batchgen.store.ledger.reader import Reader
from batchgen.store.pictures.bucket import Bucket, BucketFailed
from batchgen.store.pictures.found_in_bucket import list_originals

_MESSAGE = "its bytes were gone, and its user asked for it again"


@dataclass(frozen=True, slots=True)
class Missing:
    """A stored request of which no picture is left."""

    request_id: int
    model: str


def missing_of(plan: Plan, reader: Reader, folder: RunFolder, bucket: Bucket | None = None) -> list[Missing]:
    """Return the missing requests that ``plan`` asks for, looked up on disk and in ``bucket``. For a thread.

    Raise :class:`UsageError` or :class:`StoppedEarly` if the bucket can't be listed.
    """
    listed = _listed(bucket) if bucket else frozenset()
    # A request may have several pictures: while one picture is left, the request is not bought again.
    there: set[int] = set()
    gone: dict[int, tuple[int, str]] = {}
    for request_id, key, model, original in reader.db.execute(_STORED):
        if original in listed or folder.original(original).is_file():
            there.add(request_id)
        else:
            gone[request_id] = number_of(key), model
    lost = {number: Missing(one, model) for one, (number, model) in gone.items() if one not in there}
    return [lost[number] for number in {number for number in plan.outline.numbers if number in lost}]


def _listed(bucket: Bucket) -> frozenset[str]:
    try:
        return frozenset(original for original, _ in list_originals(bucket))
    except BucketFailed as error:
        raise error.refusal() from error


async def give_up(missing: Sequence[Missing], ledger: Ledger) -> None:
    """Record ``missing`` pictures as lost. Raise :class:`LedgerFailed`."""
    for one in missing:
        lose = partial(transitions.lose, request_id=one.request_id, message=_MESSAGE, now_ms=now_ms())
        await ledger.change(lose)


_STORED = """
SELECT r.id, r.key, r.model, p.original FROM pictures p JOIN requests r ON r.id = p.request_id
WHERE r.state = 'stored'
"""
