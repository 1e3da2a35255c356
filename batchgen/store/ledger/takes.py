"""Further takes: other pictures of a stored request that a person asked for, and which of them its names show.

A take that was asked for is a row of its own, with the key of the request and a number, so that it is sent, answered,
retried or in doubt like any request while the first stays stored. Once its pictures are stored, its attempts and
pictures become the first row's, and the row is gone: it is bought once, and no later run finds it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from batchgen.encoding import json_text
from batchgen.request import Request, State
from batchgen.store.folder.view import Name
from batchgen.store.ledger import names

# A take in one of these states is no picture yet and may still become one; asking for it once more changes nothing.
UNDER_WAY = (State.WAITING, State.SENT, State.ANSWERED, State.DOUBT)


@dataclass(frozen=True, slots=True)
class Take:
    """One take of a stored request, by its number, with its pictures below ``pictures/`` and what it cost."""

    number: int
    shown: bool
    originals: tuple[str, ...]
    answered_ms: int | None
    billed_microusd: int
    estimated_microusd: int


@dataclass(frozen=True, slots=True)
class JoinedTake:
    """The request whose pictures are recorded, and the number of the take they are."""

    request_id: int
    take: int


def ask(db: sqlite3.Connection, wanted: Iterable[tuple[Request, str]], *, run_id: int, now_ms: int) -> None:
    """Record that another take is ``wanted`` of each of these requests, which have the stems beside them.

    One that was refused, or brought nothing usable, is wanted again; one that is under way stays as it is.
    """
    for request, stem in wanted:
        db.execute(
            """
            INSERT INTO requests (key, take, state, position, row, repeat, provider, kind, model, canonical, columns,
                                  axes, stem, run_id, first_sent_ms)
            VALUES (?, ?, 'waiting', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (key, take) DO UPDATE SET state = 'waiting', not_before_ms = NULL, retired_ms = NULL
            WHERE state IN ('refused', 'spoiled')
            """,
            (
                request.key,
                _number(db, request.key),
                request.index,
                request.row,
                request.repeat,
                request.provider,
                request.kind,
                request.model,
                request.canonical.decode(),
                json_text(request.columns),
                json_text(request.axes),
                stem,
                run_id,
                now_ms,
            ),
        )


def is_open(db: sqlite3.Connection, key: str, take: int) -> bool:
    """Return whether a further take was asked for and is no picture yet."""
    return db.execute("SELECT 1 FROM requests WHERE key = ? AND take = ?", (key, take)).fetchone() is not None


def _number(db: sqlite3.Connection, key: str) -> int:
    """Return the number of a further take: that of the one that is no picture yet, or one more than there are."""
    found = db.execute("SELECT max(take) FROM requests WHERE key = ? AND take > 1", (key,)).fetchone()[0]
    return int(found or last_number(db, first_of(db, key)) + 1)


def first_of(db: sqlite3.Connection, key: str) -> int:
    """Return the row of a key's first take, which all its pictures belong to."""
    (request_id,) = db.execute("SELECT id FROM requests WHERE key = ? AND take = 1", (key,)).fetchone()
    return int(request_id)


def last_number(db: sqlite3.Connection, request_id: int) -> int:
    """Return the highest number of the takes of a request that are pictures, 0 if there is none."""
    return int(db.execute(_LAST, {"id": request_id}).fetchone()[0])


def last_ordinal(db: sqlite3.Connection, key: str) -> int:
    """Return the highest number that a picture of ``key`` has at rest, 0 if there is none."""
    originals = db.execute(_ORIGINALS, (key,)).fetchall()
    return max((int(original.rpartition("-")[2].partition(".")[0]) for (original,) in originals), default=0)


def join(db: sqlite3.Connection, request_id: int) -> JoinedTake:
    """Return which request the row ``request_id`` belongs to; a further take's row becomes part of that request."""
    key, take = db.execute("SELECT key, take FROM requests WHERE id = ?", (request_id,)).fetchone()
    number = last_number(db, first := first_of(db, key)) + 1
    if take == 1:
        # With another number than 1, it was bought anew after its pictures were lost, and other takes are kept.
        return JoinedTake(request_id, number)
    db.execute("UPDATE attempts SET request_id = ?, take = ? WHERE request_id = ?", (first, number, request_id))
    if db.execute("SELECT discarded_ms IS NOT NULL FROM requests WHERE id = ?", (first,)).fetchone() == (1,):
        # Their bytes were deleted because a person said so.
        db.execute("DELETE FROM pictures WHERE request_id = ?", (first,))
        db.execute("DELETE FROM other_takes WHERE request_id = ?", (first,))
    put_aside(db, first)
    db.execute(_DESCRIBED_BY_TAKE, (request_id, first))
    db.execute("DELETE FROM requests WHERE id = ?", (request_id,))
    return JoinedTake(first, number)


def put_aside(db: sqlite3.Connection, request_id: int) -> None:
    """Keep the pictures that a request shows among its other takes."""
    db.execute(_PUT_ASIDE, (request_id,))
    db.execute("DELETE FROM pictures WHERE request_id = ?", (request_id,))


def show(db: sqlite3.Connection, request_id: int, take: int, *, now_ms: int, takes_names: bool = True) -> list[Name]:
    """Show ``take``, one of the other takes of a stored request; return the names to be settled."""
    put_aside(db, request_id)
    chosen = (request_id, take)
    db.execute(_SHOW, chosen)
    db.execute(_DESCRIBED_BY_PICTURE, {"id": request_id, "take": take})
    db.execute("DELETE FROM other_takes WHERE request_id = ? AND take = ?", chosen)
    return names.want_anew(db, request_id, now_ms=now_ms, takes=takes_names)


def takes_of(db: sqlite3.Connection, request_id: int) -> list[Take]:
    """Return the takes of a request that are pictures, in their order."""
    spent = {take: money for take, *money in db.execute(_SPENT, (request_id,))}
    found: dict[int, tuple[bool, int | None, list[str]]] = {}
    for take, shown, answered_ms, original, _ in db.execute(_TAKES, {"id": request_id}):
        found.setdefault(take, (bool(shown), answered_ms, []))[2].append(original)
    return [
        Take(take, shown, tuple(originals), answered_ms, *spent.get(take, (0, 0)))
        for take, (shown, answered_ms, originals) in sorted(found.items())
    ]


def takes_by_key(db: sqlite3.Connection, keys: Iterable[str]) -> dict[str, tuple[Take, ...]]:
    """Return the takes of each of ``keys`` that is stored."""
    stored = db.execute(_STORED, (json_text(list(keys)),)).fetchall()
    return {key: tuple(takes_of(db, request_id)) for key, request_id in stored}


def numbers(db: sqlite3.Connection) -> dict[int, tuple[int, int]]:
    """Return, of each request that has other takes, the number of the one it shows and how many there are."""
    return {request_id: (shown, count) for request_id, shown, count in db.execute(_NUMBERS)}


def count_with_others(db: sqlite3.Connection) -> int:
    """Return how many requests have other takes than the one they show."""
    return int(db.execute("SELECT count(DISTINCT request_id) FROM other_takes").fetchone()[0])


def count_open(db: sqlite3.Connection) -> int:
    """Return how many further takes were asked for and are under way, or are to be sent."""
    states = json_text(UNDER_WAY)
    return int(db.execute(_COUNT_OPEN, (states,)).fetchone()[0])


_LAST = """
SELECT coalesce(max(take), 0) FROM (
    SELECT take FROM pictures WHERE request_id = :id UNION ALL SELECT take FROM other_takes WHERE request_id = :id
)
"""

_ORIGINALS = """
WITH bought AS (SELECT id FROM requests WHERE key = ? AND take = 1)
SELECT original FROM pictures WHERE request_id IN bought UNION ALL
SELECT original FROM other_takes WHERE request_id IN bought
"""

_COUNT_OPEN = """
SELECT count(*) FROM requests WHERE state <> 'stored' AND take > 1 AND state IN (SELECT value FROM json_each(?))
"""

_STORED = """
SELECT key, id FROM requests WHERE key IN (SELECT value FROM json_each(?)) AND take = 1 AND state = 'stored'
"""

_PICTURE = "ordinal, original, sha256, bytes, format, width, height, duration_ms, revised_prompt"
_FACTS = "first_sent_ms, answered_ms, ended_ms, latency_ms, latency_source, reused_from, message"

_PUT_ASIDE = f"""
INSERT INTO other_takes (request_id, take, {_PICTURE}, {_FACTS})
SELECT p.request_id, p.take, {", ".join(f"p.{name}" for name in _PICTURE.split(", "))},
       {", ".join(f"r.{name}" for name in _FACTS.split(", "))}
FROM pictures p JOIN requests r ON r.id = p.request_id WHERE p.request_id = ?
"""  # noqa: S608 - columns of this module

_SHOW = f"""
INSERT INTO pictures (request_id, take, {_PICTURE})
SELECT request_id, take, {_PICTURE} FROM other_takes WHERE request_id = ? AND take = ?
"""  # noqa: S608 - columns of this module

_DESCRIBED_BY_PICTURE = f"""
UPDATE requests SET ({_FACTS}) = (
    SELECT {_FACTS} FROM other_takes WHERE request_id = :id AND take = :take ORDER BY ordinal LIMIT 1
) WHERE id = :id
"""  # noqa: S608 - columns of this module

_DESCRIBED_BY_TAKE = f"""
UPDATE requests SET ({_FACTS}, body) = (SELECT {_FACTS}, body FROM requests WHERE id = ?), discarded_ms = NULL
WHERE id = ?
"""  # noqa: S608 - columns of this module

_SPENT = """
SELECT take, sum(billed_microusd), sum(estimated_microusd) FROM attempts WHERE request_id = ? GROUP BY take
"""

_NUMBERS = """
SELECT o.request_id, (SELECT take FROM pictures WHERE request_id = o.request_id LIMIT 1), count(DISTINCT o.take) + 1
FROM other_takes o GROUP BY o.request_id
"""

_TAKES = """
SELECT p.take, 1, coalesce(r.answered_ms, r.ended_ms), p.original, p.ordinal
FROM pictures p JOIN requests r ON r.id = p.request_id WHERE p.request_id = :id
UNION ALL
SELECT take, 0, coalesce(answered_ms, ended_ms), original, ordinal FROM other_takes WHERE request_id = :id
ORDER BY 1, 5
"""
