"""Room on the disk for what is already paid for: a mark below which nothing more is sent, and ballast to remove.

The ballast is files that really take their space. If the disk is full all the same, the files are removed, and what was
in flight at that moment is written in their place; nothing new is sent from then on. The ledger has a ballast of its
own: pictures would take all of a common one, and what is not in the ledger is found only by the next run.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from batchgen.store.folder.run_folder import RunFolder
from batchgen.wording import counted

T = TypeVar("T")

MIN_FREE_BYTES = 256 << 20
BALLAST_BYTES = 64 << 20
LEDGER_BALLAST_BYTES = 4 << 20
# What an answer is taken to need on disk until some were seen.
ANSWER_BYTES = 2 << 20

# A disk with little more room than this gets no ballast: the ballast itself would fill that disk.
_SMALLEST_BALLAST_BYTES = 64 << 10
_SEEN_ENOUGH = 20

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_full(error: BaseException) -> bool:
    """Return whether the disk, or the user's share of it, is full: the one disk error that room can mend."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


class DiskSpace:
    """The disk under one run folder, for one run. Used by the threads that write; no method waits for long.

    ``min_free_bytes`` replaces the rule for the mark: max(256 MiB, 2 x ``concurrency`` x the size of an answer).
    """

    def __init__(self, folder: RunFolder, *, concurrency: int, min_free_bytes: int | None = None) -> None:
        self._folder = folder
        self._ballast = folder.state / "ballast"
        self._ledger_ballast = folder.state / "ballast-ledger"
        self._concurrency = concurrency
        self._min_free_bytes = min_free_bytes
        self._lock = threading.Lock()
        self._seen = 0
        self._seen_bytes = 0
        self._low: str | None = None
        self.failed: str | None = None

    @property
    def shortage(self) -> str | None:
        """Return why nothing more may be sent: the disk has ``failed``, or is nearly full."""
        return self.failed or self._low

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep the ballast on disk while the block runs, if there is room for the ballast."""
        with contextlib.suppress(OSError):
            free, _ = _free(self._folder.state)
            _lay(self._ledger_ballast, min(LEDGER_BALLAST_BYTES, free // 8))
            _lay(self._ballast, min(BALLAST_BYTES, free // 4))
        try:
            yield
        finally:
            _throw_out(self._ballast, self._ledger_ballast)

    def warning(self, pictures: int, typical_bytes: int | None) -> str | None:
        """Return what to say before a run whose pictures don't all fit on the disk: it stops in time, and can go on.

        ``typical_bytes`` is the size of the pictures this folder has seen.
        """
        free, _ = _free(self._folder.state)
        size = typical_bytes or ANSWER_BYTES
        fitting = max(0, free - self._mark()) // size
        if pictures <= fitting:
            return None
        guess = "" if typical_bytes else ", a guess until some were seen"
        return (
            f"the disk of {self._folder.root} has room for about {fitting:,} of {counted(pictures, 'picture')} "
            f"({_mb(size)} each{guess}); the run will stop in time, and go on once there is room"
        )

    def look(self) -> None:
        """Measure what is free; the ledger's writer does so once per group. Raises :class:`OSError`."""
        free, names = _free(self._folder.state)
        mark = self._mark()
        if free < mark:
            self._low = (
                f"only {_mb(free)} are free on the disk of {self._folder.root}, and nothing is sent below {_mb(mark)} "
                "so that what is paid for can be stored. Make room, or set BATCHGEN_MIN_FREE_MB to a smaller number"
            )
        elif names is not None and names < 2 * self._concurrency:
            self._low = f"the disk of {self._folder.root} takes only {counted(names, 'more file')}. Make room"

    def expect(self, concurrency: int) -> None:
        """Keep room for so many answers under way, from now on."""
        self._concurrency = concurrency

    def saw(self, size: int) -> None:
        """Learn from the size of a stored answer how much room the next ones need."""
        self._seen += 1
        self._seen_bytes += size

    def fail(self, error: BaseException) -> None:
        """Stop the sending: a write failed, and the next one would too."""
        self.failed = self.failed or f"the disk of {self._folder.root} gave an error: {error}"

    def make(self, error: BaseException, *, for_ledger: bool = False) -> None:
        """Remove the ballast for what is in flight, the ledger's only for the ledger, and stop the sending."""
        with self._lock:
            self.failed = self.failed or (
                f"the disk of {self._folder.root} is full ({error}). What was in flight was given the room kept for "
                "it; make room before going on"
            )
            _throw_out(self._ballast, *([self._ledger_ballast] if for_ledger else []))

    def kept(self, write: Callable[[], T]) -> T:
        """Return what ``write`` returned, which writes new files only; repeat ``write`` without ballast on a full disk.

        Every other error of the disk is raised as it is: what that error leaves behind is not known.
        """
        try:
            return write()
        except OSError as error:
            if not is_full(error):
                raise
            self.make(error)
        return write()

    def _mark(self) -> int:
        if self._min_free_bytes is not None:
            return self._min_free_bytes
        size = self._seen_bytes // self._seen if self._seen >= _SEEN_ENOUGH else ANSWER_BYTES
        return max(MIN_FREE_BYTES, 2 * self._concurrency * size)


def _lay(ballast: Path, size: int) -> None:
    if size < _SMALLEST_BALLAST_BYTES or ballast.exists():
        return
    handle = os.open(ballast, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _allocate(handle, size)
    except OSError:
        ballast.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


def _throw_out(*ballast: Path) -> None:
    for file in ballast:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)


def _allocate(handle: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
        return
    # macOS has no such call, and a hole would take no room.
    block = b"\0" * (1 << 20)
    while size > 0:
        size -= os.write(handle, block[:size])


def _free(place: Path) -> tuple[int, int | None]:
    """Return the bytes that are free for us, and the file names; ``None`` if the file system counts no names."""
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None


def _mb(size: int) -> str:
    return f"{size / (1 << 20):,.{0 if size >= 10 << 20 else 2}f} MiB"
