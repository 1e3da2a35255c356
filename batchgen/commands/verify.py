"""Compares the files of a run folder with its ledger, without changing either and beside a run that goes on."""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from batchgen.request import State
from batchgen.store.folder.atomic import sha256_of
from batchgen.store.folder.quarantine import OF_THE_LOST
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.records import snapshot
from batchgen.store.ledger.schema import damaged


class Discrepancy(enum.StrEnum):
    """How a file and the ledger can disagree."""

    MISSING = "missing"  # the ledger has it and the disk has not
    ALTERED = "altered"  # its bytes are not those that were stored
    FOREIGN = "foreign"  # the disk has it and the ledger has not
    UNFINISHED = "unfinished"  # paid for and answered, and no picture yet
    LITTER = "litter"  # left by a process that died; nothing refers to it


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference: the file, relative to the run folder, the request's key where there is one, and what is wrong."""

    difference: Discrepancy
    file: str
    key: str | None
    message: str


def count_pictures(folder: RunFolder) -> int:
    """How many files the ledger says are there. Raises :class:`LedgerDamaged`."""
    with snapshot(folder.ledger) as db:
        (count,) = db.execute("SELECT count(*) FROM pictures").fetchone()
    return int(count)


def verify(folder: RunFolder, *, read_data: bool) -> Iterator[Finding]:
    """Every difference there is; ``read_data`` reads all pictures, where else their size is enough.

    Raises :class:`LedgerDamaged` before the first one where SQLite finds the ledger not whole.
    """
    # Names first, ledger second: a run publishes a file before it records it.
    files = sorted(_visible(folder))
    leftovers = sorted(_leftovers(folder))
    with snapshot(folder.ledger) as db:
        _check(db, folder)
        yield from _recorded(db, folder, read_data=read_data)
        answered = dict(db.execute("SELECT stem, key FROM requests WHERE state = 'answered'"))
        leaving = {file for (file,) in db.execute("SELECT file FROM leaving")}
        for file in files:
            if not _has(db, file) and file not in leaving and not _belongs(file, answered):
                yield Finding(Discrepancy.FOREIGN, file, None, "the ledger does not know this file")
        yield from _unfinished(db, folder)
        for file in leftovers:
            if file.endswith(f".body{OF_THE_LOST}"):
                yield Finding(Discrepancy.FOREIGN, file, None, "a paid answer of a lost ledger, as the service sent it")
            elif (folder.root / file).exists() and not _wanted(db, file):
                yield Finding(Discrepancy.LITTER, file, None, "left by a process that died; nothing refers to it")


def _check(db: sqlite3.Connection, folder: RunFolder) -> None:
    ((said, *_), *_) = db.execute("PRAGMA quick_check(1)").fetchall()
    if said != "ok":
        raise damaged(folder.ledger, said)


def _recorded(db: sqlite3.Connection, folder: RunFolder, *, read_data: bool) -> Iterator[Finding]:
    pictures = db.execute(
        "SELECT p.file, r.key, p.bytes, p.sha256, p.home FROM pictures p JOIN requests r ON r.id = p.request_id"
        " ORDER BY r.position, r.repeat, p.ordinal"
    )
    for file, key, size, sha256, home in pictures:
        path = folder.root / file
        if home is not None and not path.exists():
            # Whoever empties the trash knows what they do.
            continue
        if path.is_symlink() or not path.is_file():
            yield Finding(
                Discrepancy.MISSING,
                file,
                key,
                "it was stored and is no file here any more; `--retry missing` buys it again",
            )
        elif (found := path.stat().st_size) != size:
            yield Finding(Discrepancy.ALTERED, file, key, f"{found:,} bytes, {size:,} were stored")
        elif read_data and sha256_of(path) != sha256:
            yield Finding(Discrepancy.ALTERED, file, key, "other bytes than were stored")


def _unfinished(db: sqlite3.Connection, folder: RunFolder) -> Iterator[Finding]:
    answered = db.execute(
        "SELECT stem, key, spool, body IS NOT NULL, message FROM requests WHERE state = ? ORDER BY position, repeat",
        (State.ANSWERED,),
    )
    for stem, key, spool, in_row, message in answered:
        kept = in_row or (spool and (folder.spool / spool).is_file())
        how = "running again finishes it without paying" if kept else "and its body is gone"
        why = f" ({message})" if message else ""
        yield Finding(Discrepancy.UNFINISHED, stem, key, f"paid for, and no picture yet{why}; {how}")


def _has(db: sqlite3.Connection, file: str) -> bool:
    return db.execute("SELECT 1 FROM pictures WHERE file = ?", (file,)).fetchone() is not None


def _belongs(file: str, answered: dict[str, str]) -> bool:
    """Whether the file is one that a run published for an answer and could not record yet."""
    stem = str(PurePosixPath(file).with_suffix(""))
    return stem in answered or stem.rpartition("-")[0] in answered


def _wanted(db: sqlite3.Connection, file: str) -> bool:
    """Whether a spooled body is all there is of an answer, or evidence for a person."""
    attempt = Path(file).stem
    if Path(file).suffix != ".body" or not attempt.isdigit():
        return False
    found = db.execute(
        "SELECT r.state FROM attempts a JOIN requests r ON r.id = a.request_id WHERE a.id = ?", (int(attempt),)
    ).fetchone()
    return found is not None and found != (State.STORED,)


def _visible(folder: RunFolder) -> Iterator[str]:
    for path in folder.images.rglob("*"):
        if not path.name.startswith(".") and (path.is_symlink() or path.is_file()):
            yield path.relative_to(folder.root).as_posix()


def _leftovers(folder: RunFolder) -> Iterator[str]:
    for path in (*folder.images.rglob(".*.part"), *folder.spool.glob("*"), *folder.spool.glob(".*.part")):
        yield path.relative_to(folder.root).as_posix()
