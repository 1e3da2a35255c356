"""What the ledger knows of what is compared: what its pictures cost and take, and which category an item is of.

A name means, in this order: an axis, the model, a parameter, a column of the user's, the repeat, the row, the provider.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from batchgen.compare.tally import held_equal
from batchgen.request import State
from batchgen.store.records import Record, records


@dataclass(frozen=True, slots=True)
class Cost:
    """One title's pictures: everything billed, spoiled answers too, for each picture of which a cost was stated.

    Where none was, ``microusd`` is the estimate for a picture, and ``estimated`` says so. ``latency_ms`` is the median.
    """

    pictures: int
    microusd: int | None
    estimated: bool
    latency_ms: int | None


def read_costs(db: sqlite3.Connection, axis: str) -> dict[str, Cost]:
    """The cost of each value of ``axis``, in the order of the plan."""
    sums: dict[str, _Sums] = defaultdict(_Sums)
    for record in records(db):
        title = value_of(record, axis)
        if title is not None:
            sums[title].add(record)
    return {title: one.cost for title, one in sums.items()}


def read_categories(db: sqlite3.Connection, items: Iterable[str], name: str) -> dict[str, str]:
    """What ``name`` is for each of ``items``, where all its cells that have such a thing agree."""
    found: dict[str, str] = {}
    wanted: dict[tuple[str, ...], dict[tuple[str | None, ...], list[str]]] = {}
    for item in items:
        # An item that doesn't say what it is made of is a prompt.
        held = held_equal(item) or {"prompt": item}
        if (said := held.get(name)) is not None:
            found[item] = said
        else:
            # A request doesn't know which of its pictures was shown.
            names = tuple(sorted(held.keys() - {"picture"}))
            wanted.setdefault(names, {}).setdefault(tuple(held[one] for one in names), []).append(item)
    values: dict[str, set[str]] = defaultdict(set)
    for record in records(db) if wanted else ():
        value = value_of(record, name)
        for names, places in wanted.items() if value is not None else ():
            for item in places.get(tuple(value_of(record, one) for one in names), ()):
                values[item].add(str(value))
    return found | {item: next(iter(seen)) for item, seen in values.items() if len(seen) == 1}


def value_of(record: Record, name: str) -> str | None:
    """What ``name`` is for a request, as text; ``None`` where it has no such thing."""
    if name in record.axes:
        return record.axes[name]
    if name == "model":
        return record.model
    if name in record.words:
        return record.words[name]
    counted = {"repeat": record.repeat, "row": record.row, "provider": record.provider}
    return str(counted[name]) if name in counted else None


@dataclass(slots=True)
class _Sums:
    pictures: int = 0
    priced: int = 0
    billed_microusd: int = 0
    estimated_pictures: int = 0
    estimated_microusd: int = 0
    latencies_ms: list[int] = field(default_factory=list)

    def add(self, record: Record) -> None:
        self.billed_microusd += record.billed_microusd
        if record.state != State.STORED:
            return
        count = len(record.pictures)
        self.pictures += count
        if record.estimated_microusd:
            self.estimated_pictures += count
            self.estimated_microusd += record.estimated_microusd
        elif record.cost_source is not None:
            self.priced += count
        if record.latency_ms is not None:
            self.latencies_ms.append(record.latency_ms)

    @property
    def cost(self) -> Cost:
        per_picture: int | None = None
        if self.priced:
            per_picture = round(self.billed_microusd / self.priced)
        elif self.estimated_pictures:
            per_picture = round(self.estimated_microusd / self.estimated_pictures)
        # Nearest rank, as in the report: a time that was measured.
        ordered = sorted(self.latencies_ms)
        median = ordered[(len(ordered) + 1) // 2 - 1] if ordered else None
        return Cost(self.pictures, per_picture, not self.priced and per_picture is not None, median)
