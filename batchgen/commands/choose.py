"""Chooses which take of a stored request its names show, and says which takes there are; nothing is sent or paid."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from batchgen.commands.job import existing_folder, run_folder_at
from batchgen.commands.report import write_derived
from batchgen.errors import StoppedEarly, UsageError
from batchgen.request import State
from batchgen.running.relink import relink
from batchgen.store.dataset.mark import is_in_step, leave_mark
from batchgen.store.folder.ledger_names import LedgerNames
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.view import View
from batchgen.store.ledger import takes
from batchgen.store.ledger.called import Called, called, no_such
from batchgen.store.ledger.ledger import now_ms, open_ledger
from batchgen.store.ledger.pictures_at import pictures_at
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.records import snapshot
from batchgen.store.ledger.takes import Take
from batchgen.store.pictures.bucket import Bucket, BucketFailed
from batchgen.store.pictures.in_bucket import object_of


@dataclass(frozen=True, slots=True)
class Chosen:
    """The ``takes`` of a request, of which ``number`` is shown now; ``changed`` says whether another one was before.

    ``files`` are the names that show it, relative to ``folder``.
    """

    folder: Path
    takes: tuple[Take, ...]
    number: int
    changed: bool
    files: tuple[str, ...]


def takes_of(folder: str | Path, word: str) -> tuple[Take, ...]:
    """Return the takes of the stored request that ``word`` means. Raise :class:`UsageError` if it means none."""
    run_folder = run_folder_at(folder)
    with snapshot(run_folder.ledger) as db:
        return tuple(takes.takes_of(db, _meant(db, run_folder, word).request_id))


def choose(folder: str | Path, word: str, number: int) -> Chosen:
    """Show take ``number`` of the stored request that ``word`` means under all its names.

    Raise :class:`UsageError` if there is no such request, or no such take of it; :class:`FolderInUse` while a run is
    going on; and :class:`StoppedEarly` if the disk fails.
    """
    run_folder = existing_folder(folder)
    chosen = anyio.run(_chosen, run_folder, word, number)
    if chosen.changed:
        write_derived(run_folder)
    return chosen


async def _chosen(folder: RunFolder, word: str, number: int) -> Chosen:
    try:
        with folder.opened():
            async with open_ledger(folder.ledger, provider=None) as ledger:
                with closing(Reader(folder.ledger)) as reader:
                    address = pictures_at(reader.db)
                    view = LedgerNames(folder) if address else View(folder)
                    await relink(view, folder, ledger, reader)
                    meant = _meant(reader.db, folder, word)
                    known = takes.takes_of(reader.db, meant.request_id)
                    shown = await anyio.to_thread.run_sync(_shown, known, folder, meant, number, address)
                    if shown != number:
                        in_step = await anyio.to_thread.run_sync(is_in_step, folder, reader.db, ())
                        show = partial(takes.show, request_id=meant.request_id, take=number, now_ms=now_ms())
                        await ledger.change(show)
                        await relink(view, folder, ledger, reader)
                        if in_step:
                            # A ledger of before, restored from a backup, is told from this one by its mark.
                            await ledger.change(await anyio.to_thread.run_sync(leave_mark, folder))
                    found = reader.db.execute(_FILES, (meant.request_id,)).fetchall()
                    return Chosen(
                        folder.root,
                        tuple(takes.takes_of(reader.db, meant.request_id)),
                        number,
                        changed=shown != number,
                        files=tuple(file for (file,) in found),
                    )
    except OSError as error:
        raise StoppedEarly(
            f"the disk of {folder.root} gave an error: {error}; the same command goes on with it later"
        ) from error


def _meant(db: sqlite3.Connection, folder: RunFolder, word: str) -> Called:
    meant = called(db, folder, word)
    if meant is None:
        raise no_such(db, word, folder)
    if meant.state is not State.STORED:
        raise UsageError(f"{word!r}: it is {meant.state}, and has no picture to choose")
    if meant.retired:
        raise UsageError(f"{word!r}: no name shows it any more; `batchgen restore {folder.root} {meant.key[:8]}` first")
    return meant


def _shown(known: list[Take], folder: RunFolder, meant: Called, number: int, address: str | None) -> int | None:
    """Return the take that is shown. Raise :class:`UsageError` if ``number`` can't be.

    Pictures rest in the bucket at ``address``, or in the folder. For a thread.
    """
    wanted = next((one for one in known if one.number == number), None)
    if wanted is None:
        there = ", ".join(f"{one.number}{' (shown)' if one.shown else ''}" for one in known)
        more = f"; `batchgen run JOB --again {meant.name.removeprefix('images/')}` buys another" if known else ""
        raise UsageError(f"{meant.name}: there is no take {number}; there {_is(known)} {there or 'none'}{more}")
    if gone := [one for one in wanted.originals if not _is_there(folder, one, address)]:
        file = f"{address}/{object_of(gone[0])}" if address else f".batchgen/pictures/{gone[0]}"
        raise UsageError(f"{meant.name}: take {number} can't be shown: {file} is gone")
    return next((one.number for one in known if one.shown), None)


def _is_there(folder: RunFolder, original: str, address: str | None) -> bool:
    if folder.original(original).is_file() or address is None:
        return folder.original(original).is_file()
    try:
        return Bucket(address).head(object_of(original)) is not None
    except BucketFailed as error:
        raise error.refusal() from error


def _is(known: list[Take]) -> str:
    return "are" if len(known) > 1 else "is"


_FILES = "SELECT file FROM names WHERE request_id = ? AND state = 'made' ORDER BY share, ordinal"
