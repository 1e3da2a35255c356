"""What somebody states of a model's price: an amount, amounts by quality and size, or what its tokens cost.

What a table does not name, or a request leaves to the service, is taken at the dearest of what is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from batchgen.errors import nearest
from batchgen.manifest import scalars
from batchgen.tokens import TokenRates
from batchgen.wording import shown

TOKENS_KEY, AT_MOST_KEY = "per_million_tokens", "at_most"

_SIZE = re.compile(r"[1-9][0-9]{0,4}x[1-9][0-9]{0,4}", re.ASCII)
_QUALITY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}", re.ASCII)
_KNOWN_QUALITIES = ("auto", "low", "medium", "high", "standard", "hd")
_RATES = tuple(field.name for field in fields(TokenRates))
_REQUIRED = ("text_in", "image_in", "image_out")


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Amounts in micro-dollars, each for a quality and a size; an empty one stands for any."""

    amounts: tuple[tuple[str, str, int], ...]

    def of(self, quality: str, size: str) -> tuple[int, int]:
        """Return the least and the most that a picture of such a quality and size costs."""
        by_quality: dict[str, dict[str, int]] = {}
        for named, of_size, amount in self.amounts:
            by_quality.setdefault(named, {})[of_size] = amount
        tables = [by_quality[quality]] if quality in by_quality else [*by_quality.values()]
        found = [amount for table in tables for amount in ([table[size]] if size in table else table.values())]
        return min(found), max(found)


@dataclass(frozen=True, slots=True)
class StatedPrice:
    """The price of one model: what a picture costs, or what tokens cost and what a whole request costs at most."""

    pictures: PriceTable | None = None
    rates: TokenRates | None = None
    at_most: PriceTable | None = None


def flat(amount_microusd: int) -> StatedPrice:
    """Return the price of a model whose pictures all cost the same."""
    return StatedPrice(_any(amount_microusd))


def _any(amount_microusd: int) -> PriceTable:
    return PriceTable((("", "", amount_microusd),))


def stated_price(found: object) -> StatedPrice:
    """Return the price that a job file states. Raise :class:`ValueError` with a text that begins with "must be"."""
    if not isinstance(found, Mapping):
        return StatedPrice(_amounts(found))
    if TOKENS_KEY not in found:
        if AT_MOST_KEY in found or set(found) & set(_RATES):
            raise ValueError(f"must be an amount, a table, or tokens: `{{{TOKENS_KEY}: {{text_in: 5, …}}}}`")
        return StatedPrice(_amounts(found))
    if unknown := [str(name) for name in found if name not in {TOKENS_KEY, AT_MOST_KEY}]:
        raise ValueError(
            f"must be `{TOKENS_KEY}` with `{AT_MOST_KEY}` beside it and nothing else: {_meant(unknown[0])}"
        )
    at_most = found.get(AT_MOST_KEY)
    return StatedPrice(rates=_rates(found[TOKENS_KEY]), at_most=None if at_most is None else _amounts(at_most))


def _meant(name: str) -> str:
    hint = nearest(name, (TOKENS_KEY, AT_MOST_KEY))
    return f"{shown(name)} is unknown" + (f" ({hint})" if hint else "")


def _rates(found: object) -> TokenRates:
    example = "such as {text_in: 5, image_in: 10, image_out: 40}"
    if not isinstance(found, Mapping):
        raise ValueError(f"must be prices of a million tokens in US dollars, {example}")  # noqa: TRY004 -- pydantic
    for name in found:
        if name not in _RATES:
            hint = nearest(str(name), _RATES) or f"known are {', '.join(_RATES)}"
            raise ValueError(f"must be prices of a million tokens, {example}: {shown(str(name))} is none ({hint})")
    if missing := [name for name in _REQUIRED if found.get(name) is None]:
        raise ValueError(f"must be prices of a million tokens, {example}: {missing[0]} is missing")
    return TokenRates(**{name: scalars.money(amount) for name, amount in found.items() if amount is not None})


def _amounts(found: object) -> PriceTable:
    if not isinstance(found, Mapping):
        return _any(scalars.money(found))
    rows = tuple(_rows(found))
    if not rows:
        raise ValueError("must be an amount, or a table with an amount for each quality or size")
    if len({quality == "" for quality, _, _ in rows}) > 1:
        raise ValueError("must be a table by quality, with sizes below a quality, or by size: this one mixes them")
    return PriceTable(rows)


def _rows(found: Mapping[Any, object]) -> Iterator[tuple[str, str, int]]:
    for name, amount in found.items():
        if _SIZE.fullmatch(str(name)):
            yield "", str(name), _money(str(name), amount)
            continue
        _check_quality(str(name))
        if not isinstance(amount, Mapping):
            yield str(name), "", _money(str(name), amount)
            continue
        if not amount:
            raise ValueError(f"must be a table with an amount for each size: {name} has none")
        for size, price in amount.items():
            if not _SIZE.fullmatch(str(size)):
                raise ValueError(
                    f"must be a table by quality and size: {shown(str(size))} is no size such as 1024x1024"
                )
            yield str(name), str(size), _money(f"{name}, {size}", price)


def _check_quality(name: str) -> None:
    hint = nearest(name, _KNOWN_QUALITIES) if name not in _KNOWN_QUALITIES else ""
    if hint or not _QUALITY.fullmatch(name):
        means = f" ({hint})" if hint else ""
        raise ValueError(
            f"must be a table by quality and size: {shown(name)} is neither a quality such as high nor a size such as "
            f"1024x1024{means}"
        )


def _money(place: str, found: object) -> int:
    try:
        return scalars.money(found)
    except ValueError as error:
        raise ValueError(f"must be a table of amounts: {place} {error}") from None


_RATES_SAID = {
    "text_in": "Tokens of the prompt",
    "image_in": "Tokens of input pictures",
    "image_out": "Tokens of the picture",
    "text_out": "Tokens of text in the answer",
}


def _json_schema() -> dict[str, Any]:
    amount = {"type": ["number", "string"], "minimum": 0, "pattern": r"^[0-9]+(\.[0-9]+)?$"}
    sizes = {"type": "object", "minProperties": 1, "patternProperties": {f"^{_SIZE.pattern}$": amount}}
    sizes["additionalProperties"] = False
    qualities = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{_QUALITY.pattern}$", "not": {"enum": [TOKENS_KEY, AT_MOST_KEY, *_RATES]}},
        "additionalProperties": {"anyOf": [amount, sizes]},
    }
    price = {"anyOf": [amount, sizes, qualities]}
    rates = {
        "type": "object",
        "properties": {name: {**amount, "description": said} for name, said in _RATES_SAID.items()},
        "required": list(_REQUIRED),
        "additionalProperties": False,
    }
    tokens = {
        "type": "object",
        "properties": {
            TOKENS_KEY: {**rates, "description": "USD for a million tokens of each kind, as the service lists them"},
            AT_MOST_KEY: {**price, "description": "The most that a request costs, for budgets: an amount or a table"},
        },
        "required": [TOKENS_KEY],
        "additionalProperties": False,
    }
    return {"anyOf": [*price["anyOf"], tokens]}


JSON_SCHEMA = _json_schema()
