"""Requests that ended without a picture and that the manifest no longer asks for: withdrawn, until it does again.

They are no failures of tonight: lists of failures leave them out, as lists of pictures leave out what lies in the
trash. What they cost stays in the sums. A request that was ever in doubt is not withdrawn, whatever the manifest says:
nobody knows whether it was paid.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from batchgen.store.ledger.plan_diff import PlanDiff

# The same mark as that of pictures in the trash: nothing asks for either. An index knows what is not stored.
_OPEN = """
SELECT id, key FROM requests
WHERE state <> 'stored' AND state IN ('refused', 'spoiled', 'waiting') AND trashed_ms IS NULL
AND NOT EXISTS (SELECT 1 FROM attempts WHERE request_id = requests.id AND outcome = 'in doubt')
"""

_NEW_DOUBTS = """
SELECT key, (SELECT coalesce(sum(maybe_microusd), 0) FROM attempts WHERE request_id = requests.id) FROM requests
WHERE state <> 'stored' AND state = 'in doubt'
AND ended_ms > (SELECT coalesce(max(ended_ms), 0) FROM runs WHERE id < ?)
"""


def no_longer_asked(past: PlanDiff) -> list[int]:
    """The numbers of those that the plan no longer asks for."""
    ended = past.db.execute(_OPEN).fetchall()
    asked = past.asked([key for _, key in ended])
    return [number for number, key in ended if key not in asked]


@dataclass(frozen=True, slots=True)
class Doubts:
    """Requests in doubt that nothing asks for any more, and what they may have cost."""

    count: int
    maybe_microusd: int


def new_doubts(past: PlanDiff, run_id: int) -> Doubts:
    """Those whose doubt no run before ``run_id`` could tell of: their process died, or the run itself ended them."""
    rows = past.db.execute(_NEW_DOUBTS, (run_id,)).fetchall()
    asked = past.asked([key for key, _ in rows])
    amounts = [amount for key, amount in rows if key not in asked]
    return Doubts(len(amounts), sum(amounts))


def withdraw(db: sqlite3.Connection, requests: Sequence[int], *, now_ms: int) -> None:
    """Sets ``requests`` aside, as far as they still are what they were."""
    db.execute(
        "UPDATE requests SET trashed_ms = ? WHERE id IN (SELECT value FROM json_each(?))"
        " AND state IN ('refused', 'spoiled', 'waiting')",
        (now_ms, msgspec.json.encode(requests).decode()),
    )


def ask_again(db: sqlite3.Connection, key: str) -> None:
    """The manifest asks for a withdrawn request again: it stands as it stood."""
    db.execute("UPDATE requests SET trashed_ms = NULL WHERE key = ? AND state <> 'stored'", (key,))
