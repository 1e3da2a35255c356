"""Brings the names in ``images/`` up to the ledger, as a whole: at the start and the end of a run, and for a
command.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

import anyio.to_thread

from batchgen.planning.plan import Plan
from batchgen.store.folder.file_system import file_system_of
from batchgen.store.folder.ledger_names import LedgerNames
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.view import Name, View, list_images
from batchgen.store.ledger import names
from batchgen.store.ledger.ledger import Ledger
from batchgen.store.ledger.pictures_at import pictures_at
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.reader import Reader
from batchgen.wording import counted

# So many names are settled between two commits.
_AT_ONCE = 500

OpenStems = Callable[[Collection[str]], frozenset[str]]


@dataclass(slots=True)
class Relinked:
    """The names found and changed. ``deleted`` names stay deleted; a file of the user's has each ``taken`` name.

    ``missing`` names have lost their pictures; ``remade`` were all gone, which is a loss and no wish; ``kept`` stay
    until their successors are stored.
    """

    made: int = 0
    removed: int = 0
    remade: int = 0
    kept: int = 0
    copied: bool = False
    deleted: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def since(self, before: Relinked) -> Relinked:
        """Return this without what ``before`` has told already."""
        return replace(
            self,
            copied=self.copied and not before.copied,
            deleted=_new(self.deleted, before.deleted),
            taken=_new(self.taken, before.taken),
            missing=_new(self.missing, before.missing),
        )

    def notices(self, folder: RunFolder) -> Iterator[str]:
        """Return what the user must know, in a line each."""
        if self.remade:
            yield f"{folder.images}: every picture was gone from it; {counted(self.remade, 'name')} made again, free"
        if self.deleted:
            stays = "it stays" if len(self.deleted) == 1 else "they stay"
            yield f"{_such(self.deleted)} deleted by hand: {stays} so; `batchgen restore {folder.root}` undoes that"
        if self.taken:
            yield f"{_such(self.taken)} not replaced: a file that batchgen did not make has that name"
        if self.missing:
            yield f"{_such(self.missing)} gone, and so is the picture; `--retry missing` buys it again"
        if self.copied:
            named = f" ({kind})" if (kind := file_system_of(folder.root)) else ""
            yield (
                f"{folder.root}: its file system{named} has no links, so the names in images/ are copies and take room "
                "too"
            )


def view_of(folder: RunFolder, db: sqlite3.Connection) -> View:
    """Return the names of a run folder: on its disk, or the ledger's alone if its pictures rest in a bucket."""
    return View(folder) if pictures_at(db) is None else LedgerNames(folder)


def nothing_open(_: Collection[str]) -> frozenset[str]:
    """Return the open stems of a plan that has none, or of no plan."""
    return frozenset()


def open_stems(plan: Plan, diff: PlanDiff) -> OpenStems:
    """Return the function that finds, among stems, those of requests without a picture yet."""

    def among(stems: Collection[str]) -> frozenset[str]:
        wanted = frozenset(stems)
        found = (plan.stem(request) for request in plan.at(diff.open_positions))
        return frozenset(stem for stem in found if stem in wanted)

    return among


async def relink(
    view: View,
    folder: RunFolder,
    ledger: Ledger,
    reader: Reader,
    *,
    looked: Looked | None = None,
    opened: OpenStems = nothing_open,
) -> Relinked:
    """Make and remove names as the ledger wants them.

    ``looked`` is what the names on disk are, if that is noted already. A name that nothing asks for stays while
    ``opened`` says that its successor is not stored. Raise :class:`OSError`, :class:`FolderMismatch` and
    :class:`LedgerFailed`.
    """
    if looked is None:
        # A copy that was made and is not recorded yet would be made again.
        await ledger.flush()
        looked = await anyio.to_thread.run_sync(look, folder, reader)
        await note(ledger, looked)
    done = Relinked(remade=looked.remade)
    todo = await anyio.to_thread.run_sync(names.unsettled, reader.db)
    leaving = {name.stem for name in todo if name.original is None}
    held = await anyio.to_thread.run_sync(opened, leaving) if leaving else frozenset()
    ready = iter([name for name in todo if name.original is not None or name.stem not in held])
    done.kept = sum(name.original is None and name.stem in held for name in todo)
    while some := list(islice(ready, _AT_ONCE)):
        await _settle(view, ledger, some, done)
    done.deleted = await anyio.to_thread.run_sync(names.deleted, reader.db)
    done.copied = view.copies
    return done


async def _settle(view: View, ledger: Ledger, some: Sequence[Name], done: Relinked) -> None:
    settled = await anyio.to_thread.run_sync(view.settle, some)
    await ledger.change(partial(names.record, settled=settled), folders=settled.folders)
    done.made += len(settled.made)
    done.removed += len(settled.removed)
    done.taken += settled.taken
    done.missing += settled.missing


@dataclass(frozen=True, slots=True)
class Looked:
    """Names on disk compared with the names made: ``gone``, with ``other`` files, or ``back`` after a deletion.

    ``strangers`` are files that the ledger has no name for.
    """

    gone: Sequence[str]
    other: Sequence[str]
    back: Sequence[str]
    strangers: Sequence[str]
    remade: int

    @property
    def news(self) -> bool:
        return bool(self.gone or self.other or self.back)


def look(folder: RunFolder, reader: Reader) -> Looked:
    """Return how the names on disk differ from the names made. Raise :class:`FolderMismatch`. For a thread."""
    if pictures_at(reader.db) is not None:
        # No name stands on this disk: a bucket has no links.
        return Looked((), (), (), (), 0)
    gone: list[str] = []
    other: list[str] = []
    back: list[str] = []
    strangers: list[str] = []
    seen: set[str] = set()
    found = 0
    deleted = set(names.deleted(reader.db))
    for listing in list_images(folder):
        here, inodes = listing.folder, listing.inodes
        made = names.made_in(reader.db, here)
        seen.add(here)
        found += len(made)
        if not made.items() <= inodes.items():
            gone += [f"{here}/{base}" for base in made if base not in inodes]
            other += [f"{here}/{base}" for base, inode in made.items() if inodes.get(base, inode) != inode]
        if extra := [f"{here}/{base}" for base in inodes if base not in made] if inodes.keys() != made.keys() else ():
            known = names.known(reader.db, extra)
            back += [file for file in extra if file in deleted]
            strangers += [file for file in extra if file not in known]
    total = names.count_made(reader.db)
    if found < total:
        gone += names.made_outside(reader.db, seen)
    remade = total + len(deleted) if total and len(gone) == total else 0
    return Looked(gone, other, back, strangers, remade)


async def note(ledger: Ledger, looked: Looked, *, restores: bool = False) -> None:
    """Remember what the names on disk are; deleted ones are wanted again if the manifest ``restores`` them.

    Done before any name gets another picture: a picture whose names were all deleted is not wanted under new ones.
    """
    if looked.news or restores:
        await ledger.change(partial(_noted, looked=looked, restores=restores))


def _noted(db: sqlite3.Connection, looked: Looked, *, restores: bool) -> None:
    if looked.remade:
        names.want_all_again(db)
        return
    names.record_deleted(db, looked.gone)
    names.want_again(db, [*looked.other, *looked.back, *(names.deleted(db) if restores else ())])


def _new(files: Sequence[str], told: Sequence[str]) -> list[str]:
    """Return those of ``files`` that were not ``told``."""
    known = frozenset(told)
    return [file for file in files if file not in known]


def _such(files: Sequence[str]) -> str:
    """Return ``images/mug.png was``, or how many, with the first of them."""
    first = files[0]
    return f"{first} was" if len(files) == 1 else f"{len(files):,} files, such as {first}, were"
