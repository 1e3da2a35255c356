"""What the strengths could have been with other prompts: the bootstrap, and what may be claimed from it.

Prompts are drawn again, with all their votes, since votes on one prompt are no independent witnesses. Each draw also
moves the centre of the prior as far as the prior says it may lie elsewhere (arXiv 1806.03335: for a linear model with
normal errors such draws are those of the posterior). So a title with few votes, or one that never lost, has a wide
interval and not a narrow one.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from batchgen.compare.bradley_terry import PRECISION, PRIOR_SD, Booleans, Floats, strengths
from batchgen.compare.tally import Integers, Tally

CONFIDENCE = 0.95
RESAMPLES = 1000

# Fewer prompts can't speak for others: with many votes on each of six, 95 % intervals hold the truth in 91 % of all
# studies, with eight in 93 % (tests/compare/test_bootstrap.py).
FEWEST_PROMPTS = 8

# Memory for about so many numbers is taken at a time.
_BLOCK = 1_000_000


def resampled(counted: Tally, *, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Strengths, ``(resamples, titles)``, fitted to as many prompts, drawn with replacement; the same for a seed."""
    size = len(counted.titles)
    prompts, centres = (np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(2))
    block = max(1, min(resamples, _BLOCK // max(size * size, counted.prompts)))
    found = []
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        drawn = prompts.multinomial(counted.prompts, np.full(counted.prompts, 1 / counted.prompts), size=count)
        centre = centres.normal(scale=PRIOR_SD, size=(count, size))
        # Only differences can be told: what moves all titles alike is no part of a strength.
        centre -= centre.mean(axis=1, keepdims=True)
        found.append(strengths(_wins(counted, drawn), precision=PRECISION, centre=centre))
    return np.concatenate(found)


def intervals(draws: Floats, prompts: Integers) -> list[tuple[float, float] | None]:
    """The 95 % percentile interval of each title; ``None`` where it was seen on too few prompts.

    Percentiles are taken further out where prompts are few (the expanded interval of Hesterberg, arXiv 1411.5279):
    plain ones are those of a variance over n instead of n - 1, and of the normal distribution instead of Student's.
    """
    normal = NormalDist()
    edge = normal.inv_cdf((1 + CONFIDENCE) / 2)
    found: list[tuple[float, float] | None] = []
    for column, count in zip(draws.T, prompts.tolist(), strict=True):
        if count < FEWEST_PROMPTS:
            found.append(None)
            continue
        level = normal.cdf(widened(edge, count))
        low, high = np.quantile(column, [1 - level, level])
        found.append((float(low), float(high)))
    return found


def margins(draws: Floats, centre: Floats, prompts: Integers, compared: Booleans) -> Floats:
    """``[i, j]``: how far apart two titles must be to be told apart, so that 95 % of all rankings claim nothing wrong.

    A claim about one of many pairs is easily true by chance. So the largest error of any pair, in its own standard
    errors, is what must be exceeded (as for the ranks of arXiv 2401.15205), widened where prompts are few.
    Infinite where ``compared`` says that two titles were never compared, or where prompts are too few.
    """
    size = draws.shape[1]
    needed = np.full((size, size), math.inf)
    ones, others = np.nonzero(np.triu(compared, 1) & _seen_together(prompts))
    if not len(ones):
        return needed
    differences = draws[:, ones] - draws[:, others]
    errors = differences.std(axis=0)
    largest = (np.abs(differences - (centre[ones] - centre[others])) / errors).max(axis=1)
    edge = float(np.quantile(largest, CONFIDENCE))
    for one, other, error in zip(ones, others, errors, strict=True):
        count = int(min(prompts[one], prompts[other]))
        needed[one, other] = needed[other, one] = widened(edge, count) * error
    return needed


def widened(edge: float, count: int) -> float:
    """``edge`` standard errors of a normal variable, for an error that was itself estimated from ``count`` values.

    Student's quantile of the same probability by Abramowitz and Stegun 26.7.5, times ``sqrt(n / (n - 1))``.
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
    return student * math.sqrt(count / freedom)


def _seen_together(prompts: Integers) -> Booleans:
    enough = prompts >= FEWEST_PROMPTS
    result: Booleans = enough[:, None] & enough[None, :]
    return result


def _wins(counted: Tally, drawn: Integers) -> Floats:
    """Wins with ties as halves, ``(draws, titles, titles)``, where each prompt counts as often as it was drawn."""
    size = len(counted.titles)
    found = np.zeros((len(drawn), size * size))
    share = max(1, _BLOCK // (size * size))
    for start in range(0, counted.prompts, share):
        inside = (counted.prompt >= start) & (counted.prompt < start + share)
        prompt = counted.prompt[inside] - start
        first, second, score = counted.first[inside], counted.second[inside], counted.score[inside]
        by_prompt = np.zeros((min(share, counted.prompts - start), size * size))
        np.add.at(by_prompt, (prompt, first * size + second), score)
        np.add.at(by_prompt, (prompt, second * size + first), 1 - score)
        found += drawn[:, start : start + share] @ by_prompt
    return found.reshape(len(drawn), size, size)
