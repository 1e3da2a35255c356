"""Moves pictures that a manifest no longer asks for out of the way, and back: paid for once, they are never lost.

A move is four steps, and a process may die between any two of them: a second name for the file, durable; the ledger's
word that this is the picture's name, and that the old one is leaving; the old name's removal; the ledger's word that it
is gone. At no moment is a picture without a name, or one name two pictures'.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from batchgen.store.folder.atomic import make_folder, publish, refuse_links, sha256_of, sync_folder
from batchgen.store.folder.run_folder import RunFolder

# What was moved is told beside it, in the form of metadata.jsonl.
MOVED = "moved.jsonl"

_DATED = re.compile(r"\d{4}-\d\d-\d\d-\d{6}(-\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Move:
    """A picture's way from ``file`` to ``to``, both relative to the run folder."""

    request_id: int
    ordinal: int
    file: str
    to: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A stored request whose picture has a name that another one wants."""

    request_id: int
    key: str


@dataclass(frozen=True, slots=True)
class Trashed:
    """A picture in the trash."""

    request_id: int
    ordinal: int
    file: str
    sha256: str


def new_trash(folder: RunFolder) -> str:
    """A folder of the trash that is named by this moment and by nobody else; it is made when it is used."""
    day = time.strftime("trash/%Y-%m-%d-%H%M%S")
    name, number = day, 1
    while (folder.root / name).exists():
        number += 1
        name = f"{day}-{number}"
    return name


def holders(db: sqlite3.Connection, stem: str, *, besides: str) -> list[Holder]:
    """The stored requests, other than the key ``besides``, with a picture called ``stem`` whatever its extension."""
    found = db.execute(
        "SELECT r.id, r.key, p.file FROM pictures p JOIN requests r ON r.id = p.request_id"
        # "/" is the character behind ".".
        " WHERE p.file > ? || '.' AND p.file < ? || '/' AND p.home IS NULL AND r.key <> ? AND r.state = 'stored'",
        (stem, stem, besides),
    )
    named = [Holder(request_id, key) for request_id, key, file in found if stem_of(file) == stem]
    return list(dict.fromkeys(named))


def leaving(db: sqlite3.Connection, stem: str) -> Mapping[str, str]:
    """Names called ``stem`` that are free for another picture, with the names under which theirs are kept."""
    found = db.execute(
        "SELECT file, moved_to FROM leaving WHERE file > ? || '.' AND file < ? || '/'", (stem, stem)
    ).fetchall()
    return {file: moved_to for file, moved_to in found if stem_of(file) == stem}


def stem_of(file: str) -> str:
    """A picture's name without its extension."""
    return str(PurePosixPath(file).with_suffix(""))


def moves_to_trash(db: sqlite3.Connection, requests: Sequence[int], trash: str) -> list[Move]:
    """What moving the pictures of ``requests`` to the folder ``trash`` takes; each keeps its name below it."""
    rows = db.execute(
        "SELECT request_id, ordinal, file FROM pictures WHERE home IS NULL"
        " AND request_id IN (SELECT value FROM json_each(?)) ORDER BY request_id, ordinal",
        (str(list(requests)),),
    )
    return [Move(request_id, ordinal, file, f"{trash}/{file}") for request_id, ordinal, file in rows]


def trashed(db: sqlite3.Connection, key: str) -> list[Trashed]:
    """The pictures of the request ``key`` that lie in the trash."""
    rows = db.execute(
        "SELECT p.request_id, p.ordinal, p.file, p.sha256 FROM pictures p JOIN requests r ON r.id = p.request_id"
        " WHERE r.key = ? AND p.home IS NOT NULL ORDER BY p.ordinal",
        (key,),
    )
    return [Trashed(*row) for row in rows]


def lay(folder: RunFolder, moves: Iterable[Move]) -> None:
    """Gives each file its second name, durable when this returns. A file that is missing gets none.

    For a thread. Raises :class:`OSError`.
    """
    places = set()
    for move in moves:
        target = folder.root / move.to
        refuse_links(target.parent, folder.root)
        make_folder(target.parent, folder.root)
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            os.link(folder.root / move.file, target, follow_symlinks=False)
        places.add(target.parent)
    for place in places:
        sync_folder(place)


def to_free_name(db: sqlite3.Connection, move: Move) -> Move:
    """The move, to a neighbour of its name where that is another picture's, even of one whose file is gone."""
    target, free, number = PurePosixPath(move.to), move.to, 1
    while _is_another_s(db, move, free):
        number += 1
        free = str(target.with_name(f"{target.stem}-{number}{target.suffix}"))
    return replace(move, to=free)


def bring(folder: RunFolder, move: Move, free: Mapping[str, str]) -> str:
    """The name under which a picture from the trash stands again: ``move.to``, or a neighbour where that is taken.

    ``free`` are the names that may be taken from another picture's old file, with the new names of those. A file that
    a process brought there before it died, or a person, is taken as it is. Durable when this returns; for a thread.
    """
    source, target = folder.root / move.file, folder.root / move.to
    refuse_links(target.parent, folder.root)
    make_folder(target.parent, folder.root)
    temporary = target.parent / f".{secrets.token_hex(8)}.part"
    os.link(source, temporary, follow_symlinks=False)
    sha256 = sha256_of(temporary)
    if not target.is_symlink() and target.is_file() and sha256_of(target) == sha256:
        # The very bytes: with two files of them, the one in the trash would stay there.
        free = {**free, move.to: move.to}
    published = place(folder, temporary, target, free, sha256=sha256)
    sync_folder(target.parent)
    return published.relative_to(folder.root).as_posix()


def place(folder: RunFolder, temporary: Path, target: Path, free: Mapping[str, str], *, sha256: str) -> Path:
    """The name under which ``temporary`` now stands: ``target``, or a free neighbour where another picture has it.

    ``free`` are the names that may be taken from another picture's old file, with the new names of those. A file that
    an earlier process published before it died, or a person put there, is taken where its digest is ``sha256``.
    """
    if _may_replace(folder, target.relative_to(folder.root).as_posix(), free):
        temporary.replace(target)
        # A rename between two names of one file does nothing at all.
        temporary.unlink(missing_ok=True)
        return target
    return publish(temporary, target, sha256=sha256)


def record_trash(db: sqlite3.Connection, moves: Sequence[Move], *, successor: str | None, now_ms: int) -> None:
    """The pictures stand in the trash from here on, and their old names are leaving."""
    for move in moves:
        moved = db.execute(
            "UPDATE pictures SET home = file, file = ? WHERE request_id = ? AND ordinal = ? AND file = ?",
            (move.to, move.request_id, move.ordinal, move.file),
        )
        if moved.rowcount:
            _record_leaving(db, move.file, move.to, successor)
        db.execute("UPDATE requests SET trashed_ms = ? WHERE id = ?", (now_ms, move.request_id))


def remember_home(db: sqlite3.Connection, homes: Mapping[str, str], now_ms: int) -> None:
    """These files lie in the trash, and stood there before: for a ledger that is made anew."""
    for file, home in homes.items():
        db.execute("UPDATE pictures SET home = ? WHERE file = ?", (home, file))
        db.execute(
            "UPDATE requests SET trashed_ms = ? WHERE id = (SELECT request_id FROM pictures WHERE file = ?)",
            (now_ms, file),
        )


def record_return(db: sqlite3.Connection, moves: Sequence[Move]) -> None:
    """The pictures stand among the others again."""
    for move in moves:
        db.execute("DELETE FROM leaving WHERE file = ?", (move.to,))
        db.execute(
            "UPDATE pictures SET home = NULL, file = ? WHERE request_id = ? AND ordinal = ?",
            (move.to, move.request_id, move.ordinal),
        )
        db.execute("UPDATE leaving SET moved_to = ? WHERE moved_to = ?", (move.to, move.file))
        _record_leaving(db, move.file, move.to, None)
        db.execute("UPDATE requests SET trashed_ms = NULL WHERE id = ?", (move.request_id,))


def record_loss(db: sqlite3.Connection, request_id: int, *, message: str, now_ms: int) -> None:
    """The pictures of a request are wanted, and their files are gone: only its user may pay again."""
    db.execute("DELETE FROM pictures WHERE request_id = ?", (request_id,))
    db.execute(
        "UPDATE requests SET state = 'spoiled', reason = 'lost', message = ?, trashed_ms = NULL, ended_ms = ?"
        " WHERE id = ?",
        (message, now_ms, request_id),
    )


def successors(db: sqlite3.Connection) -> list[str]:
    """The keys of the requests for which old names are held."""
    return [key for (key,) in db.execute("SELECT DISTINCT successor FROM leaving WHERE successor IS NOT NULL")]


def release(db: sqlite3.Connection, successors: Sequence[str]) -> None:
    """The old names that were held for ``successors`` are needed by nothing any more."""
    db.executemany("UPDATE leaving SET successor = NULL WHERE successor = ?", [(key,) for key in successors])


def names_to_remove(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """The old names that nothing needs any more, each with the picture's name now."""
    return db.execute(
        "SELECT file, moved_to FROM leaving WHERE successor IS NULL"
        " OR EXISTS (SELECT 1 FROM requests WHERE key = successor AND state = 'stored')"
    ).fetchall()


def remove_names(folder: RunFolder, names: Iterable[tuple[str, str]]) -> None:
    """Takes old names from the disk. What has become another file since is left alone. For a thread."""
    places = set()
    for file, moved_to in names:
        old = folder.root / file
        if _same(old, folder.root / moved_to):
            old.unlink()
            places.add(old.parent)
    for place in places:
        sync_folder(place)
        _remove_empty(place, folder.trash)


def record_removed(db: sqlite3.Connection, names: Iterable[tuple[str, str]]) -> None:
    """The old names are gone."""
    db.executemany("DELETE FROM leaving WHERE file = ?", [(file,) for file, _ in names])


def remove_strays(db: sqlite3.Connection, folder: RunFolder, trash: str) -> None:
    """Removes second names that a process made and died before the ledger knew of them. For a thread."""
    for path in list((folder.root / trash).rglob("*")):
        file = path.relative_to(folder.root).as_posix()
        if path.is_symlink() or not path.is_file() or path.stat().st_nlink == 1:
            continue
        if not db.execute("SELECT 1 FROM pictures WHERE file = ?", (file,)).fetchone():
            path.unlink()
            _remove_empty(path.parent, folder.trash)


def unlisted(folder: RunFolder) -> Iterator[str]:
    """The folders of the trash that have no list of what is in them: their process died before it wrote one."""
    if folder.trash.is_dir():
        for place in sorted(folder.trash.iterdir()):
            ours = _DATED.fullmatch(place.name) and place.is_dir() and not place.is_symlink()
            if ours and not (place / MOVED).exists():
                yield f"trash/{place.name}"


def unlist(folder: RunFolder, trash: Iterable[str]) -> None:
    """Removes the lists of what these folders of the trash hold, before that becomes something else."""
    for dated in trash:
        (folder.root / dated / MOVED).unlink(missing_ok=True)


def _is_another_s(db: sqlite3.Connection, move: Move, name: str) -> bool:
    found = db.execute("SELECT request_id, ordinal FROM pictures WHERE file = ?", (name,)).fetchone()
    return found is not None and found != (move.request_id, move.ordinal)


def _record_leaving(db: sqlite3.Connection, file: str, moved_to: str, successor: str | None) -> None:
    db.execute("INSERT OR REPLACE INTO leaving VALUES (?, ?, ?)", (file, moved_to, successor))


def _may_replace(folder: RunFolder, file: str, free: Mapping[str, str]) -> bool:
    """Whether the file of that name is another picture's old name only, and can be replaced without losing it."""
    moved_to = free.get(file)
    return moved_to is not None and _same(folder.root / file, folder.root / moved_to)


def _same(one: Path, other: Path) -> bool:
    """Whether two names are of one file."""
    try:
        return not one.is_symlink() and one.samefile(other)
    except OSError:
        return False


def _remove_empty(place: Path, trash: Path) -> None:
    """Removes folders of the trash that nothing is left in."""
    while place != trash and place.is_relative_to(trash):
        try:
            place.rmdir()
        except OSError:
            return
        place = place.parent
