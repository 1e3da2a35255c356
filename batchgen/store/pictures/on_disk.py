"""Turns the bytes of a paid picture into a published file: checked, synced and never over another one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from batchgen.store.folder.atomic import make_folder, refuse_links, write_synced
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.trash import place
from batchgen.store.ledger.transitions import StoredPicture
from batchgen.store.media.sniff import inspect

_NOTHING: Mapping[str, str] = MappingProxyType({})

# Answers up to this size are kept in the ledger itself; larger ones get a spool file.
LARGEST_ROW_BYTES = 64 * 1024


def put_picture(
    folder: RunFolder, stem: str, content: bytes, *, revised_prompt: str | None, free: Mapping[str, str] = _NOTHING
) -> StoredPicture:
    """The published file for ``content``, named ``stem`` and the extension its bytes call for.

    ``free`` are names it may take from old files, each with the name under which that file stands now.
    Durable but for its name: the ledger's writer syncs the folder. Raises :class:`NotAPicture` where the bytes are
    none, and :class:`OSError`. For a thread, not for the event loop.
    """
    found = inspect(content)
    target = folder.root / f"{stem}.{found.extension}"
    refuse_links(target.parent, folder.root)
    make_folder(target.parent, folder.root)
    sha256 = hashlib.sha256(content).hexdigest()
    temporary = write_synced(target.parent, content)
    published = place(folder, temporary, target, free, sha256=sha256)
    return StoredPicture(
        file=published.relative_to(folder.root).as_posix(),
        sha256=sha256,
        bytes=len(content),
        format=found,
        revised_prompt=revised_prompt,
    )


def spool(folder: RunFolder, attempt_id: int, body: bytes) -> Path:
    """The body of an answer as a durable file of its own. For a thread, not for the event loop."""
    target = folder.spool / f"{attempt_id}.body"
    write_synced(folder.spool, body, mode=0o600).replace(target)
    return target


def spooled(folder: RunFolder) -> dict[int, Path]:
    """The bodies a process wrote and could not record any more, by attempt."""
    return {int(path.stem): path for path in folder.spool.glob("*.body") if path.stem.isdigit()}


def mark_unbilled(folder: RunFolder, attempt_id: int) -> None:
    """Notes beside the ledger that an attempt was surely not billed. For a thread, not for the event loop."""
    # An empty file: there is room for its name where there is none for anything else.
    (folder.spool / f"{attempt_id}.unbilled").touch(mode=0o600)


def unbilled(folder: RunFolder) -> dict[int, Path]:
    """The notes of attempts that were surely not billed, by attempt."""
    return {int(path.stem): path for path in folder.spool.glob("*.unbilled") if path.stem.isdigit()}
