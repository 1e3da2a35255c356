"""The SQLite file that remembers: what was sent, what came back, what it cost.

Writing goes through :class:`Ledger`, one group commit at a time; reading is done beside it, on connections of its own.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from batchgen.errors import FolderMismatch
from batchgen.request import Request, State
from batchgen.store import changes
from batchgen.store.changes import Bill, Ending, StoredPicture, Ticket
from batchgen.store.room import DiskShort, Room
from batchgen.store.schema import connect, connect_read_only, damaged, has_log, translated
from batchgen.store.writer import Change, Writer, open_writer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger knows of a key: its state, when it may be sent, and how often it has been in doubt.

    ``trashed`` says that its pictures lie in the trash.
    """

    state: State
    not_before_ms: int
    doubts: int
    estimate_microusd: int | None
    trashed: bool = False


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A paid answer that is not a picture on disk yet."""

    request_id: int
    key: str
    model: str
    stem: str
    body: bytes | None
    spool: str | None


@dataclass(frozen=True, slots=True)
class Spent:
    """The three sums of a ledger, in micro-dollars, and what was risked by repeating requests in doubt."""

    billed_microusd: int = 0
    maybe_microusd: int = 0
    estimated_microusd: int = 0
    risked_microusd: int = 0


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run: ``exit_code`` is ``None`` while it goes on, or where it was killed."""

    planned: int
    exit_code: int | None
    reason: str | None


# A night: long enough for every run that resumes another, short enough to be over when the next one begins.
NIGHT_MS = 12 * 3_600_000


def now_ms() -> int:
    """The wall clock in milliseconds since the epoch: for the record, never for measuring."""
    return time.time_ns() // 1_000_000


class Ledger:
    """The ledger of one run folder, for writing. Made by :func:`open_ledger`."""

    def __init__(self, writer: Writer, path: Path, room: Room | None = None, *, has_log: bool = True) -> None:
        self._writer = writer
        self._room = room
        self.path = path
        self.has_log = has_log

    async def begin_run(
        self, *, version: str, manifest: str, provider: str, base_url: str, planned: int, estimate_microusd: int
    ) -> int:
        return await self._writer.commit(
            partial(
                changes.begin_run,
                now_ms=now_ms(),
                version=version,
                manifest=manifest,
                provider=provider,
                base_url=base_url,
                planned=planned,
                estimate_microusd=estimate_microusd,
            )
        )

    async def end_run(self, run_id: int, *, exit_code: int, reason: str | None, orphans: str | None = None) -> None:
        await self._writer.commit(
            partial(
                changes.end_run, run_id=run_id, now_ms=now_ms(), exit_code=exit_code, reason=reason, orphans=orphans
            )
        )

    async def intend(
        self, request: Request, *, stem: str, run_id: int, reserved_microusd: int, estimate_microusd: int | None
    ) -> Ticket | None:
        """The right to post ``request`` once, durable before it is given; ``None`` where it must not be posted.

        Raises :class:`DiskShort` where the disk has no room for its answer.
        """
        self._want_room()
        intend = partial(
            changes.intend,
            request=request,
            stem=stem,
            run_id=run_id,
            reserved_microusd=reserved_microusd,
            estimate_microusd=estimate_microusd,
            now_ms=now_ms(),
        )

        def intend_with_room(db: sqlite3.Connection) -> Ticket | None:
            # Once more, now that the writer has looked at the disk.
            self._want_room()
            return intend(db)

        return await self._writer.commit(intend_with_room)

    def _want_room(self) -> None:
        if self._room and (shortage := self._room.shortage):
            raise DiskShort(shortage)

    async def answer(
        self,
        ticket: Ticket,
        *,
        bill: Bill,
        body: bytes | None,
        spooled: Path | None,
        latency_ms: int | None,
        duration_ms: int | None,
    ) -> None:
        """Makes a paid answer durable, in the row itself (``body``) or as the spool file that already is."""
        await self._writer.commit(
            partial(
                changes.answer,
                ticket=ticket,
                bill=bill,
                body=body,
                spool=spooled.name if spooled else None,
                latency_ms=latency_ms,
                duration_ms=duration_ms,
                now_ms=now_ms(),
            ),
            folder=spooled.parent if spooled else None,
        )

    async def fail(self, ticket: Ticket, ending: Ending, *, duration_ms: int | None) -> None:
        await self._writer.commit(
            partial(changes.fail, ticket=ticket, ending=ending, duration_ms=duration_ms, now_ms=now_ms())
        )

    async def store(
        self,
        request_id: int,
        pictures: Iterable[StoredPicture],
        *,
        folder: Path,
        downloads: int,
        message: str | None = None,
    ) -> None:
        """Records published files; ``folder``, which holds their names, is synced first. Raises :class:`NameTaken`.

        ``message`` says what of the answer could not be used.
        """
        await self._writer.commit(
            partial(
                changes.store,
                request_id=request_id,
                pictures=tuple(pictures),
                downloads=downloads,
                message=message,
                now_ms=now_ms(),
            ),
            folder=folder,
        )

    async def reuse(
        self,
        request: Request,
        pictures: Iterable[StoredPicture],
        *,
        stem: str,
        run_id: int,
        reused_from: str,
        answered_ms: int | None,
        folder: Path,
    ) -> bool:
        """Records pictures that another folder had bought; ``folder``, which holds their names, is synced first.

        ``False`` where the request needs none any more. Raises :class:`NameTaken`.
        """
        return await self._writer.commit(
            partial(
                changes.reuse,
                request=request,
                stem=stem,
                run_id=run_id,
                pictures=tuple(pictures),
                reused_from=reused_from,
                answered_ms=answered_ms,
                now_ms=now_ms(),
            ),
            folder=folder,
        )

    async def postpone(self, request_id: int, *, reason: str, message: str, downloads: int) -> None:
        """Leaves a paid answer for another run to finish, and says why."""
        await self._writer.commit(
            partial(changes.postpone, request_id=request_id, reason=reason, message=message, downloads=downloads)
        )

    async def spoil(self, request_id: int, *, reason: str, message: str, downloads: int) -> None:
        await self._writer.commit(
            partial(
                changes.spoil,
                request_id=request_id,
                reason=reason,
                message=message,
                downloads=downloads,
                now_ms=now_ms(),
            )
        )

    async def change(self, change: Change[T]) -> T:
        """What ``change`` returned, durable: for moves between names, whose folders the caller has synced."""
        return await self._writer.commit(change)

    async def doubt_what_was_sent(self) -> int:
        """Puts in doubt what an earlier process left on its way; returns how many requests that are."""
        return await self._writer.commit(partial(changes.doubt_what_was_sent, now_ms=now_ms()))


@asynccontextmanager
async def open_ledger(path: Path, *, provider: str, room: Room | None = None) -> AsyncIterator[Ledger]:
    """The ledger at ``path``, for the one process that holds the folder's lock; ``room`` is the disk's under it.

    Raises :class:`LedgerDamaged`, or :class:`FolderMismatch` where play money and real money would meet.
    """
    with closing(connect(path)) as db:
        with translated(path):
            _same_money(db, path, provider)
        async with open_writer(db, room) as writer:
            yield Ledger(writer, path, room, has_log=has_log(db))


def _same_money(db: sqlite3.Connection, path: Path, provider: str) -> None:
    simulated = str(int(provider == "simulator"))
    db.execute("INSERT OR IGNORE INTO facts VALUES ('simulated', ?)", (simulated,))
    (before,) = db.execute("SELECT value FROM facts WHERE name = 'simulated'").fetchone()
    if before != simulated:
        folder = path.parent.parent
        held, wanted = ("simulated", "real") if before == "1" else ("real", "simulated")
        raise FolderMismatch(
            f"{folder} holds {held} pictures and their costs; {wanted} ones belong in a folder of their own, "
            f"such as --out {folder}-{wanted}"
        )


class Reader:
    """Reads a ledger beside its writer, on a connection of its own. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.db = connect_read_only(path)
        self._path = path

    def close(self) -> None:
        self.db.close()

    def standings(self, keys: Iterable[str]) -> Mapping[str, Standing]:
        """What is known of each of ``keys``; the unknown ones are left out."""
        rows = self._rows(
            # One bound value for any number of keys: no limit on their count, and one prepared statement.
            "SELECT key, state, coalesce(not_before_ms, 0), estimate_microusd, trashed_ms IS NOT NULL, id FROM requests"
            " WHERE key IN (SELECT value FROM json_each(?))",
            _json_array(keys),
        )
        return {
            key: Standing(
                State(state),
                not_before_ms,
                self._doubts(request_id) if state in {State.DOUBT, State.WAITING} else 0,
                estimate,
                bool(trashed),
            )
            for key, state, not_before_ms, estimate, trashed, request_id in rows
        }

    def states(self, keys: Iterable[str]) -> Mapping[str, State]:
        """The state of each of ``keys``; the unknown ones are left out."""
        rows = self._rows(
            "SELECT key, state FROM requests WHERE key IN (SELECT value FROM json_each(?))", _json_array(keys)
        )
        return {key: State(state) for key, state in rows}

    def last_run(self) -> LastRun | None:
        """The newest run of the folder."""
        rows = self._rows("SELECT planned, exit_code, reason FROM runs ORDER BY id DESC LIMIT 1")
        return LastRun(*rows[0]) if rows else None

    def unfinished(self) -> list[Unfinished]:
        """Every paid answer that is not on disk yet, in the order it was answered."""
        rows = self._rows(
            "SELECT id, key, model, stem, body, spool FROM requests WHERE state = 'answered' ORDER BY answered_ms, id"
        )
        return [Unfinished(*row) for row in rows]

    def sent(self) -> Mapping[int, Ticket]:
        """What an earlier process left on its way, by attempt."""
        rows = self._rows(
            "SELECT a.id, r.id, r.key, a.reserved_microusd, r.estimate_microusd"
            " FROM attempts a JOIN requests r ON r.id = a.request_id WHERE a.outcome = 'sent'"
        )
        return {
            attempt_id: Ticket(request_id, attempt_id, key, "", reserved, estimate)
            for attempt_id, request_id, key, reserved, estimate in rows
        }

    def finished(self, attempts: Iterable[int]) -> frozenset[int]:
        """Those of ``attempts`` whose request is stored."""
        rows = self._rows(
            "SELECT a.id FROM attempts a JOIN requests r ON r.id = a.request_id"
            " WHERE r.state = 'stored' AND a.id IN (SELECT value FROM json_each(?))",
            json.dumps(list(attempts)),
        )
        return frozenset(attempt_id for (attempt_id,) in rows)

    def spent(self) -> Spent:
        """The sums over all attempts this folder has ever made."""
        (row,) = self._rows(
            """
            SELECT coalesce(sum(billed_microusd), 0), coalesce(sum(maybe_microusd), 0),
                   coalesce(sum(estimated_microusd), 0),
                   coalesce(sum(maybe_microusd) FILTER (WHERE ordinal < (
                       SELECT max(later.ordinal) FROM attempts later WHERE later.request_id = attempts.request_id
                   )), 0)
            FROM attempts
            """
        )
        return Spent(*row)

    def night(self, *, now_ms: int) -> int:
        """What the runs of this night spent: billed, maybe billed and estimated money together, in micro-dollars.

        A night is the ``NIGHT_MS`` from the start of the first run that sent anything after the last night was over,
        so that a run that was killed and those that resume it share one budget, and tomorrow's has its own.
        """
        rows = self._rows(
            "SELECT r.started_ms, sum(a.billed_microusd + a.maybe_microusd + a.estimated_microusd)"
            " FROM runs r JOIN attempts a ON a.run_id = r.id GROUP BY r.id ORDER BY r.id"
        )
        began_ms, spent_microusd = None, 0
        for started_ms, amount in rows:
            # A clock that was set back does not begin a new night.
            if began_ms is None or started_ms >= began_ms + NIGHT_MS:
                began_ms, spent_microusd = started_ms, 0
            spent_microusd += amount
        return 0 if began_ms is None or now_ms >= began_ms + NIGHT_MS else spent_microusd

    def typical_bytes(self) -> int | None:
        """The mean size of the newest answers' pictures, or ``None`` where there are none."""
        ((size,),) = self._rows(
            "SELECT avg(bytes) FROM (SELECT bytes FROM pictures ORDER BY request_id DESC LIMIT 1000)"
        )
        return None if size is None else round(size)

    def count(self) -> Mapping[State, int]:
        """How many requests are in each state."""
        return {State(state): count for state, count in self._rows(_COUNT)}

    def _doubts(self, request_id: int) -> int:
        ((count,),) = self._rows(
            "SELECT count(*) FROM attempts WHERE request_id = ? AND outcome = 'in doubt'", request_id
        )
        return int(count)

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self.db.execute(statement, values).fetchall()
        except sqlite3.DatabaseError as error:
            # A file that was damaged behind its first page opens all the same.
            raise damaged(self._path, str(error)) from error


_COUNT = "SELECT state, count(*) FROM requests GROUP BY state"


def _json_array(words: Iterable[str]) -> str:
    # Keys are hexadecimal digits: nothing in them needs escaping.
    return '["' + '","'.join(words) + '"]'
