"""What the ledger says of where a request stands in its manifest: its place, its row, its axes and the user's columns.

None of it reaches the service or is part of a key, so a request that is kept may have all of it changed. The ledger
remembers which plan it describes its requests by, so an unchanged one is never compared.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from batchgen.request import Request
from batchgen.store.folder.trash import stem_of

_FACT = "described"


@dataclass(frozen=True, slots=True)
class Misnamed:
    """A stored request whose first picture is ``file``, and is to be called ``stem``."""

    request_id: int
    key: str
    file: str
    stem: str


def describes(db: sqlite3.Connection, fingerprint: str) -> bool:
    """Whether every request of the plan with this fingerprint that the ledger knows is described as it says."""
    return bool(db.execute("SELECT value FROM facts WHERE name = ?", (_FACT,)).fetchone() == (fingerprint,))


def record_described(db: sqlite3.Connection, fingerprint: str) -> None:
    """From here on :func:`describes` is true of this plan, and of no other."""
    db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_FACT, fingerprint))


def knows_any(db: sqlite3.Connection) -> bool:
    """Whether there is any request in the ledger."""
    return db.execute("SELECT 1 FROM requests LIMIT 1").fetchone() is not None


def outdated(db: sqlite3.Connection, requests: Sequence[Request]) -> list[Request]:
    """Those of ``requests`` that the ledger knows and describes otherwise."""
    keys = _encode([request.key for request in requests])
    known = {key: rest for key, *rest in db.execute(_KNOWN, (keys,))}
    return [one for one in requests if one.key in known and _differs(one, *known[one.key])]


def misnamed(db: sqlite3.Connection, requests: Sequence[Request]) -> list[Misnamed]:
    """Those of ``requests`` with a name of the user's own whose first picture stands under another one."""
    named = {request.key: request.path for request in requests if request.path is not None}
    rows = db.execute(_FIRST_PICTURES, (_encode(list(named)),))
    return [Misnamed(number, key, file, named[key]) for number, key, file in rows if stem_of(file) != named[key]]


def describe(db: sqlite3.Connection, requests: Sequence[Request]) -> None:
    """The ledger describes ``requests`` as they are, and no plan as a whole until :func:`record_described`."""
    db.execute("DELETE FROM facts WHERE name = ?", (_FACT,))
    db.executemany(
        "UPDATE requests SET position = ?, row = ?, columns = ?, axes = ? WHERE key = ?",
        [(one.index, one.row, _encode(one.columns), _encode(one.axes), one.key) for one in requests],
    )


def _differs(request: Request, position: int, row: int, columns: str, axes: str) -> bool:
    return (
        (position, row) != (request.index, request.row)
        # The order of columns counts too: it is that of the lists.
        or columns != _encode(request.columns)
        or axes != _encode(request.axes)
    )


def _encode(value: Mapping[str, str] | Sequence[str]) -> str:
    return msgspec.json.encode(value).decode()


_FIRST_PICTURES = """
SELECT r.id, r.key, p.file FROM requests r JOIN pictures p ON p.request_id = r.id AND p.ordinal = 1
WHERE r.key IN (SELECT value FROM json_each(?)) AND r.state = 'stored' AND p.home IS NULL
"""

_KNOWN = """
SELECT key, position, row, columns, axes FROM requests WHERE key IN (SELECT value FROM json_each(?))
"""
