"""Finds among a folder's bought requests those that may be relatives of a new one, without looking at all of them.

Each orphan leaves a few traces: where it stood, what it asked. A new request follows its own traces to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from batchgen.request import Request
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.records import prompt_of

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
        self._db.execute("CREATE TEMP TABLE traces (trace INTEGER NOT NULL, request_id INTEGER NOT NULL)")
        for numbers in past.orphan_requests():
            self._db.executemany("INSERT INTO temp.traces VALUES (?, ?)", list(self._traced(numbers)))
        self._db.execute("CREATE INDEX temp.traces_by_trace ON traces (trace, request_id)")

    def of(self, request: Request) -> list[NearestBought]:
        """The orphans in the place of ``request``; without any, those that share some of its words."""
        asked = (request.columns, request.axes, request.row, request.repeat)
        return self._with(_places(*asked)) or self._with(_words_of(request.parameters.get("prompt", "")))

    def _with(self, traces: Iterable[int]) -> list[NearestBought]:
        found: dict[str, NearestBought] = {}
        for trace in traces:
            for row in self._db.execute(_WITH_TRACE, (trace, _FOLLOWED)).fetchall():
                found[row[0]] = _bought(row)
        return list(found.values())

    def _traced(self, requests: list[int]) -> Iterator[tuple[int, int]]:
        wanted = msgspec.json.encode(requests).decode()
        for number, row, repeat, columns, axes, canonical in self._db.execute(_ORPHANS, (wanted,)):
            for trace in _places(_words.decode(columns), _words.decode(axes), row, repeat):
                yield trace, number
            for trace in _words_of(prompt_of(canonical)):
                yield trace, number


def all_bought(past: PlanDiff) -> Iterator[NearestBought]:
    """Every stored request of the folder, those in the trash too: for a search through them all."""
    for row in past.db.cursor().execute(_STORED):
        yield _bought(row)


def _places(columns: Mapping[str, str], axes: Mapping[str, str], row: int, repeat: int) -> set[int]:
    """Traces of where a request stands: its row, or what its columns say of that."""
    place = (tuple(sorted(axes.items())), repeat)
    found = {hash(("row", row, place))}
    if columns:
        found.add(hash(("columns", tuple(sorted(columns.items())), place)))
    return found


def _words_of(prompt: str) -> set[int]:
    """Traces of what a request asks for: all of it, and how it begins and ends."""
    words = prompt.split()
    found = {hash(("prompt", prompt))}
    if len(words) > 1:
        found |= {hash(("first", *words[:_WORDS])), hash(("last", *words[-_WORDS:]))}
    return found


def _bought(row: tuple[str, str, int, int, str, str]) -> NearestBought:
    key, canonical, number, repeat, columns, axes = row
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
