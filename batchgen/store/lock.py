"""One run per folder: an advisory lock that the kernel frees when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchgen.errors import FolderInUse


def holder(path: Path) -> str | None:
    """Who holds the lock file at ``path``, or ``None`` where nobody does. Takes no lock itself."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.match(r"process (\d+) on (\S+) ", text)
    if found is None:
        return None
    if found[2] == socket.gethostname() and not _alive(int(found[1])):
        return None
    return text


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file at ``path``; raises :class:`FolderInUse` at once where another process does.

    The file stays after the run: deleting it would let two later runs lock two different files of one name.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            by = os.read(handle, 200).decode(errors="replace").strip() or "another process"
            raise FolderInUse(f"{path.parent.parent} is in use by {by}") from None
        os.ftruncate(handle, 0)
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()} since {started}".encode())
        yield
    finally:
        os.close(handle)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
