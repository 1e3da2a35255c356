"""Brings back names that their user deleted or that were pruned; nothing is sent or paid."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from batchgen.commands.job import existing_folder
from batchgen.commands.report import write_derived
from batchgen.errors import StoppedEarly, UsageError
from batchgen.running.outer_loop import wait_for
from batchgen.running.relink import relink, view_of
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.view import stem_of
from batchgen.store.ledger import names
from batchgen.store.ledger.ledger import now_ms, open_ledger
from batchgen.store.ledger.reader import Reader

# A shorter beginning of a key may also be a name.
_SHORTEST_KEY = 4


@dataclass(frozen=True, slots=True)
class Restored:
    """The names that are back, relative to ``folder``, and those that are not: ``taken`` or without a picture."""

    folder: Path
    files: tuple[str, ...]
    taken: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def restore(folder: str | Path, words: Sequence[str] = ()) -> Restored:
    """Bring back what ``words`` mean, names or beginnings of keys; without any, all that was deleted or pruned.

    Raise :class:`UsageError` with every word that means nothing, or whose place another picture has, and brings
    nothing back then; :class:`FolderInUse` while a run is going on; and :class:`StoppedEarly` if the disk fails.
    """
    run_folder = existing_folder(folder)
    restored = wait_for(_restored, run_folder, words)
    if restored.files:
        write_derived(run_folder)
    return restored


async def _restored(folder: RunFolder, words: Sequence[str]) -> Restored:
    try:
        with folder.opened():
            async with open_ledger(folder.ledger, provider=None) as ledger:
                with closing(Reader(folder.ledger)) as reader:
                    view = view_of(folder, reader.db)
                    await relink(view, folder, ledger, reader)
                    wanted = _wanted(reader.db, folder, words)
                    files = await ledger.change(partial(_want, wanted=wanted))
                    done = await relink(view, folder, ledger, reader)
                    lacking = {*done.taken, *done.missing}
                    return Restored(
                        folder.root,
                        tuple(file for file in files if file not in lacking),
                        tuple(file for file in files if file in done.taken),
                        tuple(file for file in files if file in done.missing),
                    )
    except OSError as error:
        raise StoppedEarly(
            f"the disk of {folder.root} gave an error: {error}; the same command finishes the restoration later"
        ) from error


@dataclass(frozen=True, slots=True)
class _Gone:
    """A name that could come back: one that was ``deleted``, or the name a pruned request had."""

    request_id: int
    key: str
    stem: str
    file: str | None

    def is_called(self, word: str, folder: RunFolder) -> bool:
        if len(word) >= _SHORTEST_KEY and self.key.startswith(word):
            return True
        bare = word.removeprefix(f"{folder.root}/").removeprefix("images/")
        called = {self.stem, *([self.file] if self.file else [])}
        return (
            f"images/{bare}" in called
            or f"images/{bare}" in {stem_of(one) for one in called if one == self.file}
            or (self.file is None and stem_of(f"images/{bare}") == self.stem)
        )


def _wanted(db: sqlite3.Connection, folder: RunFolder, words: Sequence[str]) -> list[_Gone]:
    deleted = [_Gone(*row) for row in db.execute(_DELETED)]
    pruned = [_Gone(*row) for row in db.execute(_PRUNED)]
    if not words:
        return [*deleted, *(one for one in pruned if not _is_held(db, one))]
    found: dict[_Gone, None] = {}
    problems = []
    for word in words:
        meant = [one for one in (*deleted, *pruned) if one.is_called(word, folder)]
        if not meant:
            problems.append(f"{word}: nothing that was deleted or pruned is called so")
        elif len({one.request_id for one in meant}) > 1:
            keys = ", ".join(one.key[:8] for one in meant[:5])
            problems.append(f"{word}: several were called so ({keys}); give the key of one")
        problems += [
            f"{word}: {one.stem} has another picture now" for one in meant if one.file is None and _is_held(db, one)
        ]
        found.update(dict.fromkeys(meant))
    if problems:
        raise UsageError("\n".join(problems))
    return list(found)


def _is_held(db: sqlite3.Connection, one: _Gone) -> bool:
    return (
        db.execute(
            "SELECT 1 FROM names WHERE file > ? AND file < ? AND request_id <> ? AND state <> 'leaving'",
            (f"{one.stem}.", f"{one.stem}/", one.request_id),
        ).fetchone()
        is not None
    )


def _want(db: sqlite3.Connection, wanted: Sequence[_Gone]) -> list[str]:
    files = [one.file for one in wanted if one.file is not None]
    names.want_again(db, files)
    for one in wanted:
        if one.file is None:
            db.execute("UPDATE requests SET retired_ms = NULL WHERE id = ?", (one.request_id,))
            files += [name.file for name in names.want(db, one.request_id, now_ms=now_ms()) if name.original]
    return files


_DELETED = """
SELECT r.id, r.key, r.stem, n.file FROM names n JOIN requests r ON r.id = n.request_id WHERE n.state = 'deleted'
"""

_PRUNED = """
SELECT id, key, stem, NULL FROM requests
WHERE retired_ms IS NOT NULL AND state = 'stored' AND discarded_ms IS NULL AND EXISTS (
    SELECT 1 FROM pictures WHERE request_id = requests.id
)
"""
