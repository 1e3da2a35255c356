"""What a generation costs and how long it takes: both follow from the request alone."""

import math
from statistics import NormalDist

from batchgen.simulator.chance import chance
from batchgen.simulator.offered_models import OfferedModel

# Costs are stated in steps of 1e-4 USD, always upward.
_STEP_MICROUSD = 100
_LEAN = {"low": -1.0, "medium": 0.0, "auto": 0.0, "high": 0.8}
_REFERENCE_PIXELS = 1024 * 1024


def cost_microusd(model: OfferedModel, quality: str, width: int, height: int, seconds: float = 0.0) -> int:
    """Return the cost: the average at medium quality and 1024x1024, up to the most for better and larger ones.

    A video costs its average at the length that ``auto`` means, and in proportion at others.
    """
    least, average, most = model.price_microusd
    if model.seconds:
        cost = min(max(average * seconds / model.seconds[0], least), most)
        return math.ceil(round(cost / _STEP_MICROUSD, 6)) * _STEP_MICROUSD
    doublings = math.log2(max(1, width * height) / _REFERENCE_PIXELS)
    lean = (_LEAN[quality] if model.takes_quality else 0.0) + 0.2 * max(-1.0, min(1.0, doublings))
    lean = max(-1.0, min(1.0, lean))
    cost = average + lean * ((most - average) if lean > 0 else (average - least))
    return math.ceil(round(cost / _STEP_MICROUSD, 6)) * _STEP_MICROUSD


def latency_s(model: OfferedModel, seed: int, *request: object) -> float:
    """Return a sample of the model's lognormal latency in seconds, the same for the same request."""
    share = min(max(chance(seed, "latency", *request), 1e-6), 1 - 1e-6)
    return model.median_s * math.exp(model.sigma * NormalDist().inv_cdf(share))
