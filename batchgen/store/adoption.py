"""Attaches a picture that a person recovered to a request in doubt, so that it need not be paid for again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass

from batchgen.errors import UsageError
from batchgen.request import State
from batchgen.store import changes
from batchgen.store.files import sync_folder
from batchgen.store.folder import RunFolder
from batchgen.store.ledger import now_ms
from batchgen.store.schema import connect
from batchgen.store.shelf import put_picture

# What is *sent* while nobody runs was on its way in a process that died: the next run would call it in doubt.
_ADOPTABLE = (State.DOUBT, State.SPOILED, State.SENT)


@dataclass(frozen=True, slots=True)
class Adopted:
    """The request that got its picture, and the file it stands in."""

    key: str
    file: str


def adopt(folder: RunFolder, key: str, content: bytes) -> Adopted:
    """Publishes ``content`` as the picture of the one request in doubt, or spoiled, whose key begins with ``key``.

    What is not known of its cost counts as estimated. Raises :class:`UsageError` where no such request, or several,
    are there; :class:`NotAPicture`; and :class:`FolderInUse` while a run is going on.
    """
    with folder.opened(), closing(connect(folder.ledger)) as db:
        request_id, whole, stem = _request(db, key)
        picture = put_picture(folder, stem, content, revised_prompt=None)
        sync_folder((folder.root / picture.file).parent)
        db.execute("BEGIN IMMEDIATE")
        changes.settle_doubt(db, request_id=request_id)
        changes.store(db, request_id=request_id, pictures=[picture], downloads=0, now_ms=now_ms())
        db.execute("COMMIT")
    return Adopted(whole, picture.file)


def _request(db: sqlite3.Connection, key: str) -> tuple[int, str, str]:
    rows = db.execute(
        "SELECT id, key, stem, state FROM requests WHERE substr(key, 1, ?) = ? LIMIT 3", (len(key), key)
    ).fetchall()
    if not key or not rows:
        raise UsageError(f"no request's key begins with {key!r}; failures.jsonl lists those in doubt")
    if len(rows) > 1:
        raise UsageError(f"several requests' keys begin with {key!r}; give more of it")
    ((request_id, whole, stem, state),) = rows
    if state not in _ADOPTABLE:
        raise UsageError(f"request {whole} is {state}; only one in doubt or spoiled can be given a picture")
    return request_id, whole, stem
