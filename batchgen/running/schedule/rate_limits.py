"""How many requests a lane may have in flight, and how fast it may start them; pure arithmetic on a given clock.

A limit starts small, doubles with every clean round until the first cut and grows slowly from then on. There is no
latency gradient: the latency of pictures varies by model and size, so one would throttle for nothing.
"""

from __future__ import annotations

import math
import random

from batchgen.provider.interface import RateLimit

START = 4
CUT_THROTTLED = 0.7
CUT_LOST = 0.8
DEBOUNCE_S = 15.0
SHORTEST_ROUND_S = 1.0
# A round counts only if the limit was really used.
SATURATED = 0.8
# Follow a stated limit at this share of it: other programs may use the same account.
SHARE = 0.8
# A reset further away than this is no window of a start rate, more likely an epoch.
LONGEST_PAUSE_S = 15 * 60.0

# Two throttled answers in a row may be one burst; from the third on, the lane as a whole waits longer each time.
_PATIENT_ROUNDS = 2
LONGEST_THROTTLE_S = 300.0
# A lane that is answered nothing but "too many requests" for so long is closed: its quota is used up.
THROTTLED_FOR_S = 10 * 60.0


class Throttling:
    """The throttled answers of a lane since its last other answer: waits that nobody states grow with them."""

    def __init__(self) -> None:
        self._since = math.inf
        self._rounds = 0
        self._round_ends = -math.inf

    def over(self) -> None:
        """Note an answer that was not throttled."""
        self._since, self._rounds = math.inf, 0

    def noticed(self, now: float, stated_s: float | None) -> float | None:
        """Return how long the lane is to send nothing, by what the service states, or else by full jitter that grows.

        ``None``: one request's own back-off will do.
        """
        self._since = min(self._since, now)
        if now >= self._round_ends:
            self._rounds += 1
            self._round_ends = now + SHORTEST_ROUND_S
        if stated_s is not None:
            return stated_s
        if self._rounds <= _PATIENT_ROUNDS:
            return None
        wait_s = random.uniform(0.5, 1) * min(LONGEST_THROTTLE_S, 2.0**self._rounds)  # noqa: S311 - jitter, no secret
        self._round_ends = now + wait_s
        return wait_s

    def hopeless(self, now: float) -> bool:
        """Return whether nothing but throttled answers came for too long."""
        return now - self._since >= THROTTLED_FOR_S


class ConcurrencyLimit:
    """The most requests a lane may have in flight: between 1 and ``ceiling``, varying if ``adaptive``."""

    def __init__(self, ceiling: int, *, adaptive: bool) -> None:
        self.ceiling = ceiling
        self.now = min(START, ceiling) if adaptive else ceiling
        self._adaptive = adaptive
        self._slow_start = True
        self._cut_at = -math.inf
        self._successes = 0
        self._busiest = 0

    def started(self, in_flight: int) -> None:
        """Note that a request was started; ``in_flight`` counts that request too."""
        self._busiest = max(self._busiest, in_flight)

    def succeeded(self, started_at: float) -> None:
        """Note an answer to a request started at ``started_at``; requests from before a cut prove nothing."""
        if not self._adaptive or started_at < self._cut_at:
            return
        self._successes += 1
        if self._successes >= self.now:
            if self._busiest >= SATURATED * self.now:
                self._grow()
            self._successes = self._busiest = 0

    def cut(self, factor: float, now: float) -> None:
        """Lower the limit, as the service asked; a burst of such answers is one cut."""
        if not self._adaptive or now < self._cut_at + DEBOUNCE_S:
            return
        self.now = max(1, math.floor(self.now * factor))
        self._slow_start = False
        self._cut_at = now
        self._successes = self._busiest = 0

    def bound(self, ceiling: int) -> None:
        """Replace the ceiling, as a person asked: a higher one is tried by doubling again, until the next cut."""
        self._slow_start = self._slow_start or ceiling > self.ceiling
        self.ceiling = ceiling
        self.now = min(self.now, ceiling) if self._adaptive else ceiling
        self._successes = self._busiest = 0

    def was_cut_within(self, span_s: float, now: float) -> bool:
        """Return whether the service asked for less in the last ``span_s`` seconds."""
        return now - self._cut_at <= span_s

    def _grow(self) -> None:
        step = self.now if self._slow_start else max(1, math.floor(self.now * 0.05))
        self.now = min(self.ceiling, self.now + step)


class StartRate:
    """A token bucket over the starts of a lane; without a rate, every start passes.

    ``shards`` is how many processes share the account, and with it the limit that a service states.
    """

    def __init__(self, per_s: float | None, *, burst: int = 5, follow: bool = True, shards: int = 1) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._follow = follow
        self._share = SHARE / shards
        self._tokens = float(burst)
        self._counted_at = -math.inf
        self._paused_until = -math.inf

    @property
    def per_s(self) -> float | None:
        """Return the starts that are allowed in a second; ``None`` if there is no such limit."""
        return self._per_s

    def wait_s(self, now: float) -> float:
        """Return the seconds until a request may start; 0 if a request may start now."""
        paused = self._paused_until - now
        if paused > 0:
            return paused
        if self._per_s is None:
            return 0.0
        tokens = self._tokens_at(now)
        return 0.0 if tokens >= 1 else (1 - tokens) / self._per_s

    def take(self, now: float) -> None:
        """Note that a request starts now."""
        if self._per_s is not None:
            self._tokens = self._tokens_at(now) - 1
            self._counted_at = now

    def heard(self, stated: RateLimit, now: float) -> None:
        """Follow the limit that the service stated, and pause to its reset once nothing is left of the window."""
        if not self._follow:
            return
        self._tokens = self._tokens_at(now) if self._per_s is not None else self._burst
        self._counted_at = now
        self._per_s = self._share * stated.limit / stated.window_s
        self._burst = max(1.0, self._share * stated.limit)
        if stated.remaining == 0:
            self._paused_until = max(self._paused_until, now + min(stated.reset_s, LONGEST_PAUSE_S))

    def _tokens_at(self, now: float) -> float:
        if self._per_s is None or self._counted_at == -math.inf:
            return self._tokens
        return min(self._burst, self._tokens + (now - self._counted_at) * self._per_s)
