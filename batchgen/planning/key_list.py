"""A whole plan in outline: of each request the key, in eight bytes, and the model it goes to.

Held against a ledger it tells which requests are open without making one of them.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence


class KeyList:
    """The requests of a plan by their position; it grows by :meth:`add`.

    ``numbers`` are 64 bits of each key; ``lanes`` say for each to which of ``models`` it goes.
    """

    def __init__(
        self, models: Iterable[str] = (), numbers: array[int] | None = None, lanes: array[int] | None = None
    ) -> None:
        self.numbers = array("Q") if numbers is None else numbers
        self.lanes = array("I") if lanes is None else lanes
        self._models = {model: lane for lane, model in enumerate(models)}

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def models(self) -> tuple[str, ...]:
        """In the order in which the plan meets them."""
        return tuple(self._models)

    def add(self, model: str, keys: Iterable[str]) -> None:
        """The next requests of the plan, all of one model."""
        lane = self._models.get(model)
        if lane is None:
            lane = self._models[model] = len(self._models)
        for key in keys:
            # As `number_of`: a call here would cost as much as all the rest.
            self.numbers.append(int(key[:16], 16))
            self.lanes.append(lane)

    def count_by_model(self) -> Mapping[str, int]:
        """How many requests each model gets, equal ones counted each."""
        counts = Counter(self.lanes)
        return {model: counts[lane] for model, lane in self._models.items()}

    def by_model(self, positions: Iterable[int]) -> Mapping[str, Sequence[int]]:
        """The ``positions`` of each model, in their order."""
        found = [array("I") for _ in self._models]
        lanes = self.lanes
        for position in positions:
            found[lanes[position]].append(position)
        return {model: found[lane] for model, lane in self._models.items() if found[lane]}
