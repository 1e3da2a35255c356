"""What the ledger says of the rows that ask for a request: their places, axes and columns, and the names they give.

None of it reaches the service or is part of a key, so all of it may change for a request that is kept. The ledger
remembers which plan it describes its requests by, so an unchanged one is never compared.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from batchgen.encoding import json_text
from batchgen.request import Request
from batchgen.store.folder.view import stem_of
from batchgen.store.ledger import names

_FACT = "described"

# Finds those of some keys that the plan has.
OfPlan = Callable[[Collection[str]], Collection[str]]

# The names that rows get which give none.
_OPAQUE = re.compile(r"images/\d{5,}/\d{9,}-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Described:
    """A request of the plan and the stem of the name that its row gives."""

    request: Request
    stem: str
    # Whether the stem is one that users see as a word of theirs; others stay as they were first given.
    named: bool


def describes(db: sqlite3.Connection, fingerprint: str) -> bool:
    """Return whether the ledger describes every request it knows as the plan with this fingerprint does."""
    return bool(db.execute("SELECT value FROM facts WHERE name = ?", (_FACT,)).fetchone() == (fingerprint,))


def record_described(db: sqlite3.Connection, fingerprint: str) -> None:
    """Record that :func:`describes` is true of this plan, and of no other."""
    db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_FACT, fingerprint))


def describe_anew(db: sqlite3.Connection) -> None:
    """Record that no plan is described as a whole."""
    db.execute("DELETE FROM facts WHERE name = ?", (_FACT,))


def outdated(db: sqlite3.Connection, rows: Sequence[Described]) -> list[Described]:
    """Return those of ``rows`` whose request the ledger knows and describes otherwise, had retired or left unnamed."""
    wanted = json_text([one.request.key for one in rows])
    known = {key: rest for key, *rest in db.execute(_KNOWN, (wanted,))}
    unnamed = _unnamed(db, wanted)
    return [one for one in rows if (key := one.request.key) in known and (key in unnamed or _differs(one, *known[key]))]


def describe(db: sqlite3.Connection, rows: Sequence[Described], *, now_ms: int) -> int:
    """Describe requests as their rows do, and want their names; return how many got others.

    No plan is described as a whole until :func:`record_described`.
    """
    describe_anew(db)
    renamed = []
    unnamed = _unnamed(db, json_text([one.request.key for one in rows]))
    for one in rows:
        request = one.request
        before = db.execute(
            "SELECT id, stem, state = 'stored' AND discarded_ms IS NULL FROM requests WHERE key = ? AND take = 1",
            (request.key,),
        ).fetchone()
        request_id, old, shown = before
        stem = _stem(one, old)
        db.execute(
            "UPDATE requests SET position = ?, row = ?, columns = ?, axes = ?, stem = ?, retired_ms = NULL"
            " WHERE id = ?",
            (request.index, request.row, json_text(request.columns), json_text(request.axes), stem, request_id),
        )
        if request.key in unnamed or (shown and stem != old):
            renamed.append(request_id)
    names.rename(db, renamed, now_ms=now_ms)
    return len(renamed)


def share(db: sqlite3.Connection, rows: Iterable[Described], *, of_plan: OfPlan) -> None:
    """Remember ``rows`` as those that ask for a request some row before them asks for as well.

    Of requests that are still ``of_plan``, those before are forgotten; the names of others stay until they are pruned.
    Done before :func:`describe`: a row that is gone would take its name from the row that has it now.
    """
    describe_anew(db)
    described = [
        (asked.key, asked.index, asked.row, json_text(asked.columns), json_text(asked.axes), one.stem)
        for one in rows
        for asked in (one.request,)
    ]
    keys = of_plan({key for (key,) in db.execute("SELECT DISTINCT key FROM shares")} | {key for key, *_ in described})
    db.execute("DELETE FROM shares WHERE key IN (SELECT value FROM json_each(?))", (json_text(sorted(keys)),))
    db.executemany("INSERT INTO shares VALUES (?, ?, ?, ?, ?, ?)", described)


def name_shared(db: sqlite3.Connection, *, of_plan: OfPlan, now_ms: int) -> None:
    """Want the names of requests ``of_plan`` whose names are not those of the rows that share them.

    Done after :func:`describe`: a request that is to be renamed would take its old name from the row that has it now.
    """
    shared = db.execute(
        "SELECT r.id, s.position, s.stem FROM shares s JOIN requests r ON r.key = s.key AND r.take = 1"
    ).fetchall()
    named = db.execute(
        "SELECT request_id, share, file FROM names WHERE share <> -1 AND ordinal = 1 AND state <> 'leaving'"
    )
    differing = {(number, position, stem_of(file)) for number, position, file in named}.symmetric_difference(shared)
    found = dict(
        db.execute(
            "SELECT key, id FROM requests WHERE id IN (SELECT value FROM json_each(?)) AND state = 'stored'"
            " AND retired_ms IS NULL AND discarded_ms IS NULL",
            (json_text(sorted({number for number, _, _ in differing})),),
        ).fetchall()
    )
    names.rename(db, sorted(found[key] for key in of_plan(found)), now_ms=now_ms)


def _differs(
    one: Described, position: int, row: int, columns: str, axes: str, stem: str, retired_ms: int | None
) -> bool:
    request = one.request
    return (
        (position, row) != (request.index, request.row)
        # The order of columns counts too: the lists follow that order.
        or columns != json_text(request.columns)
        or axes != json_text(request.axes)
        or stem != _stem(one, stem)
        or retired_ms is not None
    )


def _unnamed(db: sqlite3.Connection, keys: str) -> frozenset[str]:
    """Return those of ``keys``, given as JSON, whose pictures are kept without the name of their first row."""
    return frozenset(key for (key,) in db.execute(_UNNAMED, (keys,)))


def _stem(one: Described, old: str) -> str:
    """Return the stem that a request is to have: an opaque one stays as first given, wherever its row stands."""
    return old if not one.named and _OPAQUE.fullmatch(old) and old.endswith(one.request.key[:8]) else one.stem


_KNOWN = """
SELECT key, position, row, columns, axes, stem, retired_ms FROM requests
WHERE key IN (SELECT value FROM json_each(?)) AND take = 1
"""

# Another request may have taken the name while no manifest asked for this one, which kept the names of further rows.
_UNNAMED = """
SELECT key FROM requests r WHERE key IN (SELECT value FROM json_each(?)) AND state = 'stored' AND discarded_ms IS NULL
AND NOT EXISTS (SELECT 1 FROM names n WHERE n.request_id = r.id AND n.ordinal = 1 AND n.share = -1
                AND n.state <> 'leaving')
"""
