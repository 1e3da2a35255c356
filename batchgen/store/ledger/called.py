"""Which stored request a person means by a word: a name below ``images/``, or the beginning of a key."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from batchgen.errors import UsageError, nearest
from batchgen.request import State
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.view import IMAGES, stem_of

# A shorter beginning of a key may also be a name.
SHORTEST_KEY = 4
_KEY = re.compile(rf"[0-9a-f]{{{SHORTEST_KEY},32}}")
# So many names are compared with a word that is none.
_COMPARED = 20_000


@dataclass(frozen=True, slots=True)
class Called:
    """A request that the ledger knows; ``file`` is the name that was meant, or the first of its names, if any."""

    request_id: int
    key: str
    state: State
    file: str | None
    retired: bool

    @property
    def name(self) -> str:
        """The request as people know it."""
        return self.file or self.key[:8]


def called(db: sqlite3.Connection, folder: RunFolder, word: str) -> Called | None:
    """Return the request that is called ``word``, ``None`` if there is none. Raises :class:`UsageError` for several."""
    bare = _bare(word, folder)
    found = _rows(db, _NAMED, {"file": f"{IMAGES}/{bare}"})
    for stem in (bare, stem_of(bare)):
        # The extension follows the bytes, and people remember another one.
        found = found or _rows(db, _STEM, {"first": f"{IMAGES}/{stem}.", "last": f"{IMAGES}/{stem}/"}, stem=stem)
    if not found and _KEY.fullmatch(word):
        found = _rows(db, _KEYED, {"first": word, "last": f"{word}g"})
    if not found and "/" not in bare:
        # The last part of a name, as a file manager shows it.
        found = _rows(db, _LAST_PART, {"end": f"/{bare}"})
        found = found or _rows(db, _LAST_PART_STEM, {"part": f"/{bare}."}, last=bare)
    if len({one.key for one in found}) > 1:
        several = ", ".join(f"{one.name} ({one.key[:8]})" for one in found[:5])
        raise UsageError(f"{word!r} means several requests: {several}; give the whole name, or more of the key")
    return found[0] if found else None


def no_such(db: sqlite3.Connection, word: str, folder: RunFolder) -> UsageError:
    """Return the error for a word that no stored request is called, with the nearest name."""
    known = [file for (file,) in db.execute("SELECT file FROM names LIMIT ?", (_COMPARED,))]
    bare = _bare(word, folder)
    forms = {stem_of(file).removeprefix(f"{IMAGES}/"): file for file in known}
    forms |= {file.removeprefix(f"{IMAGES}/"): file for file in known}
    hint = nearest(bare, forms) or "names stand in metadata.jsonl, keys too"
    return UsageError(f"{word!r}: nothing stored in {folder.root} is called so; {hint}")


def _bare(word: str, folder: RunFolder) -> str:
    """Return a name without what stands before it in a path from here or from the root."""
    for root in (folder.root, folder.root.absolute(), folder.root.resolve()):
        word = word.removeprefix(f"{root}/")
    return Path(word).as_posix().removeprefix(f"{IMAGES}/")


def _rows(
    db: sqlite3.Connection, query: str, given: dict[str, str], *, stem: str | None = None, last: str | None = None
) -> list[Called]:
    """Return the requests that a query finds, if their names are called as asked, but for the extension."""
    rows = [
        Called(number, key, State(state), file, bool(retired))
        for number, key, state, file, retired in db.execute(query, given)
    ]
    if stem is not None:
        rows = [one for one in rows if one.file and stem_of(one.file) == f"{IMAGES}/{stem}"]
    if last is not None:
        rows = [one for one in rows if one.file and stem_of(one.file).rpartition("/")[2] == last]
    return list({one.key: one for one in reversed(rows)}.values())[::-1]


_COLUMNS = "SELECT r.id, r.key, r.state, n.file, r.retired_ms IS NOT NULL FROM"
_NAMES = f"{_COLUMNS} names n JOIN requests r ON r.id = n.request_id WHERE n.state <> 'leaving' AND"
_NAMED = f"{_NAMES} n.file = :file"
# "/" is the character behind ".".
_STEM = f"{_NAMES} n.file > :first AND n.file < :last ORDER BY n.file"
_LAST_PART = f"{_NAMES} substr(n.file, -length(:end)) = :end ORDER BY n.file"
_LAST_PART_STEM = f"{_NAMES} instr(n.file, :part) ORDER BY n.file"
_KEYED = f"""
{_COLUMNS} requests r LEFT JOIN names n ON n.request_id = r.id AND n.state <> 'leaving'
WHERE r.key >= :first AND r.key < :last AND r.take = 1 ORDER BY r.key, n.share, n.ordinal
"""
