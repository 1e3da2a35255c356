"""What the ledger knows about the compared titles: cost and time of their pictures, and the category of an item.

A name means, in this order: an axis, the model, a parameter, a column of the user's, the repeat, the row, the provider.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from batchgen.compare.counts import held_equal
from batchgen.store.ledger.bulk import aggregated, integers, texts
from batchgen.store.ledger.records import words_of

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one title: everything billed, spoiled answers too, for each picture with a stated cost.

    If no cost was stated, ``microusd`` is the estimate for a picture, see ``estimated``. ``latency_ms`` is the median.
    """

    pictures: int
    microusd: int | None
    estimated: bool
    latency_ms: int | None


def read_costs(db: sqlite3.Connection, axis: str) -> dict[str, Cost]:
    """Return the cost of each value of ``axis``, in the order of the plan."""
    requests = _read_requests(db)
    titles, codes = _coded(_titles(db, axis))
    costs = _costs(requests, _read_spent(db, requests), codes, len(titles))
    # Titles are ordered by the first request of the plan that has them.
    present, first = np.unique(codes[np.argsort(requests.position, kind="stable")], return_index=True)
    ordered = [titles[code] for code in present[np.argsort(first)].tolist()]
    places = {title: place for place, title in enumerate(titles)}
    return {title: costs[places[title]] for title in ordered if title is not None}


def read_categories(db: sqlite3.Connection, items: Iterable[str], name: str) -> dict[str, str]:
    """Return the value of ``name`` for each of ``items`` whose pictures agree on it."""
    found: dict[str, str] = {}
    wanted: dict[tuple[str, ...], dict[tuple[str | None, ...], list[str]]] = {}
    for item in items:
        # An item that is no JSON object is a prompt.
        held = held_equal(item) or {"prompt": item}
        if (said := held.get(name)) is not None:
            found[item] = said
        else:
            # A request does not know which of its pictures was shown.
            names = tuple(sorted(held.keys() - {"picture"}))
            wanted.setdefault(names, {}).setdefault(tuple(held[one] for one in names), []).append(item)
    values: dict[str, set[str]] = defaultdict(set)
    for described in _described(db) if wanted else ():
        value = value_of(described, name)
        for names, places in wanted.items() if value is not None else ():
            for item in places.get(tuple(value_of(described, one) for one in names), ()):
                values[item].add(str(value))
    return found | {item: next(iter(seen)) for item, seen in values.items() if len(seen) == 1}


class _Described(NamedTuple):
    """The names and values by which a request can be chosen."""

    model: str
    provider: str
    row: int
    repeat: int
    axes: Mapping[str, str]
    words: Mapping[str, str]


def value_of(request: _Described, name: str) -> str | None:
    """Return the value of ``name`` for a request, as text; ``None`` if it has none."""
    if name in request.axes:
        return request.axes[name]
    if name == "model":
        return request.model
    if name in request.words:
        return request.words[name]
    return str(getattr(request, name)) if name in {"repeat", "row", "provider"} else None


def _described(db: sqlite3.Connection) -> Iterator[_Described]:
    """Yield every request that is not retired, in the order of the ledger."""
    for model, provider, row, repeat, canonical, columns, axes in db.execute(_WORDS):
        yield _Described(model, provider, row, repeat, _axes.decode(axes), words_of(canonical, axes, columns))


def _titles(db: sqlite3.Connection, axis: str) -> list[str | None]:
    """Return the value of ``axis`` for each request, in the order of the ledger."""
    found: dict[str, str | None] = {}
    kinds = [kind for (joined,) in aggregated(db, _KINDS, "requests") for kind in texts(joined)]
    for kind in dict.fromkeys(kinds):
        axes, _, model = kind.partition("\x1f")
        found[kind] = _axes.decode(axes).get(axis, model if axis == "model" else None)
    if None in found.values():
        return [value_of(described, axis) for described in _described(db)]
    return [found[kind] for kind in kinds]


def _coded(titles: Sequence[str | None]) -> tuple[list[str | None], Integers]:
    """Return the different titles, and for each request the index of its title."""
    known: defaultdict[str | None, int] = defaultdict(count().__next__)
    codes = np.fromiter(map(known.__getitem__, titles), np.int64, len(titles))
    return list(known), codes


@dataclass(frozen=True, slots=True)
class _Requests:
    """One row per request that is not retired, in the order of the ledger; a missing time is -1."""

    number: Integers
    position: Integers
    stored: Integers
    latency_ms: Integers


@dataclass(frozen=True, slots=True)
class _Spent:
    """For each request, in the same order: money, answers with a stated cost, those with an estimate, and pictures."""

    billed_microusd: Integers
    estimated_microusd: Integers
    stated: Integers
    estimated: Integers
    pictures: Integers


def _read_requests(db: sqlite3.Connection) -> _Requests:
    return _Requests(*integers(db, _REQUESTS, "requests", width=4))


def _read_spent(db: sqlite3.Connection, requests: _Requests) -> _Spent:
    of, billed, estimated, stated, priced = integers(db, _ATTEMPTS, "attempts", width=5)
    (pictures,) = integers(db, _PICTURES, "pictures", width=1)
    return _Spent(
        _summed(requests, of, billed),
        _summed(requests, of, estimated),
        _summed(requests, of, stated),
        _summed(requests, of, priced),
        _summed(requests, pictures, np.ones_like(pictures)),
    )


def _summed(requests: _Requests, of: Integers, amounts: Integers) -> Integers:
    """Return exact sums of the ``amounts`` by the request that each is ``of``, without those of other requests."""
    sums = np.zeros(len(requests.number), dtype=np.int64)
    if len(sums):
        places = np.minimum(np.searchsorted(requests.number, of), len(sums) - 1)
        known = requests.number[places] == of
        np.add.at(sums, places[known], amounts[known])
    return sums


def _costs(requests: _Requests, spent: _Spent, codes: Integers, titles: int) -> list[Cost]:
    """Return the cost of each of the ``titles``; ``codes`` has the index of each request's title."""
    stored = requests.stored > 0
    estimated = stored & ((spent.estimated_microusd > 0) | (spent.estimated > 0))
    priced = stored & ~estimated & ((spent.billed_microusd > 0) | (spent.stated > 0))
    everything = np.ones_like(stored)

    def sums(amounts: Integers, of: npt.NDArray[np.bool_]) -> list[int]:
        found = np.zeros(titles, dtype=np.int64)
        np.add.at(found, codes[of], amounts[of])
        return found.tolist()

    return [
        _cost(*figures)
        for figures in zip(
            sums(spent.pictures, stored),
            sums(spent.pictures, priced),
            sums(spent.billed_microusd, everything),
            sums(spent.pictures, estimated),
            sums(spent.estimated_microusd, estimated),
            _medians(requests.latency_ms, codes, stored & (requests.latency_ms >= 0), titles),
            strict=True,
        )
    ]


def _cost(
    pictures: int,
    priced: int,
    billed_microusd: int,
    estimated: int,
    estimated_microusd: int,
    median_ms: int | None,
) -> Cost:
    if priced:
        return Cost(pictures, round(billed_microusd / priced), estimated=False, latency_ms=median_ms)
    if estimated:
        return Cost(pictures, round(estimated_microusd / estimated), estimated=True, latency_ms=median_ms)
    return Cost(pictures, None, estimated=False, latency_ms=median_ms)


def _medians(values: Integers, codes: Integers, of: npt.NDArray[np.bool_], titles: int) -> list[int | None]:
    """Return the medians by nearest rank, as in the report: each is a time that was measured."""
    values, codes = values[of], codes[of]
    order = np.argsort(codes, kind="stable")
    parts = np.split(values[order], np.cumsum(np.bincount(codes, minlength=titles))[:-1])[:titles]
    return [int(np.sort(part)[(len(part) + 1) // 2 - 1]) if len(part) else None for part in parts]


_axes = msgspec.json.Decoder(dict[str, str])

_REQUESTS = """
SELECT group_concat(id), group_concat(position), group_concat(state = 'stored'), group_concat(coalesce(latency_ms, -1))
FROM requests WHERE id >= :least AND id <= :most AND retired_ms IS NULL
"""

# No unit separator (U+001F) stands in the axes: JSON escapes it.
_KINDS = """
SELECT json_group_array(axes || char(31) || model) FROM requests
WHERE id >= :least AND id <= :most AND retired_ms IS NULL
"""

_WORDS = """
SELECT model, provider, row, repeat, canonical, columns, axes FROM requests WHERE retired_ms IS NULL ORDER BY id
"""

_ATTEMPTS = """
SELECT group_concat(request_id), group_concat(billed_microusd), group_concat(estimated_microusd),
       group_concat(outcome = 'billed' AND coalesce(cost_source IN ('answer', 'usage', 'header'), 0)),
       group_concat(outcome = 'billed' AND coalesce(cost_source NOT IN ('answer', 'usage', 'header'), 0))
FROM attempts WHERE id >= :least AND id <= :most
"""

_PICTURES = """
SELECT group_concat(request_id) FROM kept_pictures WHERE request_id >= :least AND request_id <= :most
"""
