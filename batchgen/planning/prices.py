"""What a request will cost, and who says so: the manifest before the catalogue, sharpened by what was billed here.

What is reserved for a request is never less than what the catalogue calls its highest price, for a film of its length:
experience may lower an expectation, never a reservation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from batchgen.planning.video_pricing import length_s, of_length, price_of_length
from batchgen.provider.interface import Catalogue, Price
from batchgen.request import Experience, Request, like

# So many answers make an experience; fewer are an accident.
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
        """``usual_s`` is the length of a film of which no more is known than its model."""
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
        """What one request to ``model`` costs, or ``None`` where nobody says."""
        return self._looked_up(model, None)

    def price_of(self, request: Request) -> Price | None:
        """What this request costs: as :meth:`price`, by the quality, size and seconds it asks for where known."""
        return self._looked_up(request.model, like(request.parameters))

    def median_ms(self, model: str) -> int | None:
        """How long half of this folder's own requests to ``model`` took at most; ``None`` before there were any."""
        seen = self._experience.get((model, None))
        return seen.median_ms if seen else None

    def _looked_up(self, model: str, asked: _Like | None) -> Price | None:
        place = (model, asked)
        if place not in self._known:
            self._known[place] = self._price(model, asked)
        return self._known[place]

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
        """What was billed for requests like this, else for all to the model, films at the length that is ``asked``."""
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
