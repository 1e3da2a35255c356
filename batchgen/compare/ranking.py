"""Votes become a ranking: how good each title is, how sure that is, and which of them can't be told apart.

Ratings are log-odds of the Bradley-Terry model on a scale on which 400 points are odds of ten to one and the mean of
all titles is 1000.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from batchgen.compare.bootstrap import RESAMPLES, intervals, margins, resampled
from batchgen.compare.bradley_terry import Booleans, Floats, components, reaches, strengths
from batchgen.compare.tally import Tally, matrix, prompts_of, tally
from batchgen.compare.votes import Vote
from batchgen.errors import UsageError

POINTS = 400 / math.log(10)
MEAN = 1000.0


@dataclass(frozen=True, slots=True)
class Rated:
    """One title. Its rank lies between ``best_rank`` and ``worst_rank``, which differ where it is like others.

    ``low`` and ``high`` are the ends of the 95 % interval, ``None`` where there are too few prompts for one.
    ``win_share`` is the chance that the model gives it against each other title, on average, from 0 to 1.
    """

    title: str
    rating: float
    low: float | None
    high: float | None
    best_rank: int
    worst_rank: int
    votes: int
    prompts: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    win_share: float


@dataclass(frozen=True, slots=True)
class Meeting:
    """All votes on one pair."""

    a: str
    b: str
    wins_a: int
    wins_b: int
    ties: int

    @property
    def votes(self) -> int:
        return self.wins_a + self.wins_b + self.ties


@dataclass(frozen=True, slots=True)
class More:
    """About so many more votes, on new prompts, are likely to tell ``a`` from ``b`` if they differ as they seem to."""

    a: str
    b: str
    votes: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """The titles, best first, and what can be said of them.

    ``alike`` are the largest sets in which no two titles can be told apart; ``apart`` the groups of titles that were
    compared among themselves only, if there are several: between those nothing is known. ``bounded`` says whether all
    ratings are finite without the prior. ``more`` is about the first two titles, ``None`` where they are told apart,
    or where nothing can be said.
    """

    rated: tuple[Rated, ...]
    meetings: tuple[Meeting, ...]
    votes: int
    ties: int
    both_bad: int
    skipped: int
    prompts: int
    alike: tuple[tuple[str, ...], ...]
    apart: tuple[tuple[str, ...], ...]
    bounded: bool
    more: More | None


# Time grows with the third power of their number: a hundred take some ten seconds.
MOST_TITLES = 100


def rank(
    votes: Iterable[Vote],
    *,
    prompts_known: Mapping[str, str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Ranking:
    """The ranking from ``votes`` on one axis. The same votes and seed give the same ranking, in whatever order.

    ``prompts_known`` says which items are of one prompt, where they don't say so themselves.
    Raises :class:`UsageError` where the votes name more than ``MOST_TITLES``.
    """
    counted = tally(votes, prompts_known)
    if len(counted.titles) > MOST_TITLES:
        raise UsageError(f"the votes compare {len(counted.titles):,} titles; at most {MOST_TITLES} can be ranked")
    fitted = strengths(matrix(counted).halved)
    # Draws are made for places. In the order of strength they do not depend on the names.
    order = sorted(range(len(fitted)), key=lambda place: (-round(float(fitted[place]), 9), counted.titles[place]))
    counted = counted.in_order(tuple(counted.titles[place] for place in order))
    return _ranking(counted, fitted[order], seed, resamples)


def _ranking(counted: Tally, fitted: Floats, seed: int, resamples: int) -> Ranking:
    met = matrix(counted)
    groups = components(met.halved)
    prompts = prompts_of(counted)
    draws = resampled(counted, seed=seed, resamples=resamples) if counted.votes else np.zeros((1, 0))
    needed = margins(draws, fitted, prompts, _in_one(groups, len(fitted)))
    distance = fitted[:, None] - fitted[None, :]
    better = distance > needed
    bounds = intervals(draws, prompts)
    rated = tuple(
        Rated(
            title=title,
            rating=points(float(fitted[place])),
            low=None if bound is None else points(bound[0]),
            high=None if bound is None else points(bound[1]),
            best_rank=1 + int(better[:, place].sum()),
            worst_rank=len(fitted) - int(better[place].sum()),
            votes=int(met.votes[place].sum()),
            prompts=int(prompts[place]),
            wins=int(met.wins[place].sum()),
            losses=int(met.wins[:, place].sum()),
            ties=int(met.ties[place].sum()),
            both_bad=counted.both_bad.get(title, 0),
            win_share=_win_share(distance[place], place),
        )
        for place, (title, bound) in enumerate(zip(counted.titles, bounds, strict=True))
    )
    alike = [clique for clique in _cliques(~(better | better.T)) if len(clique) > 1]
    return Ranking(
        rated=rated,
        meetings=tuple(_meetings(counted)),
        votes=counted.votes,
        ties=int((counted.score == 0.5).sum()),
        both_bad=sum(counted.both_bad.values()) // 2,
        skipped=counted.skipped,
        prompts=counted.prompts,
        alike=_named(counted, alike),
        apart=_named(counted, groups) if len(groups) > 1 else (),
        bounded=bool(reaches(met.halved).all()),
        more=_more(counted, distance, needed),
    )


def points(log_odds: float) -> float:
    """A strength on the scale of ratings."""
    return MEAN + POINTS * log_odds


def _win_share(distances: Floats, place: int) -> float:
    others = np.delete(distances, place)
    return float((0.5 * (1 + np.tanh(others / 2))).mean()) if len(others) else 0.5


def _meetings(counted: Tally) -> Iterable[Meeting]:
    met = matrix(counted)
    for one, a in enumerate(counted.titles):
        for other in range(one + 1, len(counted.titles)):
            if met.votes[one, other]:
                yield Meeting(
                    a,
                    counted.titles[other],
                    int(met.wins[one, other]),
                    int(met.wins[other, one]),
                    int(met.ties[one, other]),
                )


def _in_one(groups: list[list[int]], size: int) -> Booleans:
    together: Booleans = np.zeros((size, size), dtype=np.bool_)
    for group in groups:
        together[np.ix_(group, group)] = True
    return together


def _named(counted: Tally, groups: Iterable[Iterable[int]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(counted.titles[place] for place in sorted(group)) for group in sorted(map(sorted, groups)))


def _cliques(alike: Booleans) -> list[frozenset[int]]:
    """The largest sets in which all are alike (Bron and Kerbosch, with a pivot)."""
    neighbours = [frozenset(np.flatnonzero(row).tolist()) - {place} for place, row in enumerate(alike)]
    found: list[frozenset[int]] = []

    def grow(inside: frozenset[int], left: frozenset[int], seen: frozenset[int]) -> None:
        if not left and not seen:
            found.append(inside)
            return
        pivot = max(left | seen, key=lambda place: len(neighbours[place] & left))
        for place in sorted(left - neighbours[pivot]):
            grow(inside | {place}, left & neighbours[place], seen & neighbours[place])
            left, seen = left - {place}, seen | {place}

    grow(frozenset(), frozenset(range(len(neighbours))), frozenset())
    return found


# Where so many times the votes would be needed, the two are alike for all that matters.
_FACTOR = 100


def _more(counted: Tally, distance: Floats, needed: Floats) -> More | None:
    """Margins shrink with the root of the number of prompts: ``votes * ((margin / distance)**2 - 1)`` more will do."""
    if len(counted.titles) < 2:
        return None
    gap, margin = float(distance[0, 1]), float(needed[0, 1])
    if gap >= margin or not math.isfinite(margin) or margin > gap * math.sqrt(_FACTOR):
        return None
    exact = counted.votes * ((margin / gap) ** 2 - 1)
    # Two figures are more than is known.
    unit = 10 ** max(0, math.floor(math.log10(max(exact, 1))) - 1)
    return More(counted.titles[0], counted.titles[1], math.ceil(exact / unit) * unit)
