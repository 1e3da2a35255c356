"""Where the pictures of a run folder rest, if not on its own disk: the address of a bucket."""

from __future__ import annotations

import sqlite3

from batchgen.errors import FolderMismatch

_FACT = "pictures"


def pictures_at(db: sqlite3.Connection) -> str | None:
    """Return the address of the bucket with the pictures of a ledger; ``None`` if they lie beside it."""
    if not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        return None
    fact = db.execute("SELECT value FROM facts WHERE name = ?", (_FACT,)).fetchone()
    return None if fact is None else str(fact[0])


def record_pictures_at(db: sqlite3.Connection, address: str) -> None:
    """Remember the bucket, for whoever reads the folder without its manifest."""
    db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_FACT, address))


def refuse_other_place(db: sqlite3.Connection, asked: str | None, folder: str) -> None:
    """Raise :class:`FolderMismatch` if the pictures of a ledger rest elsewhere than a manifest asks for."""
    held = pictures_at(db)
    if held == asked or not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        return
    if held is None and not db.execute("SELECT 1 FROM pictures LIMIT 1").fetchone():
        return
    now, wanted = held or "this disk", asked or "this disk"
    raise FolderMismatch(
        f"the pictures of {folder} rest in {now}, and output.pictures asks for {wanted}. Nothing was sent. Leave it as "
        f"it was, or give the run a folder of its own with --out; `reuse: [{folder}]` takes what this one has bought"
        + ("" if held is None else f", and `batchgen export` copies pictures out of {held}")
    )
