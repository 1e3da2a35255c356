"""The mark that a run leaves in three places when it ends in order, and that the next one finds there or looks through
the folder: in the ledger, beside the pictures, and in ``summary.json``.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from batchgen.store.folder.atomic import replace_synced, sync_folder
from batchgen.store.folder.run_folder import RunFolder

_MARK = "mark"
_STRANGERS = "strangers"


def is_in_step(folder: RunFolder, db: sqlite3.Connection, strangers: Sequence[str]) -> bool:
    """Return whether the ledger and what lies beside it are those that the last run left, which ended in order.

    ``strangers`` are files in ``images/`` that the ledger has no name for: only those found by an earlier healing are
    none of ours.
    """
    mark = mark_of(db)
    if mark is None or not mark == _mark_on_disk(folder) == _mark_in_summary(folder):
        return False
    fact = db.execute("SELECT value FROM facts WHERE name = ?", (_STRANGERS,)).fetchone()
    return not strangers or fact == (_digest(strangers),)


def lists_are_newer(folder: RunFolder, db: sqlite3.Connection) -> bool:
    """Return whether the lists beside a ledger were written after all that the ledger knows, as for one from a backup.

    A process that died left another mark in one of the two other places.
    """
    mark = _mark_on_disk(folder)
    return mark is not None and mark == _mark_in_summary(folder) and mark != mark_of(db)


def remember_strangers(db: sqlite3.Connection, files: Sequence[str]) -> None:
    """Remember these files in ``images/``, which a healed ledger has no name for."""
    db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_STRANGERS, _digest(files)))


def _digest(files: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(sorted(files)).encode()).hexdigest()


def leave_mark(folder: RunFolder) -> Callable[[sqlite3.Connection], None]:
    """Put a mark beside the pictures, and return the change that puts it into the ledger. For a thread."""
    mark = secrets.token_hex(16)
    replace_synced(folder.pictures / _MARK, mark.encode())

    def record(db: sqlite3.Connection) -> None:
        db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_MARK, mark))

    return record


def remove_mark(folder: RunFolder) -> None:
    """Remove the mark: if the process dies or the power fails from here on, the next run looks through the folder."""
    with suppress(FileNotFoundError):
        (folder.pictures / _MARK).unlink()
        sync_folder(folder.pictures)


def mark_of(db: sqlite3.Connection) -> str | None:
    """Return the mark of the last run that ended in order, for ``summary.json``."""
    fact = db.execute("SELECT value FROM facts WHERE name = ?", (_MARK,)).fetchone()
    return None if fact is None else str(fact[0])


def _mark_on_disk(folder: RunFolder) -> str | None:
    with suppress(OSError):
        return (folder.pictures / _MARK).read_text(encoding="ascii", errors="replace")
    return None


def _mark_in_summary(folder: RunFolder) -> str | None:
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, TypeError, AttributeError):
        mark = msgspec.json.decode((folder.root / "summary.json").read_bytes()).get("mark")
        return mark if isinstance(mark, str) else None
    return None
