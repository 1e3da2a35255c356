"""Pictures at rest under their keys: written beside, synced, given their name once, and never moved or written over."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from batchgen.store.folder.atomic import make_folder, publish, write_synced
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
    shard = make_shard(folder, key)
    sha256 = hashlib.sha256(content).hexdigest()
    original = put_file(folder, key, ordinal, found, sha256, lambda: write_synced(shard, content, mode=READ_ONLY))
    return StoredPicture(original, sha256, len(content), found, revised_prompt)


def put_file(folder: RunFolder, key: str, ordinal: int, found: Format, sha256: str, write: Callable[[], Path]) -> str:
    """Return the name under ``pictures/`` of the file that ``write`` makes there, or that is there already.

    Another picture of the key that has the number already, of an answer the ledger lost, keeps it.
    """
    number = ordinal
    while True:
        name = f"{key[:2]}/{key}-{number}.{found.extension}"
        if publish(write(), folder.original(name), sha256=sha256):
            return name
        number += 1


def shard_of(folder: RunFolder, original: str) -> Path:
    """Return the folder of an original, which is to be synced before the ledger knows it."""
    return folder.original(original).parent


def make_shard(folder: RunFolder, key: str) -> Path:
    """Make the folder for the pictures of ``key`` durable, and return its path."""
    shard = folder.pictures / key[:2]
    make_folder(shard, folder.root, mode=0o750)
    return shard
