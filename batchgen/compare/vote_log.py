"""The log of votes, `votes.jsonl` of a run folder: one line each, on disk before the voter gets an answer.

Lines are never changed; a vote is taken back by another line. A process that dies in the middle of a line leaves a bad
line, and loses no other vote.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from batchgen.compare.vote import BadVote, Vote, parse
from batchgen.compare.votes import FILE, FILE_BYTES
from batchgen.store.folder.atomic import sync_folder


def append(folder: Path, vote: Vote | bytes) -> Vote:
    """Append a vote to the run folder at ``folder``, durable on return; two processes may do so at once.

    JSON from outside is checked first. Raises :class:`BadVote` if it is no vote or can't be written.
    """
    vote = parse(vote if isinstance(vote, bytes) else msgspec.json.encode(vote))
    path = folder / FILE
    try:
        with _opened(path) as handle:
            _append(handle, path, msgspec.json.encode(vote) + b"\n")
    except OSError as error:
        raise BadVote(f"{path}: can't be written: {(error.strerror or str(error)).lower()}") from error
    return vote


def _append(handle: int, path: Path, line: bytes) -> None:
    size = os.fstat(handle).st_size
    if not size:
        # The writer of the first line makes the file's name durable: the next one can't tell whether it is.
        sync_folder(path.parent)
    elif os.pread(handle, 1, size - 1) != b"\n":
        # A crash may have cut the last line short: this vote must not become a part of it.
        line = b"\n" + line
    if size + len(line) > FILE_BYTES:
        raise BadVote(f"{path}: is full: it holds {FILE_BYTES:,} bytes of votes")
    try:
        _write(handle, line)
    except OSError:
        # Half a line would be a bad line for the next reader. On a failing disk it may stay.
        with contextlib.suppress(OSError):
            os.ftruncate(handle, size)
        raise


def _write(handle: int, line: bytes) -> None:
    view = memoryview(line)
    while view:
        view = view[os.write(handle, view) :]
    os.fsync(handle)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Yield a locked descriptor to append with. Raises :class:`BadVote` if ``path`` is no regular file."""
    flags = os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    handle = os.open(path, flags, 0o666)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise BadVote(f"{path}: is no regular file")
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
