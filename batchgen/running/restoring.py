"""Brings pictures back from the trash to the places they had, where those are free; nothing is sent or paid."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import anyio.to_thread

from batchgen.errors import StoppedEarly, UsageError
from batchgen.running.moves import Moves
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.trash import stem_of
from batchgen.store.folder.trashed import InTrash, obstacles, read_trash
from batchgen.store.ledger.ledger import Ledger, open_ledger
from batchgen.store.ledger.reader import Reader


@dataclass(frozen=True, slots=True)
class Restored:
    """How many requests' pictures are back, and the files they are, relative to the run folder."""

    requests: int
    files: tuple[str, ...]


async def restore(folder: RunFolder, words: Sequence[str]) -> Restored:
    """Brings back the requests that ``words`` mean: beginnings of keys, or names that their pictures had.

    All or none: raises :class:`UsageError` with everything that is in the way, and then moves nothing. Raises
    :class:`FolderInUse` while a run is going on, and :class:`StoppedEarly` where the disk gives in.
    """
    try:
        with folder.opened():
            async with open_ledger(folder.ledger, provider=None) as ledger:
                with closing(Reader(folder.ledger)) as reader:
                    wanted = await anyio.to_thread.run_sync(_wanted, reader, folder, words)
                    return await _bring_back(wanted, ledger, reader, folder)
    except OSError as error:
        raise StoppedEarly(
            f"the disk of {folder.root} gave an error: {error}; the same command ends it later"
        ) from error


def _wanted(reader: Reader, folder: RunFolder, words: Sequence[str]) -> list[InTrash]:
    trash = read_trash(reader.db)
    found: dict[str, InTrash] = {}
    problems = []
    for word in words:
        meant = [one for one in trash if one.is_called(word, folder)]
        if len(meant) == 1:
            found[meant[0].key] = meant[0]
        elif meant:
            keys = ", ".join(one.key[:8] for one in meant[:5])
            problems.append(f"{word}: {len(meant)} requests in the trash are called so ({keys}); give the key of one")
        else:
            problems.append(f"{word}: nothing in the trash is called so; `batchgen restore {folder.root}` lists it")
    problems += obstacles(reader.db, folder, list(found.values()))
    if problems:
        raise UsageError("\n".join(problems))
    return list(found.values())


async def _bring_back(wanted: Sequence[InTrash], ledger: Ledger, reader: Reader, folder: RunFolder) -> Restored:
    moves = Moves(ledger, reader, folder)
    files = []
    for one in wanted:
        brought = [
            await moves.bring(picture, home, await moves.leaving(stem_of(home)))
            for picture, home in zip(one.pictures, one.homes, strict=True)
        ]
        await moves.settle(brought)
        files += [move.to for move in brought]
    await moves.finish()
    return Restored(len(wanted), tuple(files))
