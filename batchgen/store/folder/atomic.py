"""Writes whose bytes outlast a power cut and never go over something else.

Write beside, sync, link into place, and only then let the ledger say so. The folder's own sync is the ledger writer's
business: it syncs each folder once per group of commits, before the commit that refers to it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_synced(folder: Path, content: bytes | memoryview, *, mode: int = 0o666) -> Path:
    """Return a new hidden file in ``folder`` that holds ``content`` durably, for the caller to publish or remove."""
    temporary = folder / f".{secrets.token_hex(8)}.part"
    write_new(str(temporary), content, mode=mode)
    return temporary


def write_new(file: str, content: bytes | memoryview, *, mode: int) -> None:
    """Write a file that is not there yet, durably; a failure leaves none."""
    handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        write_all(handle, content)
        os.fsync(handle)
    except BaseException:
        Path(file).unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


def write_all(handle: int, content: bytes | memoryview) -> None:
    """Write all of ``content``, which a disk that is nearly full may take in parts. Raise :class:`OSError`."""
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def write_at(handle: int, content: bytes, place: int) -> None:
    """Write all of ``content`` at ``place``, likewise. Raise :class:`OSError`."""
    while content:
        written = os.pwrite(handle, content, place)
        content, place = content[written:], place + written


def publish(temporary: str | Path, target: str | Path, *, sha256: str) -> bool:
    """Give ``temporary`` the name ``target`` for good; return whether the bytes of that name are those wanted.

    A file of that name is never written over: if it has other bytes, the file stays and the answer is ``False``.
    """
    # Not by `link`, which some file systems lack. The folder's lock keeps everybody else away.
    try:
        found = os.lstat(target)
    except FileNotFoundError:
        os.rename(temporary, target)  # noqa: PTH104 - making a path costs as much as the rename
        return True
    same = stat.S_ISREG(found.st_mode) and sha256_of(Path(target)) == sha256
    Path(temporary).unlink()
    return same


def replace_synced(target: Path, content: bytes) -> None:
    """Replace the content of ``target`` in one step: for files that are derived from the ledger."""
    temporary = write_synced(target.parent, content)
    temporary.replace(target)


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a file that becomes ``target`` once the block ends well; until then the old one stands."""
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        with os.fdopen(handle, "wb", buffering=1 << 20) as stream:
            yield stream
            stream.flush()
            os.fsync(handle)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path, root: Path, *, mode: int = 0o777) -> None:
    """Make ``folder`` below ``root``, each new level of the path durable in its parent."""
    missing = []
    level = folder
    while level != root and not level.is_dir():
        missing.append(level)
        level = level.parent
    for level in reversed(missing):
        level.mkdir(mode=mode, exist_ok=True)
        sync_folder(level.parent)


def refuse_links(folder: Path, root: Path) -> None:
    """Raise :class:`NotADirectoryError` if a link between ``root`` and ``folder`` would lead somewhere else."""
    level = folder
    while level != root:
        if level.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "a link stands where a folder of pictures belongs", str(level))
        level = level.parent


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
