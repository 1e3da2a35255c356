"""The forecast of a plan, before anything is sent: counts by axis and state, price and time."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from batchgen.html_view import paragraph, table, view
from batchgen.manifest import Limits
from batchgen.money import dollars
from batchgen.planning.compact_set import CompactSet
from batchgen.planning.eta import expected_s
from batchgen.planning.prices import PriceBook
from batchgen.planning.product import RequestCounts
from batchgen.provider.interface import Price
from batchgen.request import Request, State
from batchgen.wording import counted

_BATCH = 1000

StateLookup = Callable[[Sequence[str]], Mapping[str, State]]
Elsewhere = Callable[[Sequence[str]], Collection[str]]

# In these states a request is not sent, nor is a picture of another folder taken for it.
_SETTLED = (State.SENT, State.ANSWERED, State.STORED)


@dataclass(frozen=True, slots=True)
class ModelForecast:
    """One model's part: how many requests, how many of them are to be bought, and what those cost together.

    ``cost`` is ``None`` if nobody states a price; ``median_ms`` if none was ever made in this folder.
    """

    requests: int
    new: int
    cost: Price | None
    median_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """The whole plan in numbers. ``by_axis`` counts requests per value of each axis; money and time are for the new.

    ``reused`` requests, counted in no state, have their pictures in another folder. ``duration_s`` is ``None`` if one
    of the models was never measured. ``notices`` are for people: what is odd about the plan or the service's
    catalogue.
    """

    requests: int
    equal: int
    by_state: Mapping[State | None, int]
    by_model: Mapping[str, ModelForecast]
    by_axis: Mapping[str, Mapping[str, int]]
    first: Sequence[Request] = field(default_factory=tuple)
    duration_s: float | None = None
    notices: tuple[str, ...] = ()
    reused: int = 0

    @property
    def new(self) -> int:
        """Requests the ledger knows nothing of, each counted once."""
        return self.by_state.get(None, 0)

    @property
    def open(self) -> int:
        """Requests that are not stored, each counted once."""
        return sum(count for state, count in self.by_state.items() if state is not State.STORED)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Models with something to buy and no known price."""
        return tuple(name for name, part in self.by_model.items() if part.new and part.cost is None)

    @property
    def low_microusd(self) -> int:
        """The least that all new requests with a known price cost together."""
        return sum(part.cost.low_microusd for part in self.by_model.values() if part.cost)

    @property
    def expected_microusd(self) -> int:
        """The expected cost of all new requests with a known price."""
        return sum(part.cost.expected_microusd for part in self.by_model.values() if part.cost)

    @property
    def high_microusd(self) -> int:
        """The most that all new requests with a known price cost together."""
        return sum(part.cost.high_microusd for part in self.by_model.values() if part.cost)

    def _repr_html_(self) -> str:
        rows = [
            (model, f"{part.requests:,}", f"{part.new:,}", *_amounts(part)) for model, part in self.by_model.items()
        ]
        return view(
            f"{counted(self.requests, 'request')}, {self.new:,} new",
            table(("model", "requests", "new", "at least", "expected", "at most", "price by"), rows),
            paragraph(
                f"to pay: {dollars(self.expected_microusd)} expected, {dollars(self.low_microusd)} at least, "
                f"{dollars(self.high_microusd)} at most"
            ),
            *map(paragraph, self.notices),
        )


def _amounts(part: ModelForecast) -> tuple[str, str, str, str]:
    if part.cost is None:
        return "?", "?", "?", "unknown"
    low, expected, high = map(dollars, (part.cost.low_microusd, part.cost.expected_microusd, part.cost.high_microusd))
    return low, expected, high, part.cost.source


def forecast(
    requests: Iterable[Request],
    prices: PriceBook,
    lookup: StateLookup | None = None,
    *,
    elsewhere: Elsewhere | None = None,
    first: int = 5,
    limits: Limits | None = None,
    notices: tuple[str, ...] = (),
) -> Forecast:
    """Return the forecast of ``requests``, counted in one pass; ``lookup`` gives the state of keys in the ledger.

    ``elsewhere`` gives the keys whose pictures are in another folder; those are not bought.
    """
    seen = CompactSet()
    states: Counter[State | None] = Counter()
    by_model: dict[str, _Part] = {}
    axes: dict[str, Counter[str]] = {}
    shown: list[Request] = []
    total = reused = 0
    for batch in _batched(requests):
        known = lookup([request.key for request in batch]) if lookup else {}
        wanted = [request.key for request in batch if known.get(request.key) not in _SETTLED] if elsewhere else []
        taken = elsewhere(wanted) if elsewhere and wanted else frozenset()
        for request in batch:
            total += 1
            part = by_model.setdefault(request.model, _Part())
            part.requests += 1
            for axis, title in request.axes.items():
                axes.setdefault(axis, Counter())[title] += 1
            if len(shown) < first:
                shown.append(request)
            if not seen.add(request.key):
                continue
            if request.key in taken:
                reused += 1
            else:
                state = known.get(request.key)
                states[state] += 1
                if state is None:
                    part.add_new(prices.price_of(request))
    medians = {model: prices.median_ms(model) for model in by_model}
    new = {model: part.new for model, part in by_model.items()}
    return Forecast(
        requests=total,
        equal=total - reused - sum(states.values()),
        by_state=dict(states),
        by_model={
            model: ModelForecast(part.requests, part.new, part.cost(prices.price(model)), medians[model])
            for model, part in by_model.items()
        },
        by_axis={axis: dict(counts) for axis, counts in axes.items()},
        first=tuple(shown),
        duration_s=expected_s(new, medians, limits) if limits else None,
        notices=notices,
        reused=reused,
    )


def forecast_of_counts(
    counts: RequestCounts,
    prices: PriceBook,
    *,
    first: Sequence[Request] = (),
    limits: Limits | None = None,
    notices: tuple[str, ...] = (),
) -> Forecast:
    """Return the forecast of a plan of which nothing was bought, by its ``counts`` alone; equal requests all count."""
    by_model: dict[str, _Part] = {}
    for (model, asked), count in counts.by_price.items():
        part = by_model.setdefault(model, _Part())
        part.requests += count
        part.add_new(prices.price_like(model, asked), count)
    medians = {model: prices.median_ms(model) for model in by_model}
    new = {model: part.new for model, part in by_model.items()}
    return Forecast(
        requests=counts.requests,
        equal=0,
        by_state={None: counts.requests},
        by_model={
            model: ModelForecast(part.requests, part.new, part.cost(prices.price(model)), medians[model])
            for model, part in by_model.items()
        },
        by_axis=counts.by_axis,
        first=tuple(first),
        duration_s=expected_s(new, medians, limits) if limits else None,
        notices=notices,
    )


class _Part:
    """The sums of one model while requests are streamed."""

    def __init__(self) -> None:
        self.requests = self.new = 0
        self._low = self._expected = self._high = 0

    def add_new(self, price: Price | None, count: int = 1) -> None:
        self.new += count
        if price is not None:
            self._low += count * price.low_microusd
            self._expected += count * price.expected_microusd
            self._high += count * price.high_microusd

    def cost(self, price: Price | None) -> Price | None:
        """Return the cost of all new requests, with the source of the model's own ``price``; ``None`` if that is."""
        return Price(self._low, self._expected, self._high, price.source) if price is not None else None


def _batched(requests: Iterable[Request]) -> Iterator[list[Request]]:
    source = iter(requests)
    while batch := list(itertools.islice(source, _BATCH)):
        yield batch
