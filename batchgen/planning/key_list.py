"""The keys of a whole plan, eight bytes for each request, and the model it goes to.

Compared with a ledger they tell which requests are open, without making one of them.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence


class KeyList:
    """The requests of a plan by their position, added by :meth:`add`.

    ``numbers`` are 64 bits of each key; ``lanes`` the index of its model in ``models``.
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
        """The models, in the plan's order."""
        return tuple(self._models)

    def add(self, model: str, keys: Iterable[str]) -> None:
        """Add the next requests of the plan, all of one model."""
        lane = self._models.get(model)
        if lane is None:
            lane = self._models[model] = len(self._models)
        for key in keys:
            # As `number_of`: a call here would cost as much as all the rest.
            self.numbers.append(int(key[:16], 16))
            self.lanes.append(lane)

    def count_by_model(self) -> Mapping[str, int]:
        """Return the number of requests by model; equal requests all count."""
        counts = Counter(self.lanes)
        return {model: counts[lane] for model, lane in self._models.items()}

    def repeats(self) -> Sequence[int]:
        """Return the positions of requests that are equal to one before them."""
        doubled = repeated_numbers(self.numbers)
        met: set[int] = set()
        found = []
        for position, number in enumerate(self.numbers) if doubled else ():
            if number in met:
                found.append(position)
            elif number in doubled:
                met.add(number)
        return found

    def part(self, has: Callable[[int], bool]) -> tuple[KeyList, array[int]]:
        """Return the requests whose numbers belong to a part of the plan, and their positions in the whole."""
        numbers, lanes = self.numbers, self.lanes
        places = array("I", (position for position, number in enumerate(numbers) if has(number)))
        own = array("I", (lanes[place] for place in places))
        lane_of = {lane: place for place, lane in enumerate(sorted(set(own)))}
        models = self.models
        return (
            KeyList(
                (models[lane] for lane in lane_of),
                array("Q", (numbers[place] for place in places)),
                array("I", map(lane_of.__getitem__, own)),
            ),
            places,
        )

    def by_model(self, positions: Iterable[int]) -> Mapping[str, Sequence[int]]:
        """Return the ``positions`` of each model, in their order."""
        found = [array("I") for _ in self._models]
        lanes = self.lanes
        for position in positions:
            found[lanes[position]].append(position)
        return {model: found[lane] for model, lane in self._models.items() if found[lane]}


def repeated_numbers(numbers: array[int]) -> frozenset[int]:
    """Return the numbers that stand more than once."""
    if len(numbers) < _MANY:
        return frozenset(number for number, count in Counter(numbers).items() if count > 1)
    # A set of a million takes seventy megabytes, sorting them eight.
    import numpy as np

    ordered = np.sort(np.frombuffer(numbers, dtype=np.uint64))
    return frozenset(ordered[1:][ordered[1:] == ordered[:-1]].tolist())


_MANY = 10_000
