"""Keeps a folder's names for what its manifest asks for now: makes way for new pictures, and brings old ones back.

Everything here moves files that are paid for; nothing is sent, and nothing is ever overwritten that has no other name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

import anyio
import anyio.to_thread

from batchgen.planning.plan import Plan
from batchgen.running.moves import Moves
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import retired
from batchgen.store.ledger.ledger import Ledger, now_ms
from batchgen.store.ledger.plan_diff import Orphans, PlanDiff
from batchgen.store.ledger.row_metadata import Misnamed

# So many pictures go to the trash in one commit.
_AT_ONCE = 500

_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request of the plan that an earlier plan no longer had, and the name its first picture is to have."""

    key: str
    stem: str


class Tidying:
    """The moves of one run, or of one `batchgen prune`. Its parts may be called from several tasks."""

    def __init__(self, ledger: Ledger, past: PlanDiff, folder: RunFolder, plan: Plan) -> None:
        self._ledger = ledger
        self._past = past
        self._plan = plan
        self._moves = Moves(ledger, past, folder)
        self._lock = anyio.Lock()

    @property
    def named(self) -> bool:
        """Whether pictures have names of the user's own, which another picture may hold."""
        return self._plan.manifest.output.path is not None

    async def is_held(self, stem: str, key: str) -> bool:
        """Whether another stored picture is called ``stem``."""
        return self.named and bool(await self._moves.holders(stem, besides=key))

    async def make_way(self, stem: str, key: str) -> Mapping[str, str]:
        """The names called ``stem`` that the picture of ``key`` may take from old files, with the new names of those.

        Orphans that hold such a name are moved to the trash; a name of what the plan still asks for stays taken.
        """
        if not self.named:
            return _NOTHING
        async with self._lock:
            holders = await self._moves.holders(stem, besides=key)
            if holders:
                orphans = [holder.request_id for holder in holders if not self._past.asks_for(holder.key)]
                await self._moves.throw(orphans, successor=key)
            return await self._moves.leaving(stem)

    async def bring_back(self, wanted: Wanted) -> bool:
        """Puts the pictures of a request back under the plan's names; whether they were still in the trash."""
        found = await self._moves.trashed(wanted.key)
        if not found:
            await self._ledger.change(partial(retired.ask_again, key=wanted.key))
            return False
        if not await self._moves.are_there(found):
            await self._moves.lose(found)
            return False
        moves = []
        for one in found:
            stem = wanted.stem if one.ordinal == 1 else f"{wanted.stem}-{one.ordinal}"
            free = await self.make_way(stem, wanted.key)
            moves.append(await self._moves.bring(one, f"{stem}{PurePosixPath(one.file).suffix}", free))
        await self._moves.settle(moves)
        return True

    async def rename(self, misnamed: Sequence[Misnamed]) -> int:
        """Gives pictures the names that the plan has for them now, also where two change places; returns how many.

        All go through the trash: a process that dies on the way leaves them there, wanted back. What is no file any
        more stays as it is: to give it up is for its user to say.
        """
        there = await self._moves.present(misnamed)
        for start in range(0, len(there), _AT_ONCE):
            await self._moves.throw([one.request_id for one in there[start : start + _AT_ONCE]], successor=None)
        for one in there:
            await self.bring_back(Wanted(one.key, one.stem))
        if there:
            await self._moves.finish()
        return len(there)

    async def withdraw(self) -> int:
        """Sets aside what ended without a picture and the plan no longer asks for; returns how many requests."""
        numbers = await anyio.to_thread.run_sync(retired.no_longer_asked, self._past)
        if numbers:
            await self._ledger.change(partial(retired.withdraw, requests=numbers, now_ms=now_ms()))
        return len(numbers)

    async def new_doubts(self, run_id: int) -> retired.Doubts:
        """The requests in doubt that the plan no longer asks for and no earlier run has told of."""
        return await anyio.to_thread.run_sync(retired.new_doubts, self._past, run_id)

    async def orphans(self) -> Orphans:
        """What the plan no longer asks for, and stands among the pictures all the same."""
        return await anyio.to_thread.run_sync(self._past.orphans)

    async def prune(self) -> int:
        """Moves every orphan to the trash; returns how many that are."""
        count = 0
        for requests in await anyio.to_thread.run_sync(lambda: list(self._past.orphan_requests())):
            await self._moves.throw(requests, successor=None)
            count += len(requests)
        return count

    async def finish(self) -> None:
        """Removes the names that nothing needs any more, and lists what the trash holds."""
        held = await self._moves.successors()
        asked = await anyio.to_thread.run_sync(self._past.asked, held)
        if gone := [key for key in held if key not in asked]:
            await self._moves.release(gone)
        await self._moves.finish()
