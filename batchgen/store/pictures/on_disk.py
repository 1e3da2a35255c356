"""Pictures at rest under their keys: written beside, synced, given their name once, and never moved or written over."""

from __future__ import annotations

import functools
import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path

from batchgen.store.folder.atomic import make_folder, publish, write_new
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.transitions import StoredPicture
from batchgen.store.media.sniff import Format, inspect

# So that no editor writes through a name into the only copy.
READ_ONLY = 0o444


def put_picture(
    folder: RunFolder, key: str, ordinal: int, content: bytes, *, revised_prompt: str | None = None
) -> StoredPicture:
    """Write the picture ``content`` as number ``ordinal`` of the answer to ``key``, and return what was stored.

    The file is durable but for its name: the ledger's writer syncs its folder. Raises :class:`NotAPicture` if the
    bytes are none, and :class:`OSError`. For a thread, not for the event loop.
    """
    found = inspect(content)
    sha256 = hashlib.sha256(content).hexdigest()
    original = put_file(folder, key, ordinal, found, sha256, lambda: _written(folder, key, content))
    return StoredPicture(original, sha256, len(content), found, revised_prompt)


def _written(folder: RunFolder, key: str, content: bytes) -> str:
    """Return a new hidden file in the folder for the pictures of ``key``, which is made if it is missing."""
    temporary = f"{_shard(folder, key[:2])}/.{secrets.token_hex(8)}.part"
    try:
        write_new(temporary, content, mode=READ_ONLY)
    except FileNotFoundError:
        make_shard(folder, key)
        write_new(temporary, content, mode=READ_ONLY)
    return temporary


def put_file(
    folder: RunFolder, key: str, ordinal: int, found: Format, sha256: str, write: Callable[[], str | Path]
) -> str:
    """Return the name under ``pictures/`` of the file that ``write`` makes there, or that is there already.

    Another picture of the key that has the number already, of an answer the ledger lost, keeps it.
    """
    number = ordinal
    while True:
        base = f"{key}-{number}.{found.extension}"
        if publish(write(), f"{_shard(folder, key[:2])}/{base}", sha256=sha256):
            return f"{key[:2]}/{base}"
        number += 1


def shard_of(folder: RunFolder, original: str) -> Path:
    """Return the folder of an original, which is to be synced before the ledger knows it."""
    return _shard(folder, original[:2])


@functools.lru_cache(maxsize=1024)
def _shard(folder: RunFolder, start: str) -> Path:
    return folder.pictures / start


def make_shard(folder: RunFolder, key: str) -> Path:
    """Make the folder for the pictures of ``key`` durable, and return its path."""
    shard = _shard(folder, key[:2])
    make_folder(shard, folder.root, mode=0o750)
    return shard
