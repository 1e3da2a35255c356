"""The wait and the start rate that a service asks for, read from the headers of several dialects."""

from __future__ import annotations

import datetime as dt
import email.utils
import math
import re
import time
from collections.abc import Iterator, Mapping

import httpx

from batchgen.provider.interface import RateLimit

SHORTEST_WAIT_S = 0.2

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


def retry_after_s(headers: httpx.Headers, *, now_epoch_s: float) -> float | None:
    """Return the seconds to wait by the first header with a sensible value, or ``None``.

    Order: ``retry-after-ms``, ``retry-after`` (a number, or a date measured against the answer's own ``Date``, which
    makes a wrong local clock harmless), ``RateLimit-Reset``, ``x-ratelimit-reset-requests`` (``6m0s``),
    ``X-RateLimit-Reset`` (seconds, or an epoch in seconds or milliseconds). Of several values the largest counts.
    Whatever is negative, past, infinite or no number is ignored; zero becomes 0.2 s.
    """
    readers = (
        ("retry-after-ms", lambda text: _scaled(text, 1000)),
        ("retry-after", lambda text: _number_or_date(text, headers.get("date"), now_epoch_s)),
        ("ratelimit-reset", _number),
        ("x-ratelimit-reset-requests", _duration),
        ("x-ratelimit-reset", lambda text: _delta(text, now_epoch_s)),
    )
    for name, read in readers:
        # The whole value first: a date has a comma of its own.
        texts = [part for value in headers.get_list(name) for part in (value, *value.split(","))]
        waits = [wait for text in texts if (wait := read(text.strip())) is not None]
        if waits:
            return max(SHORTEST_WAIT_S, *waits)
    return None


def stated_wait_s(value: object, *, now_epoch_s: float | None = None) -> float | None:
    """Return the seconds to wait by a value in a body, under the same rules, or ``None``.

    It may be a number, a duration (``26s``), or a sentence with a duration or a date: "try again in 3s", "resets at
    2026-11-29T00:00:00Z".
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).strip()
    wait = _number(text) if len(text) < _LONGEST_NUMBER else None
    if wait is None:
        wait = _duration(text) if _DURATION.fullmatch(text) else _in_words(text, now_epoch_s or time.time())
    return None if wait is None else max(SHORTEST_WAIT_S, wait)


_LONGEST_NUMBER = 40
_UNITS_S = {"ms": 0.001, "milli": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_AGAIN = r"(?:try again|retry|wait|again|resets?|available|renews?)\b[^.]{0,40}?"
_SENTENCE = re.compile(
    _AGAIN + r"\b(?:in|after|for)?\s*((?:\d+(?:\.\d+)?\s*"
    r"(?:ms|milliseconds?|h(?:ours?|rs?)?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?|d(?:ays?)?)\b[\s,]*(?:and\s+)?)+)",
    re.IGNORECASE,
)
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|milli|[hmsd])", re.IGNORECASE)
_DATE = re.compile(
    _AGAIN + r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*(Z|UTC|[+-]\d\d:?\d\d)?", re.IGNORECASE
)


def _in_words(text: str, now_epoch_s: float) -> float | None:
    if match := _SENTENCE.search(text):
        return sum(float(amount) * _UNITS_S[unit.lower()] for amount, unit in _AMOUNT.findall(match[1]))
    if match := _DATE.search(text):
        zone = match[2] or "Z"
        try:
            moment = dt.datetime.fromisoformat(match[1] + ("+00:00" if zone.upper() in {"Z", "UTC"} else zone))
        except ValueError:
            return None
        wait = moment.timestamp() - now_epoch_s
        return wait if wait > 0 else None
    return None


def rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """Return the start rate in ``RateLimit-Policy: 100;w=1`` and the headers beside it, or ``None`` if incomplete."""
    limit = _number(headers.get("ratelimit-limit", ""))
    remaining = _number(headers.get("ratelimit-remaining", ""))
    if limit is None or remaining is None or limit < 1:
        return None
    window = re.search(r"\bw=(\d{1,9})\b", headers.get("ratelimit-policy", ""))
    reset = _number(headers.get("ratelimit-reset", ""))
    return RateLimit(
        limit=int(limit),
        remaining=int(remaining),
        window_s=float(window[1]) if window and int(window[1]) else 1.0,
        reset_s=reset if reset is not None else 1.0,
    )


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _scaled(text: str, divisor: float) -> float | None:
    number = _number(text)
    return None if number is None else number / divisor


def _number_or_date(text: str, answered: str | None, now_epoch_s: float) -> float | None:
    number = _number(text)
    if number is not None:
        return number
    until = _epoch_s(text)
    if until is None:
        return None
    since = _epoch_s(answered) if answered else None
    wait = until - (since if since is not None else now_epoch_s)
    return wait if wait > 0 else None


def _epoch_s(text: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
        # A date of HTTP is in UTC, also in the old form that does not say so.
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _duration(text: str) -> float | None:
    match = _DURATION.fullmatch(text)
    if not text or not match:
        return _number(text)
    seconds = sum(_parts(match))
    return seconds if math.isfinite(seconds) else None


def _parts(match: re.Match[str]) -> Iterator[float]:
    for amount, seconds in zip(match.groups(), (3600, 60, 1, 0.001), strict=True):
        yield float(amount or 0) * seconds


def _delta(text: str, now_epoch_s: float) -> float | None:
    number = _number(text)
    if number is None:
        return None
    # Values this large can only be a Unix time, in milliseconds or in seconds.
    if number >= 1e11:
        number = number / 1000 - now_epoch_s
    elif number >= 1e9:
        number -= now_epoch_s
    return number if number >= 0 else None
