"""Which manifest a run folder belongs to: the one that made it, known from others after either was moved or copied."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import msgspec

from batchgen.encoding import json_text

_FACT = "manifest"


class MadeBy(msgspec.Struct, frozen=True):
    """Where a folder's manifest lay when it last ran, in full and as seen from the folder, and where the folder lay.

    ``shard`` is the part of its plan that the folder is for; empty for the whole plan.
    """

    path: str
    beside: str
    folder: str
    shard: str = ""

    def seen_from(self, root: Path) -> tuple[Path, ...]:
        """Return where that manifest may lie now; the first of them counts, as a folder may be a copy of another."""
        full, beside = Path(self.path), root / self.beside
        return (full, beside) if self.folder == str(root.absolute()) else (beside, full)


def made_by(source: Path, root: Path, *, shard: str = "") -> MadeBy:
    """Return the manifest ``source`` as the owner of the run folder ``root``; links to either count for the target."""
    path, folder = source.absolute(), root.absolute()
    return MadeBy(str(path), os.path.relpath(path.resolve(), folder.resolve()), str(folder), shard)


def record_owner(db: sqlite3.Connection, owner: MadeBy) -> None:
    """Remember the manifest that the folder belongs to."""
    db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_FACT, json_text(owner)))


def owner_in(db: sqlite3.Connection) -> MadeBy | None:
    """Return the manifest that the folder belongs to; ``None`` if it never bought anything, or its ledger was lost."""
    return _recorded(db, "SELECT value FROM facts WHERE name = ? AND EXISTS (SELECT 1 FROM requests)")


def shard_in(db: sqlite3.Connection) -> str:
    """Return the part of a plan that the folder is for, such as ``0/4``; empty for a whole plan.

    A shard to which no request belongs is one all the same.
    """
    owner = _recorded(db, "SELECT value FROM facts WHERE name = ?")
    return owner.shard if owner else ""


def _recorded(db: sqlite3.Connection, statement: str) -> MadeBy | None:
    if not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        # The disk filled up before the first table was made.
        return None
    fact = db.execute(statement, (_FACT,)).fetchone()
    return msgspec.json.decode(fact[0], type=MadeBy) if fact else None
