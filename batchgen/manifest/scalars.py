"""Numbers, durations, rates and money read from a job file's text.

Every function takes the file's value and raises :class:`ValueError` with a text that begins with "must be".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from batchgen.money import microusd

_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(ms|s|sec|min|m|h|d)", re.ASCII)
_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?/ ?(s|sec|second|min|minute|m|h|hour|d|day)", re.ASCII)

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_SPAN = re.compile(r"(?:([0-9]{1,4})d)?(?:([0-9]{1,4})h)?(?:([0-9]{1,5})(?:m|min))?(?:([0-9]{1,6})s)?", re.ASCII)
_FAILURES = re.compile(r"([0-9]{1,9})(?:(\.[0-9]{1,3})? ?(%))?", re.ASCII)

_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SECONDS |= {"sec": 1.0, "second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` starts in any ``window_s`` seconds; ``text`` is what the user wrote."""

    text: str
    count: float
    window_s: float

    @property
    def starts_per_s(self) -> float:
        return self.count / self.window_s


def whole_within(low: int, high: int) -> Callable[[object], int]:
    """Return a reader of whole numbers from ``low`` to ``high``."""

    def whole(found: object) -> int:
        text = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return whole


def duration_within(low_s: float, high_s: float) -> Callable[[object], float]:
    """Return a reader of durations such as ``90s``, ``15min`` or ``2h``, in seconds."""

    def duration(found: object) -> float:
        match = _DURATION.fullmatch(found.strip()) if isinstance(found, str) else None
        seconds = float(match[1]) * _SECONDS[match[2]] if match else None
        if seconds is None or not low_s <= seconds <= high_s:
            raise ValueError(f"must be a duration such as 90s, 15min or 2h, from {low_s:g}s to {high_s:g}s")
        return seconds

    return duration


def rate(found: object) -> Rate:
    """Return a start rate such as ``5/s``, ``60/min`` or ``50/day``."""
    match = _RATE.fullmatch(found.strip()) if isinstance(found, str) else None
    if not match or not isinstance(found, str) or not 0 < float(match[1]) <= 1_000_000:
        raise ValueError("must be a rate such as 5/s, 60/min or 50/day")
    return Rate(text=found.strip(), count=float(match[1]), window_s=_SECONDS[match[2]])


def money(found: object) -> int:
    """Return the micro-dollars of an amount in USD such as ``25`` or ``0.04``."""
    text = "" if isinstance(found, bool) else str(found)
    amount = microusd(text) if _AMOUNT.fullmatch(text) else None
    if amount is None:
        raise ValueError("must be an amount in US dollars such as 25 or 0.04, without a currency sign")
    return amount


@dataclass(frozen=True, slots=True)
class StopTime:
    """When to stop: at a time of day, or ``after_s`` seconds; ``text`` is what the user wrote."""

    text: str
    hour: int = 0
    minute: int = 0
    after_s: int | None = None


def stop_time(found: object) -> StopTime:
    """Return a time of day such as ``05:30``, or a span such as ``90m`` or ``1h30m``."""
    text = found.strip() if isinstance(found, str) else ""
    if clock := _CLOCK.fullmatch(text):
        return StopTime(text, int(clock[1]), int(clock[2]))
    span = _SPAN.fullmatch(text.replace(" ", ""))
    days, hours, minutes, seconds = (int(part or 0) for part in span.groups()) if span else (0, 0, 0, 0)
    length_s = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not length_s:
        raise ValueError("must be a time of day such as 05:30, or a span such as 90m or 1h30m")
    return StopTime(text, after_s=length_s)


@dataclass(frozen=True, slots=True)
class MaxFailures:
    """How many requests may end without a picture: a ``count``, or a ``share``, up to 1, of those that ended."""

    count: int | None = None
    share: float | None = None


def max_failures(found: object) -> MaxFailures:
    """Return a number such as ``10``, or a share such as ``5%``."""
    text = str(found).strip() if isinstance(found, str | int) and not isinstance(found, bool) else ""
    match = _FAILURES.fullmatch(text)
    number = float(f"{match[1]}{match[2] or ''}") if match else 0.0
    if not match or number == 0 or (match[3] and number > 100):
        raise ValueError("must be a number such as 10, or a share such as 5%")
    return MaxFailures(share=number / 100) if match[3] else MaxFailures(count=int(number))


def number(found: object) -> Decimal:
    """Return an exact number such as ``4``, ``-2`` or ``0.25``."""
    text = found if isinstance(found, str) else ""
    if not _NUMBER.fullmatch(text):
        raise ValueError("must be a number such as 4 or 0.25")
    return Decimal(text)


def truth(found: object) -> bool:
    """Return the truth of ``true`` or ``false``; no other word is taken."""
    if isinstance(found, bool):
        return found
    if found not in ("true", "false"):
        raise ValueError("must be true or false")
    return found == "true"


def natural(found: object) -> object:
    """Return plain text as JSON reads it: numbers and truths become what they look like, in nested values too."""
    if isinstance(found, dict):
        return {name: natural(value) for name, value in found.items()}
    if isinstance(found, list):
        return [natural(value) for value in found]
    if found in ("true", "false"):
        return found == "true"
    if isinstance(found, str) and re.fullmatch(r"-?[0-9]{1,15}", found, re.ASCII):
        return int(found)
    if isinstance(found, str) and re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", found, re.ASCII):
        return float(found)
    return found
