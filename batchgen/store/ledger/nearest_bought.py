"""The search among a folder's bought requests for relatives of a new one, without looking at all of them.

Each orphan leaves a few traces: its place in the plan, what it asked. A new request follows its own traces to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from batchgen.encoding import json_text
from batchgen.request import Request, read_canonical
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.records import prompt_of
from batchgen.store.ledger.schema import reading

# So many requests with one trace are looked at, the newest first: a template's words are in all of them.
_FOLLOWED = 16
# The words at a prompt's beginning and end that an edit in its middle leaves alone.
_WORDS = 4


class NearestBought(msgspec.Struct, frozen=True):
    """A stored request as the ledger remembers it."""

    key: str
    canonical: bytes
    row: int
    repeat: int
    columns: Mapping[str, str]
    axes: Mapping[str, str]


class Relatives:
    """The orphans of a plan by their traces."""

    def __init__(self, past: PlanDiff) -> None:
        self._db = past.db
        self._path = past.path
        self._db.execute("CREATE TEMP TABLE traces (trace INTEGER NOT NULL, request_id INTEGER NOT NULL)")
        for numbers in past.orphan_requests():
            with reading(past.path):
                self._db.executemany("INSERT INTO temp.traces VALUES (?, ?)", list(self._traced(numbers)))
        self._db.execute("CREATE INDEX temp.traces_by_trace ON traces (trace, request_id)")

    def of(self, request: Request) -> list[NearestBought]:
        """Return the orphans in the place of ``request``; without any, those that share some of its words."""
        asked = (request.columns, request.axes, request.row, request.repeat)
        return self._with(_places(*asked)) or self._with(_words_of(request.parameters.get("prompt", "")))

    def _with(self, traces: Iterable[int]) -> list[NearestBought]:
        found: dict[str, NearestBought] = {}
        with reading(self._path):
            for trace in traces:
                for row in self._db.execute(_WITH_TRACE, (trace, _FOLLOWED)).fetchall():
                    found[row[0]] = _bought(row)
        return list(found.values())

    def _traced(self, requests: list[int]) -> Iterator[tuple[int, int]]:
        wanted = json_text(requests)
        for number, row, repeat, columns, axes, canonical in self._db.execute(_ORPHANS, (wanted,)):
            for trace in _places(_words.decode(columns), _words.decode(axes), row, repeat):
                yield trace, number
            for trace in _words_of(prompt_of(canonical)):
                yield trace, number


def all_bought(past: PlanDiff) -> Iterator[NearestBought]:
    """Return every stored request of the folder, retired ones too: for a search through them all."""
    with reading(past.path):
        for row in past.db.cursor().execute(_STORED):
            yield _bought(row)


def _places(columns: Mapping[str, str], axes: Mapping[str, str], row: int, repeat: int) -> set[int]:
    """Return traces of where a request stands: its row, or what its columns say of that."""
    place = (tuple(sorted(axes.items())), repeat)
    found = {hash(("row", row, place))}
    if columns:
        found.add(hash(("columns", tuple(sorted(columns.items())), place)))
    return found


def _words_of(prompt: str) -> set[int]:
    """Return traces of what a request asks for: all of it, and how it begins and ends."""
    words = prompt.split()
    found = {hash(("prompt", prompt))}
    if len(words) > 1:
        found |= {hash(("first", *words[:_WORDS])), hash(("last", *words[-_WORDS:]))}
    return found


def _bought(row: tuple[str, str, int, int, str, str]) -> NearestBought:
    key, canonical, number, repeat, columns, axes = row
    # So that an unreadable text is reported here, as damage of the ledger.
    read_canonical(canonical)
    return NearestBought(key, canonical.encode(), number, repeat, _words.decode(columns), _words.decode(axes))


_words = msgspec.json.Decoder(dict[str, str])

_ORPHANS = """
SELECT id, row, repeat, columns, axes, canonical FROM requests WHERE id IN (SELECT value FROM json_each(?))
"""

_WITH_TRACE = """
SELECT r.key, r.canonical, r.row, r.repeat, r.columns, r.axes
FROM temp.traces t JOIN requests r ON r.id = t.request_id WHERE t.trace = ? ORDER BY t.request_id DESC LIMIT ?
"""

_STORED = "SELECT key, canonical, row, repeat, columns, axes FROM requests WHERE state = 'stored' ORDER BY id DESC"
