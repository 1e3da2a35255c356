"""What the page shows of a ledger: one entry per picture, and one per request that has none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from batchgen.store.ledger import takes
from batchgen.store.ledger.records import Record, RecordedPicture, records, records_of

# The page's name for a stored picture.
Shot = RecordedPicture


class Entry(msgspec.Struct, frozen=True):
    """One picture of a request, or a request that has none; ``ordinal`` counts the pictures of a request from 1.

    The three sums are those of the whole request and stand with its first picture only, so that they add up. ``take``
    says which of several takes of the request is shown, such as ``2 of 3``. ``total_ms`` is the time from the first
    attempt to the file on disk; ``latency_source`` says whose time the latency is.
    """

    number: int
    ordinal: int
    key: str
    state: str
    position: int
    row: int
    repeat: int
    provider: str
    model: str
    words: Mapping[str, str]
    columns: Mapping[str, str]
    axes: Mapping[str, str]
    attempts: int
    billed_microusd: int
    maybe_microusd: int
    estimated_microusd: int
    cost_source: str | None
    latency_ms: int | None
    latency_source: str | None
    total_ms: int | None
    answered_ms: int | None
    reason: str | None
    message: str | None
    status: int | None
    shot: Shot | None
    take: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """What the page says about the folder; ``provider`` and ``base_url`` are those of the newest run."""

    name: str
    simulated: bool = False
    running: bool = False
    planned: int = 0
    provider: str = ""
    base_url: str = ""


def read_entries(db: sqlite3.Connection, numbers: Sequence[int] | None = None) -> Iterator[Entry]:
    """Yield every entry, or those of the requests ``numbers``, in the order of the plan."""
    # `records` leaves out pictures in the trash: they are no part of the comparison.
    several = takes.numbers(db)
    for record in records(db) if numbers is None else records_of(db, numbers):
        if record.take > 1:
            # Another picture that a person asked for is compared once it is one.
            continue
        for ordinal, shot in enumerate(record.pictures or (None,), 1):
            yield _entry(record, ordinal, shot, several.get(record.number))


def read_about(db: sqlite3.Connection, name: str) -> About:
    """Return what the ledger says about the folder ``name`` and its newest run."""
    fact = db.execute("SELECT value FROM facts WHERE name = 'simulated'").fetchone()
    run = db.execute("SELECT ended_ms IS NULL, planned, provider, base_url FROM runs ORDER BY id DESC LIMIT 1")
    running, planned, provider, base_url = run.fetchone() or (False, 0, "", "")
    return About(name, fact == ("1",), bool(running), planned, provider, base_url)


def _entry(record: Record, ordinal: int, shot: Shot | None, several: tuple[int, int] | None) -> Entry:
    first = ordinal == 1
    return Entry(
        record.number,
        ordinal,
        record.key,
        record.state,
        record.position,
        record.row,
        record.repeat,
        record.provider,
        record.model,
        record.parameters,
        record.columns,
        record.axes,
        record.attempts,
        record.billed_microusd if first else 0,
        record.maybe_microusd if first else 0,
        record.estimated_microusd if first else 0,
        record.cost_source,
        record.latency_ms,
        record.latency_source,
        record.total_ms,
        record.answered_ms,
        record.reason,
        record.message,
        record.status,
        shot,
        f"{several[0]} of {several[1]}" if several else "",
    )
