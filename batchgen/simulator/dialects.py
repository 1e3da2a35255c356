"""The two dialects the image endpoints speak: ImageRouter's and OpenAI's."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from batchgen.simulator.fields import JSON_LIMIT_BYTES
from batchgen.simulator.orders import House, Order
from batchgen.simulator.problems import FailedGeneration, TurnedAway
from batchgen.simulator.rate_windows import Allowance


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """A successful generation. ``cost`` is what the answer states, which a fault can falsify or leave out."""

    order: Order
    results: Mapping[str, Any]  # the pictures, under the key of their place
    latency_ms: int
    cost: msgspec.Raw | None
    more: Mapping[str, Any] = field(default_factory=dict)  # fields that other services state costs in


class Dialect(Protocol):
    """The format of one kind of service's answers."""

    # Whether status and headers are sent as soon as a request is accepted; a later failure is then a 200.
    answers_at_once: bool
    json_limit_bytes: int | None

    def house(self, prompt_limit: int) -> House:
        """Return the rules for a request."""
        ...

    def success(self, result: Generated) -> bytes:
        """Return the body of a successful generation."""
        ...

    def failure(self, failure: FailedGeneration) -> tuple[int, bytes]:
        """Return status and body of a failed generation."""
        ...

    def turned_away(self, away: TurnedAway) -> bytes:
        """Return the body for a request that was not admitted."""
        ...

    def limit_headers(self, standing: Allowance) -> dict[str, str]:
        """Return the headers that state the rate limit."""
        ...


class ImageRouterDialect:
    """ImageRouter's own: 200 at once, milliseconds, and a cost in every answer."""

    answers_at_once = True
    json_limit_bytes: int | None = JSON_LIMIT_BYTES

    def house(self, prompt_limit: int) -> House:
        return House(prompt_limit=prompt_limit)

    def success(self, result: Generated) -> bytes:
        answer: dict[str, Any] = {
            "created": time.time_ns() // 1_000_000,
            **result.results,
            "latency": result.latency_ms,
            **result.more,
        }
        if result.cost is not None:
            answer["cost"] = result.cost
        return msgspec.json.encode(answer)

    def failure(self, failure: FailedGeneration) -> tuple[int, bytes]:
        return 200, msgspec.json.encode({"error": {"message": failure.message, "type": failure.kind}})

    def turned_away(self, away: TurnedAway) -> bytes:
        return msgspec.json.encode({"error": {"message": away.message, "type": away.kind}})

    def limit_headers(self, standing: Allowance) -> dict[str, str]:
        return {
            "RateLimit-Policy": f"{standing.limit};w=1",
            "RateLimit-Limit": str(standing.limit),
            "RateLimit-Remaining": str(standing.remaining),
            "RateLimit-Reset": str(standing.reset_s),
        }


class OpenAIDialect:
    """OpenAI's: an answer when it is ready, with its real status, seconds, and no cost."""

    answers_at_once = False
    json_limit_bytes: int | None = None

    def house(self, prompt_limit: int) -> House:
        return House(prompt_limit=prompt_limit, takes_n=True, gpt_image_as_openai=True)

    def success(self, result: Generated) -> bytes:
        answer: dict[str, Any] = {"created": int(time.time()), **result.results, **result.more}
        if result.order.usage is not None:
            answer["usage"] = {**result.order.usage.stated(), **result.more.get("usage", {})}
        return msgspec.json.encode(answer)

    def failure(self, failure: FailedGeneration) -> tuple[int, bytes]:
        return failure.status, _openai_error(failure.message, failure.kind, failure.code)

    def turned_away(self, away: TurnedAway) -> bytes:
        kind = "invalid_request_error" if away.status in {401, 403, 404} else away.kind
        return _openai_error(away.message, kind, away.code)

    def limit_headers(self, standing: Allowance) -> dict[str, str]:
        return {
            "x-ratelimit-limit-requests": str(standing.limit),
            "x-ratelimit-remaining-requests": str(standing.remaining),
            "x-ratelimit-reset-requests": f"{standing.reset_s}s",
        }


def _openai_error(message: str, kind: str, code: str | None) -> bytes:
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})
