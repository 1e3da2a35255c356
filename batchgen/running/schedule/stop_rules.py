"""What ends a run before its plan does, because its user said so: a time of day, failures, and a canary that fails."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio

from batchgen.errors import UsageError
from batchgen.manifest import MaxFailures, StopTime, max_failures, stop_time
from batchgen.request import State
from batchgen.running.events import Ended, Event
from batchgen.wording import counted

# A share of failures says nothing before so many requests have ended.
SHARE_FROM = 20

_FAILED = frozenset({State.REFUSED, State.SPOILED, State.DOUBT})

# The wall clock may be set, and a machine may sleep: the clock is looked at this often.
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
        """Return once the wall clock has reached the deadline."""
        while True:
            left_s = self.at_s - time.time()
            if left_s <= 0:
                return
            await anyio.sleep(min(left_s, _LOOK_S))


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a run ends early. ``canary`` requests are sent before all others, which need all of these stored."""

    deadline: Deadline | None = None
    max_failures: MaxFailures | None = None
    canary: int = 0


@dataclass(slots=True)
class FailureCount:
    """The count of requests that ended in a run, and the failures among them."""

    ended: int = 0
    failed: list[Ended] = field(default_factory=list)

    def hear(self, event: Event) -> None:
        if isinstance(event, Ended):
            self.ended += 1
            if event.state in _FAILED:
                self.failed.append(event)


def read_deadline(text: str, *, now: datetime | None = None) -> Deadline:
    """Return the deadline that ``--deadline`` asks for, as :func:`deadline_at` does. Raise :class:`UsageError`."""
    try:
        return deadline_at(stop_time(text), now=now)
    except ValueError as error:
        raise UsageError(f"--deadline {text!r}: it {error}") from None


def deadline_at(stop: StopTime, *, now: datetime | None = None) -> Deadline:
    """Return the next occurrence of a time of day in local time, or a span from ``now``."""
    now = (now or datetime.now(UTC)).astimezone()
    if stop.after_s is None:
        return Deadline(stop.text, _next(now, stop.hour, stop.minute).timestamp())
    return Deadline(f"of {stop.text}", now.timestamp() + stop.after_s)


def read_max_failures(text: str) -> MaxFailures:
    """Return the limit that ``10``, or ``5%`` of the requests that ended, asks for. Raise :class:`UsageError`."""
    try:
        return max_failures(text)
    except ValueError as error:
        raise UsageError(f"--max-failures {text!r}: it {error}") from None


def reached(limit: MaxFailures, failed: int, ended: int) -> str | None:
    """Return why the run is to stop, or ``None``."""
    if limit.count is not None and failed >= limit.count:
        return f"{counted(failed, 'request')} of this run failed, and max_failures is {limit.count}"
    if limit.share is not None and ended >= SHARE_FROM and failed >= limit.share * ended:
        return (
            f"{failed:,} of {counted(ended, 'request')} of this run failed, and max_failures is {100 * limit.share:g} %"
        )
    return None


def failed_canary(failures: Sequence[Ended], stored: int, sent: int) -> str:
    """Return why the other requests were not sent."""
    example = f": {failures[0].message}" if failures and failures[0].message else ""
    return f"the canary stored only {stored:,} of {counted(sent, 'request')}, so no other was sent{example}"


def _next(now: datetime, hour: int, minute: int) -> datetime:
    # In local days, which a change of the clocks makes longer or shorter.
    today = now.replace(tzinfo=None, hour=hour, minute=minute, second=0, microsecond=0)
    at = _local(today)
    return at if at > now else _local(today + timedelta(days=1))


def _local(naive: datetime) -> datetime:
    at = naive.astimezone()
    # An hour that the clocks leave out would be one that has passed, and the run would send for another day.
    return at if at.replace(tzinfo=None) == naive else naive.replace(fold=1).astimezone()
