"""What the ledger knows of each request, read as a stream: what every derived file is made from.

Ten thousand requests or ten million take the same memory: only their numbers are held, the rest comes in batches.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from operator import add, itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from batchgen.encoding import json_text
from batchgen.request import PARAMETERS, State, read_canonical
from batchgen.store.ledger.schema import connect_read_only, reading
from batchgen.store.ledger.transitions import STATED

ENDED_OTHERWISE = (State.REFUSED, State.SPOILED, State.DOUBT, State.WAITING)

_BATCH = 1_000

_IN_STATES = "FROM requests WHERE state IN (SELECT value FROM json_each(?)) AND retired_ms IS NULL"

_WITHDRAWN = "SELECT id FROM requests WHERE retired_ms IS NOT NULL AND state <> 'stored' ORDER BY position, repeat, id"


# Structs rather than dataclasses: a frozen dataclass of this size takes ten times as long to make.
class RecordedPicture(msgspec.Struct, frozen=True, gc=False):
    """One stored picture; ``file`` is its name relative to the run folder, with ``/`` between its parts.

    ``original`` is its name below ``.batchgen/pictures``; ``named_first`` says that the first row which asks for the
    picture has it under its name. ``duration_ms`` is a film's length, if the film states one.
    """

    ordinal: int
    file: str
    original: str
    named_first: bool
    sha256: str
    bytes: int
    format: str
    width: int | None
    height: int | None
    revised_prompt: str | None
    duration_ms: int | None = None


class Record(msgspec.Struct, frozen=True):
    """One request as it stands: what was asked, how the request ended, and what all its attempts cost together.

    ``number`` is the ledger's own, ``position`` the place in the plan. ``request_ms`` is the last attempt's.
    ``take`` is 1 but for another picture that a person asked for and that is none yet. ``cost_source`` is what the cost
    was read or counted from, that of an estimate if any part is one, ``reused`` if nothing was sent, and ``None`` if no
    cost is known.
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
    billed_microusd: int
    maybe_microusd: int
    estimated_microusd: int
    input_tokens: int | None
    output_tokens: int | None
    cost_source: str | None
    request_ms: int | None
    latency_ms: int | None
    latency_source: str | None
    total_ms: int | None
    answered_ms: int | None
    reason: str | None
    message: str | None
    status: int | None
    reused_from: str | None
    take: int
    pictures: tuple[RecordedPicture, ...]

    @property
    def words(self) -> Mapping[str, str]:
        """Return all that describes the picture by name: parameters, the user's own columns, and axes.

        If one name is several of these, the parameter counts before the axis' title, and that before the column: a
        titled value is known by its title, and its text stands in the prompt.
        """
        return {**self.columns, **self.axes, **self.parameters}


@contextmanager
def snapshot(ledger: Path) -> Iterator[sqlite3.Connection]:
    """Open the ledger as it is at this moment, beside a run that goes on writing. Raises :class:`LedgerDamaged`."""
    with closing(connect_read_only(ledger)) as db, reading(ledger):
        db.execute("BEGIN")
        yield db


def records(db: sqlite3.Connection, states: Sequence[State] = tuple(State)) -> Iterator[Record]:
    """Return every request in one of ``states`` that is still asked for, in the order of the plan."""
    yield from records_of(db, record_numbers(db, states))


def record_numbers(db: sqlite3.Connection, states: Sequence[State]) -> array[int]:
    """Return the numbers of the same requests, in the same order."""
    # Sorting the numbers alone and fetching by them is faster than having SQLite sort wide rows on disk.
    found = db.execute(f"SELECT id {_IN_STATES} ORDER BY position, repeat, id", (json_text(states),))
    return array("q", (number for (number,) in found))


def records_of(db: sqlite3.Connection, numbers: Sequence[int]) -> Iterator[Record]:
    """Return the requests ``numbers`` in that order, without unknown ones."""
    for start in range(0, len(numbers), _BATCH):
        yield from _batch(db, json_text(list(numbers[start : start + _BATCH])))


def withdrawn_records(db: sqlite3.Connection) -> Iterator[Record]:
    """Return every request that ended without a picture and that the manifest no longer asked for."""
    yield from records_of(db, [number for (number,) in db.execute(_WITHDRAWN)])


class Share(NamedTuple):
    """A picture under the name that a further row gives it; ``record`` is the request as that row asks for it."""

    ordinal: int
    file: str
    record: Record


class Sharing:
    """The rows of a plan that ask for the same as a row before them, and the names their pictures have."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._any = db.execute("SELECT 1 FROM shares LIMIT 1").fetchone() is not None

    def of(self, record: Record) -> list[Share]:
        """Return what the further rows of a stored request have, in the order of the plan."""
        if not self._any:
            return []
        rows = self._db.execute(_SHARES, (record.number, record.key))
        return [Share(ordinal, file, self._as_asked(record, *asked)) for ordinal, file, *asked in rows]

    @staticmethod
    def _as_asked(record: Record, position: int, row: int, columns: str, axes: str) -> Record:
        return msgspec.structs.replace(
            record, position=position, row=row, columns=_words.decode(columns), axes=_words.decode(axes)
        )


def word_names(db: sqlite3.Connection, states: Sequence[State] = tuple(State)) -> tuple[str, ...]:
    """Return the names of all words in use: the prompt, other parameters, then axes, then the user's own columns."""
    wanted = (json_text(states),)
    parameters: dict[str, str] = {}
    columns: dict[str, str] = {}
    axes: dict[str, str] = {}
    for canonical, own in db.execute(f"SELECT canonical, columns {_IN_STATES} ORDER BY id", wanted):
        parameters.update(_asked_words(canonical))
        columns.update(_words.decode(own))
    for (titles,) in db.execute(f"SELECT axes {_IN_STATES} GROUP BY axes ORDER BY min(id)", wanted):
        axes.update(_words.decode(titles))
    for own, titles in db.execute("SELECT columns, axes FROM shares"):
        columns.update(_words.decode(own))
        axes.update(_words.decode(titles))
    first = [name for name in PARAMETERS if name in parameters]
    return tuple(dict.fromkeys([*first, *parameters, *axes, *columns]))


def words_of(canonical: str, axes: str, columns: str) -> dict[str, str]:
    """Return all that describes a picture by name: see :class:`Record`."""
    return _words.decode(columns) | _words.decode(axes) | _asked_words(canonical)


def prompt_of(canonical: str) -> str:
    """Return the prompt of a canonical request, empty if there is none."""
    # Not by SQLite's `json_extract`, which ends a text at a NUL character.
    return read_canonical(canonical).parameters.get("prompt", "")


def asked_of(canonical: str) -> str:
    """Return the size and the format that a canonical request asks for, if any, such as ``1024x1024 webp``."""
    asked = read_canonical(canonical).parameters
    return " ".join(filter(None, (asked.get("size"), asked.get("output_format"))))


def is_simulated(db: sqlite3.Connection) -> bool:
    """Return whether the pictures of this folder come from the simulator, and its costs are play money."""
    return bool(db.execute("SELECT value FROM facts WHERE name = 'simulated'").fetchone() == ("1",))


def timestamp(milliseconds: int | None) -> str | None:
    """Return a moment as ISO 8601 in UTC, such as ``2026-03-01T12:00:00.000Z``."""
    if milliseconds is None:
        return None
    minute, rest = divmod(milliseconds, 60_000)
    return f"{_minute(minute)}:{rest // 1000:02d}.{rest % 1000:03d}Z"


# Requests that are read in turn were mostly answered within one minute, and a date takes long to write.
@lru_cache(maxsize=4096)
def _minute(minutes: int) -> str:
    return datetime.fromtimestamp(60 * minutes, UTC).strftime("%Y-%m-%dT%H:%M")


def _asked_words(canonical: str) -> dict[str, str]:
    """Return the parameters of a canonical request by name, with its inputs and its mask."""
    asked = read_canonical(canonical)
    words = asked.parameters
    if asked.image:
        words = words | {"inputs": " ".join(asked.image)}
    return words if asked.mask is None else words | {"mask": asked.mask}


_words = msgspec.json.Decoder(dict[str, str])


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
        described = _asked_words(canonical), _words.decode(columns), _words.decode(axes)
        found = tuple(pictures.get(place, ()))
        # In the order of Record's fields.
        identity = number, key, state, position, provider, model, row, repeat
        fields: list[Any] = [*identity, *described, *spent.get(place, _REUSED if rest[-2] else _NOTHING), *rest, found]
        yield Record(*fields)


_Spent = tuple[Any, ...]

# Attempts, answers, the three sums, tokens in and out, the source of the cost, and how long the last attempt took.
_NOTHING: _Spent = (0, 0, 0, 0, 0, None, None, None, None)
_REUSED: _Spent = (0, 0, 0, 0, 0, None, None, "reused", None)
_SUMS = 4


def _added(before: _Spent, one: Sequence[Any]) -> _Spent:
    """Return the sums with one more attempt; an estimate stays one, whatever is stated later."""
    attempts, *sums = before[: 1 + _SUMS]
    *tokens, source, _ = before[1 + _SUMS :]
    counted = [_sum(*pair) for pair in zip(tokens, one[_SUMS : _SUMS + 2], strict=True)]
    newest = one[-2] if one[-2] is not None and (source is None or source in STATED) else source
    return (attempts + 1, *map(add, sums, one), *counted, newest, one[-1])


def _sum(first: int | None, second: int | None) -> int | None:
    return second if first is None else first if second is None else first + second


_REQUESTS = """
SELECT wanted.key, r.canonical, r.columns, r.axes, r.id, r.key, r.state, r.position, r.provider, r.model, r.row,
       r.repeat, r.latency_ms, r.latency_source,
       iif(r.reused_from IS NULL, max(r.ended_ms - r.first_sent_ms, 0), NULL),
       coalesce(r.answered_ms, r.ended_ms), r.reason, r.message, r.status, r.reused_from,
       r.take
FROM json_each(?) wanted JOIN requests r ON r.id = wanted.value
"""

_SHARES = """
SELECT n.ordinal, n.file, s.position, s.row, s.columns, s.axes
FROM names n JOIN shares s ON s.key = ?2 AND s.position = n.share
WHERE n.request_id = ?1 AND n.state IN ('wanted', 'made') ORDER BY s.position, n.ordinal
"""

_ATTEMPTS = """
SELECT wanted.key, a.outcome = 'billed', a.billed_microusd, a.maybe_microusd, a.estimated_microusd, a.input_tokens,
       a.output_tokens, a.cost_source, a.duration_ms
FROM json_each(?) wanted JOIN attempts a ON a.request_id = wanted.value ORDER BY wanted.key, a.ordinal
"""

_PICTURES = """
SELECT wanted.key, p.ordinal, p.file, p.original, p.share < 0, p.sha256, p.bytes, p.format, p.width, p.height,
p.revised_prompt,
       p.duration_ms
FROM json_each(?) wanted JOIN kept_pictures p ON p.request_id = wanted.value ORDER BY wanted.key, p.ordinal
"""
