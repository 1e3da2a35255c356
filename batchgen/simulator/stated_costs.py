"""Where services state what an answer cost: a field of the body, or a header."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Stated = tuple[Mapping[str, Any], Mapping[str, str]]


def _litellm(cost_usd: float) -> Stated:
    return {}, {
        "x-litellm-response-cost": f"{cost_usd:.6f}".rstrip("0"),
        "x-litellm-call-id": "5e6a1f0e-0000-4000-8000-000000000017",
        "x-litellm-model-api-base": "https://api.openai.com",
        "x-litellm-version": "1.80.0",
        "x-litellm-response-duration-ms": "1234.5",
        "x-litellm-key-spend": f"{cost_usd:.6f}",
    }


# The fields beside the pictures and the headers, for a cost in dollars; none of them has ImageRouter's own ``cost``.
COSTS: Mapping[str, Callable[[float], Stated]] = {
    "nowhere": lambda _: ({}, {}),
    "usage_cost": lambda cost_usd: ({"usage": {"cost": cost_usd, "is_byok": False}}, {}),
    "litellm_header": _litellm,
    "text": lambda cost_usd: ({"cost": f"{cost_usd:g}"}, {}),
    "object": lambda cost_usd: ({"cost": {"total": cost_usd, "currency": "USD"}}, {}),
    "extra": lambda cost_usd: ({"x_cost": {"usd": cost_usd}}, {}),
}
