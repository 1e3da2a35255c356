"""How fast one lane goes, and when it will be through, on a clock of its own.

The clock runs by ticks: a machine that slept, a clock that was set, and a pause that a person asked for take no time on
it. What the service makes a lane wait for does, since that will happen again.
"""

from __future__ import annotations

import math
from collections import deque

# What happened so long ago counts a third: long enough for the waits a throttled lane lives with, short enough to
# notice a limit that changed. Of a slow lane, so many answers count, and of one that waits long, so many waits.
MEMORY_S = 20.0
MEMORY_ANSWERS = 20
MEMORY_WAITS = 3
# From so many answers, and so many seconds after the first one, there is a rate.
FIRST_ANSWERS = 5
FIRST_SPAN_S = 3.0
# Ticks come several times a second: more between two of them is a machine that slept, or a clock that was set.
LONGEST_TICK_S = 5.0
_LATENCIES = 64


class Pace:
    """The pace of one lane: how many of its requests end in which time, and how long its answers take."""

    def __init__(self) -> None:
        self._clock_s = 0.0
        self._ticked_at: float | None = None
        self._started_s = 0.0
        self._first_s: float | None = None
        self._count = 0
        # Ends and seconds, both fading with age; what a wait holds back until the wait is over.
        self._ends = 0.0
        self._span_s = 0.0
        self._new_ends = 0
        self._waited_s = 0.0
        self._longest_wait_s = 0.0
        self._latencies_s: deque[float] = deque(maxlen=_LATENCIES)
        self._shown_s: float | None = None

    def tick(self, now: float, *, blocked: bool = False, frozen: bool = False) -> float:
        """Advance to ``now``, and return by how many seconds.

        ``blocked``: the service lets the lane send nothing at present. ``frozen``: a person doesn't.
        """
        step_s = 0.0 if self._ticked_at is None else now - self._ticked_at
        self._ticked_at = now
        if frozen or not 0 < step_s <= LONGEST_TICK_S:
            step_s = 0.0
        if frozen:
            # What lands during a pause was sent before it: without its time it would make the lane look faster.
            self._new_ends = 0
        self._clock_s += step_s
        if self._first_s is None:
            return step_s
        self._waited_s += step_s
        if blocked:
            self._longest_wait_s = max(self._longest_wait_s, self._waited_s)
        else:
            self._fade(self._waited_s)
            self._waited_s = 0.0
        return step_s

    def started(self) -> None:
        """Note that a request was sent."""
        self._started_s = self._clock_s

    def answered(self, latency_s: float) -> None:
        """Note how long an answer took."""
        self._latencies_s.append(latency_s)

    def ended(self) -> None:
        """Note that a request needs nothing more."""
        self._count += 1
        if self._first_s is None:
            # Of the first end only its time counts: the time before it is no measure of a rate.
            self._first_s = self._clock_s
            return
        self._new_ends += 1

    def latency_s(self, share: float = 0.5) -> float | None:
        """Return the latency that a ``share`` of the newest answers stayed below."""
        if not self._latencies_s:
            return None
        ordered = sorted(self._latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def rate_per_s(self) -> float | None:
        """Return how many requests end in a second, lately; ``None`` before anybody can know.

        A wait that has not ended yet is left out: :meth:`left_s` counts what is still to come of it.
        """
        if self._first_s is None or self._count < FIRST_ANSWERS or self._clock_s - self._first_s < FIRST_SPAN_S:
            return None
        return self._ends / self._span_s if self._ends and self._span_s else None

    def left_s(
        self,
        *,
        unsent: float,
        in_flight: int,
        blocked_s: float = 0.0,
        due_s: float = 0.0,
        most_per_s: float | None = None,
    ) -> float | None:
        """Return in how many seconds the lane is through: what it waits for, what it must send, and the last answer.

        The last of the retries is due in ``due_s``; no more than ``most_per_s`` may start.
        """
        if unsent <= 0 and not in_flight:
            return 0.0
        last_s = self.latency_s(0.75)
        if unsent <= 0:
            return None if last_s is None else max(0.5, last_s - (self._clock_s - self._started_s))
        rate = self.rate_per_s()
        if rate is None:
            return None
        if most_per_s is not None:
            rate = min(rate, most_per_s)
        return blocked_s + max(due_s, unsent / rate) + (last_s or 0.0)

    def shown_s(self, left_s: float | None, step_s: float) -> float | None:
        """Return ``left_s`` as people want to see it: counting down with the clock, and never jumping."""
        if left_s is None or self._shown_s is None:
            self._shown_s = left_s
            return left_s
        expected_s = max(0.0, self._shown_s - step_s)
        share = 1 - math.exp(-step_s / min(8.0, max(1.0, left_s / 5)))
        self._shown_s = expected_s + (left_s - expected_s) * share
        return self._shown_s

    def _fade(self, span_s: float) -> None:
        rate = self._ends / self._span_s if self._span_s else 0.0
        answers_s = MEMORY_ANSWERS / rate if rate else 0.0
        memory_s = max(MEMORY_S, answers_s, MEMORY_WAITS * self._longest_wait_s)
        kept = math.exp(-span_s / memory_s)
        self._ends = self._ends * kept + self._new_ends
        self._span_s = self._span_s * kept + memory_s * (1 - kept)
        self._new_ends = 0
