"""The ledger's one writer: everything that waits to be written is committed together, off the event loop.

While one group is being committed the next one gathers, so the cost of a durable commit is shared by all who wait
for it and nobody waits longer than two commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from batchgen.errors import LedgerDamaged, LedgerFailed
from batchgen.store.folder.atomic import sync_folder
from batchgen.store.folder.disk_space import DiskSpace, is_full
from batchgen.waiter import new_waiter

T = TypeVar("T")
Change = Callable[[sqlite3.Connection], T]


class _Write:
    __slots__ = ("change", "done", "error", "folders", "result")

    def __init__(self, change: Change[Any], folders: Sequence[Path]) -> None:
        self.change = change
        self.folders = folders
        self.done = new_waiter()
        self.result: Any = None
        self.error: Exception | None = None


class Writer:
    """The one writer of a ledger, which commits changes in groups. Made by :func:`open_writer`."""

    def __init__(self, db: sqlite3.Connection, room: DiskSpace | None = None) -> None:
        self._db = db
        self._room = room
        self._pending: list[_Write] = []
        self._wake = anyio.Event()
        self._broken: LedgerFailed | LedgerDamaged | None = None
        self._closing = False
        # A thread of its own: commits must not queue behind pictures being written.
        self._thread = anyio.CapacityLimiter(1)

    async def commit(self, change: Change[T], *, folders: Sequence[Path] = ()) -> T:
        """Return what ``change`` returned, once it is durable; ``folders`` are synced before it is committed.

        A caller that is cancelled here can't know whether the change was made: the change will have been.
        Raises :class:`LedgerFailed` once the disk has failed, now or earlier, and :class:`LedgerDamaged` if
        it turned out that the ledger is no longer whole.
        """
        if self._broken:
            raise self._broken
        if self._closing:
            raise LedgerFailed("the ledger is closed")
        write = _Write(change, folders)
        self._pending.append(write)
        self._wake.set()
        await write.done.wait()
        if write.error:
            raise write.error
        return write.result  # type: ignore[no-any-return]

    def add(self, change: Change[Any], *, folders: Sequence[Path] = ()) -> None:
        """Commit ``change`` with the next group, whenever that is: for a change that can be found out again if lost."""
        self._pending.append(_Write(change, folders))

    async def write_groups(self) -> None:
        """Commit until :meth:`close`, even while everything around the writer is being cancelled."""
        with anyio.CancelScope(shield=True):
            while self._pending or not self._closing:
                if not self._wake.is_set():
                    await self._wake.wait()
                group, self._pending = self._pending, []
                self._wake = anyio.Event()
                if group:
                    await self._committed(group)

    def close(self) -> None:
        """Accept no more changes; those accepted before are still committed."""
        self._closing = True
        self._wake.set()

    async def _committed(self, group: list[_Write]) -> None:
        try:
            await anyio.to_thread.run_sync(self._commit_group, group, limiter=self._thread)
        except Exception as error:  # noqa: BLE001 - who waits for a commit waits shielded: for ever, unless told
            self._broken = LedgerFailed(f"the ledger can't be written: {error!r}")
            _fail(group, self._broken)
        for write in group:
            write.done.set()

    def _commit_group(self, group: list[_Write]) -> None:
        if self._broken:
            _fail(group, self._broken)
            return
        try:
            if self._room:
                self._room.look()
            for folder in {folder for write in group for folder in write.folders}:
                # A folder of names whose last one was taken away since needs no sync.
                with suppress(FileNotFoundError):
                    sync_folder(folder)
            self._transact(group)
        except (sqlite3.Error, OSError) as error:
            # A failed sync may have dropped the pages it failed for: trying again would claim what is not there.
            self._broken = _broken(error)
            _fail(group, self._broken)

    def _transact(self, group: list[_Write]) -> None:
        error = self._tried(group)
        if error is not None and self._room and is_full(error):
            # Nothing of the group was made, and no sync has failed: SQLite reports those as another error.
            self._room.make(error, for_ledger=True)
            self._fold_log()
            error = self._tried(group)
        if error is None:
            return
        if _is_disk(error):
            raise error
        self._blame(group, error)

    def _fold_log(self) -> None:
        """Let the log begin anew: a log grows with every commit, and the ballast is only so large."""
        try:
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.OperationalError as error:
            if not is_full(error):
                raise

    def _tried(self, group: list[_Write]) -> Exception | None:
        """Make the changes of ``group``, all or none; return the error if none was made."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for write in group:
                write.result = write.change(self._db)
            self._db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - handed to the one who can tell a full disk from a wrong change
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            return error
        return None

    def _blame(self, group: list[_Write], error: Exception) -> None:
        """Make each change alone, since one is wrong in itself, so that only that one fails."""
        if len(group) == 1:
            group[0].error = error
            return
        for write in group:
            self._transact([write])


def _is_disk(error: Exception) -> bool:
    # SQLite reports a full or failing disk with these two themselves; a broken rule is one of their subclasses.
    return isinstance(error, OSError) or type(error) in {sqlite3.OperationalError, sqlite3.DatabaseError}


def _broken(error: Exception) -> LedgerFailed | LedgerDamaged:
    if getattr(error, "sqlite_errorcode", None) in _DAMAGED:
        return LedgerDamaged(f"the ledger is damaged: {error}. Nothing more was sent; `batchgen verify` says more")
    return LedgerFailed(f"the disk under the ledger failed: {error}; `batchgen verify` says what it holds")


_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def _fail(group: Iterable[_Write], error: LedgerFailed | LedgerDamaged) -> None:
    for write in group:
        write.error = error


@asynccontextmanager
async def open_writer(db: sqlite3.Connection, room: DiskSpace | None = None) -> AsyncIterator[Writer]:
    """Open a writer for ``db`` that has committed everything when the block ends, even a cancelled one.

    ``room`` is looked at once per group, and made use of if the disk is full.
    """
    writer = Writer(db, room)
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.write_groups)
        try:
            yield writer
        except Exception as error:  # noqa: BLE001 - raised below: a task group would wrap it into a group
            failure = error
        finally:
            writer.close()
    if failure is not None:
        raise failure
