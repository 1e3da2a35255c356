"""Compares the files of a run folder with its ledger, without changing either and beside a run that goes on."""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batchgen.request import State
from batchgen.store.folder.arriving_answers import SUFFIX, left_arrived
from batchgen.store.folder.atomic import sha256_of
from batchgen.store.folder.kept_answers import kept_answers
from batchgen.store.folder.lock import holder
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.pictures_at import pictures_at
from batchgen.store.ledger.records import snapshot
from batchgen.store.ledger.schema import damaged
from batchgen.store.pictures.bucket_check import BucketCheck
from batchgen.wording import counted


class Discrepancy(enum.StrEnum):
    """The ways a file and the ledger can disagree."""

    MISSING = "missing"  # the ledger has it and the disk has not
    ALTERED = "altered"  # its bytes are not those that were stored
    DELETED = "deleted"  # a name that its user deleted; the picture is there
    FOREIGN = "foreign"  # the disk has it and the ledger has not
    UNFINISHED = "unfinished"  # paid for and answered, and no picture yet
    UNREAD = "unread"  # an answer is kept in which no picture is known
    LITTER = "litter"  # left by a process that died; nothing refers to it


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference: the file, relative to the run folder, the request's key if there is one, and what is wrong."""

    difference: Discrepancy
    file: str
    key: str | None
    message: str


def count_pictures(folder: RunFolder) -> int:
    """Return how many pictures the ledger says are there. Raise :class:`LedgerDamaged`."""
    with snapshot(folder.ledger) as db:
        (count,) = db.execute(
            "SELECT count(DISTINCT original) FROM (SELECT request_id, original FROM pictures UNION ALL"
            " SELECT request_id, original FROM other_takes) p"
            " JOIN requests r ON r.id = p.request_id WHERE r.discarded_ms IS NULL"
        ).fetchone()
    return int(count)


def verify(folder: RunFolder, *, read_data: bool) -> Iterator[Finding]:
    """Return every difference there is; ``read_data`` reads all pictures, whose size is enough otherwise.

    Raise :class:`LedgerDamaged` before the first one if SQLite finds the ledger not whole. Pictures in a bucket are
    looked at there: raise :class:`UsageError` or :class:`StoppedEarly` if that can't be done.
    """
    with snapshot(folder.ledger) as db:
        address = pictures_at(db)
    bucket = BucketCheck(address, folder) if address else None
    # Files first, ledger second: a run publishes a picture before it records it.
    visible = sorted(_visible(folder))
    at_rest = sorted(f".batchgen/pictures/{path.relative_to(folder.pictures).as_posix()}" for path in _at_rest(folder))
    leftovers = sorted(_leftovers(folder))
    arrived = {} if holder(folder.lock) else left_arrived(folder.answers)
    with snapshot(folder.ledger) as db:
        _check(db, folder)
        if bucket is None:
            yield from _originals(db, folder, read_data=read_data)
            yield from _names(db, folder, read_data=read_data)
        else:
            for one in bucket.compared(db, read_data=read_data):
                yield Finding(Discrepancy(one.difference), one.file, one.key, one.message)
        for file in visible:
            if not db.execute("SELECT 1 FROM names WHERE file = ?", (file,)).fetchone():
                yield Finding(Discrepancy.FOREIGN, file, None, "the ledger does not know this file")
        answered = {key for (key,) in db.execute("SELECT key FROM requests WHERE state IN ('answered', 'sent')")}
        for file in at_rest:
            name = file.removeprefix(".batchgen/pictures/")
            known = db.execute(_KNOWN, (name,)).fetchone()
            if not known and name[3:35] not in answered:
                yield Finding(Discrepancy.FOREIGN, file, name[3:35], "the ledger does not know this picture")
        yield from _unfinished(db, folder)
        yield from _answers(db, folder)
        for name, path in sorted(arrived.items()):
            file = path.relative_to(folder.root).as_posix()
            yield Finding(Discrepancy.UNFINISHED, file, name[:32], _ARRIVED)
        for file in leftovers:
            if (folder.root / file).exists():
                yield Finding(Discrepancy.LITTER, file, None, "left by a process that died; nothing refers to it")


_KNOWN = "SELECT 1 FROM pictures WHERE original = ?1 UNION ALL SELECT 1 FROM other_takes WHERE original = ?1"


def _check(db: sqlite3.Connection, folder: RunFolder) -> None:
    ((said, *_), *_) = db.execute("PRAGMA quick_check(1)").fetchall()
    if said != "ok":
        raise damaged(folder.ledger, said)


def _originals(db: sqlite3.Connection, folder: RunFolder, *, read_data: bool) -> Iterator[Finding]:
    """Check the pictures under their keys."""
    pictures = db.execute(
        "SELECT p.original, r.key, p.bytes, p.sha256, max(p.shown), min(p.take) FROM"
        " (SELECT request_id, take, original, bytes, sha256, 1 AS shown FROM pictures UNION ALL"
        " SELECT request_id, take, original, bytes, sha256, 0 FROM other_takes) p"
        " JOIN requests r ON r.id = p.request_id"
        " WHERE r.discarded_ms IS NULL GROUP BY p.original ORDER BY r.position, r.repeat, p.original"
    )
    for original, key, size, sha256, shown, take in pictures:
        path, file = folder.original(original), f".batchgen/pictures/{original}"
        if path.is_symlink() or not path.is_file():
            again = "`--retry missing` buys it again" if shown else f"it was take {take}, which no name shows"
            gone = f"it was stored and is no file here any more; {again}"
            yield Finding(Discrepancy.MISSING, file, key, gone)
        elif (found := path.stat().st_size) != size:
            yield Finding(Discrepancy.ALTERED, file, key, f"{counted(found, 'byte')}, {size:,} were stored")
        elif read_data and sha256_of(path) != sha256:
            yield Finding(Discrepancy.ALTERED, file, key, "other bytes than were stored")


def _names(db: sqlite3.Connection, folder: RunFolder, *, read_data: bool) -> Iterator[Finding]:
    """Check the names in ``images/``: links need not be read, other files have to be."""
    names = db.execute(
        "SELECT n.file, n.state, n.inode, r.key, p.bytes, p.sha256 FROM names n"
        " JOIN requests r ON r.id = n.request_id"
        " JOIN pictures p ON p.request_id = n.request_id AND p.ordinal = n.ordinal"
        " WHERE n.state IN ('made', 'deleted', 'taken') ORDER BY n.file"
    )
    for file, state, inode, key, size, sha256 in names:
        path = folder.root / file
        if ".." in path.parts or not file.startswith("images/"):
            raise damaged(folder.ledger, f"it has a name that is none below images/: {file!r}")
        if path.is_symlink() or not path.is_file():
            restored = f"deleted by hand; `batchgen restore {folder.root}` brings it back, free"
            yield Finding(Discrepancy.DELETED, file, key, restored)
            continue
        found = path.stat()
        if found.st_size != size or state == "taken":
            yield Finding(Discrepancy.ALTERED, file, key, f"{counted(found.st_size, 'byte')}, {size:,} were stored")
        elif (read_data or found.st_ino != inode) and sha256_of(path) != sha256:
            yield Finding(Discrepancy.ALTERED, file, key, "other bytes than were stored")


def _unfinished(db: sqlite3.Connection, folder: RunFolder) -> Iterator[Finding]:
    answered = db.execute(
        "SELECT stem, key, answer, body IS NOT NULL, message FROM requests WHERE state = ? ORDER BY position, repeat",
        (State.ANSWERED,),
    )
    for stem, key, answer, in_row, message in answered:
        kept = in_row or (answer and folder.answer(answer).is_file())
        how = "running again finishes it without paying" if kept else "and its body is gone"
        why = f" ({message})" if message else ""
        yield Finding(Discrepancy.UNFINISHED, stem, key, f"paid for, and no picture yet{why}; {how}")


_ARRIVED = "an answer that arrived, or began to, when its process died; the next run reads it, free"
_UNREAD = "an answer that may be paid for, without a picture that batchgen knows; `batchgen adopt` can use it"


def _answers(db: sqlite3.Connection, folder: RunFolder) -> Iterator[Finding]:
    for (key, attempt_id), path in sorted(kept_answers(folder).items()):
        file = path.relative_to(folder.root).as_posix()
        found = db.execute(
            "SELECT CASE WHEN a.outcome = 'sent' OR r.state = 'answered' THEN 'needed'"
            " WHEN a.outcome = 'billed' AND r.state = 'stored' THEN 'litter' ELSE 'unread' END"
            " FROM attempts a JOIN requests r ON r.id = a.request_id WHERE a.id = ? AND r.key = ?",
            (attempt_id, key),
        ).fetchone()
        if found is None:
            yield Finding(Discrepancy.FOREIGN, file, key, "a paid answer that the ledger does not know; a run takes it")
        elif found == ("unread",):
            yield Finding(Discrepancy.UNREAD, file, key, _UNREAD)
        elif found == ("litter",):
            yield Finding(Discrepancy.LITTER, file, key, "its pictures are stored; nothing refers to it")


def _visible(folder: RunFolder) -> Iterator[str]:
    for path in folder.images.rglob("*"):
        if not path.name.startswith(".") and (path.is_symlink() or path.is_file()):
            yield path.relative_to(folder.root).as_posix()


def _at_rest(folder: RunFolder) -> Iterator[Path]:
    yield from (path for path in folder.pictures.glob("*/*") if not path.name.startswith("."))


def _leftovers(folder: RunFolder) -> Iterator[str]:
    answers = (path for path in folder.answers.glob("*") if path.suffix not in {".body", ".unbilled", SUFFIX})
    for path in (*folder.images.rglob(".*.part"), *folder.pictures.rglob(".*.part"), *answers):
        yield path.relative_to(folder.root).as_posix()
