"""The tokens of OpenAI's gpt-image models, which are billed by them, and what they cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from batchgen.simulator.offered_models import OfferedModel

# Dollars for a million tokens of text in, pictures in and pictures out, which is micro-dollars for one.
_PRICES = {
    "openai/gpt-image-1": (5.0, 10.0, 40.0),
    "openai/gpt-image-1-mini": (2.0, 2.5, 8.0),
}
# Output tokens of a square, a tall and a wide picture, from OpenAI's image generation guide.
_OUTPUT = {"low": (272, 408, 400), "medium": (1056, 1584, 1568), "high": (4160, 6240, 6208)}
_INPUT_PICTURE = 323
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldTokens:
    """The tokens of one request."""

    text: int
    pictures: int
    output: int

    def stated(self) -> dict[str, Any]:
        """Return them as OpenAI's answers state them."""
        return {
            "input_tokens": self.text + self.pictures,
            "input_tokens_details": {"text_tokens": self.text, "image_tokens": self.pictures},
            "output_tokens": self.output,
            "total_tokens": self.text + self.pictures + self.output,
        }


def is_billed_by_tokens(model: OfferedModel) -> bool:
    """Return whether OpenAI bills this model by tokens."""
    return model.id in _PRICES


def usage(prompt: str, *, quality: str, width: int, height: int, inputs: int, times: int) -> SoldTokens:
    """Return the tokens of a request for ``times`` pictures."""
    square, tall, wide = _OUTPUT["medium" if quality == "auto" else quality]
    output = square if width == height else tall if height > width else wide
    return SoldTokens(
        text=max(1, len(prompt) // _CHARACTERS_PER_TOKEN), pictures=_INPUT_PICTURE * inputs, output=output * times
    )


def token_cost_microusd(model: OfferedModel, used: SoldTokens) -> int:
    """Return what the tokens cost; parts of a micro-dollar are charged as a whole one."""
    text, pictures, output = _PRICES[model.id]
    return math.ceil(round(used.text * text + used.pictures * pictures + used.output * output, 6))
