"""Brings what the ledger says of rows up to the manifest: rows may have moved, and columns and names changed.

The rows are compared before anything is sent, once for every plan; nothing is bought.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import anyio.to_thread

from batchgen.planning.compact_set import CompactSet
from batchgen.planning.plan import Plan
from batchgen.request import Request
from batchgen.store.ledger import row_metadata
from batchgen.store.ledger.ledger import Ledger, now_ms
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.row_metadata import Described

_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Synced:
    """The counts of requests described anew, and of those that get other names."""

    described: int = 0
    renamed: int = 0


async def sync(plan: Plan, ledger: Ledger, reader: Reader, diff: PlanDiff) -> Synced:
    """Describe the requests that the ledger knows as ``plan`` does. Raise :class:`LedgerFailed`.

    If several rows ask for equal requests, the first row describes the request, and the others share it.
    """
    fingerprint = plan.fingerprint
    if await anyio.to_thread.run_sync(row_metadata.describes, reader.db, fingerprint):
        return Synced()
    shared = await anyio.to_thread.run_sync(lambda: list(_described(plan, plan.at(plan.outline.repeats()))))
    await ledger.change(partial(row_metadata.share, rows=shared, of_plan=diff.asked))
    described = renamed = 0
    changed = _changed(plan, reader)
    while (rows := await anyio.to_thread.run_sync(next, changed, None)) is not None:
        if rows:
            renamed += await ledger.change(partial(row_metadata.describe, rows=rows, now_ms=now_ms()))
            described += len(rows)

    def finish(db: sqlite3.Connection) -> None:
        row_metadata.name_shared(db, of_plan=diff.asked, now_ms=now_ms())
        row_metadata.record_described(db, fingerprint)

    await ledger.change(finish)
    return Synced(described, renamed)


def _changed(plan: Plan, reader: Reader) -> Iterator[Sequence[Described]]:
    """Return the rows that the ledger describes otherwise, a thousand at a time; other rows are not kept."""
    if not reader.knows_any():
        return
    seen = CompactSet()
    firsts = (request for request in plan if seen.add(request.key))
    while batch := list(_described(plan, islice(firsts, _BATCH))):
        yield row_metadata.outdated(reader.db, batch)


def _described(plan: Plan, requests: Iterator[Request]) -> Iterator[Described]:
    for request in requests:
        yield Described(request, plan.stem(request), named=request.path is not None)
