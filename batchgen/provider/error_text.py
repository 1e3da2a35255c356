"""What a service's error messages mean, by their wording.

The words were seen from ImageRouter's server, the providers behind it, and OpenAI-compatible servers; if several rules
match, the first one decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from batchgen.provider.interface import Verdict


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error message says about its request."""

    verdict: Verdict
    reason: str


_WORDS: tuple[tuple[str, Verdict, str], ...] = (
    # The service could not book the charge or its return: money may have gone.
    (r"(postlog|refund)\w* usage", Verdict.DOUBT, "booking_failed"),
    (
        r"insufficient[ _](credit|balance|quota|fund)|out of credits|exceeded your current quota|\btop[ -]?up\b",
        Verdict.STOP_RUN,
        "insufficient_credits",
    ),
    (
        r"payment required|deposit[ _]required|billing (hard )?limit",
        Verdict.STOP_RUN,
        "insufficient_credits",
    ),
    (r"daily (free )?limit|limit .{0,40}per day|requests per day", Verdict.STOP_LANE, "daily_limit"),
    (r"rate[ _-]?limit|too many requests|\b429\b", Verdict.THROTTLED, "rate_limit"),
    # Node's codes of a failed connection; ECONNREFUSED would match the rule for a refusal.
    (r"\be(conn(refused|reset|aborted)|timedout|notfound|ai_again|pipe)\b", Verdict.PASSING, "provider_error"),
    (r"overloaded|high demand|capacity|service unavailable|temporarily", Verdict.OVERLOADED, "overloaded"),
    (
        r"moderat|content[ _-]polic|flagged|safety|violat|prohibited|nsfw|sensitive|inappropriate|refus",
        Verdict.REFUSED,
        "moderation",
    ),
    (
        r"not support|unsupported|not available|is invalid|invalid (value|size|quality|model|parameter|request)",
        Verdict.REFUSED,
        "invalid_request",
    ),
    (r"must be|too long|does not exist|not found|not allowed", Verdict.REFUSED, "invalid_request"),
    (
        r"try again|time(d )?-?out|internal error|unknown error|not valid json|fetch failed|hang up",
        Verdict.PASSING,
        "provider_error",
    ),
    (r"invalid_request_error", Verdict.REFUSED, "invalid_request"),
)

_RULES = tuple((re.compile(pattern, re.IGNORECASE), Meaning(verdict, reason)) for pattern, verdict, reason in _WORDS)

_UNKNOWN = Meaning(Verdict.UNCLEAR, "unknown_error")


def meaning(message: str, kind: str = "") -> Meaning:
    """Return what an error with this message and this type, or type and code, means for its request."""
    if "timeout_error" in kind.split():
        return Meaning(Verdict.DOUBT, "timeout_error")
    text = f"{kind} {message}"
    return next((meaning for pattern, meaning in _RULES if pattern.search(text)), _UNKNOWN)
