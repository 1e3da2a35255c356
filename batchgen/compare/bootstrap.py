"""Confidence intervals of the strengths, and of their differences, over other prompts and other votes.

This is the weighted likelihood bootstrap (Newton and Raftery, JRSS B 56, 1994). Each draw gives every prompt, with all
its votes, an exponential weight, since votes on one prompt are not independent, and fits again. To these votes are
added the pseudo-votes of Jeffreys' prior, half a vote of either result for each free strength, spread over the
pairs by leverage (Firth, Biometrika 80, 1993; Kosmidis and Firth, Biometrika 108, 2021, doi 10.1093/biomet/asaa052):
with random weights of the same kind, and as heavy as the prompts say that a vote is. For two models and one vote a
prompt the draws are exactly those of Jeffreys' interval, which covers as much as it claims up to the edge (Brown, Cai
and DasGupta, Statistical Science 16, 2001). At the edge, between models of which one never lost to the other, they
advise an open end, and the other end as if one more vote had been lost: so the pseudo-vote against the one that never
lost is a whole one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from batchgen.compare.bradley_terry import Booleans, Floats, strengths
from batchgen.compare.comparison_graph import OpenEnds, never_lost
from batchgen.compare.counts import Integers, Tally, matrix
from batchgen.compare.leverage import weigh

CONFIDENCE = 0.95
RESAMPLES = 1000

# Fewer prompts say too little about other prompts.
FEWEST_PROMPTS = 8

# Fixes the mean of the strengths, about which votes say nothing: a standard deviation of 100 in log-odds.
_PRECISION = 1e-4

# Draws are made in blocks of about this many numbers, which bounds the memory.
_BLOCK = 1_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; an end is ``None`` if nothing bounds it."""

    low: float | None
    high: float | None


def resampled(tallied: Tally, fitted: Floats, *, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Return draws of strengths, ``(resamples, titles)``, around those ``fitted`` to ``tallied``, by seed."""
    size = len(tallied.titles)
    evidence = weigh(tallied, fitted)
    # [i, j]: what is added to the wins of i over j.
    pseudo_votes = evidence.leverage * np.where(never_lost(matrix(tallied).halved).T, 1.0, 0.5)
    weights, priors = (np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(2))
    block = max(1, min(resamples, _BLOCK // max(size * size, tallied.prompts)))
    found = []
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        wins = _wins(tallied, weights.exponential(size=(count, tallied.prompts)))
        wins += evidence.design_effect * priors.gamma(pseudo_votes, size=(count, size, size))
        found.append(strengths(wins, precision=_PRECISION))
    return np.concatenate(found)


def intervals(draws: Floats, prompts: Integers, ends: OpenEnds) -> list[Interval]:
    """Return the 95 % percentile interval of each title; both ends are ``None`` if it was seen on too few prompts.

    With few prompts the percentiles are taken further out (the expanded interval of Hesterberg, arXiv 1411.5279): plain
    ones assume a variance that is too small, and the normal distribution instead of Student's.
    """
    normal = NormalDist()
    edge = normal.inv_cdf((1 + CONFIDENCE) / 2)
    found = []
    for place, count in enumerate(prompts.tolist()):
        if count < FEWEST_PROMPTS:
            found.append(Interval(None, None))
            continue
        level = normal.cdf(widened(edge, count))
        low, high = map(float, np.quantile(draws[:, place], [1 - level, level]))
        found.append(Interval(None if ends.below[place] else low, None if ends.above[place] else high))
    return found


def leads(draws: Floats, prompts: Integers, compared: Booleans) -> Floats:
    """Return ``[i, j]``: by how much ``i`` at least leads ``j``, so that 95 % of all rankings claim nothing wrong.

    A claim about one of many pairs is easily true by chance. So these are ends of intervals of the differences that
    hold all at once: as wide, in deviations of each difference to that side, as the largest deviation of any pair is in
    95 % of the draws (as for the ranks of arXiv 2401.15205), and wider if prompts are few. Minus infinity if
    ``compared`` says that two titles were never compared, or if prompts are too few.
    """
    size = draws.shape[1]
    found = np.full((size, size), -math.inf)
    ones, others = np.nonzero(np.triu(compared, 1) & _seen_enough(prompts))
    if not len(ones):
        return found
    differences = draws[:, ones] - draws[:, others]
    below, middle, above = np.quantile(differences, _DEVIATION, axis=0)
    away = differences - middle
    largest = np.where(away < 0, away / (below - middle), away / (above - middle)).max(axis=1)
    edge = float(np.quantile(largest, CONFIDENCE))
    counts = np.minimum(prompts[ones], prompts[others]).tolist()
    edges = np.array([widened(edge, count) for count in counts])
    found[ones, others] = middle - edges * (middle - below)
    found[others, ones] = -middle - edges * (above - middle)
    return found


# A standard deviation to either side, and the median.
_DEVIATION = [NormalDist().cdf(-1), 0.5, NormalDist().cdf(1)]


def widened(edge: float, count: int) -> float:
    """Return ``edge`` standard errors of a normal variable, widened for an error estimated from ``count`` prompts.

    Student's quantile of the same probability by Abramowitz and Stegun 26.7.5, times ``sqrt((n + 1) / (n - 1))``,
    the factor by which exponential weights make the error of a mean too small (Rubin, Annals of Statistics 9, 1981).
    """
    freedom = count - 1
    z, z3, z5, z7, z9 = (edge**power for power in (1, 3, 5, 7, 9))
    student = (
        z
        + (z3 + z) / (4 * freedom)
        + (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom**2)
        + (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * freedom**3)
        + (79 * z9 + 776 * z7 + 1482 * z5 - 1920 * z3 - 945 * z) / (92_160 * freedom**4)
    )
    return student * math.sqrt((count + 1) / freedom)


def _seen_enough(prompts: Integers) -> Booleans:
    enough = prompts >= FEWEST_PROMPTS
    result: Booleans = enough[:, None] & enough[None, :]
    return result


def _wins(tallied: Tally, weights: Floats) -> Floats:
    """Return wins with ties as halves, ``(draws, titles, titles)``, each prompt with its weight in that draw."""
    size = len(tallied.titles)
    found = np.zeros((len(weights), size * size))
    share = max(1, _BLOCK // (size * size))
    for start in range(0, tallied.prompts, share):
        inside = (tallied.prompt >= start) & (tallied.prompt < start + share)
        prompt = tallied.prompt[inside] - start
        first, second, score = tallied.first[inside], tallied.second[inside], tallied.score[inside]
        by_prompt = np.zeros((min(share, tallied.prompts - start), size * size))
        np.add.at(by_prompt, (prompt, first * size + second), score)
        np.add.at(by_prompt, (prompt, second * size + first), 1 - score)
        found += weights[:, start : start + share] @ by_prompt
    return found.reshape(len(weights), size, size)
