"""What a run folder's own requests cost and took: what the next ones are estimated by."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from statistics import median

from batchgen.errors import LedgerDamaged
from batchgen.request import Experience
from batchgen.store.ledger.schema import connect_read_only

# Prices and machines change: only the newest attempts count, and reading them takes no longer in an old folder.
NEWEST = 10_000

_Like = tuple[str, str, str]


def experience(ledger: Path, *, provider: str) -> tuple[Experience, ...]:
    """Return the experience with each model of ``provider``, as a whole and by what was asked of the model.

    Empty if there is no ledger, or none that can be read: opening the ledger for the run reports what is wrong.
    """
    try:
        with closing(connect_read_only(ledger)) as db:
            answers = db.execute(_ANSWERS, (NEWEST, provider)).fetchall()
    except (LedgerDamaged, sqlite3.DatabaseError):
        return ()
    by_kind: dict[tuple[str, _Like | None], list[tuple[int | None, int | None]]] = defaultdict(list)
    for model, quality, size, seconds, cost, duration_ms in answers:
        for like in (None, (quality, size, seconds)):
            by_kind[model, like].append((cost, duration_ms))
    return tuple(_experience(model, like, found) for (model, like), found in by_kind.items())


def _experience(model: str, like: _Like | None, answers: Iterable[tuple[int | None, int | None]]) -> Experience:
    costs = [cost for cost, _ in answers if cost is not None]
    durations = [duration_ms for _, duration_ms in answers if duration_ms is not None]
    return Experience(
        model=model,
        like=like,
        billed=len(costs),
        least_microusd=min(costs, default=0),
        mean_microusd=round(sum(costs) / len(costs)) if costs else 0,
        most_microusd=max(costs, default=0),
        median_ms=round(median(durations)) if durations else None,
    )


# A cost by tokens is as sure as the prices that are stated for those; any other estimate says nothing new. What was
# spoiled was billed all the same, and counts.
_ANSWERS = """
SELECT r.model, coalesce(json_extract(r.canonical, '$.parameters.quality'), ''),
       coalesce(json_extract(r.canonical, '$.parameters.size'), ''),
       coalesce(json_extract(r.canonical, '$.parameters.seconds'), ''),
       CASE WHEN a.cost_source IN ('answer', 'usage', 'header') THEN a.billed_microusd
            WHEN a.cost_source = 'tokens' THEN a.estimated_microusd END,
       a.duration_ms
FROM attempts a JOIN requests r ON r.id = a.request_id
WHERE a.id > (SELECT coalesce(max(id), 0) FROM attempts) - ? AND a.outcome = 'billed' AND r.provider = ?
"""
