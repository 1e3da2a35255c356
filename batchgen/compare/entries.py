"""What the page shows of a ledger: one entry per picture, and one per request that has none."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from batchgen.store.records import words_of

_BATCH = 1_000


class Shot(msgspec.Struct, frozen=True, gc=False):
    """One stored picture; ``file`` is relative to the run folder, with ``/`` between its parts."""

    file: str
    sha256: str
    bytes: int
    format: str
    width: int | None
    height: int | None
    revised_prompt: str | None


class Entry(msgspec.Struct, frozen=True):
    """One picture of a request, or a request that has none; ``ordinal`` counts the pictures of a request from 1.

    The three sums are those of the whole request and stand with its first picture only, so that they add up.
    ``total_ms`` reaches from the first attempt to the file on disk.
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
    latency_ms: int | None
    total_ms: int | None
    answered_ms: int | None
    reason: str | None
    message: str | None
    status: int | None
    shot: Shot | None


@dataclass(frozen=True, slots=True)
class About:
    """What the page says of the folder as a whole; ``provider`` and ``base_url`` are those of the newest run."""

    name: str
    simulated: bool = False
    running: bool = False
    planned: int = 0
    provider: str = ""
    base_url: str = ""


def read_entries(db: sqlite3.Connection, numbers: Sequence[int] | None = None) -> Iterator[Entry]:
    """Every entry, or those of the requests ``numbers``, in the order of the plan."""
    if numbers is None:
        numbers = [number for (number,) in db.execute(_NUMBERS)]
    for start in range(0, len(numbers), _BATCH):
        yield from _read(db, numbers[start : start + _BATCH])


def read_about(db: sqlite3.Connection, name: str) -> About:
    """``name`` and what the newest run says of itself."""
    fact = db.execute("SELECT value FROM facts WHERE name = 'simulated'").fetchone()
    run = db.execute("SELECT ended_ms IS NULL, planned, provider, base_url FROM runs ORDER BY id DESC LIMIT 1")
    running, planned, provider, base_url = run.fetchone() or (False, 0, "", "")
    return About(name, fact == ("1",), bool(running), planned, provider, base_url)


def _read(db: sqlite3.Connection, numbers: Sequence[int]) -> Iterator[Entry]:
    wanted = (msgspec.json.encode(numbers).decode(),)
    shots = defaultdict(list)
    for number, *fields in db.execute(_SHOTS, wanted):
        shots[number].append(Shot(*fields))
    for number, *fields, canonical, columns, axes in db.execute(_REQUESTS, wanted):
        yield from _entries(number, fields, (canonical, columns, axes), shots.get(number, ()))


def _entries(
    number: int, fields: Sequence[object], texts: tuple[str, str, str], shots: Sequence[Shot]
) -> Iterator[Entry]:
    canonical, columns, axes = texts
    identity, money, rest = fields[:7], fields[7:11], fields[11:]
    described = (words_of(canonical, "{}", "{}"), _words.decode(columns), _words.decode(axes))
    for ordinal, shot in enumerate(shots or (None,), 1):
        attempts, *sums = money
        spent = sums if ordinal == 1 else (0, 0, 0)
        values: list[object] = [number, ordinal, *identity, *described, attempts, *spent, *rest, shot]
        yield Entry(*values)  # type: ignore[arg-type]


_words = msgspec.json.Decoder(dict[str, str])

# What lies in the trash is no part of the comparison.
_NUMBERS = "SELECT id FROM requests WHERE trashed_ms IS NULL ORDER BY position, repeat, id"

_REQUESTS = """
SELECT r.id, r.key, r.state, r.position, r.row, r.repeat, r.provider, r.model,
       count(a.id), coalesce(sum(a.billed_microusd), 0), coalesce(sum(a.maybe_microusd), 0),
       coalesce(sum(a.estimated_microusd), 0), r.latency_ms, max(r.ended_ms - r.first_sent_ms, 0),
       coalesce(r.answered_ms, r.ended_ms), r.reason, r.message, r.status, r.canonical, r.columns, r.axes
FROM json_each(?) wanted JOIN requests r ON r.id = wanted.value LEFT JOIN attempts a ON a.request_id = r.id
GROUP BY wanted.key ORDER BY wanted.key
"""

_SHOTS = """
SELECT p.request_id, p.file, p.sha256, p.bytes, p.format, p.width, p.height, p.revised_prompt
FROM json_each(?) wanted JOIN pictures p ON p.request_id = wanted.value ORDER BY wanted.key, p.ordinal
"""
