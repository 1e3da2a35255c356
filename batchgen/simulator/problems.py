"""The two ways a request fails: turned away, or after it was accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class TurnedAway(Exception):
    """A request that was not accepted: it has a status of its own and costs nothing."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        raw: tuple[Mapping[str, str], bytes] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.code = code
        self.headers = dict(headers or {})
        self.raw = raw  # headers and body of somebody else, instead of the service's JSON


class UnreadableBody(Exception):
    """A body the service can't parse at all; it answers with a bare 500 and no JSON."""


@dataclass(frozen=True, slots=True)
class FailedGeneration:
    """A failed generation. ``status`` and ``code`` are what a service like OpenAI answers instead of 200."""

    kind: str
    message: str
    status: int
    code: str | None = None


def invalid(message: str, *, code: str | None = None) -> TurnedAway:
    """Return the error of an invalid request, a status 400."""
    return TurnedAway(400, "invalid_request_error", message, code=code)
