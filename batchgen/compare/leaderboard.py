"""The leaderboard: the rating of each title from the votes, with cost and time of its pictures from the ledger."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import msgspec

from batchgen.compare.claims import verdict
from batchgen.compare.costs import Cost, read_categories, read_costs
from batchgen.compare.counts import held_equal
from batchgen.compare.ranking import Ranking, Rated, rank
from batchgen.compare.vote import Vote
from batchgen.compare.votes import Votes
from batchgen.errors import UsageError, nearest
from batchgen.store.folder.atomic import replacing
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.records import snapshot, word_names

FILE = "ranking.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """One title. A win costs the price of a picture divided by ``win_share``, since it takes that many to win once.

    ``cost`` is ``None`` for a title that the folder doesn't have. ``unbeaten`` says that nothing compared
    with it is cheaper and rated at least as high, or rated higher and at most as dear.
    """

    rated: Rated
    cost: Cost | None
    cost_per_win_microusd: int | None
    ms_per_win: int | None
    unbeaten: bool


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The titles of ``axis``, best first; ``others`` are in the folder, and nobody has voted on them.

    ``elsewhere`` counts the votes on other axes. ``categories`` has a ranking for each value of the column ``by``.
    """

    axis: str
    ranking: Ranking
    titles: tuple[LeaderboardRow, ...]
    others: Mapping[str, Cost]
    elsewhere: Mapping[str, int]
    by: str | None
    categories: Mapping[str, Ranking]
    uncategorised: int

    def to_json(self) -> bytes:
        """Return the content of ranking.json."""
        overall = asdict(self.ranking)
        overall["rated"] = [{**asdict(one), **asdict(one.rated)} for one in self.titles]
        for one in overall["rated"]:
            del one["rated"]
        said = {"version": VERSION, "axis": self.axis, "verdict": verdict(self), **overall}
        said |= {name: getattr(self, name) for name in ("others", "elsewhere", "by", "categories", "uncategorised")}
        return msgspec.json.encode(said) + b"\n"


def read_leaderboard(folder: RunFolder, votes: Votes, *, axis: str | None = None, by: str | None = None) -> Leaderboard:
    """Return the leaderboard of ``axis``, by default the one with most votes, and one for each value of ``by``.

    Raises :class:`UsageError` for an axis without votes while others have some, and for an axis or a column that isn't
    there; :class:`LedgerDamaged` if there is no ledger to read.
    """
    counts = Counter(vote.axis for vote in votes.votes)
    axis = axis or _most_voted(counts)
    if counts and axis not in counts:
        raise UsageError(f"nobody has voted on {axis!r}, but on {_listed(counts)}{_hint(axis, counts)}")
    cast = [vote for vote in votes.votes if vote.axis == axis]
    items = {vote.item for vote in cast}
    with snapshot(folder.ledger) as db:
        if not counts:
            _want_known("--axis", axis, "axis or column", _known(db))
        costs = read_costs(db, axis)
        prompts = read_categories(db, items, "prompt")
        # If the prompt is compared, or made from what is compared, a row of the plan stands for it.
        rows = read_categories(db, items - prompts.keys(), "row")
        prompts |= {item: f"row {row}" for item, row in rows.items()}
        if by is not None:
            _want_column(by, axis, _known(db).union(*(held_equal(vote.item) for vote in cast)))
        category = {} if by is None else read_categories(db, items, by)
    groups: dict[str, list[Vote]] = {}
    for vote in cast:
        if vote.item in category:
            groups.setdefault(category[vote.item], []).append(vote)
    ranking = rank(cast, prompts_known=prompts)
    return Leaderboard(
        axis=axis,
        ranking=ranking,
        titles=_standings(ranking, costs),
        others={title: cost for title, cost in costs.items() if title not in {one.title for one in ranking.rated}},
        elsewhere={name: count for name, count in counts.items() if name != axis},
        by=by,
        categories={
            value: rank(groups[value], prompts_known=prompts)
            for value in sorted(groups, key=lambda value: (-len(groups[value]), value))
        },
        uncategorised=0 if by is None else sum(vote.item not in category for vote in cast),
    )


def read_names(folder: RunFolder) -> tuple[str, ...]:
    """Return the names of the folder's axes, parameters and columns. Raises :class:`LedgerDamaged`."""
    with snapshot(folder.ledger) as db:
        return tuple(word_names(db))


def write_leaderboard(folder: RunFolder, standings: Leaderboard) -> None:
    """Write ranking.json in one step; it is derived from the votes and the ledger, and may be deleted."""
    with replacing(folder.root / FILE) as stream:
        stream.write(standings.to_json())


def _most_voted(counts: Mapping[str, int]) -> str:
    return max(counts, key=lambda name: (counts[name], name == "model", name), default="model")


def _known(db: sqlite3.Connection) -> frozenset[str]:
    return frozenset({*word_names(db), "model", "repeat", "row", "provider"})


def _want_column(name: str, axis: str, known: Iterable[str]) -> None:
    if name == axis:
        raise UsageError(f"--by {name}: this is the ranked axis; give another column")
    _want_known("--by", name, "column", known)


def _want_known(option: str, name: str, what: str, known: Iterable[str]) -> None:
    if name not in known:
        hint = nearest(name, known) or f"there are {_listed(sorted(known))}"
        raise UsageError(f"{option} {name}: no such {what}; {hint}")


def _hint(name: str, known: Iterable[str]) -> str:
    return f"; {found}" if (found := nearest(name, known)) else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _standings(ranking: Ranking, costs: Mapping[str, Cost]) -> tuple[LeaderboardRow, ...]:
    priced = {one.title: (one.rating, cost.microusd) for one in ranking.rated if (cost := costs.get(one.title))}
    everybody = tuple(one.title for one in ranking.rated)
    # Ratings of groups that never met say nothing about each other.
    rivals = {title: group for group in ranking.apart or (everybody,) for title in group}
    return tuple(
        _standing(one, costs.get(one.title), [priced[title] for title in rivals[one.title] if title in priced])
        for one in ranking.rated
    )


def _standing(one: Rated, cost: Cost | None, rivals: Iterable[tuple[float, int | None]]) -> LeaderboardRow:
    price = cost.microusd if cost else None
    return LeaderboardRow(
        rated=one,
        cost=cost,
        cost_per_win_microusd=_per_win(price, one),
        ms_per_win=_per_win(cost.latency_ms if cost else None, one),
        unbeaten=price is not None and _is_unbeaten(one.rating, price, rivals),
    )


def _per_win(amount: int | None, one: Rated) -> int | None:
    return None if amount is None else round(amount / one.win_share)


def _is_unbeaten(rating: float, price: int, rivals: Iterable[tuple[float, int | None]]) -> bool:
    return not any(
        other >= rating and cheaper is not None and cheaper <= price and (other, cheaper) != (rating, price)
        for other, cheaper in rivals
    )
