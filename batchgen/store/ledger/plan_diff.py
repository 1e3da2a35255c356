"""What a folder has bought, held against what a manifest asks for now: what is open, and the orphans.

A plan is known by 64 bits of each key, so one of a million requests is held against a ledger of as many in a second.
"""

from __future__ import annotations

import sqlite3
import threading
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from batchgen.encoding import json_text
from batchgen.request import State, number_of
from batchgen.store.ledger.key_index import KeyIndex
from batchgen.store.ledger.records import words_of
from batchgen.store.ledger.schema import connect_read_only, reading

# So many orphans are named; the others are counted.
SHOWN = 5

_BATCH = 500

_IN_ORDER = """
SELECT id FROM requests WHERE id IN (SELECT value FROM json_each(?)) AND state = 'stored' AND retired_ms IS NULL
ORDER BY position, repeat, id
"""

_FIRST = """
SELECT r.key, r.row, r.model, (SELECT file FROM kept_pictures WHERE request_id = r.id ORDER BY ordinal LIMIT 1),
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
    """How many orphans there are, and the ``first`` of them in the order in which they were planned once.

    ``kept`` of them stand until their replacements are stored.
    """

    count: int
    first: tuple[Orphan, ...]
    kept: int = 0

    def to_json(self) -> str:
        return json_text(self)


class PlanDiff:
    """The ledger at ``path`` beside a plan, given as the numbers of its keys in their order.

    What is stored is looked up once, when it is first asked for: what became stored since may still be news here, and
    the ledger says so. Used by several threads, one at a time.
    """

    def __init__(self, path: Path, planned: Sequence[int]) -> None:
        self.path = path
        self._planned = planned
        self._lock = threading.Lock()
        self.db = connect_read_only(path)

    def close(self) -> None:
        self.db.close()

    @property
    def empty(self) -> bool:
        """Return whether the ledger knows no request at all."""
        return not self._rows("SELECT 1 FROM requests LIMIT 1")

    @property
    def knows_any_of_plan(self) -> bool:
        """Return whether the plan asks for anything that the ledger knows, in whatever state."""
        known = {number_of(key) for (key,) in self._rows("SELECT key FROM requests")}
        return any(number in known for number in self._planned)

    @property
    def open_positions(self) -> Sequence[int]:
        """Return the places in the plan of the requests that were not stored."""
        return self._held_against_plan[0]

    def look_again(self) -> None:
        """Look up anew what is stored: some of the pictures have just been abandoned."""
        self.__dict__.pop("_stored", None)
        self.__dict__.pop("_held_against_plan", None)

    def states(self, keys: Sequence[str]) -> Mapping[str, State]:
        """Return the state of each of ``keys``, the unknown ones left out."""
        stored = self.stored(keys)
        rest = [key for key in keys if key not in stored]
        rows = self._rows(
            "SELECT key, state FROM requests WHERE key IN (SELECT value FROM json_each(?)) AND take = 1",
            json_text(rest),
        )
        return dict.fromkeys(stored, State.STORED) | {key: State(state) for key, state in rows}

    def stored(self, keys: Sequence[str]) -> frozenset[str]:
        """Return those of ``keys`` that are known to be stored, without asking the ledger anew."""
        return self._stored.among(keys)

    def asked(self, keys: Collection[str]) -> frozenset[str]:
        """Return those of ``keys``, whatever their state, that the plan asks for."""
        wanted = {number_of(key): key for key in keys}
        return frozenset(wanted[number] for number in self._planned if number in wanted) if wanted else frozenset()

    def orphans(self) -> Orphans:
        """Return what is stored, still has its names, and is no longer asked for."""
        numbers = self._orphans()
        rows = self._rows(_FIRST, json_text(numbers[:SHOWN]))
        with reading(self.path):
            first = tuple(
                Orphan(key, row, model, words_of(*words).get("prompt", ""), file)
                for key, row, model, file, *words in rows
            )
        return Orphans(len(numbers), first)

    def orphan_requests(self) -> Iterator[list[int]]:
        """Return the numbers of all orphans, some hundreds at a time."""
        numbers = self._orphans()
        for start in range(0, len(numbers), _BATCH):
            yield numbers[start : start + _BATCH]

    def _orphans(self) -> list[int]:
        """Return the numbers of all orphans, in the order in which they were planned once."""
        asked = self._held_against_plan[1]
        if all(asked):
            return []
        found = []
        with self._reading() as db:
            # Answered by the index of keys alone.
            for key, request_id in db.execute("SELECT key, id FROM requests WHERE take = 1"):
                place = self._stored.place(number_of(key))
                if place is not None and not asked[place]:
                    found.append(request_id)
        return [number for (number,) in self._rows(_IN_ORDER, json_text(found))]

    @cached_property
    def _stored(self) -> KeyIndex:
        with self._reading() as db:
            return KeyIndex(db)

    @cached_property
    def _held_against_plan(self) -> tuple[Sequence[int], bytearray]:
        """Return the places of the open requests in the plan, and of each stored one whether the plan asks for it."""
        open_ones = array("I")
        asked = bytearray(len(self._stored))
        for position, place in enumerate(self._stored.places(self._planned)):
            if place is None:
                open_ones.append(position)
            else:
                asked[place] = 1
        return open_ones, asked

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._reading() as db:
            return db.execute(statement, values).fetchall()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, reading(self.path):
            yield self.db
