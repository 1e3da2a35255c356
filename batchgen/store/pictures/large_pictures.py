"""Pictures and films that are never in memory as a whole: written as they come, and judged where they lie."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from batchgen.store.folder.arriving_answers import mapped
from batchgen.store.folder.atomic import sha256_of, write_all
from batchgen.store.ledger.transitions import StoredPicture
from batchgen.store.media.sniff import inspect
from batchgen.store.pictures.on_disk import READ_ONLY, make_shard

if TYPE_CHECKING:
    from batchgen.store.folder.run_folder import RunFolder


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
