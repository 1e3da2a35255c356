"""Makes a new ledger of what a lost one left behind: metadata.jsonl, failures.jsonl and the pictures themselves.

Without it a run would buy everything again. Each picture is read and compared with the digest in its line; what was
paid for and is not there any more becomes *spoiled*, so that only a person can say that it is bought again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from batchgen.errors import UsageError
from batchgen.request import Request, State
from batchgen.store.dataset.jsonl_reader import FailureLine, Paid
from batchgen.store.dataset.leftovers import METADATA, Remains, picture_files
from batchgen.store.folder.atomic import sha256_of, sync_folder
from batchgen.store.folder.quarantine import set_aside_logs
from batchgen.store.folder.run_folder import NotWritable, RunFolder
from batchgen.store.folder.trash import remember_home, stem_of
from batchgen.store.ledger import transitions
from batchgen.store.ledger.ledger import now_ms
from batchgen.store.ledger.schema import connect
from batchgen.store.ledger.transitions import Bill, Outcome, StoredPicture, Ticket
from batchgen.store.media.sniff import NotAPicture, inspect


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came back. ``named`` pictures were found by their names alone, so nobody knows what they cost; ``lost``
    ones are in a line and not on disk; ``unmatched`` files and lines belong to no request.
    """

    stored: int
    named: int
    lost: int
    failures: int
    unmatched: int

    def __str__(self) -> str:
        said = [f"{self.stored:,} requests stored"]
        if self.named:
            said.append(f"{self.named:,} of them known by their pictures' names alone, without their costs")
        if self.lost:
            said.append(f"{self.lost:,} paid for whose pictures are gone or altered (--retry spoiled buys them again)")
        if self.failures:
            said.append(f"{self.failures:,} that ended otherwise")
        if self.unmatched:
            said.append(f"{self.unmatched:,} files or lines that belong to no request")
        return ", ".join(said)


def rebuild(folder: RunFolder, plan: Iterable[tuple[Request, str]], *, confirmed: bool) -> Rebuilt:
    """Puts a new ledger in place, whole or not at all. ``plan`` gives its requests with their pictures' stems.

    Raises :class:`UsageError` where files or lines belong to no request and the caller has not ``confirmed`` that
    what they may have been is bought again, and :class:`NotWritable`. Reads every picture: for a thread.
    """
    temporary = folder.state / "rebuilding.db"
    _remove(temporary)
    try:
        with closing(connect(temporary)) as db:
            db.execute("BEGIN IMMEDIATE")
            rebuilt = _Rebuilding(folder, db).run(plan, confirmed=confirmed)
            db.execute("COMMIT")
            # All of it into the one file that is moved; closing would leave behind what the disk has no room for.
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        set_aside_logs(folder.ledger)
        temporary.replace(folder.ledger)
        sync_folder(folder.state)
    except (sqlite3.OperationalError, OSError) as error:
        raise NotWritable(f"{folder.root}: its ledger is lost and can't be rebuilt: {error}") from error
    finally:
        _remove(temporary)
    return rebuilt


class _Rebuilding:
    def __init__(self, folder: RunFolder, db: sqlite3.Connection) -> None:
        self._folder = folder
        self._db = db
        self._now_ms = now_ms()
        self._run_id = 0
        self._lost_files: set[str] = set()
        self._stored = self._named = self._lost = self._failures = self._unmatched = 0

    def run(self, plan: Iterable[tuple[Request, str]], *, confirmed: bool) -> Rebuilt:
        self._run_id = transitions.begin_run(
            self._db,
            now_ms=self._now_ms,
            version="rebuilt",
            manifest=METADATA,
            provider="",
            base_url="",
            planned=0,
            estimate_microusd=0,
        )
        self._read_back(Remains(self._folder))
        left = {stem_of(file): file for file in self._strangers()}
        for request, stem in plan:
            if not self._known(request, stem) and stem in left and stem.endswith(f"-{request.key[:8]}"):
                self._name(request, stem, left)
        self._unmatched += len(left)
        if self._unmatched and not confirmed:
            such = f", such as {next(iter(left.values()))}" if left else ""
            raise UsageError(
                f"{self._folder.root}: its ledger is lost, and {self._unmatched:,} files or lines there belong to no "
                f"request{such}. Move them away, or confirm with --yes that what they were may be bought again."
            )
        transitions.end_run(self._db, run_id=self._run_id, now_ms=self._now_ms, exit_code=0, reason=None)
        return Rebuilt(self._stored, self._named, self._lost, self._failures, self._unmatched)

    def _read_back(self, remains: Remains) -> None:
        for paid in remains.stored():
            self._paid(paid)
        for paid in remains.trashed():
            self._paid(paid)
            remember_home(self._db, paid.homes, self._now_ms)
        for failed in remains.failed():
            self._failed(failed)
        self._unmatched += remains.unreadable

    def _paid(self, paid: Paid) -> None:
        if paid.simulated is not None:
            self._db.execute("INSERT OR IGNORE INTO facts VALUES ('simulated', ?)", (str(int(paid.simulated)),))
        stem = stem_of(paid.pictures[0].file)
        if paid.reused_from is not None and all(map(self._holds, paid.pictures)):
            self._reused(paid, paid.reused_from, stem)
            return
        answered_ms = paid.answered_ms or self._now_ms
        begun_ms = answered_ms - (paid.request_ms or 0)
        ticket = self._ticket(paid.request, stem, begun_ms)
        if ticket is None:
            self._unmatched += len(paid.pictures)
            return
        self._answer(ticket, paid.bill, answered_ms, latency_ms=paid.latency_ms, duration_ms=paid.request_ms)
        good = [picture for picture in paid.pictures if self._holds(picture)]
        self._lost_files |= {picture.file for picture in paid.pictures} - {picture.file for picture in good}
        ended_ms = begun_ms + (paid.total_ms or 0)
        if good:
            transitions.store(self._db, request_id=ticket.request_id, pictures=good, downloads=0, now_ms=ended_ms)
            self._stored += 1
        else:
            message = f"{paid.pictures[0].file} was missing or altered when the ledger was rebuilt"
            self._spoil(ticket, message, ended_ms)

    def _reused(self, paid: Paid, reused_from: str, stem: str) -> None:
        recorded = transitions.reuse(
            self._db,
            request=paid.request,
            stem=stem,
            run_id=self._run_id,
            pictures=paid.pictures,
            reused_from=reused_from,
            answered_ms=paid.answered_ms or self._now_ms,
            now_ms=self._now_ms,
        )
        self._stored += recorded
        self._unmatched += 0 if recorded else len(paid.pictures)

    def _failed(self, failed: FailureLine) -> None:
        ending = failed.ending
        ticket = self._ticket(failed.request, "", self._now_ms)
        if ticket is None:
            self._unmatched += 1
            return
        transitions.fail(self._db, ticket=ticket, ending=ending, duration_ms=None, now_ms=self._now_ms)
        if ending.state is State.DOUBT and failed.attempts > 1:
            # It may have been repeated before; counted as one doubt it would be repeated once more.
            again = self._ticket(failed.request, "", self._now_ms)
            assert again is not None
            doubt = Outcome(State.DOUBT, ending.reason, ending.message, ending.status)
            transitions.fail(self._db, ticket=again, ending=doubt, duration_ms=None, now_ms=self._now_ms)
        self._failures += 1

    def _name(self, request: Request, stem: str, left: dict[str, str]) -> None:
        """A picture of no line whose name holds the beginning of its request's key."""
        file = left[stem]
        try:
            found = inspect((self._folder.root / file).read_bytes())
        except NotAPicture:
            return
        path = self._folder.root / file
        picture = StoredPicture(file, sha256_of(path), path.stat().st_size, found)
        ticket = self._ticket(request, stem, self._now_ms)
        assert ticket is not None
        self._answer(ticket, Bill(flag="not stated"), self._now_ms)
        transitions.store(self._db, request_id=ticket.request_id, pictures=[picture], downloads=0, now_ms=self._now_ms)
        del left[stem]
        self._stored += 1
        self._named += 1

    def _known(self, request: Request, stem: str) -> bool:
        """Gives a request that a line brought back what only the plan knows of it; tells whether there was one."""
        changed = self._db.execute(
            "UPDATE requests SET position = ?, row = ?, kind = ?, canonical = ?, columns = ?, axes = ?,"
            " stem = iif(stem = '', ?, stem) WHERE key = ?",
            (
                request.index,
                request.row,
                request.kind,
                request.canonical.decode(),
                _json(request.columns),
                _json(request.axes),
                stem,
                request.key,
            ),
        )
        return changed.rowcount > 0

    def _ticket(self, request: Request, stem: str, begun_ms: int) -> Ticket | None:
        return transitions.intend(
            self._db,
            request=request,
            stem=stem,
            run_id=self._run_id,
            reserved_microusd=0,
            estimate_microusd=None,
            now_ms=begun_ms,
        )

    def _answer(
        self,
        ticket: Ticket,
        bill: Bill,
        answered_ms: int,
        *,
        latency_ms: int | None = None,
        duration_ms: int | None = None,
    ) -> None:
        transitions.answer(
            self._db,
            ticket=ticket,
            bill=bill,
            body=None,
            spool=None,
            latency_ms=latency_ms,
            duration_ms=duration_ms,
            now_ms=answered_ms,
        )

    def _spoil(self, ticket: Ticket, message: str, ended_ms: int) -> None:
        transitions.spoil(
            self._db, request_id=ticket.request_id, reason="lost", message=message, downloads=0, now_ms=ended_ms
        )
        self._lost += 1

    def _holds(self, picture: StoredPicture) -> bool:
        """Whether the file is there, is nobody else's yet, and has the bytes its line says."""
        path = self._folder.root / picture.file
        if path.is_symlink() or not path.is_file() or path.stat().st_size != picture.bytes:
            return False
        if self._db.execute("SELECT 1 FROM pictures WHERE file = ?", (picture.file,)).fetchone():
            return False
        return sha256_of(path) == picture.sha256

    def _strangers(self) -> Iterator[str]:
        for file in picture_files(self._folder):
            recorded = self._db.execute("SELECT 1 FROM pictures WHERE file = ?", (file,)).fetchone()
            if not recorded and file not in self._lost_files:
                yield file


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _remove(ledger: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{ledger}{suffix}").unlink(missing_ok=True)
