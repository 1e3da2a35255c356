"""Puts bytes on disk so that they are still there after a power cut, and never over something else.

Write beside, sync, link into place, and only then let the ledger say so. The folder's own sync is the ledger writer's
business: it syncs each folder once per group of commits, before the commit that refers to it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_synced(folder: Path, content: bytes | memoryview, *, mode: int = 0o666) -> Path:
    """A new hidden file in ``folder`` that holds ``content`` durably; the caller publishes or removes it."""
    temporary = folder / f".{secrets.token_hex(8)}.part"
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    return temporary


def publish(temporary: Path, target: Path, *, sha256: str) -> Path:
    """The name under which ``temporary`` now stands: ``target``, or a free neighbour where other bytes have that name.

    A file of that name with the same bytes is what an earlier process published before it died: it is taken as it is.
    """
    candidate = target
    number = 1
    while True:
        try:
            # `link` refuses an existing name where `rename` would replace it.
            os.link(temporary, candidate, follow_symlinks=False)
        except FileExistsError:
            if not candidate.is_symlink() and candidate.is_file() and sha256_of(candidate) == sha256:
                break
            number += 1
            candidate = target.with_name(f"{target.stem}-{number}{target.suffix}")
        else:
            break
    temporary.unlink()
    return candidate


def replace_synced(target: Path, content: bytes) -> None:
    """``target`` with new content, all of it or the old one: for files that are derived from the ledger."""
    temporary = write_synced(target.parent, content)
    temporary.replace(target)


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """A file to write to, which becomes ``target`` once the block ends well; until then the old one stands."""
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
    """Makes the names in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path, root: Path, *, mode: int = 0o777) -> None:
    """``folder`` below ``root``, each new level of it made durable in its parent."""
    missing = []
    level = folder
    while level != root and not level.is_dir():
        missing.append(level)
        level = level.parent
    for level in reversed(missing):
        level.mkdir(mode=mode, exist_ok=True)
        sync_folder(level.parent)


def refuse_links(folder: Path, root: Path) -> None:
    """Raises :class:`NotADirectoryError` where a link between ``root`` and ``folder`` would lead somewhere else."""
    level = folder
    while level != root:
        if level.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "a link stands where a folder of pictures belongs", str(level))
        level = level.parent


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
