"""Answers while they arrive: written as they come, so that a process that is killed loses nothing that reached it.

Each answer under way has a file of its own below ``answers/``, from its first byte on. The file of a small answer is
struck out once the ledger has the answer, and takes the next one: a small answer costs two writes, and no name. The
file of a large answer becomes the answer's ``.body``. What a process leaves is taken over when the folder is opened.
Nothing is synced while it arrives: a power cut may take what the system had not written yet.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from batchgen.store.folder.atomic import write_at

if TYPE_CHECKING:
    from batchgen.store.folder.disk_space import DiskSpace
    from batchgen.store.folder.run_folder import RunFolder

SUFFIX = ".arriving"

_NAMED = re.compile(rb"\r\nbatchgen-attempt: ([0-9a-f]{32}-[1-9][0-9]{0,18})(?:\r\n|\Z)")
_LONGEST_HEAD_BYTES = 128 * 1024
_SLICE_BYTES = 1 << 20
_LARGEST_READ_BYTES = 8 << 20
# A write to one page is done, or is not, also if the process is killed meanwhile.
_PAGE_BYTES = 4096
_STRUCK_OUT = b"\0"
# An open file that waits is one that connections can't have.
_MOST_IDLE = 32
# A process that may open no more files holds the answer in memory; the disk is not to blame.
_NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


class ArrivingAnswers:
    """The files of one run's answers under way. Used on the event loop; :meth:`close` removes those that are empty."""

    def __init__(self, folder: RunFolder, space: DiskSpace) -> None:
        self._folder = folder
        self._space = space
        self._idle: list[_File] = []

    def expect(self, key: str, attempt_id: int) -> ArrivingAnswer:
        """Return the place for one answer; it takes no file before the answer begins."""
        return ArrivingAnswer(self, f"{key}-{attempt_id}")

    def close(self) -> None:
        """Remove the files that hold no answer any more."""
        while self._idle:
            self._idle.pop().remove()

    def open(self) -> _File:
        """Return a file in which nothing is that counts. Raise :class:`OSError`."""
        if self._idle:
            return self._idle.pop()
        path = self._folder.answers / f"{secrets.token_hex(8)}{SUFFIX}"
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        return _File(os.open(path, flags, 0o600), path)

    def recycle(self, file: _File) -> None:
        """Strike out what is in a file, and keep the file for the next answer."""
        if len(self._idle) >= _MOST_IDLE:
            file.remove()
            return
        try:
            os.pwrite(file.handle, _STRUCK_OUT, 0)
        except OSError:
            file.remove()
        else:
            self._idle.append(file)

    def make_room(self, write: partial[None]) -> None:
        """Call ``write``, and once more without ballast if the disk is full. Raise :class:`OSError`."""
        self._space.kept(write)

    def fail(self, error: OSError) -> None:
        """Stop the sending for an error of the disk."""
        if error.errno not in _NO_DESCRIPTORS:
            self._space.fail(error)

    def body_of(self, name: str) -> Path:
        """Return the path under which the answer to an attempt is kept."""
        return self._folder.answers / f"{name}.body"


@dataclass(slots=True)
class _File:
    """A file, and how long it is."""

    handle: int
    path: Path
    bytes: int = 0

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        os.close(self.handle)


class ArrivingAnswer:
    """The answer to one attempt, in its file from the first byte on.

    A file that was read through :meth:`view` is never emptied: who still reads it would die of it.
    """

    def __init__(self, files: ArrivingAnswers, attempt: str) -> None:
        self.attempt = attempt
        self.head = b""
        self._files = files
        self._room_at = 0
        self._file: _File | None = None
        self._view: memoryview | None = None
        self._heartbeats = b""
        self._written = 0
        self._sound = True

    def begin(self, head: bytes, *, room_at: int) -> None:
        """Note that an answer begins with ``head``; what came before it is not the answer."""
        self.release()
        self.head, self._room_at, self._heartbeats, self._written, self._sound = head, room_at, b"", 0, True

    def write(self, part: bytes, *, back: int = 0) -> bool:
        """Write the next bytes of the body, the first of them over the last ``back``.

        Return whether all so far is in the file: not while nothing but heartbeats came, for which no file is open, nor
        once the disk fails, which stops the run.
        """
        if not self._written:
            part = self._heartbeats[: len(self._heartbeats) - back] + part
            back = 0
            if not part.strip():
                self._heartbeats = part
                return False
        if self._sound:
            start = self._written - back
            try:
                self._files.make_room(partial(self._write_at, start, part))
            except OSError as error:
                self._files.fail(error)
                self._sound = False
            else:
                self._written = start + len(part)
        return self._sound

    def view(self) -> memoryview:
        """Return the body as far as it is in the file, without reading it into memory."""
        if self._view is None:
            assert self._file is not None
            self._view = viewed(self._file.handle, len(self.head) + self._written)[len(self.head) :]
        return self._view

    @property
    def is_blank(self) -> bool:
        """Return whether nothing came but what services send to keep a connection."""
        return not self._written

    def holds(self, body: bytes | memoryview) -> bool:
        """Return whether ``body`` is what is in the file, and nothing else."""
        return self._sound and self._view is not None and body is self._view

    def keep(self, at: int, ending: bytes) -> Path:
        """Make the answer durable under its attempt's name, with ``ending`` written at that place of its head.

        Return the path. Raise :class:`OSError`. For a thread, not for the event loop.
        """
        assert self._file is not None
        file = self._file
        write_at(file.handle, ending, at)
        os.fsync(file.handle)
        target = self._files.body_of(self.attempt)
        file.path.replace(target)
        self._file = None
        os.close(file.handle)
        return target

    def release(self) -> None:
        """Give the file back: the ledger has what was in it, or nothing needs to."""
        if self._file is None:
            return
        if self._view is None and self._sound:
            self._files.recycle(self._file)
        else:
            self._file.remove()
        self._file = self._view = None

    def leave(self) -> None:
        """Leave the file to the next run, if there is more in it than the ledger has."""
        if self._file is not None and self.is_blank:
            self.release()
        if self._file is not None:
            os.close(self._file.handle)
            self._file = None

    def _write_at(self, start: int, part: bytes) -> None:
        file = self._file = self._file or self._files.open()
        if self._written:
            write_at(file.handle, part, len(self.head) + start)
            file.bytes = max(file.bytes, len(self.head) + start + len(part))
            return
        needed = len(self.head) + len(part)
        if max(file.bytes, needed) <= _PAGE_BYTES:
            # As long as the answer before it, or longer: nothing of that one is left behind its end.
            spaces = b" " * max(0, file.bytes - needed)
            self.head = b"%b%b%b" % (self.head[: self._room_at], spaces, self.head[self._room_at :])
            write_at(file.handle, content := self.head + part, 0)
        else:
            # What is there was struck out: it becomes an answer by its first byte, once all else is in its place.
            write_at(file.handle, (content := self.head + part)[1:], 1)
            if file.bytes > needed:
                os.ftruncate(file.handle, needed)
            write_at(file.handle, content[:1], 0)
        file.bytes = len(content)


def viewed(handle: int, size: int) -> memoryview:
    """Return the first ``size`` bytes of an open file, mapped only if they are many. Raise :class:`OSError`.

    Each map keeps a descriptor, of which a process with many answers that wait for the disk may have too few.
    """
    return mapped(handle, size) if size > _LARGEST_READ_BYTES else memoryview(os.pread(handle, size, 0))


def mapped(handle: int, size: int) -> memoryview:
    """Return the first ``size`` bytes of an open file, read when they are looked at. Raise :class:`OSError`.

    The file may lose its name meanwhile, but must not become shorter.
    """
    try:
        return memoryview(mmap.mmap(handle, size, access=mmap.ACCESS_READ))
    except (OSError, ValueError):
        # Some network file systems map nothing, and nothing is mapped of an empty file.
        return memoryview(os.pread(handle, size, 0))


def left_behind(answers: Path) -> Iterator[Path]:
    """Return the files into which answers are arriving, or were, if the process died."""
    return (path for path in answers.glob(f"*{SUFFIX}") if path.is_file() and not path.is_symlink())


def left_arrived(answers: Path) -> dict[str, Path]:
    """Return the files that hold an answer, or the beginning of one, by the attempt's key and number."""
    found = {}
    for path in left_behind(answers):
        # A run that ends meanwhile removes its files.
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            if name := _arrived_in(file):
                found[name] = path
    return found


def take_over(answers: Path) -> None:
    """Give what arrived in a process that died the name of its attempt; remove the files in which nothing did."""
    for path in left_behind(answers):
        with path.open("rb") as file:
            name = _arrived_in(file)
            target = answers / f"{name}.body"
            if name is None or target.exists():
                path.unlink(missing_ok=True)
            else:
                os.fsync(file.fileno())
                path.rename(target)


def _arrived_in(file: BinaryIO) -> str | None:
    """Return the attempt whose answer began to arrive in a file; ``None`` if nothing of one did."""
    head, end, body = file.read(_LONGEST_HEAD_BYTES).partition(b"\r\n\r\n")
    named = _NAMED.search(head)
    if named is None or not end or head.startswith(_STRUCK_OUT):
        return None
    while body.isspace() or not body:
        if not (body := file.read(_SLICE_BYTES)):
            return None
    return named[1].decode()
