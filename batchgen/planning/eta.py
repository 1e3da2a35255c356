"""The expected duration of a plan, by measured latencies; without those there is none."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from batchgen.manifest import Limits


def expected_s(new: Mapping[str, int], median_ms: Mapping[str, int | None], limits: Limits) -> float | None:
    """Return the seconds that the ``new`` requests to each model take, all lanes at their ceilings.

    ``None`` if one of the models was never measured. A run whose lanes still adapt to the service takes longer.
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
