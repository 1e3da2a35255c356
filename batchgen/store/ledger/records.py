"""What the ledger knows of each request, read as a stream: what every derived file is made from.

Ten thousand requests or ten million take the same memory: only their numbers are held, the rest comes in batches.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from operator import add, itemgetter
from pathlib import Path
from typing import Any

import msgspec

from batchgen.request import PARAMETERS, State
from batchgen.store.ledger.schema import connect_read_only, damaged

ENDED_OTHERWISE = (State.REFUSED, State.SPOILED, State.DOUBT, State.WAITING)

_BATCH = 1_000

_IN_STATES = "FROM requests WHERE state IN (SELECT value FROM json_each(?)) AND trashed_ms IS NULL"

_WITHDRAWN = "SELECT id FROM requests WHERE trashed_ms IS NOT NULL AND state <> 'stored' ORDER BY position, repeat, id"


# Structs rather than dataclasses: a frozen dataclass of this size takes ten times as long to make.
class RecordedPicture(msgspec.Struct, frozen=True, gc=False):
    """One stored file; ``file`` is relative to the run folder, with ``/`` between its parts.

    ``home`` is where it stood before it was moved to the trash; ``duration_ms`` is a film's length, where it says one.
    """

    file: str
    sha256: str
    bytes: int
    format: str
    width: int | None
    height: int | None
    revised_prompt: str | None
    home: str | None = None
    duration_ms: int | None = None


class Record(msgspec.Struct, frozen=True):
    """One request as it stands: what was asked, how it ended, and what all its attempts cost together.

    ``number`` is the ledger's own, ``position`` the place in the plan. ``request_ms`` is the last attempt's.
    """

    number: int
    key: str
    state: str
    position: int
    provider: str
    model: str
    row: int
    repeat: int
    parameters: Mapping[str, str]
    columns: Mapping[str, str]
    axes: Mapping[str, str]
    attempts: int
    answers: int
    unpriced: int
    billed_microusd: int
    maybe_microusd: int
    estimated_microusd: int
    request_ms: int | None
    latency_ms: int | None
    total_ms: int | None
    answered_ms: int | None
    reason: str | None
    message: str | None
    status: int | None
    reused_from: str | None
    pictures: tuple[RecordedPicture, ...]

    @property
    def words(self) -> Mapping[str, str]:
        """All that describes the picture by name: parameters, the user's own columns, and axes.

        Where one name is several of these, the parameter counts before the column, and that before the axis' title.
        """
        return {**self.axes, **self.columns, **self.parameters}

    @property
    def cost_source(self) -> str | None:
        """``stated`` by the service, ``estimated`` where any part of it is, ``reused`` where nothing was sent for it.

        ``None`` where no cost is known.
        """
        if self.estimated_microusd:
            return "estimated"
        known = self.billed_microusd or self.answers > self.unpriced
        return "stated" if known else "reused" if self.reused_from is not None else None


@contextmanager
def snapshot(ledger: Path) -> Iterator[sqlite3.Connection]:
    """The ledger as it is at this moment, beside a run that goes on writing. Raises :class:`LedgerDamaged`."""
    with closing(connect_read_only(ledger)) as db:
        try:
            db.execute("BEGIN")
            yield db
        except sqlite3.DatabaseError as error:
            # A file that was damaged behind its first page opens all the same.
            raise damaged(ledger, str(error)) from error


def records(db: sqlite3.Connection, states: Sequence[State] = tuple(State)) -> Iterator[Record]:
    """Every request in one of ``states`` whose pictures are not in the trash, in the order of the plan."""
    # Sorting the numbers alone and fetching by them is faster than having SQLite sort wide rows on disk.
    found = db.execute(f"SELECT id {_IN_STATES} ORDER BY position, repeat, id", (_encode(states),))
    yield from records_of(db, [number for (number,) in found])


def records_of(db: sqlite3.Connection, numbers: Sequence[int]) -> Iterator[Record]:
    """The requests ``numbers``, in that order, as far as they are there."""
    for start in range(0, len(numbers), _BATCH):
        yield from _batch(db, _encode(numbers[start : start + _BATCH]))


def withdrawn_records(db: sqlite3.Connection) -> Iterator[Record]:
    """Every request that ended without a picture and that the manifest no longer asked for."""
    yield from records_of(db, [number for (number,) in db.execute(_WITHDRAWN)])


def trashed_records(db: sqlite3.Connection, folder: str) -> Iterator[Record]:
    """Every request with pictures in ``folder`` of the trash, such as ``trash/2026-03-01-020000``."""
    # "0" is the character behind "/".
    inside = "SELECT DISTINCT request_id FROM pictures WHERE file > ? || '/' AND file < ? || '0' ORDER BY request_id"
    yield from records_of(db, [number for (number,) in db.execute(inside, (folder, folder))])


def word_names(db: sqlite3.Connection, states: Sequence[State] = tuple(State)) -> tuple[str, ...]:
    """The names of all words in use: the prompt and the other parameters, then axes, then the user's own columns."""
    wanted = (_encode(states),)
    parameters: dict[str, str] = {}
    columns: dict[str, str] = {}
    axes: dict[str, str] = {}
    for canonical, own in db.execute(f"SELECT canonical, columns {_IN_STATES} ORDER BY id", wanted):
        parameters.update(_canonical.decode(canonical).words)
        columns.update(_words.decode(own))
    for (titles,) in db.execute(f"SELECT axes {_IN_STATES} GROUP BY axes ORDER BY min(id)", wanted):
        axes.update(_words.decode(titles))
    first = [name for name in PARAMETERS if name in parameters]
    return tuple(dict.fromkeys([*first, *parameters, *axes, *columns]))


def words_of(canonical: str, axes: str, columns: str) -> dict[str, str]:
    """All that describes a picture by name: see :class:`Record`."""
    return _words.decode(axes) | _words.decode(columns) | _canonical.decode(canonical).words


def prompt_of(canonical: str) -> str:
    """The prompt of a canonical request, empty where it has none."""
    # Not by SQLite's `json_extract`, which ends a text at a NUL character.
    return _canonical.decode(canonical).parameters.get("prompt", "")


def asked_of(canonical: str) -> str:
    """The size and the format that a canonical request asks for, such as ``1024x1024 webp``, as far as it does."""
    asked = _canonical.decode(canonical).parameters
    return " ".join(filter(None, (asked.get("size"), asked.get("output_format"))))


def timestamp(milliseconds: int | None) -> str | None:
    """``2026-03-01T12:00:00.000Z``, as ISO 8601 in UTC."""
    if milliseconds is None:
        return None
    minute, rest = divmod(milliseconds, 60_000)
    return f"{_minute(minute)}:{rest // 1000:02d}.{rest % 1000:03d}Z"


# Requests that are read in turn were mostly answered within one minute, and a date takes long to write.
@lru_cache(maxsize=4096)
def _minute(minutes: int) -> str:
    return datetime.fromtimestamp(60 * minutes, UTC).strftime("%Y-%m-%dT%H:%M")


class _Canonical(msgspec.Struct, gc=False):
    parameters: dict[str, str]
    image: tuple[str, ...] = ()
    mask: str | None = None

    @property
    def words(self) -> dict[str, str]:
        words = self.parameters
        if self.image:
            words = words | {"inputs": " ".join(self.image)}
        return words if self.mask is None else words | {"mask": self.mask}


_canonical = msgspec.json.Decoder(_Canonical)
_words = msgspec.json.Decoder(dict[str, str])


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _batch(db: sqlite3.Connection, wanted: str) -> Iterator[Record]:
    pictures = defaultdict(list)
    for place, *picture in db.execute(_PICTURES, (wanted,)):
        pictures[place].append(RecordedPicture(*picture))
    spent: dict[int, _Spent] = {}
    for place, *one in db.execute(_ATTEMPTS, (wanted,)):
        spent[place] = _added(spent[place], one) if place in spent else (1, *one)
    # Not by SQLite, which would copy whole rows to sort them: they come in this order as it is.
    rows = sorted(db.execute(_REQUESTS, (wanted,)).fetchall(), key=itemgetter(0))
    for place, canonical, columns, axes, number, key, state, position, provider, model, row, repeat, *rest in rows:
        described = _canonical.decode(canonical).words, _words.decode(columns), _words.decode(axes)
        found = tuple(pictures.get(place, ()))
        # In the order of Record's fields.
        identity = number, key, state, position, provider, model, row, repeat
        fields: list[Any] = [*identity, *described, *spent.get(place, _NOTHING), *rest, found]
        yield Record(*fields)


_Spent = tuple[Any, ...]

# Attempts, answers, unpriced ones among them, the three sums, and how long the last attempt took.
_NOTHING: _Spent = (0, 0, 0, 0, 0, 0, None)


def _added(before: _Spent, one: Sequence[Any]) -> _Spent:
    attempts, *sums, _ = before
    return (attempts + 1, *map(add, sums, one), one[-1])


_REQUESTS = """
SELECT wanted.key, r.canonical, r.columns, r.axes, r.id, r.key, r.state, r.position, r.provider, r.model, r.row,
       r.repeat, r.latency_ms, iif(r.reused_from IS NULL, max(r.ended_ms - r.first_sent_ms, 0), NULL),
       coalesce(r.answered_ms, r.ended_ms), r.reason, r.message, r.status, r.reused_from
FROM json_each(?) wanted JOIN requests r ON r.id = wanted.value
"""

_ATTEMPTS = """
SELECT wanted.key, a.outcome = 'billed', a.outcome = 'billed' AND a.cost_flag IS NOT NULL, a.billed_microusd,
       a.maybe_microusd, a.estimated_microusd, a.duration_ms
FROM json_each(?) wanted JOIN attempts a ON a.request_id = wanted.value ORDER BY wanted.key, a.ordinal
"""

_PICTURES = """
SELECT wanted.key, p.file, p.sha256, p.bytes, p.format, p.width, p.height, p.revised_prompt, p.home, p.duration_ms
FROM json_each(?) wanted JOIN pictures p ON p.request_id = wanted.value ORDER BY wanted.key, p.ordinal
"""
