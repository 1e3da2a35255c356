"""What a request will cost, and who says so: the manifest before the service's catalogue."""

from __future__ import annotations

from collections.abc import Mapping

from batchgen.provider.interface import Catalogue, Price


class PriceBook:
    """The price of each model. A model in neither source has none: it is shown as unknown, never as free."""

    def __init__(self, stated_microusd: Mapping[str, int], catalogue: Catalogue | None) -> None:
        self._catalogue = catalogue
        # A price may be stated under an alias, a plan names the model itself.
        self._stated = {self._listed_id(name): amount for name, amount in stated_microusd.items()}

    def price(self, model: str) -> Price | None:
        """What one request to ``model`` costs, or ``None`` where nobody says."""
        stated = self._stated.get(model)
        if stated is not None:
            return Price(stated, stated, stated, "manifest")
        listed = self._catalogue.find(model) if self._catalogue else None
        return listed.price if listed else None

    def _listed_id(self, name: str) -> str:
        listed = self._catalogue.find(name) if self._catalogue else None
        return listed.id if listed else name
