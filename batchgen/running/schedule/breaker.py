"""Stops sending to a model that keeps failing, and tries it again with one request at a time.

Throttling and refusals don't count: a service that refuses is at work. Numbers as documented in docs/design.md.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Hashable

from batchgen.provider.interface import Failed, Verdict

STRAIGHT_FAILURES = 5
WINDOW_S = 60.0
WINDOW_ATTEMPTS = 10
WINDOW_SHARE = 0.5
FIRST_PROBE_S = 15.0
LONGEST_PROBE_S = 300.0
# So many answers of one kind, and not one picture, mean that none of these requests will bring one.
EQUAL_ANSWERS = 3

_COUNTED = frozenset({Verdict.DOUBT, Verdict.PASSING, Verdict.OVERLOADED, Verdict.UNCLEAR})


class Breaker:
    """Of one lane: closed while requests pass, open while they don't, half open while one probe is under way."""

    def __init__(self) -> None:
        self._straight = 0
        self._recent: deque[tuple[float, bool]] = deque()
        self._open_since = math.inf
        self._probe_at = -math.inf
        self._probe_wait_s = FIRST_PROBE_S
        self._probing = False

    @property
    def is_open(self) -> bool:
        return self._open_since < math.inf

    def blocked_until(self, now: float) -> float:
        """Return when the next request may be sent; infinite while a probe is under way."""
        if not self.is_open:
            return now
        return math.inf if self._probing else max(now, self._probe_at)

    def beyond(self, patience_s: float) -> bool:
        """Return whether the next probe would come later than ``patience_s`` after the failures began."""
        return self.is_open and self._probe_at - self._open_since > patience_s

    def started(self) -> None:
        """Note that a request is sent: a probe, if the breaker is open."""
        self._probing = self.is_open

    def succeeded(self, now: float) -> None:
        """Note that an answer came: whatever was wrong is over."""
        self._count(now, failed=False)
        self._straight = 0
        self._open_since = math.inf
        self._probing = False
        self._probe_wait_s = FIRST_PROBE_S

    def failed(self, verdict: Verdict, now: float) -> None:
        """Note an attempt without a picture; verdicts that say nothing of the service's health only end a probe."""
        probed, self._probing = self._probing, False
        if verdict not in _COUNTED:
            return
        self._straight += 1
        self._count(now, failed=True)
        if probed:
            self._probe_wait_s = min(LONGEST_PROBE_S, self._probe_wait_s * 2)
            self._probe_at = now + self._probe_wait_s
        elif not self.is_open and (self._straight >= STRAIGHT_FAILURES or self._mostly_failing()):
            self._open_since = now
            self._probe_at = now + self._probe_wait_s

    def unsent(self) -> None:
        """Note that the request :meth:`started` announced was not sent after all."""
        self._probing = False

    def _count(self, now: float, *, failed: bool) -> None:
        self._recent.append((now, failed))
        while self._recent[0][0] < now - WINDOW_S:
            self._recent.popleft()

    def _mostly_failing(self) -> bool:
        failures = sum(failed for _, failed in self._recent)
        return len(self._recent) >= WINDOW_ATTEMPTS and failures >= WINDOW_SHARE * len(self._recent)


class Alike:
    """The count of answers that were alike and brought no picture, as long as none brought one.

    ``forgets``: a picture in between only begins the count anew.
    """

    def __init__(self, *, forgets: bool = False) -> None:
        self._forgets = forgets
        self._equal: Counter[Hashable] = Counter()
        self._stored = False

    def succeeded(self) -> None:
        """Note that an answer brought a picture."""
        self._stored = True
        if self._forgets:
            self._equal.clear()

    def noticed(self, kind: Hashable) -> bool:
        """Return whether this answer without a picture is one too many of its ``kind``."""
        self._equal[kind] += 1
        return self._equal[kind] >= EQUAL_ANSWERS and (self._forgets or not self._stored)


def kind_of(failed: Failed) -> Hashable | None:
    """Return what makes two failures alike; ``None`` for those that say nothing of the requests after them.

    A refusal by a content filter speaks of its prompt alone. What a gateway says, and a connection that is cut, passes:
    the breaker sees to that.
    """
    if failed.verdict is Verdict.REFUSED:
        return None if failed.reason in {"moderation", "refused"} else (failed.status, failed.reason)
    if failed.reason == "answer_cut":
        return None
    answered = failed.status is not None and 200 <= failed.status < 300
    if failed.verdict is Verdict.SPOILED or (failed.verdict is Verdict.DOUBT and answered):
        return failed.verdict, failed.reason
    return None
