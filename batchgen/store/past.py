"""What a folder has bought, held against what a manifest asks for now: the orphans, which it no longer asks for.

The keys of the plan are written to a temporary table of SQLite's own, so a plan of a million takes no memory.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from batchgen.request import State
from batchgen.store.records import words_of
from batchgen.store.schema import connect_read_only, damaged
from batchgen.store.stored import StoredKeys

# So many orphans are named; the others are counted.
SHOWN = 5

_BATCH = 1_000
# From so many look-ups on it pays to read all keys of the ledger at once.
_MANY = 5_000

_COUNT = """
SELECT count(*) FROM requests r WHERE state = 'stored' AND trashed_ms IS NULL
AND NOT EXISTS (SELECT 1 FROM temp.planned p WHERE p.key = r.key)
"""

_NUMBERS = """
SELECT id FROM requests r WHERE state = 'stored' AND trashed_ms IS NULL
AND NOT EXISTS (SELECT 1 FROM temp.planned p WHERE p.key = r.key) ORDER BY position, repeat, id LIMIT ?
"""

_FIRST = """
SELECT r.key, r.row, r.model, (SELECT file FROM pictures WHERE request_id = r.id ORDER BY ordinal LIMIT 1),
       r.canonical, r.axes, r.columns
FROM requests r WHERE id IN (SELECT value FROM json_each(?)) ORDER BY position, repeat, id
"""


class Orphan(msgspec.Struct, frozen=True):
    """A stored request that the manifest no longer asks for, and the picture it brought."""

    key: str
    row: int
    model: str
    prompt: str
    file: str | None


class Orphans(msgspec.Struct, frozen=True):
    """How many there are, and the ``first`` of them in the order in which they were planned once."""

    count: int
    first: tuple[Orphan, ...]

    def to_json(self) -> str:
        return msgspec.json.encode(self).decode()


class Past:
    """The ledger at ``path`` beside a plan whose keys it is told. Used by several threads, one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.db = connect_read_only(path)
        # Its pages go to a file of SQLite's own once they are many. Keys are appended as they come, and sorted in once
        # somebody asks: one by one, each would land on another page.
        self.db.execute("CREATE TEMP TABLE planned (key TEXT PRIMARY KEY) WITHOUT ROWID")
        self.db.execute("CREATE TEMP TABLE noted (key TEXT)")
        self._stored: StoredKeys | None = None
        self._looked_up = 0
        self.whole = False

    def close(self) -> None:
        self.db.close()

    @property
    def empty(self) -> bool:
        """Whether the ledger knows no request at all."""
        return not self._rows("SELECT 1 FROM requests LIMIT 1")

    def note(self, keys: Iterable[str]) -> None:
        """The plan asks for these."""
        with self._lock:
            self._rows("INSERT INTO temp.noted SELECT value FROM json_each(?)", _encode(list(keys)))

    def read(self, keys: Iterable[str]) -> None:
        """Notes all keys of a plan, unless that was done before."""
        if self.whole:
            return
        rest = iter(keys)
        while batch := list(islice(rest, _BATCH)):
            self.note(batch)
        self.whole = True
        with self._lock:
            self._sort_in()

    def asks_for(self, key: str) -> bool:
        """Whether the plan, which was noted as a whole, asks for ``key``."""
        with self._lock:
            self._sort_in()
            return bool(self._rows("SELECT 1 FROM temp.planned WHERE key = ?", key))

    def states(self, keys: Sequence[str]) -> Mapping[str, State]:
        """The state of each of ``keys``, the unknown ones left out; they are noted as the plan's."""
        if not self.whole:
            self.note(keys)
        stored = self.stored(keys)
        rest = [key for key in keys if key not in stored]
        with self._lock:
            rows = self._rows(
                "SELECT key, state FROM requests WHERE key IN (SELECT value FROM json_each(?))", _encode(rest)
            )
        return dict.fromkeys(stored, State.STORED) | {key: State(state) for key, state in rows}

    def stored(self, keys: Sequence[str]) -> frozenset[str]:
        """Those of ``keys`` that are known to be stored, without asking the ledger; empty while only few are asked for.

        To others it may still be news: what is not among these has to be looked up.
        """
        with self._lock:
            self._looked_up += len(keys)
            if self._stored is None and self._looked_up > _MANY:
                try:
                    self._stored = StoredKeys(self.db)
                except sqlite3.DatabaseError as error:
                    raise damaged(self._path, str(error)) from error
        return self._stored.among(keys) if self._stored is not None else frozenset()

    def orphans(self) -> Orphans:
        """Those of the whole plan that was noted."""
        with self._lock:
            self._sort_in()
            ((count,),) = self._rows(_COUNT)
            rows = self._rows(_FIRST, _encode([number for (number,) in self._rows(_NUMBERS, SHOWN)]))
        first = tuple(
            Orphan(key, row, model, words_of(*words).get("prompt", ""), file) for key, row, model, file, *words in rows
        )
        return Orphans(count, first)

    def orphan_requests(self) -> Iterator[list[int]]:
        """The numbers of all orphans, some hundreds at a time."""
        with self._lock:
            self._sort_in()
            numbers = [number for (number,) in self._rows(_NUMBERS, -1)]
        for start in range(0, len(numbers), _BATCH // 2):
            yield numbers[start : start + _BATCH // 2]

    def _sort_in(self) -> None:
        if self._rows("SELECT 1 FROM temp.noted LIMIT 1"):
            self._rows("INSERT OR IGNORE INTO temp.planned SELECT key FROM temp.noted ORDER BY key")
            self._rows("DELETE FROM temp.noted")

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self.db.execute(statement, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise damaged(self._path, str(error)) from error


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()
