"""What a plan will take, before anything is sent: counts by axis, what is done already, and the price."""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from batchgen.plan.prices import PriceBook
from batchgen.provider.interface import Price
from batchgen.request import Request, State

_BATCH = 1000

Lookup = Callable[[Sequence[str]], Mapping[str, State]]


@dataclass(frozen=True, slots=True)
class ModelForecast:
    """One model's part: how many requests, how many of them are to be bought, and the price of one."""

    requests: int
    new: int
    price: Price | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """The whole plan in numbers. ``by_axis`` counts requests per value of each axis; money is for what is new."""

    requests: int
    equal: int
    by_state: Mapping[State | None, int]
    by_model: Mapping[str, ModelForecast]
    by_axis: Mapping[str, Mapping[str, int]]
    first: Sequence[Request] = field(default_factory=tuple)

    @property
    def new(self) -> int:
        """Requests the ledger knows nothing of, each counted once."""
        return self.by_state.get(None, 0)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Models with something to buy and no known price."""
        return tuple(name for name, part in self.by_model.items() if part.new and part.price is None)

    @property
    def low_microusd(self) -> int:
        return sum(part.new * part.price.low_microusd for part in self.by_model.values() if part.price)

    @property
    def expected_microusd(self) -> int:
        return sum(part.new * part.price.expected_microusd for part in self.by_model.values() if part.price)

    @property
    def high_microusd(self) -> int:
        return sum(part.new * part.price.high_microusd for part in self.by_model.values() if part.price)


def forecast(
    requests: Iterable[Request], prices: PriceBook, lookup: Lookup | None = None, *, first: int = 5
) -> Forecast:
    """Counts ``requests`` in one pass; ``lookup`` says which keys a ledger already knows, and in which state."""
    seen = _DistinctKeys()
    states: Counter[State | None] = Counter()
    all_by_model: Counter[str] = Counter()
    new_by_model: Counter[str] = Counter()
    axes: dict[str, Counter[str]] = {}
    shown: list[Request] = []
    total = 0
    for batch in _batched(requests):
        known = lookup([request.key for request in batch]) if lookup else {}
        for request in batch:
            total += 1
            all_by_model[request.model] += 1
            for axis, title in request.axes.items():
                axes.setdefault(axis, Counter())[title] += 1
            if len(shown) < first:
                shown.append(request)
            if seen.add(request.key):
                state = known.get(request.key)
                states[state] += 1
                new_by_model[request.model] += state is None
    return Forecast(
        requests=total,
        equal=total - sum(states.values()),
        by_state=dict(states),
        by_model={
            model: ModelForecast(count, new_by_model[model], prices.price(model))
            for model, count in all_by_model.items()
        },
        by_axis={axis: dict(counts) for axis, counts in axes.items()},
        first=tuple(shown),
    )


def _batched(requests: Iterable[Request]) -> Iterator[list[Request]]:
    source = iter(requests)
    while batch := list(itertools.islice(source, _BATCH)):
        yield batch


class _DistinctKeys:
    """A growing open-addressed table of 64-bit parts of keys: 16 bytes a key, where a set would take 100."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 4096))
        self._count = 0

    def add(self, key: str) -> bool:
        """Whether ``key`` was not there yet. Two keys share 64 bits once in 10^7 plans of a million requests."""
        # 0 marks an empty slot.
        if not self._insert(self._slots, int(key[:16], 16) or 1):
            return False
        self._count += 1
        if self._count * 2 > len(self._slots):
            self._grow()
        return True

    def _grow(self) -> None:
        larger = array("Q", bytes(16 * len(self._slots)))
        for number in self._slots:
            if number:
                self._insert(larger, number)
        self._slots = larger

    @staticmethod
    def _insert(slots: array[int], number: int) -> bool:
        mask = len(slots) - 1
        place = number & mask
        while slots[place]:
            if slots[place] == number:
                return False
            place = (place + 1) & mask
        slots[place] = number
        return True
