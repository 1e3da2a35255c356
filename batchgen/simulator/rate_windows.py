"""Rate limits by fixed windows, as the service counts them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """The result of one more request: whether it is allowed, and what is left of the window."""

    allowed: bool
    limit: int
    remaining: int
    reset_s: int


class FixedWindow:
    """Counts requests per caller in windows of whole seconds."""

    def __init__(self, window_s: int) -> None:
        self.window_s = window_s
        self._window = -1
        self._taken: Counter[str] = Counter()

    def take(self, caller: str, limit: int, now_s: float) -> Allowance:
        """Count a request of ``caller`` at ``now_s``, and return its allowance."""
        window = int(now_s // self.window_s)
        if window != self._window:
            self._window = window
            self._taken.clear()
        self._taken[caller] += 1
        left = limit - self._taken[caller]
        reset_s = max(1, math.ceil((window + 1) * self.window_s - now_s))
        return Allowance(allowed=left >= 0, limit=limit, remaining=max(0, left), reset_s=reset_s)


def images_per_s(balance_microusd: int) -> int:
    """Return the account's limit for pictures: four a second for every dollar left, from 6 to 100."""
    return max(6, min(100, balance_microusd * 4 // 1_000_000))


def videos_per_s(balance_microusd: int) -> int:
    """Return the account's limit for videos: one a second for every six dollars left, from 1 to 20."""
    return max(1, min(20, balance_microusd // 6_000_000))
