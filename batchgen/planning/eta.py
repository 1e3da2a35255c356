"""How long a plan will take, by what was measured; where nothing was, nothing is said."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from batchgen.manifest import Limits


def expected_s(new: Mapping[str, int], median_ms: Mapping[str, int | None], limits: Limits) -> float | None:
    """The seconds that so many requests to each model take, all lanes at their ceilings.

    ``None`` where one of the models was never measured. A run that still finds out what a service bears takes longer.
    """
    busy_s, longest_s = 0.0, 0.0
    for model, count in new.items():
        if not count:
            continue
        median = median_ms.get(model)
        if median is None:
            return None
        model_s = count * median / 1000
        busy_s += model_s
        longest_s = max(longest_s, model_s / _ceiling(model, limits), _starting_s(model, count, limits))
    return max(longest_s, busy_s / limits.concurrency)


def _ceiling(model: str, limits: Limits) -> int:
    own = [lane.concurrency for lane in limits.lanes if _matches(model, lane.pattern) and lane.concurrency is not None]
    return min([limits.concurrency, *own])


def _starting_s(model: str, count: int, limits: Limits) -> float:
    own = (lane.rate for lane in limits.lanes if _matches(model, lane.pattern) and lane.rate is not None)
    rate = next(own, limits.rate)
    return (count - 1) / rate.starts_per_s if rate else 0.0


def _matches(model: str, pattern: str) -> bool:
    return model == pattern or fnmatchcase(model, pattern)
