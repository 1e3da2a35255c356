"""The expected price of a request: the manifest's before the catalogue's, refined by what was billed here.

A request never reserves less than the catalogue's highest price, for a film that of its length: experience may lower
an expectation, never a reservation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from batchgen.planning.video_pricing import length_s, of_length, price_of_length
from batchgen.provider.interface import Catalogue, Price
from batchgen.request import Experience, Request, like

# Fewer billed answers than this are too few for an expectation.
_ENOUGH = 5

_Like = tuple[str, str, str]


class PriceBook:
    """The price of each model. A model in neither source has none: it is shown as unknown, never as free."""

    def __init__(
        self,
        stated_microusd: Mapping[str, int],
        catalogue: Catalogue | None,
        experience: Iterable[Experience] = (),
        *,
        usual_s: float | None = None,
    ) -> None:
        """Take prices in micro-dollars; ``usual_s`` is the length of a film of which only the model is known."""
        self._catalogue = catalogue
        self._usual_s = usual_s
        # A price may be stated under an alias, a plan names the model itself.
        self._stated = {self._listed_id(name): amount for name, amount in stated_microusd.items()}
        self._experience: dict[tuple[str, _Like | None], Experience] = {}
        self._of_model: dict[str, list[Experience]] = {}
        for one in experience:
            self._experience[one.model, one.like] = one
            if one.like is not None:
                self._of_model.setdefault(one.model, []).append(one)
        self._known: dict[tuple[str, _Like | None], Price | None] = {}

    def price(self, model: str) -> Price | None:
        """Return the price of one request to ``model``, or ``None`` if nobody states one."""
        return self._looked_up(model, None)

    def price_of(self, request: Request) -> Price | None:
        """Return the price of this request: as :meth:`price`, by its quality, size and seconds if known."""
        return self.price_like(request.model, like(request.parameters))

    def price_like(self, model: str, asked: tuple[str, str, str]) -> Price | None:
        """Return the price of a request to ``model`` with this quality, size and length."""
        return self._looked_up(model, asked)

    def median_ms(self, model: str) -> int | None:
        """Return the median time of this folder's own requests to ``model``; ``None`` before there were any."""
        seen = self._experience.get((model, None))
        return seen.median_ms if seen else None

    def _looked_up(self, model: str, asked: _Like | None) -> Price | None:
        question = (model, asked)
        if question not in self._known:
            self._known[question] = self._price(model, asked)
        return self._known[question]

    def _price(self, model: str, asked: _Like | None) -> Price | None:
        seen = self._seen(model, asked)
        stated = self._stated.get(model)
        if stated is not None:
            return Price(stated, stated, max(stated, seen.most_microusd if seen else 0), "manifest")
        known = self._catalogue.find(model) if self._catalogue else None
        listed = price_of_length(known, self._length_s(asked)) if known else None
        if listed is None or seen is None:
            return listed
        high = max(listed.high_microusd, seen.most_microusd)
        return Price(seen.least_microusd, seen.mean_microusd, high, f"{seen.billed:,} billed here")

    def _seen(self, model: str, asked: _Like | None) -> Experience | None:
        """Return what was billed for such requests, else for all to the model, films at the length ``asked`` for."""
        same = self._experience.get((model, asked)) if asked else None
        if not _enough(same):
            every = self._experience.get((model, None))
            same = of_length(every, self._of_model.get(model, ()), self._length_s(asked))
        return same if _enough(same) else None

    def _length_s(self, asked: _Like | None) -> float | None:
        return length_s(asked) if asked else self._usual_s

    def _listed_id(self, name: str) -> str:
        listed = self._catalogue.find(name) if self._catalogue else None
        return listed.id if listed else name


def _enough(seen: Experience | None) -> bool:
    return seen is not None and seen.billed >= _ENOUGH
