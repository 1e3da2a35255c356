"""The ranking from the votes: how good each title is, how certain that is, and which titles can't be told apart.

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
from batchgen.compare.comparison_graph import cliques, components, open_ends, same_group
from batchgen.compare.counts import Matrix, Tally, matrix, prompts_of, tally
from batchgen.compare.vote import Vote
from batchgen.errors import UsageError

POINTS = 400 / math.log(10)
MIDDLE = 1000.0


@dataclass(frozen=True, slots=True)
class Rated:
    """One title. Its rank lies between ``best_rank`` and ``worst_rank``, which differ if it can't be told from others.

    ``low`` and ``high`` are the ends of the 95 % interval. One end is ``None`` if the votes don't bound it, as for a
    title that never lost; both are if ``prompts`` are too few. ``win_share`` is the chance that the model gives it
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
class VotesNeeded:
    """About how many more ``votes``, on new prompts, should tell ``a`` from ``b`` if they differ as they seem to."""

    a: str
    b: str
    votes: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """The titles, best first, and what the votes say about them.

    ``voters`` counts the names under which the votes were cast; the nameless are one. ``alike`` are the largest sets in
    which no two titles can be told apart; ``apart`` the groups of titles that were compared among themselves only, if
    there are several: each is rated by itself, and between them nothing is known. ``more`` is about the first two
    titles, ``None`` if they are told apart, or if nothing can be said.
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
    more: VotesNeeded | None


# The time grows with the third power of the number of titles: a hundred take some ten seconds.
MOST_TITLES = 100


def rank(
    votes: Iterable[Vote],
    *,
    prompts_known: Mapping[str, str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Ranking:
    """Return the ranking from ``votes`` on one axis. The same votes and seed give the same ranking, in any order.

    ``prompts_known`` has the prompt of items that don't name it themselves.
    Raises :class:`UsageError` if the votes name more than ``MOST_TITLES``.
    """
    tallied = tally(votes, prompts_known)
    if len(tallied.titles) > MOST_TITLES:
        raise UsageError(f"the votes compare {len(tallied.titles):,} titles; at most {MOST_TITLES} can be ranked")
    fitted = strengths(matrix(tallied).halved)
    # Random draws are made by index. In the order of strength they do not depend on the names.
    order = sorted(range(len(fitted)), key=lambda place: (-round(float(fitted[place]), 9), tallied.titles[place]))
    tallied = tallied.in_order(tuple(tallied.titles[place] for place in order))
    return _ranking(tallied, fitted[order], seed, resamples)


def _ranking(tallied: Tally, fitted: Floats, seed: int, resamples: int) -> Ranking:
    met = matrix(tallied)
    groups = components(met.halved)
    compared = same_group(groups, len(fitted))
    prompts = prompts_of(tallied)
    draws = resampled(tallied, fitted, seed=seed, resamples=resamples) if tallied.votes else np.zeros((1, 0))
    lead = leads(draws, prompts, compared)
    distance = fitted[:, None] - fitted[None, :]
    better = (lead > 0) & (distance > 0)
    alike = [clique for clique in cliques(~(better | better.T)) if len(clique) > 1]
    bounds = intervals(centred(draws, groups), prompts, open_ends(met.halved))
    return Ranking(
        rated=tuple(_rated(tallied, met, centred(fitted, groups), bounds, better, _win_shares(fitted, compared))),
        meetings=tuple(_meetings(tallied, met)),
        votes=tallied.votes,
        ties=int((tallied.score == 0.5).sum()),
        both_bad=sum(tallied.both_bad.values()) // 2,
        skipped=tallied.skipped,
        prompts=tallied.prompts,
        voters=tallied.voters,
        alike=_named(tallied, alike),
        apart=_named(tallied, groups) if len(groups) > 1 else (),
        more=_more(tallied, distance, lead),
    )


def points(log_odds: float) -> float:
    """Return a strength on the scale of ratings."""
    return MIDDLE + POINTS * log_odds


def _rated(
    tallied: Tally, met: Matrix, middled: Floats, bounds: list[Interval], better: Booleans, shares: Floats
) -> Iterable[Rated]:
    prompts = prompts_of(tallied)
    for place, title in enumerate(tallied.titles):
        rating, bound = float(middled[place]), bounds[place]
        yield Rated(
            title=title,
            rating=points(rating),
            # The estimate has another prior than the interval: with few votes it may lie a little outside.
            low=None if bound.low is None else points(min(bound.low, rating)),
            high=None if bound.high is None else points(max(bound.high, rating)),
            best_rank=1 + int(better[:, place].sum()),
            worst_rank=len(better) - int(better[place].sum()),
            votes=int(met.votes[place].sum()),
            prompts=int(prompts[place]),
            wins=int(met.wins[place].sum()),
            losses=int(met.wins[:, place].sum()),
            ties=int(met.ties[place].sum()),
            both_bad=tallied.both_bad.get(title, 0),
            win_share=float(shares[place]),
        )


def _win_shares(fitted: Floats, compared: Booleans) -> Floats:
    others = compared & ~np.eye(len(fitted), dtype=np.bool_)
    # Never 0: each title with a vote was compared with another one.
    shares: Floats = (chances(fitted) * others).sum(axis=1) / others.sum(axis=1)
    return shares


def _meetings(tallied: Tally, met: Matrix) -> Iterable[Meeting]:
    for one, a in enumerate(tallied.titles):
        for other in range(one + 1, len(tallied.titles)):
            if met.votes[one, other]:
                yield Meeting(
                    a,
                    tallied.titles[other],
                    int(met.wins[one, other]),
                    int(met.wins[other, one]),
                    int(met.ties[one, other]),
                )


def _named(tallied: Tally, groups: Iterable[Iterable[int]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(tallied.titles[place] for place in sorted(group)) for group in sorted(map(sorted, groups)))


# If this many times the votes would be needed, the two are alike for all practical purposes.
_FACTOR = 100


def _more(tallied: Tally, distance: Floats, lead: Floats) -> VotesNeeded | None:
    """Return ``votes * ((margin / distance)**2 - 1)``: margins shrink with the square root of the number of prompts."""
    if len(tallied.titles) < 2:
        return None
    gap = float(distance[0, 1])
    margin = gap - float(lead[0, 1])
    if gap >= margin or not math.isfinite(margin) or margin > gap * math.sqrt(_FACTOR):
        return None
    exact = tallied.votes * ((margin / gap) ** 2 - 1)
    # Rounded up to two figures, which are more than is known.
    unit = 10 ** max(0, math.floor(math.log10(max(exact, 1))) - 1)
    return VotesNeeded(tallied.titles[0], tallied.titles[1], math.ceil(exact / unit) * unit)
