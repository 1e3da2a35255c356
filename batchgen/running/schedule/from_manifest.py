"""How fast and how patient a run is, from what its manifest says."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from batchgen.manifest import Limits, Rate, Retry
from batchgen.running.buy.retry import Policy
from batchgen.running.schedule.lanes import Lane
from batchgen.running.schedule.rate_limits import ConcurrencyLimit, StartRate

# What a rate may start at once; over a longer window the whole count may, since nobody means to spread a day evenly.
_BURST = 5
_BURST_WINDOW_S = 60.0


def policy_of(retry: Retry, *, strict: bool) -> Policy:
    """Return how patient a run is; a strict run repeats nothing whose outcome is unknown."""
    return Policy(
        attempts=retry.attempts,
        deadline_s=retry.deadline_s,
        video_deadline_s=retry.video_deadline_s,
        max_wait_s=retry.max_wait_s,
        retry_doubt=retry.on_doubt == "retry" and not strict,
    )


def lanes_of(models: Iterable[str], limits: Limits, *, shards: int = 1) -> list[Lane]:
    """Return a lane for each model, within the limits that are meant for the model.

    ``limits`` are those of one of ``shards`` processes that start at the same time.
    """
    # The rate a service states in its headers is the account's: lanes that follow it share one bucket.
    stated = StartRate(None, follow=limits.adaptive, shards=shards)
    return [_lane(model, limits, stated, shards) for model in models]


def _lane(model: str, limits: Limits, stated: StartRate, shards: int) -> Lane:
    own = [lane for lane in limits.lanes if model == lane.pattern or fnmatchcase(model, lane.pattern)]
    ceilings = [lane.concurrency for lane in own if lane.concurrency is not None]
    rate = next((lane.rate for lane in own if lane.rate is not None), limits.rate)
    limit = ConcurrencyLimit(min([limits.concurrency, *ceilings]), adaptive=limits.adaptive)
    return Lane(
        model,
        limit,
        stated if rate is None else start_rate(rate, shards=shards),
        own_ceiling=min(ceilings) if ceilings else None,
    )


def start_rate(rate: Rate, *, shards: int = 1) -> StartRate:
    """Return the token bucket for a rate that a person wrote down, or for one shard's part of it."""
    # Shards that start at the same time must not start a whole burst each.
    burst = max(1, _BURST // shards) if rate.window_s <= _BURST_WINDOW_S else max(1, int(rate.count))
    # A rate the user wrote down is a limit: the service's own headers don't raise it.
    return StartRate(rate.starts_per_s, burst=min(burst, max(1, int(rate.count))), follow=False)
