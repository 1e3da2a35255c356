"""The bucket of one run: what becomes of pictures while the bucket fails, and of those that were kept meanwhile.

A picture that the bucket does not take is put on this disk, under the same name, and is as good as stored there; it
goes up once the bucket takes it, in this run or the next. So nothing that was paid for waits for a bucket.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from batchgen.errors import BatchgenError, FolderInUse, StoppedEarly
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import takes
from batchgen.store.ledger.pictures_at import refuse_other_place
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.records import snapshot, timestamp
from batchgen.store.media.sniff import NotAPicture
from batchgen.store.pictures.bucket import Bucket, BucketFailed
from batchgen.store.pictures.bucket_probe import refuse_unfit
from batchgen.store.pictures.in_bucket import kept_here, move_up, object_of
from batchgen.store.pictures.lease import GIVEN_UP_S, RENEWED_EVERY_S, Lease, LeaseLost, take_lease
from batchgen.store.pictures.ledger_backup import BACKED_UP_EVERY_S, LedgerBackup
from batchgen.store.pictures.receipt import Receipt, receipt_for, receipt_of
from batchgen.wording import counted

# A bucket that failed is left alone for so long, and pictures go to the disk without asking it.
REST_S = 15.0
# How often it is looked whether pictures wait on this disk.
_CARE_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """How many requests a run may have in flight at a time, and what they may cost."""

    in_flight: int = 0
    reserved_microusd: int = 0


@dataclass(frozen=True, slots=True)
class HeldBucket:
    """The right of one run to a bucket: its lease, and the copy of its ledger there."""

    lease: Lease
    backup: LedgerBackup


class BucketSession:
    """The open bucket of one run. Used by several threads. ``failed`` says why nothing more may be sent.

    ``is_ours`` is false once another run took the bucket. ``begun``: what is sent from now on is this run's.
    """

    def __init__(self, bucket: Bucket, folder: RunFolder, taken: HeldBucket | None = None) -> None:
        self.bucket = bucket
        self.failed: str | None = None
        self.is_ours = True
        self.begun = False
        self._folder = folder
        self._taken = taken
        self._on_its_way = self._saved_doubts = OnItsWay()
        self._renewed_s = time.monotonic()
        self._gone = False
        self._rest_until_s = 0.0
        # What an earlier run left on this disk goes up soon.
        self._kept = bool(kept_here(folder))
        self._stuck: set[str] = set()
        self._news: deque[str] = deque()
        self._moving = threading.Lock()
        self._reading = threading.Lock()
        self._reader: Reader | None = None

    @property
    def is_resting(self) -> bool:
        """Return whether the bucket failed a moment ago and is not asked for now."""
        return self._gone or time.monotonic() < self._rest_until_s

    def news(self) -> Iterator[str]:
        """Return what is to be told and was not."""
        while self._news:
            yield self._news.popleft()

    def tell(self, news: str) -> None:
        """Have ``news`` told with the next ones."""
        self._news.append(news)

    def note(self, error: BucketFailed) -> None:
        """Leave the bucket alone for a while because of ``error``, or for good if that does not pass by itself."""
        if error.lasting:
            self._gone = True
            self.failed = self.failed or (
                f"{error}. What is in flight is kept on this disk; once that is mended, running again puts it into the "
                "bucket without paying"
            )
        elif not self._kept:
            self._news.append(f"{error}; pictures are kept on this disk until the bucket takes them")
        self._kept = True
        self._rest_until_s = time.monotonic() + REST_S

    def receipt(self, request_id: int) -> Receipt:
        """Return what was paid for an answer, as the ledger has it by now."""
        with self._read() as db:
            return receipt_of(db, request_id)

    def ordinal_here(self, key: str, ordinal: int) -> int:
        """Return the number that picture ``ordinal`` of an answer gets on this disk.

        Pictures of other takes have the first numbers, and lie in the bucket, so the disk can't say which are free.
        """
        with self._read() as db:
            return ordinal + takes.last_ordinal(db, key)

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with self._reading:
            self._reader = self._reader or Reader(self._folder.ledger)
            yield self._reader.db

    def move_up(self) -> int:
        """Put what waits on this disk into the bucket; return how many pictures still wait. For a thread."""
        with self._moving:
            stuck = len(self._stuck)
            waiting = [one for one in kept_here(self._folder) if one not in self._stuck]
            moved = 0
            try:
                for original in waiting:
                    moved += self._move(original)
            except BucketFailed as error:
                self.note(error)
            left = stuck + len(waiting) - moved
            if moved:
                self._news.append(f"{counted(moved, 'picture')} kept on this disk went up to {self.bucket.address}")
            self._kept = self._kept and left > len(self._stuck)
            return left

    def _move(self, original: str) -> bool:
        try:
            with self._read() as db:
                receipt = receipt_for(db, original)
            if move_up(self.bucket, self._folder, original, receipt):
                return True
        except (OSError, NotAPicture) as error:
            problem = str(error)
        else:
            problem = "the bucket has other bytes under that name"
        self._stuck.add(original)
        self._news.append(f"{self._folder.original(original)} stays on this disk: {problem}")
        return False

    def publish(self, files: Iterable[Path]) -> None:
        """Put derived ``files`` of the run folder beside the pictures, what was edited, and the ledger's last copy.

        What isn't there is left out; if another run has the bucket, all is. Raise :class:`BucketFailed` and
        :class:`OSError`.
        """
        if not self.is_ours:
            return
        self._put_inputs()
        for file in files:
            if file.is_file():
                self.bucket.overwrite(file.name, file.read_bytes())
        if self._taken is not None:
            # The copy is complete before the lease is free for the next run.
            try:
                self._taken.backup.save()
            except LeaseLost as error:
                self.is_ours = False
                raise BucketFailed(str(error), lasting=True) from error

    def _put_inputs(self) -> None:
        """Put the copies of pictures that requests edited, which are named by their digests."""
        copies = {f"inputs/{path.name}": path for path in self._folder.inputs.glob("[!.]*") if path.is_file()}
        there = {one.path for one in self.bucket.list("inputs")} if copies else set()
        for name, path in copies.items():
            if name not in there and not path.is_symlink():
                self.bucket.create(name, path.read_bytes())

    def delete(self, originals: Sequence[tuple[str, int]]) -> tuple[int, int]:
        """Delete pictures, given with their sizes, here and in the bucket; return how many, and how many bytes.

        Raise :class:`StoppedEarly` if the bucket fails: the same call goes on.
        """
        try:
            for original, _ in originals:
                self._folder.original(original).unlink(missing_ok=True)
                self.bucket.delete([object_of(original)])
        except BucketFailed as error:
            raise StoppedEarly(f"{error}; the same command goes on") from error
        return len(originals), sum(size for _, size in originals)

    def waiting_reason(self, left: int) -> str:
        """Return why a run is not done while pictures wait on this disk."""
        wait = "picture waits" if left == 1 else "pictures wait"
        return f"{left:,} paid {wait} on this disk for {self.bucket.address}; running again puts them there, free"

    def begin(self, on_its_way: OnItsWay) -> None:
        """Say in the bucket, before anything is sent, how much may be on its way, and put a copy of the ledger there.

        Whoever goes on with an empty disk needs both. Raise :class:`UsageError` or :class:`StoppedEarly`. For a thread.
        """
        if self._taken is None:
            return
        self._on_its_way = on_its_way
        try:
            self._taken.lease.begin(**asdict(on_its_way))
            self._save(self._taken.backup)
            self.begun = True
        except BucketFailed as error:
            raise error.refusal() from error
        except LeaseLost as error:
            self.is_ours = False
            raise FolderInUse(f"{error}. Nothing was sent") from error

    def back_up(self) -> None:
        """Put a copy of the ledger as it is now into the bucket. For a thread."""
        if self._taken is None or not self.is_ours:
            return
        try:
            self._save(self._taken.backup)
        except BucketFailed as error:
            self.note(error)
        except LeaseLost as error:
            self.is_ours = False
            self.failed = self.failed or str(error)

    def renew(self) -> None:
        """Say in the bucket that this run goes on. A run that can't say so, or has lost the bucket, sends nothing more.

        For a thread.
        """
        if self._taken is None or not self.is_ours:
            return
        lease = self._taken.lease
        try:
            lease.begin(**asdict(self._known_here_alone())) if self.begun else lease.renew()
        except LeaseLost as error:
            self.is_ours = False
            self.failed = self.failed or f"{error}, since this run was silent for too long"
        except BucketFailed as error:
            self.note(error)
            if time.monotonic() - self._renewed_s > GIVEN_UP_S:
                self.failed = self.failed or f"{error}; it took no word of this run for {GIVEN_UP_S / 60:.0f} minutes"
        else:
            self._renewed_s = time.monotonic()

    def _save(self, backup: LedgerBackup) -> None:
        doubts = self._doubts()
        backup.save()
        self._saved_doubts = doubts

    def _known_here_alone(self) -> OnItsWay:
        """Return what the bucket has no record of, at most: what is on its way, and doubts that its copy lacks."""
        now, saved = self._doubts(), self._saved_doubts
        return OnItsWay(
            self._on_its_way.in_flight + max(0, now.in_flight - saved.in_flight),
            self._on_its_way.reserved_microusd + max(0, now.reserved_microusd - saved.reserved_microusd),
        )

    def _doubts(self) -> OnItsWay:
        with self._reading:
            self._reader = self._reader or Reader(self._folder.ledger)
            return OnItsWay(*self._reader.db.execute(_DOUBTS).fetchone())

    def close(self) -> None:
        """Close what was opened to read the ledger."""
        with self._reading:
            if self._reader is not None:
                self._reader.close()
            self._reader = None

    @contextmanager
    def cared_for(self) -> Iterator[None]:
        """Look after the bucket from threads while the block runs, and release the lease at its end."""
        try:
            with (
                _every(_CARE_EVERY_S, self._care),
                _every(RENEWED_EVERY_S, self.renew),
                _every(BACKED_UP_EVERY_S, self.back_up),
            ):
                yield
        finally:
            if self._taken is not None and self.is_ours:
                # A lease that is not released runs out by itself.
                with suppress(BucketFailed, LeaseLost):
                    self._taken.lease.release()
            self.close()

    def _care(self) -> None:
        if self._kept and not self.is_resting:
            self.move_up()


_DOUBTS = """
SELECT count(DISTINCT r.id), coalesce(sum(a.maybe_microusd), 0)
FROM requests r JOIN attempts a ON a.request_id = r.id WHERE r.state = 'in doubt' AND r.state <> 'stored'
"""


@contextmanager
def open_bucket(
    address: str | None, folder: RunFolder, *, force_unlock: str | None = None
) -> Iterator[BucketSession | None]:
    """Hold the bucket for the pictures of a run in ``folder``, found fit for it; ``None`` if there is no address.

    ``force_unlock`` names a dead machine whose lease counts no more. Raise :class:`UsageError` or
    :class:`StoppedEarly` if the bucket can't be used now, :class:`FolderInUse` if another run holds it, and
    :class:`FolderMismatch` if the pictures of the folder rest elsewhere. Nothing was sent by then. For a thread.
    """
    if folder.exists:
        with snapshot(folder.ledger) as db:
            refuse_other_place(db, address, str(folder.root))
    if address is None:
        yield None
        return
    bucket = Bucket(address)
    try:
        refuse_unfit(bucket)
        lease = take_lease(bucket, str(folder.root.absolute()), force_unlock=force_unlock)
    except BucketFailed as error:
        raise error.refusal() from error
    with _released_on_refusal(lease):
        backup = LedgerBackup(bucket, folder)
        saved_ms = backup.restore(lease.before)
    session = BucketSession(bucket, folder, HeldBucket(lease, backup))
    if saved_ms is not None:
        session.tell(f"{folder.root}: goes on with the copy of its ledger in {address}, of {timestamp(saved_ms)}")
    try:
        with session.cared_for():
            yield session
    finally:
        if saved_ms is not None and not session.begun:
            # It may be another job's, whose prefix this one named by mistake; a later run brings it again.
            backup.remove_restored()


@contextmanager
def _released_on_refusal(lease: Lease) -> Iterator[None]:
    """Release ``lease`` if the block raises, so that nobody waits for a run that never began."""
    try:
        yield
    except (BucketFailed, BatchgenError) as error:
        with suppress(BucketFailed, LeaseLost):
            lease.release()
        if isinstance(error, BucketFailed):
            raise error.refusal() from error
        raise


@contextmanager
def _every(seconds: float, work: Callable[[], None]) -> Iterator[None]:
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(seconds):
            # What goes wrong with one look must not end the next ones.
            with suppress(Exception):
                work()

    thread = threading.Thread(target=repeat, name="bucket-care", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
