"""The ledger's copy in a bucket, from which a run goes on where there is no disk of the run before.

A copy is some minutes old. Pictures bought since then are in the bucket with their receipts; what was on its way when
the other machine died is known by nobody, and :class:`LostWithDisk` says how much that may be.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import msgspec

from batchgen.encoding import json_text
from batchgen.errors import FolderMismatch, LedgerDamaged
from batchgen.store.folder.atomic import sync_folder, write_synced
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.ledger import now_ms
from batchgen.store.ledger.records import snapshot
from batchgen.store.ledger.schema import connect_read_only
from batchgen.store.pictures.bucket import Bucket, TagMismatch
from batchgen.store.pictures.bucket_probe import OWN
from batchgen.store.pictures.lease import Holder, LeaseLost

BACKUP = f"{OWN}/ledger.db"
BACKED_UP_EVERY_S = 600.0

_FACT = "lost with disk"


class LostWithDisk(msgspec.Struct, frozen=True):
    """What a run that was killed on another disk may have had on its way, at most, when its last copy was ``saved_ms``.

    ``by`` says which run that was.
    """

    by: str
    saved_ms: int
    requests: int
    microusd: int


class LedgerBackup:
    """The copy of one run's ledger in ``bucket``. Used by several threads; no call is for the event loop."""

    def __init__(self, bucket: Bucket, folder: RunFolder) -> None:
        self._bucket = bucket
        self._folder = folder
        self._saving = threading.Lock()
        there = bucket.head(BACKUP)
        self._tag = there.tag if there else None
        self._attributes = there.attributes if there else {}

    def restore(self, before: Holder | None) -> int | None:
        """Bring the copy to a folder without a ledger of its own, and return when it was made; ``None`` if it was not.

        ``before`` is the run that made it and did not end in order. Raise :class:`FolderMismatch` if the folder's own
        ledger does not know the newest run of the copy, :class:`LedgerDamaged` if the copy is none, and
        :class:`BucketFailed`.
        """
        if self._tag is None:
            return None
        if self._knows_a_run():
            self._refuse_behind()
            return None
        there = self._bucket.read(BACKUP)
        if there is None:
            return None
        saved_ms = _number(there.attributes.get("saved"))
        temporary = write_synced(self._folder.state, there.content, mode=0o640)
        self._refuse_foreign(temporary)
        if before is not None:
            with closing(sqlite3.connect(temporary)) as db, db:
                lost = LostWithDisk(before.text, saved_ms, before.in_flight, before.reserved_microusd)
                db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_FACT, json_text(lost)))
        self.remove_restored()
        temporary.replace(self._folder.ledger)
        sync_folder(self._folder.state)
        return saved_ms

    def _refuse_foreign(self, copy: Path) -> None:
        """Raise :class:`LedgerDamaged` and remove ``copy`` if it is no ledger that this batchgen can use."""
        try:
            connect_read_only(copy).close()
        except LedgerDamaged as error:
            copy.unlink(missing_ok=True)
            name = f"{self._bucket.address}/{BACKUP}"
            raise LedgerDamaged(
                f"{name}: it can't be used as the ledger of this run: {error.__cause__ or error}. Nothing was sent. "
                "Give the run its own prefix, or move that object away: the next run makes a ledger of the receipts"
            ) from error

    def remove_restored(self) -> None:
        """Remove a ledger that was brought from the bucket for a run that then never began."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._folder.ledger}{suffix}").unlink(missing_ok=True)

    def save(self) -> None:
        """Put a copy of the ledger as it is now. Raise :class:`BucketFailed`, and :class:`LeaseLost` if the copy there
        is not the one that this run has made or found.
        """
        with self._saving:
            self._save()

    def _save(self) -> None:
        place = self._folder.state / f".{secrets.token_hex(8)}.part"
        try:
            run_id, started_ms = _copy(self._folder.ledger, place)
            content = place.read_bytes()
        finally:
            place.unlink(missing_ok=True)
        attributes = {"run": str(run_id), "started": str(started_ms), "saved": str(now_ms())}
        try:
            self._tag = self._bucket.replace(BACKUP, content, self._tag, attributes)
        except TagMismatch as error:
            there = self._bucket.head(BACKUP)
            if there is None or there.attributes != {**there.attributes, **attributes} or there.size != len(content):
                raise LeaseLost(f"{self._bucket.address} has a ledger of another run by now") from error
            # The answer to an earlier try of the client was lost on its way.
            self._tag = there.tag

    def _knows_a_run(self) -> bool:
        if not (self._folder.ledger.is_file() and self._folder.ledger.stat().st_size):
            return False
        with snapshot(self._folder.ledger) as db:
            has_tables = db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            return bool(has_tables and db.execute("SELECT 1 FROM runs LIMIT 1").fetchone())

    def _refuse_behind(self) -> None:
        newest = _number(self._attributes.get("run")), _number(self._attributes.get("started"))
        with snapshot(self._folder.ledger) as db:
            if db.execute("SELECT 1 FROM runs WHERE id = ? AND started_ms = ?", newest).fetchone():
                return
        ledger = self._folder.ledger
        raise FolderMismatch(
            f"{ledger} does not know the newest run of {self._bucket.address}, which another folder or machine made. "
            f"Nothing was sent. Move it away (mv {ledger} {ledger}.old) and run again, which goes on from the copy"
        )


def lost_with_disk(db: sqlite3.Connection) -> LostWithDisk | None:
    """Return what the run before may have had on its way, if nobody has agreed yet to ask for it again."""
    fact = db.execute("SELECT value FROM facts WHERE name = ?", (_FACT,)).fetchone()
    return msgspec.json.decode(fact[0], type=LostWithDisk) if fact else None


def forget_lost(db: sqlite3.Connection) -> None:
    """Remember that what was lost may be asked for again."""
    db.execute("DELETE FROM facts WHERE name = ?", (_FACT,))


def _copy(ledger: Path, place: Path) -> tuple[int, int]:
    """Copy a ledger beside the run that writes it, and return the newest run in the copy and when it began."""
    with closing(connect_read_only(ledger)) as source, closing(sqlite3.connect(place)) as copy:
        source.backup(copy)
        # Without a log of its own the copy is one file.
        copy.execute("PRAGMA journal_mode = DELETE")
        found = copy.execute("SELECT id, started_ms FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    return found or (0, 0)


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else 0
