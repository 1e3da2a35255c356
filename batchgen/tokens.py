"""Tokens that a service counted, and what they cost by the million."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Rates are in micro-dollars for a million tokens.
_MILLION = 1_000_000
# More tokens than this in one answer is no count: such products stay whole numbers of SQLite.
MOST_TOKENS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one answer, by what they stand for; ``stated`` are the service's own numbers, by name.

    What a service counts as input or output without saying which counts as text in and picture out.
    """

    text_in: int = 0
    image_in: int = 0
    text_out: int = 0
    image_out: int = 0
    stated: Mapping[str, object] = field(default_factory=dict, compare=False)

    @property
    def input_tokens(self) -> int:
        return self.text_in + self.image_in

    @property
    def output_tokens(self) -> int:
        return self.text_out + self.image_out


@dataclass(frozen=True, slots=True)
class TokenRates:
    """What a million tokens of each kind cost, in micro-dollars; text that comes back may cost as a picture does."""

    text_in: int
    image_in: int
    image_out: int
    text_out: int | None = None

    def cost_microusd(self, usage: Usage) -> int | None:
        """Return what the tokens cost, to the nearest micro-dollar; ``None`` if there are none."""
        text_out = self.image_out if self.text_out is None else self.text_out
        if not usage.output_tokens:
            # Gateways state zeros for what they did not count: https://github.com/BerriAI/litellm/issues/6278
            return None
        return in_microusd(
            usage.text_in * self.text_in
            + usage.image_in * self.image_in
            + usage.text_out * text_out
            + usage.image_out * self.image_out
        )


def in_microusd(tokens_at_rates: int) -> int:
    """Return the micro-dollars of a sum of tokens times their rates, rounded half up."""
    return (2 * tokens_at_rates + _MILLION) // (2 * _MILLION)


@dataclass(frozen=True, slots=True)
class PricedBy:
    """How an answer that states no cost is priced: where its estimate comes from, and what tokens cost, if known."""

    source: str
    rates: TokenRates | None = None
