"""When a run will be through, lane by lane: the slowest one says when."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from batchgen.request import State
from batchgen.running.events import LaneProgress
from batchgen.running.schedule.breaker import LONGEST_PROBE_S
from batchgen.running.schedule.lanes import Lane, Lanes
from batchgen.running.schedule.pace import Pace

# So long after the service asked for less, a lane is called throttled.
_THROTTLED_FOR_S = 60.0
# A wait of a moment is no state.
_SHOWN_WAIT_S = 1.0


class Supply(Protocol):
    """What the plan still holds for a lane; the feeder knows."""

    def expected(self, lane: Lane) -> float: ...


@dataclass(frozen=True, slots=True)
class Tracked:
    """All lanes at one moment. ``left`` counts the requests that still need something."""

    lanes: tuple[LaneProgress, ...]
    left: int
    rate_per_s: float | None
    eta_s: float | None


class ProgressTracker:
    """The tracker of one engine's lanes. ``planned`` counts the requests of each model; ``whole``: all are wanted."""

    def __init__(self, lanes: Lanes, supply: Supply, planned: Mapping[str, int], *, whole: bool) -> None:
        self._lanes = lanes
        self._supply = supply
        self._planned = planned
        self._whole = whole
        self._paces = {model: Pace() for model in lanes.by_model}
        self._ended: dict[str, Counter[State]] = {model: Counter() for model in lanes.by_model}
        self._done: Counter[str] = Counter()

    def started(self, model: str) -> None:
        """Note that a request was sent."""
        self._paces[model].started()

    def answered(self, model: str, latency_s: float) -> None:
        """Note how long an answer took."""
        self._paces[model].answered(latency_s)

    def ended(self, model: str, state: State) -> None:
        """Note that a request needs nothing more in this run."""
        self._paces[model].ended()
        self._ended[model][state] += 1

    def look(self, now: float) -> Tracked:
        """Return how far each lane is, and when it will be through; called several times a second."""
        lefts = {model: self._left(lane) for model, lane in self._lanes.by_model.items()}
        shown = tuple(self._lane(lane, lefts[model], now) for model, lane in self._lanes.by_model.items())
        rates = [one.rate_per_s for one in shown if one.rate_per_s is not None and one.done < one.total]
        etas = [one.eta_s for one in shown]
        known = [eta_s for eta_s in etas if eta_s is not None]
        return Tracked(
            lanes=shown,
            left=math.ceil(sum(lefts.values())) + self._lanes.in_flight,
            rate_per_s=sum(rates) if rates else None,
            eta_s=max(known) if len(known) == len(etas) and known else None,
        )

    def _left(self, lane: Lane) -> float:
        """Return how many requests of a lane are still to be sent in this run."""
        if lane.closed is not None or lane.parked is not None or self._lanes.stopped is not None:
            return 0.0
        return lane.open + self._supply.expected(lane)

    def _lane(self, lane: Lane, unsent: float, now: float) -> LaneProgress:
        pace, ended = self._paces[lane.model], self._ended[lane.model]
        short = self._lanes.short is not None and self._lanes.stopped is None
        blocked_s = self._blocked_s(lane, now)
        step_s = pace.tick(now, blocked=blocked_s > 0, frozen=lane.held or short)
        waits_for_a_person = unsent > 0 and (lane.paused or short)
        left_s = None if waits_for_a_person else self._left_s(lane, unsent, blocked_s, now)
        total = self._total(lane, unsent)
        return LaneProgress(
            model=lane.model,
            total=total,
            done=min(total, self._done[lane.model]),
            failed=ended.total() - ended[State.STORED],
            in_flight=lane.in_flight,
            allowed=min(lane.limit.now, self._lanes.ceiling),
            rate_per_s=pace.rate_per_s(),
            p50_s=pace.latency_s(),
            eta_s=pace.shown_s(left_s, step_s),
            state=self._state(lane, unsent, now),
        )

    def _total(self, lane: Lane, unsent: float) -> int:
        """Return how many requests of a lane the run is about, and note how many of them are done, earlier ones too."""
        ended = self._ended[lane.model].total()
        if not self._whole:
            self._done[lane.model] = ended
            return ended + math.ceil(unsent) + lane.in_flight
        total = self._planned.get(lane.model, 0)
        still = math.ceil(lane.open + self._supply.expected(lane)) + lane.in_flight
        # Nobody reads on for a lane that is closed: what was done of it by then stays.
        done = ended if lane.closed is not None else max(ended, total - still)
        self._done[lane.model] = max(self._done[lane.model], done)
        return total

    def _left_s(self, lane: Lane, unsent: float, blocked_s: float, now: float) -> float | None:
        # Retries that are due later than all new work is sent say when the lane is through.
        due_s = 0.0 if lane.queued else max(0.0, lane.last_due() - now)
        return self._paces[lane.model].left_s(
            unsent=unsent, in_flight=lane.in_flight, blocked_s=blocked_s, due_s=due_s, most_per_s=lane.rate.per_s
        )

    @staticmethod
    def _blocked_s(lane: Lane, now: float) -> float:
        """Return how long the service lets a lane send nothing; a rate of starts is no such pause."""
        probe_s = min(lane.breaker.blocked_until(now) - now, LONGEST_PROBE_S)
        return max(0.0, lane.gate_until - now, probe_s)

    def _state(self, lane: Lane, unsent: float, now: float) -> str:
        said = self._still(lane, unsent)
        if said is not None:
            return said
        if lane.breaker.is_open:
            return "failing"
        if lane.gate_until > now:
            return "told to wait"
        if lane.queued and lane.rate.wait_s(now) > _SHOWN_WAIT_S:
            return "rate limit"
        if not lane.open and not lane.in_flight:
            return "reading"
        if not lane.queued and not lane.in_flight and lane.due() > now:
            return "back-off"
        return "throttled" if lane.limit.was_cut_within(_THROTTLED_FOR_S, now) else "at work"

    def _still(self, lane: Lane, unsent: float) -> str | None:
        """Return the state of a lane that has nothing to send, or may send nothing by a person's word."""
        if lane.closed is not None:
            return "closed"
        if lane.parked is not None:
            return "parked"
        if unsent <= 0 and not lane.in_flight:
            return "stopped" if self._lanes.stopped is not None and not lane.exhausted else "done"
        if self._lanes.stopped is not None:
            return "landing"
        if lane.paused:
            return "paused"
        return "out of budget" if self._lanes.short is not None else None
