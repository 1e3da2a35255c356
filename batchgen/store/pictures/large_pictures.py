"""Pictures and films that are never in memory as a whole: written as they come, and judged where they lie."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from batchgen.store.folder.arriving_answers import mapped
from batchgen.store.folder.atomic import sha256_of, write_all
from batchgen.store.ledger.transitions import StoredPicture
from batchgen.store.media.sniff import inspect
from batchgen.store.pictures.on_disk import READ_ONLY, make_shard

if TYPE_CHECKING:
    from batchgen.store.folder.disk_space import DiskSpace
    from batchgen.store.folder.run_folder import RunFolder

# Downloads up to this size are held in memory, as most pictures are.
LARGEST_IN_MEMORY_BYTES = 8 << 20


def put_pieces(
    folder: RunFolder,
    key: str,
    ordinal: int,
    pieces: Iterable[bytes | memoryview],
    *,
    revised_prompt: str | None = None,
) -> StoredPicture:
    """Write a picture a piece at a time, and store it as :func:`~batchgen.store.pictures.on_disk.put_picture` does."""
    handle, path = _hidden(make_shard(folder, key))
    digest, size = hashlib.sha256(), 0
    try:
        for piece in pieces:
            digest.update(piece)
            write_all(handle, piece)
            size += len(piece)
        return _put(folder, key, ordinal, handle, path, digest.hexdigest(), size, revised_prompt)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


class ArrivingPicture:
    """The place of one download: in memory, or from ``LARGEST_IN_MEMORY_BYTES`` on in a file beside its final name.

    A sink of the engines, used on the event loop; :meth:`put` is for a thread. :meth:`discard` ends its use.
    """

    def __init__(self, folder: RunFolder, key: str, space: DiskSpace) -> None:
        self._folder = folder
        self._key = key
        self._space = space
        self._file: tuple[int, Path] | None = None
        self._view: memoryview | None = None
        self._waiting: list[bytes] | None = None
        self._waiting_bytes = self._bytes = 0

    def begin(self, status: int, _headers: object) -> None:
        """Note that a download begins, or, by its status, that this is none."""
        self.discard()
        self._waiting = [] if 200 <= status < 300 else None
        self._waiting_bytes = self._bytes = 0

    def add(self, part: bytes) -> bool:
        """Take the next bytes; return whether all so far is in the file."""
        if self._waiting is None:
            return False
        self._waiting.append(part)
        self._waiting_bytes += len(part)
        if self._file is None and self._waiting_bytes <= LARGEST_IN_MEMORY_BYTES:
            return False
        try:
            self._space.kept(partial(self._write, self._waiting))
        except OSError:
            # Whoever stores what is in memory fails likewise, and says so.
            self._waiting = None
            return False
        self._bytes += self._waiting_bytes
        self._waiting, self._waiting_bytes = [], 0
        return True

    def view(self) -> memoryview:
        """Return what is in the file."""
        assert self._file is not None
        self._view = mapped(self._file[0], self._bytes)
        return self._view

    def holds(self, content: bytes | memoryview) -> bool:
        """Return whether ``content`` is what is in the file."""
        return self._view is not None and content is self._view

    def put(self, ordinal: int, *, revised_prompt: str | None = None) -> StoredPicture:
        """Store what is in the file. Raises :class:`NotAPicture` and :class:`OSError`. For a thread."""
        assert self._file is not None
        handle, path = self._file
        return _put(self._folder, self._key, ordinal, handle, path, sha256_of(path), self._bytes, revised_prompt)

    def discard(self) -> None:
        """Remove the file, unless it was stored."""
        if self._file is not None:
            handle, path = self._file
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            os.close(handle)
        self._file = self._view = self._waiting = None

    def _write(self, parts: Iterable[bytes]) -> None:
        if self._file is None:
            self._file = _hidden(make_shard(self._folder, self._key))
        os.lseek(self._file[0], self._bytes, os.SEEK_SET)
        for part in parts:
            write_all(self._file[0], part)


def _hidden(shard: Path) -> tuple[int, Path]:
    path = shard / f".{secrets.token_hex(8)}.part"
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(path, flags, READ_ONLY), path


def _put(
    folder: RunFolder,
    key: str,
    ordinal: int,
    handle: int,
    path: Path,
    sha256: str,
    size: int,
    revised_prompt: str | None,
) -> StoredPicture:
    """Judge a file by its bytes and give it its name: that of an equal one, or the first that is free."""
    found = inspect(mapped(handle, size))
    os.fsync(handle)
    for number in count(ordinal):
        original = f"{key[:2]}/{key}-{number}.{found.extension}"
        target = folder.original(original)
        if not target.is_symlink() and not target.exists():
            path.rename(target)
            break
        if not target.is_symlink() and target.is_file() and sha256_of(target) == sha256:
            path.unlink()
            break
    return StoredPicture(original, sha256, size, found, revised_prompt)
