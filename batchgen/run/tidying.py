"""Keeps a folder's names for what its manifest asks for now: makes way for new pictures, and brings old ones back.

Everything here moves files that are paid for; nothing is sent, and nothing is ever overwritten that has no other name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TypeVar

import anyio
import anyio.to_thread

from batchgen.plan.plan import Plan
from batchgen.store import trash
from batchgen.store.dataset import write_moved
from batchgen.store.folder import RunFolder
from batchgen.store.ledger import Ledger, now_ms
from batchgen.store.past import Orphans, Past

T = TypeVar("T")

_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request of the plan whose pictures lie in the trash, and the name its first picture is to have."""

    key: str
    stem: str


class Tidying:
    """The moves of one run, or of one `batchgen prune`. Its parts may be called from several tasks."""

    def __init__(self, ledger: Ledger, past: Past, folder: RunFolder, plan: Plan) -> None:
        self._ledger = ledger
        self._past = past
        self._folder = folder
        self._plan = plan
        self._lock = anyio.Lock()
        self._trash: str | None = None
        self._touched: set[str] = set()

    @property
    def named(self) -> bool:
        """Whether pictures have names of the user's own, which another picture may hold."""
        return self._plan.manifest.output.path is not None

    async def is_held(self, stem: str, key: str) -> bool:
        """Whether another stored picture is called ``stem``."""
        if not self.named:
            return False
        return bool(await self._read(partial(trash.holders, self._past.db, stem, besides=key)))

    async def make_way(self, stem: str, key: str) -> Mapping[str, str]:
        """The names called ``stem`` that the picture of ``key`` may take from old files, with the new names of those.

        Orphans that hold such a name are moved to the trash; a name of what the plan still asks for stays taken.
        """
        if not self.named:
            return _NOTHING
        async with self._lock:
            holders = await self._read(partial(trash.holders, self._past.db, stem, besides=key))
            if holders:
                await self._read_plan()
                orphans = [holder.request_id for holder in holders if not self._past.asks_for(holder.key)]
                await self._throw(orphans, successor=key)
            return await self._read(partial(trash.leaving, self._past.db, stem))

    async def bring_back(self, wanted: Wanted) -> bool:
        """Puts the pictures of a request back under the plan's names; whether they were still in the trash."""
        found = await self._read(partial(trash.trashed, self._past.db, wanted.key))
        if not found:
            return False
        if not await self._read(lambda: all((self._folder.root / one.file).is_file() for one in found)):
            lose = partial(trash.record_loss, request_id=found[0].request_id, now_ms=now_ms())
            await self._ledger.change(lose)
            return False
        moves = []
        for one in found:
            stem = wanted.stem if one.ordinal == 1 else f"{wanted.stem}-{one.ordinal}"
            free = await self.make_way(stem, wanted.key)
            to = f"{stem}{PurePosixPath(one.file).suffix}"
            move = trash.Move(one.request_id, one.ordinal, one.file, to)
            to = await self._read(partial(trash.bring, self._folder, move, free))
            moves.append(trash.Move(one.request_id, one.ordinal, one.file, to))
        dated = {_dated(one.file) for one in found}
        self._touched |= dated
        # A list that says too much is worse than none: without one, the next run would write it.
        await self._read(partial(trash.unlist, self._folder, dated))
        await self._ledger.change(partial(trash.record_return, moves=moves))
        return True

    async def orphans(self) -> Orphans:
        """What the plan no longer asks for, and stands among the pictures all the same."""
        await self._read_plan()
        return await self._read(self._past.orphans)

    async def prune(self) -> int:
        """Moves every orphan to the trash; returns how many that are."""
        await self._read_plan()
        count = 0
        for requests in await self._read(lambda: list(self._past.orphan_requests())):
            await self._throw(requests, successor=None)
            count += len(requests)
        return count

    async def finish(self) -> None:
        """Removes the names that nothing needs any more, and lists what the trash holds."""
        names = await self._read(partial(trash.names_to_remove, self._past.db))
        if names:
            await self._read(partial(trash.remove_names, self._folder, names))
            await self._ledger.change(partial(trash.record_removed, names=names))
        await self._read(self._list_trash)

    def _list_trash(self) -> None:
        for dated in trash.unlisted(self._folder):
            trash.remove_strays(self._past.db, self._folder, dated)
            self._touched.add(dated)
        for dated in sorted(self._touched):
            write_moved(self._folder, dated)
        self._touched.clear()

    async def _throw(self, requests: list[int], *, successor: str | None) -> None:
        if not requests:
            return
        if self._trash is None:
            self._trash = await self._read(partial(trash.new_trash, self._folder))
        dated = self._trash
        self._touched.add(dated)
        moves = await self._read(partial(trash.moves_to_trash, self._past.db, requests, dated))
        await self._read(partial(trash.lay, self._folder, moves))
        record = partial(trash.record_trash, moves=moves, successor=successor, now_ms=now_ms())
        await self._ledger.change(record)

    async def _read_plan(self) -> None:
        if not self._past.whole:
            await self._read(lambda: self._past.read(request.key for request in self._plan))

    async def _read(self, question: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(question)


def _dated(file: str) -> str:
    """``trash/2026-03-01-020000`` of a file in it."""
    return "/".join(PurePosixPath(file).parts[:2])
