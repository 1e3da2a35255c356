"""Votes become a ranking: how good each title is, how sure that is, and which of them can't be told apart.

Ratings are log-odds of the Bradley-Terry model on a scale on which 400 points are odds of ten to one, and one of 1000
would win half of its votes against all titles.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from batchgen.compare.bootstrap import RESAMPLES, Interval, intervals, leads, resampled
from batchgen.compare.bradley_terry import Booleans, Floats, centred, chances, strengths
from batchgen.compare.comparison_graph import cliques, components, in_one, open_ends
from batchgen.compare.counts import Matrix, Tally, matrix, prompts_of, tally
from batchgen.compare.vote import Vote
from batchgen.errors import UsageError

POINTS = 400 / math.log(10)
MIDDLE = 1000.0


@dataclass(frozen=True, slots=True)
class Rated:
    """One title. Its rank lies between ``best_rank`` and ``worst_rank``, which differ where it is like others.

    ``low`` and ``high`` are the ends of the 95 % interval. One end is ``None`` where the votes don't bound it, as for a
    title that never lost; both are where ``prompts`` are too few. ``win_share`` is the chance that the model gives it
    against each other title of its group, on average, from 0 to 1.
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

    ``voters`` counts the names under which the votes were cast; the nameless are one. ``alike`` are the largest sets in
    which no two titles can be told apart; ``apart`` the groups of titles that were compared among themselves only, if
    there are several: each is rated by itself, and between them nothing is known. ``more`` is about the first two
    titles, ``None`` where they are told apart, or where nothing can be said.
    """

    rated: tuple[Rated, ...]
    meetings: tuple[Meeting, ...]
    votes: int
    ties: int
    both_bad: int
    skipped: int
    prompts: int
    voters: int
    alike: tuple[tuple[str, ...], ...]
    apart: tuple[tuple[str, ...], ...]
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
    compared = in_one(groups, len(fitted))
    prompts = prompts_of(counted)
    draws = resampled(counted, fitted, seed=seed, resamples=resamples) if counted.votes else np.zeros((1, 0))
    lead = leads(draws, prompts, compared)
    distance = fitted[:, None] - fitted[None, :]
    better = (lead > 0) & (distance > 0)
    alike = [clique for clique in cliques(~(better | better.T)) if len(clique) > 1]
    bounds = intervals(centred(draws, groups), prompts, open_ends(met.halved))
    return Ranking(
        rated=tuple(_rated(counted, met, centred(fitted, groups), bounds, better, _win_shares(fitted, compared))),
        meetings=tuple(_meetings(counted, met)),
        votes=counted.votes,
        ties=int((counted.score == 0.5).sum()),
        both_bad=sum(counted.both_bad.values()) // 2,
        skipped=counted.skipped,
        prompts=counted.prompts,
        voters=counted.voters,
        alike=_named(counted, alike),
        apart=_named(counted, groups) if len(groups) > 1 else (),
        more=_more(counted, distance, lead),
    )


def points(log_odds: float) -> float:
    """A strength on the scale of ratings."""
    return MIDDLE + POINTS * log_odds


def _rated(
    counted: Tally, met: Matrix, middled: Floats, bounds: list[Interval], better: Booleans, shares: Floats
) -> Iterable[Rated]:
    prompts = prompts_of(counted)
    for place, title in enumerate(counted.titles):
        rating, bound = float(middled[place]), bounds[place]
        yield Rated(
            title=title,
            rating=points(rating),
            # The estimate leans on another prior than the interval: where votes are few, it may lie a little outside.
            low=None if bound.low is None else points(min(bound.low, rating)),
            high=None if bound.high is None else points(max(bound.high, rating)),
            best_rank=1 + int(better[:, place].sum()),
            worst_rank=len(better) - int(better[place].sum()),
            votes=int(met.votes[place].sum()),
            prompts=int(prompts[place]),
            wins=int(met.wins[place].sum()),
            losses=int(met.wins[:, place].sum()),
            ties=int(met.ties[place].sum()),
            both_bad=counted.both_bad.get(title, 0),
            win_share=float(shares[place]),
        )


def _win_shares(fitted: Floats, compared: Booleans) -> Floats:
    others = compared & ~np.eye(len(fitted), dtype=np.bool_)
    # Whoever has a vote was compared with somebody.
    shares: Floats = (chances(fitted) * others).sum(axis=1) / others.sum(axis=1)
    return shares


def _meetings(counted: Tally, met: Matrix) -> Iterable[Meeting]:
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


def _named(counted: Tally, groups: Iterable[Iterable[int]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(counted.titles[place] for place in sorted(group)) for group in sorted(map(sorted, groups)))


# Where so many times the votes would be needed, the two are alike for all that matters.
_FACTOR = 100


def _more(counted: Tally, distance: Floats, lead: Floats) -> More | None:
    """Margins shrink with the root of the number of prompts: ``votes * ((margin / distance)**2 - 1)`` more will do."""
    if len(counted.titles) < 2:
        return None
    gap = float(distance[0, 1])
    margin = gap - float(lead[0, 1])
    if gap >= margin or not math.isfinite(margin) or margin > gap * math.sqrt(_FACTOR):
        return None
    exact = counted.votes * ((margin / gap) ** 2 - 1)
    # Two figures are more than is known.
    unit = 10 ** max(0, math.floor(math.log10(max(exact, 1))) - 1)
    return More(counted.titles[0], counted.titles[1], math.ceil(exact / unit) * unit)
