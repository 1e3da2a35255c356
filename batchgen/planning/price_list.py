"""A dated list of public prices that comes with batchgen, for services that state none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

import yaml

from batchgen.manifest import StatedPrice, stated_price

# Gateways put the maker before a model's name, and OpenAI the day of a version behind it.
_DRESS = re.compile(r"^(?:openai|azure)/|-\d{4}-\d{2}-\d{2}$")


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices as they were published on a day: ``pictures`` of a price is what the output of one picture costs."""

    as_of: date
    source: str
    prices: Mapping[str, StatedPrice]

    def find(self, model: str) -> StatedPrice | None:
        """Return the price of a model, also of a dated version and behind its maker's name; ``None`` if unlisted."""
        return self.prices.get(_DRESS.sub("", model))

    def told(self, today: date) -> str:
        """Return what the list is, and how old, in words."""
        days = max((today - self.as_of).days, 0)
        age = f", {days:,} {'day' if days == 1 else 'days'} old" if days else ""
        return f"OpenAI's price list as of {self.as_of}{age} ({self.source})"


@cache
def openai_prices() -> PriceList:
    """Return what OpenAI charges for its image models."""
    found = yaml.safe_load((files("batchgen.planning") / "openai_prices.yaml").read_text(encoding="utf-8"))
    prices = {name: _price(entry) for name, entry in found["models"].items()}
    return PriceList(found["as_of"], found["source"], prices)


def _price(entry: Mapping[str, object]) -> StatedPrice:
    tokens = {name: value for name, value in entry.items() if name != "pictures"}
    rates = stated_price(tokens).rates if tokens else None
    return StatedPrice(stated_price(entry["pictures"]).pictures, rates)
