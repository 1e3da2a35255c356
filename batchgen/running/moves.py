"""Moves pictures between their names and the trash in the order that survives a kill at any moment.

What may be moved is the caller's to say; how, is the same for all: a second name first, then the ledger's word, then
the old name's removal (`batchgen.store.folder.trash`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import TypeVar

import anyio.to_thread

from batchgen.store.dataset.metadata import write_moved
from batchgen.store.folder import trash
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.ledger import Ledger, now_ms
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.row_metadata import Misnamed

T = TypeVar("T")


class Moves:
    """The moves in one run folder. ``reader`` is asked where things stand, ``ledger`` is told where they are now."""

    def __init__(self, ledger: Ledger, reader: PlanDiff | Reader, folder: RunFolder) -> None:
        self._ledger = ledger
        self._db = reader.db
        self._folder = folder
        self._trash: str | None = None
        self._touched: set[str] = set()

    async def holders(self, stem: str, *, besides: str) -> Sequence[trash.Holder]:
        """The stored requests, other than the key ``besides``, with a picture called ``stem``."""
        return await _read(partial(trash.holders, self._db, stem, besides=besides))

    async def leaving(self, stem: str) -> Mapping[str, str]:
        """Names called ``stem`` that are free for another picture, with the names under which theirs are kept."""
        return await _read(partial(trash.leaving, self._db, stem))

    async def throw(self, requests: Sequence[int], *, successor: str | None) -> None:
        """Moves the pictures of ``requests`` to the trash; their old names stay until ``successor`` is stored."""
        if not requests:
            return
        if self._trash is None:
            self._trash = await _read(partial(trash.new_trash, self._folder))
        dated = self._trash
        self._touched.add(dated)
        moves = await _read(partial(trash.moves_to_trash, self._db, requests, dated))
        await _read(partial(trash.lay, self._folder, moves))
        await self._ledger.change(partial(trash.record_trash, moves=moves, successor=successor, now_ms=now_ms()))

    async def trashed(self, key: str) -> Sequence[trash.Trashed]:
        """The pictures of a request that lie in the trash."""
        return await _read(partial(trash.trashed, self._db, key))

    async def are_there(self, found: Sequence[trash.Trashed]) -> bool:
        """Whether all of them are still files."""
        return await _read(lambda: all((self._folder.root / one.file).is_file() for one in found))

    async def present(self, misnamed: Sequence[Misnamed]) -> Sequence[Misnamed]:
        """Those whose pictures are still files."""
        return await _read(lambda: [one for one in misnamed if (self._folder.root / one.file).is_file()])

    async def lose(self, found: Sequence[trash.Trashed]) -> None:
        """Records that the pictures of one request are no longer in the trash: only its user may pay for it again."""
        message = "it was in the trash and is no file there any more"
        lose = partial(trash.record_loss, request_id=found[0].request_id, message=message, now_ms=now_ms())
        await self._ledger.change(lose)

    async def bring(self, one: trash.Trashed, to: str, free: Mapping[str, str]) -> trash.Move:
        """Gives a picture from the trash the name ``to``, or a neighbour where that is taken; `settle` records it."""
        move = await _read(partial(trash.to_free_name, self._db, trash.Move(one.request_id, one.ordinal, one.file, to)))
        stands = await _read(partial(trash.bring, self._folder, move, free))
        return trash.Move(one.request_id, one.ordinal, one.file, stands)

    async def settle(self, moves: Sequence[trash.Move]) -> None:
        """Records that the pictures of a request, all of them brought, stand under their new names."""
        dated = {_dated(move.file) for move in moves}
        self._touched |= dated
        # A list that says too much is worse than none: without one, the next run would write it.
        await _read(partial(trash.unlist, self._folder, dated))
        await self._ledger.change(partial(trash.record_return, moves=moves))

    async def successors(self) -> Sequence[str]:
        """The keys of the requests for which old names are held."""
        return await _read(partial(trash.successors, self._db))

    async def release(self, successors: Sequence[str]) -> None:
        """Holds old names no longer for requests that will never come."""
        await self._ledger.change(partial(trash.release, successors=successors))

    async def finish(self) -> None:
        """Removes the names that nothing needs any more, and lists what the trash holds."""
        names = await _read(partial(trash.names_to_remove, self._db))
        if names:
            await _read(partial(trash.remove_names, self._folder, names))
            await self._ledger.change(partial(trash.record_removed, names=names))
        await _read(self._list_trash)

    def _list_trash(self) -> None:
        for dated in trash.unlisted(self._folder):
            trash.remove_strays(self._db, self._folder, dated)
            self._touched.add(dated)
        for dated in sorted(self._touched):
            write_moved(self._folder, dated)
        self._touched.clear()


async def _read(question: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(question)


def _dated(file: str) -> str:
    """``trash/2026-03-01-020000`` of a file in it."""
    return "/".join(PurePosixPath(file).parts[:2])
