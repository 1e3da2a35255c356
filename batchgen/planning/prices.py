"""The expected price of a request: the manifest's before the catalogue's, that before a price list's, and refined by
what was paid here.

A request never reserves less than the highest price that is stated for it, for a film that of its length: experience
may lower an expectation, never a reservation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from batchgen.manifest import StatedPrice
from batchgen.planning.price_list import PriceList
from batchgen.planning.video_pricing import length_s, of_length, price_of_length
from batchgen.provider.interface import Catalogue, Price
from batchgen.request import Experience, Request, like
from batchgen.tokens import PricedBy, TokenRates, in_microusd

# Fewer answers than this are too few for an expectation.
_ENOUGH = 5

# The most that OpenAI's guide to image generation names for one picture: high quality, 1024x1536. Assumed for a model
# of which only the prices of its tokens are known.
MOST_OUTPUT_TOKENS = 6_240
# High fidelity counts an input picture as 6,240 tokens and some hundreds for its tiles.
_INPUT_PICTURE_TOKENS = 7_000
# A token is at least one byte of a prompt; services add some of their own.
_OWN_TEXT_TOKENS = 100
_BYTES_A_TOKEN = 4
# Published prices of pictures are rounded to a tenth of a cent.
_ROUNDING_MICROUSD = 500

_Like = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Known:
    """A price, what says so, and the prices of input tokens that come on top of it for each request."""

    price: Price
    by: PricedBy
    on_top: TokenRates | None = None


class PriceBook:
    """The price of each model. A model in no source has none: it is shown as unknown, never as free."""

    def __init__(
        self,
        stated: Mapping[str, StatedPrice],
        catalogue: Catalogue | None,
        experience: Iterable[Experience] = (),
        *,
        usual_s: float | None = None,
        price_list: PriceList | None = None,
    ) -> None:
        """Take stated prices by model; ``usual_s`` is the length of a film of which only the model is known."""
        self._catalogue = catalogue
        self._usual_s = usual_s
        self._list = price_list
        # A price may be stated under an alias, a plan names the model itself.
        self._stated = {self._listed_id(name): price for name, price in stated.items()}
        self._experience: dict[tuple[str, _Like | None], Experience] = {}
        self._of_model: dict[str, list[Experience]] = {}
        for one in experience:
            self._experience[one.model, one.like] = one
            if one.like is not None:
                self._of_model.setdefault(one.model, []).append(one)
        self._known: dict[tuple[str, _Like | None], _Known | None] = {}

    def price(self, model: str) -> Price | None:
        """Return the price of one request to ``model``, or ``None`` if nobody states one."""
        known = self._looked_up(model, None)
        return known.price if known else None

    def price_of(self, request: Request) -> Price | None:
        """Return the price of this request: as :meth:`price`, by its quality, size, seconds and input."""
        known = self._looked_up(request.model, like(request.parameters))
        if known is None or known.on_top is None:
            return known.price if known else None
        return _with_input(known.price, request, known.on_top)

    def price_like(self, model: str, asked: tuple[str, str, str]) -> Price | None:
        """Return the price of a request to ``model`` with this quality, size and length, without its input."""
        known = self._looked_up(model, asked)
        return known.price if known else None

    def priced_by(self, request: Request) -> PricedBy | None:
        """Return how an answer to this request is priced if it states no cost; ``None`` if nobody can tell."""
        known = self._looked_up(request.model, like(request.parameters))
        return known.by if known else None

    def median_ms(self, model: str) -> int | None:
        """Return the median time of this folder's own requests to ``model``; ``None`` before there were any."""
        seen = self._experience.get((model, None))
        return seen.median_ms if seen else None

    def from_list(self, models: Collection[str]) -> tuple[PriceList | None, tuple[str, ...]]:
        """Return the price list, and which of the ``models`` have their price from it."""
        listed = [model for model in models if (known := self._looked_up(model, None)) and known.by.source == _LIST]
        return self._list, tuple(listed)

    def _looked_up(self, model: str, asked: _Like | None) -> _Known | None:
        question = (model, asked)
        if question not in self._known:
            self._known[question] = self._find(model, asked)
        return self._known[question]

    def _find(self, model: str, asked: _Like | None) -> _Known | None:
        seen = self._seen(model, asked)
        stated = self._stated.get(model)
        if stated is not None:
            return self._by_statement(model, asked, stated, "manifest", seen)
        entry = self._catalogue.find(model) if self._catalogue else None
        listed = price_of_length(entry, self._length_s(asked)) if entry else None
        if listed is None:
            public = self._list.find(model) if self._list else None
            return self._by_statement(model, asked, public, _LIST, seen) if public else None
        high = max(listed.high_microusd, self._most(model, asked, seen))
        if seen is None:
            return _Known(replace(listed, high_microusd=high), PricedBy("catalogue"))
        price = Price(seen.least_microusd, seen.mean_microusd, high, f"{seen.billed:,} billed here")
        return _Known(price, PricedBy("history"))

    def _by_statement(
        self, model: str, asked: _Like | None, stated: StatedPrice, source: str, seen: Experience | None
    ) -> _Known:
        """Return the price that a person or a list states: of pictures, or of tokens with the most that they may be."""
        most = self._most(model, asked, seen)
        if stated.rates is None:
            assert stated.pictures is not None, "a price has either"
            least, dearest = stated.pictures.of(*_of(asked))
            return _Known(Price(least, dearest, max(dearest, most), source), PricedBy(source))
        by = PricedBy(source, stated.rates)
        if stated.at_most is not None:
            _, dearest = stated.at_most.of(*_of(asked))
            price = Price(0, dearest, dearest, f"{source}, tokens")
            return _Known(_learned(price, seen, most), by)
        price = replace(self._of_output(model, asked, stated.rates), source=f"{source}, tokens")
        return _Known(_learned(price, seen, most), by, on_top=stated.rates)

    def _of_output(self, model: str, asked: _Like | None, rates: TokenRates) -> Price:
        """Return what the output of one picture costs, by the tokens that the price list implies for it."""
        public = self._list.find(model) if self._list else None
        if public is None or public.pictures is None or public.rates is None:
            high = in_microusd(MOST_OUTPUT_TOKENS * rates.image_out)
            return Price(0, high, high, "")
        amounts = public.pictures.of(*_of(asked))
        # The same tokens at other prices, if somebody states those.
        low, expected = (amount * rates.image_out // public.rates.image_out for amount in amounts)
        high = -(-(amounts[1] + _ROUNDING_MICROUSD) * rates.image_out // public.rates.image_out)
        return Price(low, expected, high, "")

    def _seen(self, model: str, asked: _Like | None) -> Experience | None:
        """Return what was paid for such requests, else for all to the model, films at the length ``asked`` for."""
        same = self._experience.get((model, asked)) if asked else None
        if not _enough(same):
            every = self._experience.get((model, None))
            same = of_length(every, self._of_model.get(model, ()), self._length_s(asked))
        return same if _enough(same) else None

    def _most(self, model: str, asked: _Like | None, seen: Experience | None) -> int:
        """Return the highest price that was paid for such a request; a single answer is enough to reserve as much."""
        same = self._experience.get((model, asked)) if asked else None
        return max(same.most_microusd if same else 0, seen.most_microusd if seen else 0)

    def _length_s(self, asked: _Like | None) -> float | None:
        return length_s(asked) if asked else self._usual_s

    def _listed_id(self, name: str) -> str:
        listed = self._catalogue.find(name) if self._catalogue else None
        return listed.id if listed else name


_LIST = "price list"


def _of(asked: _Like | None) -> tuple[str, str]:
    return (asked[0], asked[1]) if asked else ("", "")


def _learned(price: Price, seen: Experience | None, most_microusd: int) -> Price:
    """Return the price of a request whose tokens vary: what such answers came to, and at most as stated or seen."""
    high = max(price.high_microusd, most_microusd)
    if seen is None:
        return replace(price, high_microusd=high)
    return Price(seen.least_microusd, seen.mean_microusd, high, f"{seen.billed:,} answers here")


def _with_input(price: Price, request: Request, rates: TokenRates) -> Price:
    """Return the price with what the request's prompt and input pictures add, at least and at most."""
    text_bytes = len(request.parameters.get("prompt", "").encode())
    pictures = len(request.image) + (request.mask is not None)
    usual = _input_microusd(rates, text_bytes // _BYTES_A_TOKEN, 0)
    most = _input_microusd(rates, text_bytes + _OWN_TEXT_TOKENS, pictures * _INPUT_PICTURE_TOKENS)
    return replace(
        price,
        expected_microusd=price.expected_microusd + usual,
        high_microusd=price.high_microusd + most,
    )


def _input_microusd(rates: TokenRates, text: int, image: int) -> int:
    return in_microusd(text * rates.text_in + image * rates.image_in)


def _enough(seen: Experience | None) -> bool:
    return seen is not None and seen.billed >= _ENOUGH
