"""Requests that nothing asks for any more: stored ones that lose their names, and those that ended without a picture.

Lists of pictures and failures leave them out; what they cost stays in the sums. A request that was ever in doubt is not
retired, whatever the manifest says: nobody knows whether it was paid.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from batchgen.encoding import json_text
from batchgen.store.folder.view import stem_of
from batchgen.store.ledger.plan_diff import PlanDiff

# An index knows what is not stored.
_OPEN = """
SELECT id, key FROM requests
WHERE state <> 'stored' AND state IN ('refused', 'spoiled', 'waiting') AND retired_ms IS NULL
AND NOT EXISTS (SELECT 1 FROM attempts WHERE request_id = requests.id AND outcome = 'in doubt')
"""

_NEW_DOUBTS = """
SELECT key, (SELECT coalesce(sum(maybe_microusd), 0) FROM attempts WHERE request_id = requests.id) FROM requests
WHERE state <> 'stored' AND state = 'in doubt'
AND ended_ms > (SELECT coalesce(max(ended_ms), 0) FROM runs WHERE id < ?)
"""

_NAMES = """
SELECT request_id, file FROM names WHERE request_id IN (SELECT value FROM json_each(?)) AND state <> 'leaving'
"""


_DISCARDABLE = """
SELECT p.request_id, p.original, p.bytes FROM requests r JOIN (
    SELECT request_id, original, bytes FROM pictures UNION SELECT request_id, original, bytes FROM other_takes
) p ON p.request_id = r.id
WHERE r.retired_ms IS NOT NULL AND r.state = 'stored' AND NOT EXISTS (SELECT 1 FROM names WHERE request_id = r.id)
"""


def no_longer_asked(diff: PlanDiff) -> list[int]:
    """Return the numbers of requests that ended without a picture and that the plan no longer asks for."""
    ended = diff.db.execute(_OPEN).fetchall()
    asked = diff.asked([key for _, key in ended])
    return [number for number, key in ended if key not in asked]


@dataclass(frozen=True, slots=True)
class Doubts:
    """Requests in doubt that nothing asks for any more, and what they may have cost."""

    count: int
    maybe_microusd: int


def new_doubts(diff: PlanDiff, run_id: int) -> Doubts:
    """Return the doubts that no run before ``run_id`` could report: its process died, or this run caused the doubt."""
    rows = diff.db.execute(_NEW_DOUBTS, (run_id,)).fetchall()
    asked = diff.asked([key for key, _ in rows])
    amounts = [amount for key, amount in rows if key not in asked]
    return Doubts(len(amounts), sum(amounts))


def withdraw(db: sqlite3.Connection, requests: Sequence[int], *, now_ms: int) -> None:
    """Retire those of ``requests`` that have still ended without a picture."""
    db.execute(
        "UPDATE requests SET retired_ms = ? WHERE id IN (SELECT value FROM json_each(?))"
        " AND state IN ('refused', 'spoiled', 'waiting')",
        (now_ms, json_text(requests)),
    )


def stems_of(db: sqlite3.Connection, requests: Sequence[int]) -> dict[int, set[str]]:
    """Return the names of each of ``requests``, without their extensions."""
    found: dict[int, set[str]] = {}
    for number, file in db.execute(_NAMES, (json_text(requests),)):
        found.setdefault(number, set()).add(stem_of(file))
    return found


def count_names(db: sqlite3.Connection) -> int:
    """Return how many names are wanted or stand in ``images/``."""
    return int(db.execute("SELECT count(*) FROM names WHERE state <> 'leaving'").fetchone()[0])


def discardable(db: sqlite3.Connection) -> list[tuple[int, str, int]]:
    """Return the pictures of stored requests without names, of all their takes: request, original and bytes."""
    return db.execute(_DISCARDABLE).fetchall()


def discard(db: sqlite3.Connection, requests: Sequence[int], *, now_ms: int) -> None:
    """Mark ``requests`` whose bytes are about to be deleted: no loss, and nothing to be bought again unasked."""
    db.execute(
        "UPDATE requests SET discarded_ms = coalesce(discarded_ms, ?) WHERE id IN (SELECT value FROM json_each(?))",
        (now_ms, json_text(requests)),
    )
