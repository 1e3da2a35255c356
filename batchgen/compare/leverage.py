"""The weight of the votes: the leverage of each pair, and the design effect of many votes on one prompt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from batchgen.compare.bradley_terry import Floats, chances
from batchgen.compare.comparison_graph import components
from batchgen.compare.counts import Tally, matrix


@dataclass(frozen=True, slots=True)
class Leverage:
    """``leverage[i, j]``: the share of a parameter that the votes on a pair determine; over all pairs of a group of n
    models that were compared it adds up to n - 1.

    ``design_effect``: the variance of the strengths as the prompts show it, over that of as many independent votes, on
    average and at least 1 (the first-order correction of Rao and Scott, Annals of Statistics 12, 1984).
    """

    leverage: Floats
    design_effect: float


def weigh(tallied: Tally, fitted: Floats) -> Leverage:
    """Return the weight of ``tallied``, at least one vote, at the strengths ``fitted``."""
    met = matrix(tallied)
    chance = chances(fitted)
    information = met.votes * chance * (1 - chance)
    covariance = np.linalg.pinv(np.diag(information.sum(axis=1)) - information, hermitian=True)
    variance = np.diag(covariance)
    leverage = information * (variance[:, None] + variance[None, :] - 2 * covariance)
    scores = _scores(tallied, chance)
    free = len(fitted) - len(components(met.halved))
    return Leverage(
        # Rounding may leave a pair without votes slightly below 0.
        leverage=np.maximum(leverage, 0.0),
        design_effect=max(1.0, float(((scores @ covariance) * scores).sum()) / free),
    )


def _scores(tallied: Tally, chance: Floats) -> Floats:
    """Return ``[prompt, model]``: how many votes the model won there beyond what its strength predicts."""
    found = np.zeros((tallied.prompts, len(tallied.titles)))
    surplus = tallied.score - chance[tallied.first, tallied.second]
    np.add.at(found, (tallied.prompt, tallied.first), surplus)
    np.add.at(found, (tallied.prompt, tallied.second), -surplus)
    return found
