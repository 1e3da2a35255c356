"""What the votes weigh: on which pairs the strengths rest, and how much less many votes on one prompt say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from batchgen.compare.bradley_terry import Floats, chances
from batchgen.compare.comparison_graph import components
from batchgen.compare.counts import Tally, matrix


@dataclass(frozen=True, slots=True)
class Leverage:
    """``leverage[i, j]``: the share of a parameter that the votes on a pair settle; over all pairs of a group of n
    models that were compared it adds up to n - 1.

    ``design_effect``: the variance of the strengths as the prompts show it, over that of as many independent votes, on
    average and at least 1 (the first-order correction of Rao and Scott, Annals of Statistics 12, 1984).
    """

    leverage: Floats
    design_effect: float


def weigh(counted: Tally, fitted: Floats) -> Leverage:
    """The weight of ``counted``, at least one vote, at the strengths ``fitted``."""
    met = matrix(counted)
    chance = chances(fitted)
    information = met.votes * chance * (1 - chance)
    covariance = np.linalg.pinv(np.diag(information.sum(axis=1)) - information, hermitian=True)
    variance = np.diag(covariance)
    leverage = information * (variance[:, None] + variance[None, :] - 2 * covariance)
    scores = _scores(counted, chance)
    free = len(fitted) - len(components(met.halved))
    return Leverage(
        # Rounding may leave a pair without votes a hair below nothing.
        leverage=np.maximum(leverage, 0.0),
        design_effect=max(1.0, float(((scores @ covariance) * scores).sum()) / free),
    )


def _scores(counted: Tally, chance: Floats) -> Floats:
    """``[prompt, model]``: how many votes the model won there beyond what its strength promises."""
    found = np.zeros((counted.prompts, len(counted.titles)))
    surplus = counted.score - chance[counted.first, counted.second]
    np.add.at(found, (counted.prompt, counted.first), surplus)
    np.add.at(found, (counted.prompt, counted.second), -surplus)
    return found
