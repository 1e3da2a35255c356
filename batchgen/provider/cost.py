"""What an answer says it cost, how many tokens it took, and how long.

Costs are looked for in this order: ``cost`` of the answer, ``cost`` of its ``usage``, the headers of the provider's
table. What is no finite number ≥ 0 is passed over for the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from batchgen.money import microusd
from batchgen.tokens import MOST_TOKENS, Usage

# A longer latency than a week is a mistake.
_LONGEST_LATENCY_MS = 7 * 24 * 3600 * 1000
# How deep the numbers of `usage` are kept.
_DEPTH = 3
_MOST_NUMBERS = 32

AS_TEXT = "stated as text"


@dataclass(frozen=True, slots=True)
class StatingHeaders:
    """The headers in which a kind of service states costs in USD and times in milliseconds."""

    cost: tuple[str, ...] = ()
    latency_ms: tuple[str, ...] = ()


# LiteLLM's: https://docs.litellm.ai/docs/proxy/response_headers; OpenAI's time is in its API reference, "Debugging
# requests".
_HEADERS = {
    "openai": StatingHeaders(
        cost=("x-litellm-response-cost",), latency_ms=("x-litellm-response-duration-ms", "openai-processing-ms")
    ),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """What an answer states. ``cost_source`` is ``answer``, ``usage`` or ``header``; ``flag`` says what is odd."""

    cost_microusd: int | None = None
    cost_source: str | None = None
    flag: str | None = None
    usage: Usage | None = None
    latency_ms: int | None = None


def statement(fields: Mapping[str, msgspec.Raw], headers: Sequence[tuple[str, str]], kind: str) -> Statement:
    """Return what an answer of a service of that ``kind`` states, in its JSON ``fields`` and its ``headers``."""
    table = _HEADERS.get(kind, StatingHeaders())
    found = dict(reversed(headers))
    usage = _object(fields.get("usage"))
    latencies = (fields.get("latency"), *(_raw(found.get(name)) for name in table.latency_ms))
    latency_ms = next((latency for raw in latencies if (latency := _latency_ms(raw)) is not None), None)
    for source, raw in _costs(fields, usage, [found.get(name) for name in table.cost]):
        amount, flag = _amount(raw)
        # A gateway's header says 0 for a model it knows no price of: https://github.com/BerriAI/litellm/issues/10023
        if amount is not None and (amount or source != "header"):
            flag = None if source == "header" else flag
            return Statement(amount, source, flag, _usage(usage), latency_ms)
    return Statement(usage=_usage(usage), latency_ms=latency_ms)


def _costs(
    fields: Mapping[str, msgspec.Raw], usage: Mapping[str, msgspec.Raw], headers: Sequence[str | None]
) -> Iterator[tuple[str, msgspec.Raw | None]]:
    yield "answer", fields.get("cost")
    yield "usage", usage.get("cost")
    for value in headers:
        yield "header", _raw(value)


def _raw(value: str | None) -> msgspec.Raw | None:
    return None if value is None else msgspec.Raw(value.strip().encode())


def _object(raw: msgspec.Raw | None) -> Mapping[str, msgspec.Raw]:
    try:
        return _decode_object(raw) if raw is not None else {}
    except (ValueError, RecursionError):
        return {}


_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _amount(raw: msgspec.Raw | None) -> tuple[int | None, str | None]:
    """Return an amount in millionths, and a flag if it came as text; no amount for ``true``, ``"free"`` and the like.

    It stays text until it is read as a decimal: a float in between would lose micro-dollars.
    """
    text = bytes(raw).decode("utf-8", "replace") if raw is not None else ""
    bare = text.strip('"').strip()
    amount = microusd(bare) if bare[:1].isdigit() else None
    return amount, AS_TEXT if amount is not None and text.startswith('"') else None


def _latency_ms(raw: msgspec.Raw | None) -> int | None:
    millionths, _ = _amount(raw)
    latency_ms = millionths // 1_000_000 if millionths is not None else None
    return latency_ms if latency_ms is not None and latency_ms < _LONGEST_LATENCY_MS else None


def _usage(raw: Mapping[str, msgspec.Raw]) -> Usage | None:
    """Return the tokens of an answer, in the words of OpenAI's images or those of its chats; ``None`` without any."""
    total_in = _first(raw, "input_tokens", "prompt_tokens")
    total_out = _first(raw, "output_tokens", "completion_tokens")
    into = _object(raw.get("input_tokens_details")) or _object(raw.get("prompt_tokens_details"))
    out = _object(raw.get("output_tokens_details")) or _object(raw.get("completion_tokens_details"))
    image_in, text_out = min(_count(into.get("image_tokens")), total_in), min(_count(out.get("text_tokens")), total_out)
    stated = _numbers(raw, _DEPTH)
    if not stated:
        return None
    return Usage(total_in - image_in, image_in, text_out, total_out - text_out, stated)


def _first(raw: Mapping[str, msgspec.Raw], *names: str) -> int:
    # LiteLLM sends both words, one of them as 0: https://github.com/BerriAI/litellm/issues/18541
    return next((count for name in names if (count := _count(raw.get(name)))), 0)


def _count(raw: msgspec.Raw | None) -> int:
    text = bytes(raw).decode("utf-8", "replace").strip('"') if raw is not None else ""
    return min(int(text), MOST_TOKENS) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _numbers(raw: Mapping[str, msgspec.Raw], depth: int) -> dict[str, object]:
    """Return the whole numbers of ``usage`` by name, as deep as it matters; a text may hold anything."""
    found: dict[str, object] = {}
    for name, value in list(raw.items())[:_MOST_NUMBERS]:
        if value_text := bytes(value):
            inner = _numbers(_object(value), depth - 1) if depth > 1 and value_text[:1] == b"{" else {}
            if inner:
                found[name[:64]] = inner
            elif value_text.isdigit() and len(value_text) < 16:
                found[name[:64]] = int(value_text)
    return found
