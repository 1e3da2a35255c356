"""One run per folder: an advisory lock that the kernel frees when its holder dies, for whatever reason.

Some network disks keep such a lock within one machine. There the lock file's own time tells: its holder renews it, and
a run on another machine stands back as long as that was a moment ago.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from batchgen.errors import FolderInUse

RENEWED_EVERY_S = 30.0
# A machine that was silent for so long has lost its claim.
SILENT_S = 120.0

_LONGEST = 400
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CLAIM = re.compile(r"process (?P<process>\d+) on (?P<host>\S+) since [^,]*, boot (?P<boot>\S+)")


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a lock file says of its holder."""

    process: int
    host: str
    boot: str
    text: str

    @property
    def is_of_this_machine(self) -> bool:
        # Containers have host names of their own, and one kernel, whose locks they share.
        return self.boot == boot_id() if self.boot != "-" else self.host == socket.gethostname()


def holder(path: Path) -> str | None:
    """Return who holds the lock file at ``path``, or ``None`` if nobody does. The look takes no lock."""
    try:
        renewed_s = path.stat().st_mtime
        claim = _claim(path.read_text(encoding="utf-8", errors="replace")[:_LONGEST])
    except OSError:
        return None
    if claim is None:
        return None
    if claim.is_of_this_machine:
        return claim.text if is_alive(claim.process) else None
    return claim.text if time.time() - renewed_s < SILENT_S else None


@contextmanager
def locked(path: Path, *, force_unlock: str | None = None) -> Iterator[None]:
    """Hold the lock file at ``path``; raises :class:`FolderInUse` at once if another process does.

    ``force_unlock`` names the machine whose claim counts no more, because its user knows that the machine is dead.
    The file stays after the run; whoever deletes it does so while holding it, and a run that opened it before that is
    told that the folder is in use, since two runs could lock two different files of one name.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    try:
        claim = _claim(os.read(handle, _LONGEST).decode(errors="replace"))
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            by = claim.text if claim else "another process"
            raise FolderInUse(f"{path.parent.parent} is in use by {by}") from None
        if claim and not claim.is_of_this_machine and claim.host != force_unlock:
            _refuse_while_fresh(path, handle, claim)
        _claim_it(path, handle)
        with _renewed(handle):
            yield
    finally:
        os.close(handle)


def _claim_it(path: Path, handle: int) -> None:
    """Write our claim and read it back under the file's name: a holder may have deleted the file after we opened it.

    Not by the file's number, which some network disks make up anew each time.
    """
    claim = _own_claim()
    _write(handle, claim)
    try:
        found = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        found = ""
    if found != claim:
        raise FolderInUse(f"{path.parent.parent} was given up by another run at this moment; start again")


def _refuse_while_fresh(path: Path, handle: int, claim: _Claim) -> None:
    renewed_s = os.fstat(handle).st_mtime
    # The disk's own clock: the two machines' may differ.
    probe = path.with_name(f"{path.name}-clock-{os.getpid()}")
    probe.touch()
    silent_s = max(0.0, probe.stat().st_mtime - renewed_s)
    probe.unlink()
    if silent_s < SILENT_S:
        raise FolderInUse(
            f"{path.parent.parent} is in use by {claim.text}, another machine, which said so {silent_s:.0f} s ago. "
            f"If it is surely dead, wait two minutes, or use --force-unlock {claim.host}"
        )


@contextmanager
def _renewed(handle: int) -> Iterator[None]:
    done = threading.Event()

    def renew() -> None:
        while not done.wait(RENEWED_EVERY_S):
            with suppress(OSError):
                os.utime(handle)

    # A thread, since a run's event loop may be busy or not there yet.
    thread = threading.Thread(target=renew, name="batchgen-lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        # Without a claim left behind, a run on another machine need not wait the claim out.
        with suppress(OSError):
            os.ftruncate(handle, 0)


def _write(handle: int, text: str) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, text.encode(), 0)


def _own_claim() -> str:
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    return f"process {os.getpid()} on {socket.gethostname()} since {started}, boot {boot_id()}"


def _claim(text: str) -> _Claim | None:
    found = _CLAIM.match(text)
    if found is None:
        return None
    said = found[0].partition(", boot ")[0]
    return _Claim(int(found["process"]), found["host"], found["boot"], said)


def boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip() or "-"
    except OSError:
        return "-"


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
