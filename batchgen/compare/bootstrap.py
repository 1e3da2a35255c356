"""What the strengths could be, with other prompts and with what the votes don't settle; and what may be claimed.

The bootstrap is the weighted likelihood bootstrap (Newton and Raftery, JRSS B 56, 1994). Each draw gives every prompt,
with all its votes, an exponential weight, since votes on one prompt are no independent witnesses, and fits again. To
these come the pseudo-votes of Jeffreys' prior, half a vote of either result for each free strength, spread over the
pairs by leverage (Firth, Biometrika 80, 1993; Kosmidis and Firth, Biometrika 108, 2021, doi 10.1093/biomet/asaa052):
with random weights of the same kind, and as heavy as the prompts say that a vote is. For two models and one vote a
prompt the draws are exactly those of Jeffreys' interval, which keeps its word up to the edge (Brown, Cai and DasGupta,
Statistical Science 16, 2001). There, between models of which one never lost to the other, they advise an end that is
open, and another as if one more vote had been lost: so the pseudo-vote against the one that never lost is a whole one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from batchgen.compare.bradley_terry import Booleans, Floats, strengths
from batchgen.compare.comparison_graph import Open, never_lost
from batchgen.compare.counts import Integers, Tally, matrix
from batchgen.compare.leverage import weigh

CONFIDENCE = 0.95
RESAMPLES = 1000

# Fewer prompts can't speak for others.
FEWEST_PROMPTS = 8

# Settles the mean of the strengths, which no vote does: a standard deviation of 100 in log-odds.
_PRECISION = 1e-4

# Memory for about so many numbers is taken at a time.
_BLOCK = 1_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """``None`` stands for an end that nothing bounds."""

    low: float | None
    high: float | None


def resampled(counted: Tally, fitted: Floats, *, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Draws of strengths, ``(resamples, titles)``, around those ``fitted`` to ``counted``; the same for a seed."""
    size = len(counted.titles)
    evidence = weigh(counted, fitted)
    # [i, j]: what comes to the wins of i over j.
    pseudo_votes = evidence.leverage * np.where(never_lost(matrix(counted).halved).T, 1.0, 0.5)
    weights, priors = (np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(2))
    block = max(1, min(resamples, _BLOCK // max(size * size, counted.prompts)))
    found = []
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        wins = _wins(counted, weights.exponential(size=(count, counted.prompts)))
        wins += evidence.design_effect * priors.gamma(pseudo_votes, size=(count, size, size))
        found.append(strengths(wins, precision=_PRECISION))
    return np.concatenate(found)


def intervals(draws: Floats, prompts: Integers, ends: Open) -> list[Interval]:
    """The 95 % percentile interval of each title; of one that was seen on too few prompts both ends are ``None``.

    Percentiles are taken further out where prompts are few (the expanded interval of Hesterberg, arXiv 1411.5279):
    plain ones are those of a variance that is too small, and of the normal distribution instead of Student's.
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
    """``[i, j]``: how far ``i`` is ahead of ``j`` at the least, so that 95 % of all rankings claim nothing wrong.

    A claim about one of many pairs is easily true by chance. So these are ends of intervals of the differences that
    hold all at once: as wide, in deviations of each difference to that side, as the largest deviation of any pair is in
    95 % of the draws (as for the ranks of arXiv 2401.15205), and wider where prompts are few. Minus infinity where
    ``compared`` says that two titles were never compared, or where prompts are too few.
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
    """``edge`` standard errors of a normal variable, for an error that the draws estimate from ``count`` prompts.

    Student's quantile of the same probability by Abramowitz and Stegun 26.7.5, times ``sqrt((n + 1) / (n - 1))``: by so
    much exponential weights make the error of a mean too small (Rubin, Annals of Statistics 9, 1981).
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


def _wins(counted: Tally, weights: Floats) -> Floats:
    """Wins with ties as halves, ``(draws, titles, titles)``, where each prompt counts with its weight in that draw."""
    size = len(counted.titles)
    found = np.zeros((len(weights), size * size))
    share = max(1, _BLOCK // (size * size))
    for start in range(0, counted.prompts, share):
        inside = (counted.prompt >= start) & (counted.prompt < start + share)
        prompt = counted.prompt[inside] - start
        first, second, score = counted.first[inside], counted.second[inside], counted.score[inside]
        by_prompt = np.zeros((min(share, counted.prompts - start), size * size))
        np.add.at(by_prompt, (prompt, first * size + second), score)
        np.add.at(by_prompt, (prompt, second * size + first), 1 - score)
        found += weights[:, start : start + share] @ by_prompt
    return found.reshape(len(weights), size, size)
