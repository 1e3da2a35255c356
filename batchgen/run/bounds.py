"""What ends a run before its plan does, because its user said so: a time of day, failures, and a canary that dies."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio

from batchgen.errors import UsageError
from batchgen.request import State
from batchgen.run.events import Ended, Event

# A share of failures says nothing before so many requests have ended.
SHARE_FROM = 20

_FAILED = frozenset({State.REFUSED, State.SPOILED, State.DOUBT})

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_SPAN = re.compile(r"(?:([0-9]{1,4})d)?(?:([0-9]{1,4})h)?(?:([0-9]{1,5})(?:m|min))?(?:([0-9]{1,6})s)?", re.ASCII)
# The wall clock may be set, and a machine may sleep: it is looked at this often.
_LOOK_S = 15.0


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment from which nothing is sent any more; ``text`` is how its user wrote it."""

    text: str
    at_s: float

    @property
    def reason(self) -> str:
        return f"the deadline {self.text} has come"

    async def wait(self) -> None:
        """Returns once the wall clock is there."""
        while True:
            left_s = self.at_s - time.time()
            if left_s <= 0:
                return
            await anyio.sleep(min(left_s, _LOOK_S))


@dataclass(frozen=True, slots=True)
class MaxFailures:
    """How many requests of a run may end without a picture: a ``count``, or a ``share`` of those that ended."""

    count: int | None = None
    share: float | None = None

    def reached(self, failed: int, ended: int) -> str | None:
        """Why the run is to stop, if it is."""
        if self.count is not None and failed >= self.count:
            return f"{failed} requests of this run failed, and --max-failures is {self.count}"
        if self.share is not None and ended >= SHARE_FROM and failed >= self.share * ended:
            return f"{failed} of {ended} requests of this run failed, and --max-failures is {100 * self.share:g} %"
        return None


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a run ends early. ``canary`` requests are sent before all others, which follow only if they are stored."""

    deadline: Deadline | None = None
    max_failures: MaxFailures | None = None
    canary: int = 0


@dataclass(slots=True)
class Tally:
    """Counts what ended in a run, and what of it failed."""

    ended: int = 0
    failed: list[Ended] = field(default_factory=list)

    def hear(self, event: Event) -> None:
        if isinstance(event, Ended):
            self.ended += 1
            if event.state in _FAILED:
                self.failed.append(event)


def read_deadline(text: str, *, now: datetime | None = None) -> Deadline:
    """``05:30`` (local time, its next occurrence) or a span such as ``90m``. Raises :class:`UsageError`."""
    now = (now or datetime.now(UTC)).astimezone()
    if clock := _CLOCK.fullmatch(text.strip()):
        at = _next(now, int(clock[1]), int(clock[2]))
        return Deadline(text.strip(), at.timestamp())
    span = _SPAN.fullmatch(text.replace(" ", ""))
    if not span or not any(span.groups()):
        raise UsageError(f"--deadline {text!r}: it is a time of day such as 05:30, or a span such as 90m or 1h30m")
    days, hours, minutes, seconds = (int(part or 0) for part in span.groups())
    length_s = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    return Deadline(f"of {text.strip()}", now.timestamp() + length_s)


def read_max_failures(text: str) -> MaxFailures:
    """``10``, or ``5%`` of the requests that ended. Raises :class:`UsageError`."""
    found = re.fullmatch(r"([0-9]{1,9})(?:(\.[0-9]{1,3})? ?(%))?", text.strip(), re.ASCII)
    number = float(f"{found[1]}{found[2] or ''}") if found else 0.0
    if not found or number == 0 or (found[3] and number > 100):
        raise UsageError(f"--max-failures {text!r}: it is a number such as 10, or a share such as 5%")
    return MaxFailures(share=number / 100) if found[3] else MaxFailures(count=int(number))


def failed_canary(failures: Sequence[Ended], stored: int, sent: int) -> str:
    """Why the other requests were not sent."""
    example = f": {failures[0].message}" if failures and failures[0].message else ""
    return f"only {stored} of the {sent} canary requests were stored, so no other was sent{example}"


def _next(now: datetime, hour: int, minute: int) -> datetime:
    # In local days, which a change of the clocks makes longer or shorter.
    today = now.replace(tzinfo=None, hour=hour, minute=minute, second=0, microsecond=0)
    at = today.astimezone()
    return at if at > now else (today + timedelta(days=1)).astimezone()
