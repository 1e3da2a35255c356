"""The results as the page shows them: the leaderboard in words and figures, and a ranking by category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from batchgen.compare.bootstrap import FEWEST_PROMPTS
from batchgen.compare.claims import claims, is_known, prices, verdict
from batchgen.compare.leaderboard import Leaderboard, read_leaderboard, read_names
from batchgen.compare.ranking import Ranking
from batchgen.compare.votes import Votes
from batchgen.store.folder.run_folder import RunFolder

# What the page breaks the results down by: columns and axes of few values. More of them: `batchgen rank --by`.
_COLUMNS = 4
_VALUES = 8


def read_results(folder: RunFolder, votes: Votes) -> dict[str, Any] | None:
    """Return what ``votes`` say about the axis with most of them; ``None`` if none says which is better.

    Raises :class:`LedgerDamaged` if there is no ledger to read.
    """
    standings = read_leaderboard(folder, votes)
    if not standings.ranking.rated:
        return None
    return {
        "axis": standings.axis,
        "verdict": verdict(standings),
        "claims": [*claims(standings.ranking), *prices(standings)],
        "missing": _missing(standings.ranking),
        **_counts(standings.ranking),
        "rated": [_row(standings, place) for place in range(len(standings.titles))],
        "by": _by_column(folder, votes, standings.axis),
    }


def _missing(ranking: Ranking) -> dict[str, int]:
    """Return on how many more prompts votes are needed at least, and about how many tell the first two apart."""
    known = any(map(is_known, ranking.rated))
    prompts = 0 if known else FEWEST_PROMPTS - max(one.prompts for one in ranking.rated)
    return {"prompts": prompts, "votes": ranking.more.votes if ranking.more else 0}


def _row(standings: Leaderboard, place: int) -> dict[str, Any]:
    one = standings.titles[place]
    cost = one.cost
    return {
        **asdict(one.rated),
        "price": cost.microusd if cost else None,
        "estimated": bool(cost and cost.estimated),
        "p50": cost.latency_ms if cost else None,
        "win": one.cost_per_win_microusd,
    }


def _by_column(folder: RunFolder, votes: Votes, axis: str) -> dict[str, list[dict[str, Any]]]:
    """Return for each column of few values what the votes on each of them say, most votes first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in _candidates(folder, axis):
        categories = read_leaderboard(folder, votes, axis=axis, by=name).categories
        if 2 <= len(categories) <= _VALUES:
            found[name] = [_category(value, ranking) for value, ranking in categories.items() if ranking.rated]
        if len(found) == _COLUMNS:
            break
    return found


def _candidates(folder: RunFolder, axis: str) -> Sequence[str]:
    return [name for name in read_names(folder) if name not in {axis, *_NO_CATEGORIES}]


# What is held equal in each vote anyway, or is another way to say it.
_NO_CATEGORIES = frozenset({"prompt", "model", "inputs", "mask", "input_paths", "mask_path"})


def _category(value: str, ranking: Ranking) -> dict[str, Any]:
    return {"value": value, **_counts(ranking), "rated": [asdict(one) for one in ranking.rated]}


def _counts(ranking: Ranking) -> dict[str, Any]:
    return {"votes": ranking.votes, "voters": ranking.voters, "prompts": ranking.prompts}
