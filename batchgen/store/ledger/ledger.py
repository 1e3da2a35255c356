"""The SQLite file that remembers: what was sent, what came back, what it cost.

Writing goes through :class:`Ledger`, one group commit at a time; :mod:`batchgen.store.ledger.reader` reads beside it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import TypeVar

from batchgen.errors import DiskShort, FolderMismatch
from batchgen.request import Request
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.view import Name, Settled
from batchgen.store.ledger import names, transitions
from batchgen.store.ledger.schema import connect, has_log, translated
from batchgen.store.ledger.transitions import Bill, Outcome, StoredPicture, Ticket
from batchgen.store.ledger.writer import Change, Writer, open_writer
from batchgen.tokens import PricedBy

T = TypeVar("T")


def now_ms() -> int:
    """Return the wall clock in milliseconds since the epoch: for the record, never for measuring."""
    return time.time_ns() // 1_000_000


class Ledger:
    """The ledger of one run folder, for writing. Made by :func:`open_ledger`."""

    def __init__(self, writer: Writer, path: Path, room: DiskSpace | None = None, *, has_log: bool = True) -> None:
        self._writer = writer
        self._room = room
        self.path = path
        self.has_log = has_log

    async def begin_run(
        self, *, version: str, manifest: str, provider: str, base_url: str, planned: int, estimate_microusd: int
    ) -> int:
        return await self._writer.commit(
            partial(
                transitions.begin_run,
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
                transitions.end_run, run_id=run_id, now_ms=now_ms(), exit_code=exit_code, reason=reason, orphans=orphans
            )
        )

    async def intend(
        self,
        request: Request,
        *,
        stem: str,
        run_id: int,
        reserved_microusd: int,
        estimate_microusd: int | None,
        priced_by: PricedBy | None = None,
    ) -> Ticket | None:
        """Return the right to post ``request`` once, already durable; ``None`` if the request must not be posted.

        Raises :class:`DiskShort` if the disk has no room for its answer.
        """
        self._want_room()
        intend = partial(
            transitions.intend,
            request=request,
            stem=stem,
            run_id=run_id,
            reserved_microusd=reserved_microusd,
            estimate_microusd=estimate_microusd,
            priced_by=priced_by,
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
        kept: Path | None,
        latency_ms: int | None,
        duration_ms: int | None,
    ) -> None:
        """Make a paid answer durable, in the row itself (``body``) or as the file ``kept`` that already is."""
        await self._writer.commit(
            partial(
                transitions.answer,
                ticket=ticket,
                bill=bill,
                body=body,
                kept=kept.name if kept else None,
                latency_ms=latency_ms,
                duration_ms=duration_ms,
                now_ms=now_ms(),
            ),
            folders=[kept.parent] if kept else [],
        )

    async def understand(
        self, request_id: int, attempt_id: int, *, bill: Bill, kept: str | None, latency_ms: int | None
    ) -> None:
        """Record that an answer that was kept unread holds pictures."""
        await self._writer.commit(
            partial(
                transitions.understand,
                request_id=request_id,
                attempt_id=attempt_id,
                bill=bill,
                kept=kept,
                latency_ms=latency_ms,
                now_ms=now_ms(),
            )
        )

    async def fail(
        self, ticket: Ticket, outcome: Outcome, *, duration_ms: int | None, folders: Sequence[Path] = ()
    ) -> None:
        """Record an attempt without a picture; its answer's file is in one of ``folders``, which are synced first."""
        await self._writer.commit(
            partial(transitions.fail, ticket=ticket, outcome=outcome, duration_ms=duration_ms, now_ms=now_ms()),
            folders=folders,
        )

    async def store(
        self,
        request_id: int,
        pictures: Iterable[StoredPicture],
        *,
        folders: Sequence[Path],
        downloads: int,
        message: str | None = None,
        takes_names: bool = True,
    ) -> list[Name]:
        """Record published pictures, whose ``folders`` are synced first; return the names to be made for them.

        ``message`` says what of the answer could not be used; ``takes_names`` as in :func:`transitions.store`.
        """
        return await self._writer.commit(
            partial(
                transitions.store,
                request_id=request_id,
                pictures=tuple(pictures),
                downloads=downloads,
                message=message,
                takes_names=takes_names,
                now_ms=now_ms(),
            ),
            folders=folders,
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
        folders: Sequence[Path],
    ) -> list[Name] | None:
        """Record pictures that another folder had bought, whose ``folders`` are synced first.

        Return the names to be made for them, or ``None`` if the request needs no picture any more.
        """
        return await self._writer.commit(
            partial(
                transitions.reuse,
                request=request,
                stem=stem,
                run_id=run_id,
                pictures=tuple(pictures),
                reused_from=reused_from,
                answered_ms=answered_ms,
                now_ms=now_ms(),
            ),
            folders=folders,
        )

    def settled(self, settled: Settled) -> None:
        """Remember, with the next commit, what became of names on disk."""
        self._writer.add(partial(names.record, settled=settled), folders=settled.folders)

    async def postpone(self, request_id: int, *, reason: str, message: str, downloads: int) -> None:
        """Leave a paid answer for another run to finish, and say why."""
        await self._writer.commit(
            partial(transitions.postpone, request_id=request_id, reason=reason, message=message, downloads=downloads)
        )

    async def spoil(self, request_id: int, *, reason: str, message: str, downloads: int) -> None:
        await self._writer.commit(
            partial(
                transitions.spoil,
                request_id=request_id,
                reason=reason,
                message=message,
                downloads=downloads,
                now_ms=now_ms(),
            )
        )

    async def change(self, change: Change[T], *, folders: Sequence[Path] = ()) -> T:
        """Return what ``change`` returned, durable; ``folders`` are synced first."""
        return await self._writer.commit(change, folders=folders)

    async def flush(self) -> None:
        """Return once everything that was handed over before is committed."""
        await self._writer.commit(lambda _: None)

    async def doubt_what_was_sent(self) -> int:
        """Put in doubt what an earlier process left on its way; return how many requests that are."""
        return await self._writer.commit(partial(transitions.doubt_what_was_sent, now_ms=now_ms()))


@asynccontextmanager
async def open_ledger(path: Path, *, provider: str | None, room: DiskSpace | None = None) -> AsyncIterator[Ledger]:
    """Open the ledger at ``path`` for the one process that holds the folder's lock, with the ``room`` on its disk.

    ``provider`` is who will be paid; ``None`` if nobody is.

    Raises :class:`LedgerDamaged`, or :class:`FolderMismatch` if play money and real money would meet.
    """
    with closing(connect(path)) as db:
        if provider is not None:
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
