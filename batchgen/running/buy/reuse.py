"""Takes what other run folders have bought already, before anything is sent: it is linked, recorded, never paid for.

The order of writes is that of a picture: its bytes, a way for its name, the name, the folder's sync, the commit. A
process that dies before the last leaves a file that the next run finds by its bytes.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from batchgen.errors import StoppedEarly
from batchgen.planning.plan import Plan
from batchgen.request import Request, State
from batchgen.running.schedule.feeder import CHUNK, Selection
from batchgen.running.tidying import Tidying
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.ledger import Ledger
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.transitions import NameTaken, StoredPicture
from batchgen.store.pictures.other_folders import Brought, Found, NotReusable, Sources, bring, discard

# In these states a request is left alone: its picture is here, or is on its way.
SETTLED = frozenset({State.SENT, State.ANSWERED, State.STORED})

# Hashing takes a core, and disks gain nothing from more readers.
_AT_ONCE = 8
# Of the files that could not be taken, so many are named.
_NAMED = 3


@dataclass(slots=True)
class Reused:
    """How many requests were taken from each folder, and why others were not: those will be bought."""

    by_folder: Counter[Path] = field(default_factory=Counter)
    unusable: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.by_folder.total()

    def notices(self) -> Iterator[str]:
        """What its user must know, in a line each."""
        for folder, count in self.by_folder.items():
            yield f"{count:,} reused from {folder}: linked, and not bought again"
        if self.unusable:
            more = f"; and {len(self.unusable) - _NAMED:,} more" if len(self.unusable) > _NAMED else ""
            yield f"{len(self.unusable):,} can't be reused and are bought: {'; '.join(self.unusable[:_NAMED])}{more}"


class Reuse:
    """The taking of one run, from ``sources`` into ``folder``."""

    def __init__(
        self,
        plan: Plan,
        sources: Sources,
        ledger: Ledger,
        reader: Reader,
        folder: RunFolder,
        room: DiskSpace,
        tidying: Tidying,
        *,
        run_id: int,
    ) -> None:
        self._plan = plan
        self._sources = sources
        self._ledger = ledger
        self._reader = reader
        self._folder = folder
        self._room = room
        self._tidying = tidying
        self._run_id = run_id
        self._threads = anyio.CapacityLimiter(_AT_ONCE)
        self._done = Reused()
        self._failure: Exception | None = None

    async def run(self, selection: Selection) -> Reused:
        """Takes all there is for the plan's requests that ``selection`` is about, whatever its limit of new ones.

        Raises :class:`StoppedEarly` where this folder's disk gives in.
        """
        requests = filter(selection.takes, self._plan)
        while self._failure is None and self._room.shortage is None:
            found = await anyio.to_thread.run_sync(self._next, requests)
            if found is None:
                break
            async with anyio.create_task_group() as tasks:
                for request, one in found:
                    tasks.start_soon(self._one, request, one)
        if self._failure is not None:
            raise self._failure
        self._done.unusable += self._sources.gone.values()
        return self._done

    def _next(self, requests: Iterable[Request]) -> list[tuple[Request, Found]] | None:
        """What of the next requests can be taken; ``None`` after the last of them."""
        chunk: dict[str, Request] = {}
        for request in itertools.islice(requests, CHUNK):
            # Of equal requests the first one of the plan counts.
            chunk.setdefault(request.key, request)
        if not chunk:
            return None
        states = self._reader.states(chunk)
        found = self._sources.find([key for key in chunk if states.get(key) not in SETTLED])
        return [(chunk[key], one) for key, one in found.items()]

    async def _one(self, request: Request, found: Found) -> None:
        if self._failure is not None:
            return
        stem = self._plan.stem(request)
        try:
            try:
                taken = await self._taken(request, found, stem)
            except NameTaken:
                # As for a new picture: another request has this name, and its picture these very bytes.
                taken = await self._taken(request, found, f"{stem}-{request.key[:8]}")
        except NotReusable as error:
            self._done.unusable.append(str(error))
        except OSError as error:
            # Kept, since a task group would wrap it into a group.
            self._failure = StoppedEarly(f"the disk of {self._folder.root} gave an error: {error}. Nothing was sent")
            self._failure.__cause__ = error
        except Exception as error:  # noqa: BLE001 - as above
            self._failure = error
        else:
            self._done.by_folder[found.folder] += taken

    async def _taken(self, request: Request, found: Found, stem: str) -> bool:
        # An old picture of this name moves only once it is sure that there is a new one.
        brought = await anyio.to_thread.run_sync(
            partial(bring, found, self._folder, stem, self._room), limiter=self._threads
        )
        try:
            pictures = [
                await self._published(one, stem if number == 1 else f"{stem}-{number}", request.key)
                for number, one in enumerate(brought, 1)
            ]
        except BaseException:
            discard(brought)
            raise
        return await self._ledger.reuse(
            request,
            pictures,
            stem=stem,
            run_id=self._run_id,
            reused_from=str(found.folder),
            answered_ms=found.answered_ms,
            folder=(self._folder.root / pictures[0].file).parent,
        )

    async def _published(self, one: Brought, stem: str, key: str) -> StoredPicture:
        free = await self._tidying.make_way(stem, key)
        publish = partial(one.publish, self._folder, stem, free)
        return await anyio.to_thread.run_sync(publish, limiter=self._threads)
