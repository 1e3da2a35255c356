"""The Bradley-Terry model: strengths such that A beats B with probability 1 / (1 + exp(b - a)).

Fitted by maximum likelihood under a weak prior. The likelihood alone has a finite maximum only if every model has,
directly or through others, both beaten and been beaten by every other (Ford 1957; arXiv 1411.1168 has the condition
with ties, and why a penalty is wanted otherwise).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

# The prior: every strength is normal around 0 with this standard deviation, in log-odds. It puts 95 % of models between
# winning 5 % and 95 % against the mean of them, and weighs as much as two votes on each model: 1 / PRIOR_SD**2 against
# the 1/4 that a vote between equals tells.
PRIOR_SD = 1.5
PRECISION = 1 / PRIOR_SD**2

# Beyond a step this long, in log-odds, the quadratic approximation of the likelihood is no good.
_LONGEST_STEP = 2.0
_CLOSE = 1e-10
_MOST_STEPS = 200
# This many halvings reduce an interval to its rounding error.
_HALVINGS = 60


def strengths(wins: Floats, *, precision: float = PRECISION) -> Floats:
    """Return strengths in log-odds, ``(..., models)``, for ``wins[..., i, j]``: how often ``i`` beat ``j``, ties as ½.

    What is maximised is the log-likelihood minus ``precision / 2 * sum(strengths**2)``. The strengths add up to 0.
    ``precision`` is above 0, so there is exactly one maximum, and it is finite.
    """
    stack = wins.reshape(math.prod(wins.shape[:-2]), *wins.shape[-2:])
    return _newton(stack, precision).reshape(wins.shape[:-1])


def chances(found: Floats) -> Floats:
    """Return ``[..., i, j]``: how likely ``i`` beats ``j``."""
    return _logistic(found[..., :, None] - found[..., None, :])


def centred(found: Floats, groups: Iterable[Sequence[int]]) -> Floats:
    """Return the strengths shifted by group, so that a strength of 0 would win half of its votes against the group.

    For strengths that are spread evenly this middle is the mean. A model far ahead of all others hardly moves it: the
    distance of the others from it does not depend on that lead, which nobody knows if the model never lost.
    """
    moved = found.copy()
    for group in map(list, groups):
        inside = found[..., group]
        low, high = inside.min(axis=-1, keepdims=True), inside.max(axis=-1, keepdims=True)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            wins_more = np.tanh((middle - inside) / 2).sum(axis=-1, keepdims=True) > 0
            low, high = np.where(wins_more, low, middle), np.where(wins_more, middle, high)
        moved[..., group] = inside - (low + high) / 2
    return moved


def _newton(wins: Floats, precision: float) -> Floats:
    """Run Newton's method on all problems of the stack at once; the objective is strictly concave."""
    votes = wins + wins.transpose(0, 2, 1)
    won = wins.sum(axis=2)
    found = np.zeros(won.shape)
    diagonal = np.arange(won.shape[1])
    # No step is more exact than the rounding of its slope.
    close = _CLOSE + 4 * np.finfo(np.float64).eps * float(won.sum(axis=1).max(initial=0.0)) / precision
    for _ in range(_MOST_STEPS):
        chance = chances(found)
        slope = won - (votes * chance).sum(axis=2) - precision * found
        bend = votes * chance * (1 - chance)
        curve = -bend
        curve[:, diagonal, diagonal] += bend.sum(axis=2) + precision
        step = np.linalg.solve(curve, slope[:, :, None])[:, :, 0]
        longest = np.abs(step).max(axis=1, keepdims=True, initial=0.0)
        found += step * np.minimum(1.0, _LONGEST_STEP / np.maximum(longest, _CLOSE))
        if longest.max(initial=0.0) < close:
            return found
    raise ArithmeticError(f"no maximum within {_MOST_STEPS} steps")


def _logistic(difference: Floats) -> Floats:
    # By the hyperbolic tangent, which neither overflows nor warns.
    result: Floats = 0.5 * (1.0 + np.tanh(0.5 * difference))
    return result
