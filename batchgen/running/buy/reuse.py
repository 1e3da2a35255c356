"""Takes what other run folders have bought already, before anything is sent: linked, recorded, never paid for.

The order of writes is that of a picture: its bytes under its key, the folder's sync, the commit, its names. A process
that dies before the commit leaves a file that the next run finds by its bytes.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from batchgen.errors import StoppedEarly
from batchgen.request import Request, State
from batchgen.running.desk import Desk
from batchgen.store.pictures.on_disk import shard_of
from batchgen.store.pictures.other_folders import Found, NotReusable, take
from batchgen.wording import counted

if TYPE_CHECKING:
    from batchgen.running.schedule.selection import Selection

# In these states a request is left alone: its picture is here, or is on its way.
SETTLED = frozenset({State.SENT, State.ANSWERED, State.STORED})

# Hashing takes a core, and disks gain nothing from more readers.
_AT_ONCE = 8
# So many requests are looked up at a time.
_BATCH = 500
# Of the files that could not be taken, so many are named.
_NAMED = 3


@dataclass(slots=True)
class Reused:
    """The requests taken from each folder, and why others were not taken: those will be bought."""

    by_folder: Counter[Path] = field(default_factory=Counter)
    unusable: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.by_folder.total()

    def notices(self) -> Iterator[str]:
        """Return what the user must know, in a line each."""
        for folder, count in self.by_folder.items():
            yield f"{counted(count, 'request')} reused from {folder}: linked, and not bought again"
        if self.unusable:
            more = f"; and {len(self.unusable) - _NAMED:,} more" if len(self.unusable) > _NAMED else ""
            yield (
                f"{counted(len(self.unusable), 'picture')} can't be reused and will be bought: "
                f"{'; '.join(self.unusable[:_NAMED])}{more}"
            )


class Reuse:
    """The taking of one run, from the sources on its desk into its folder."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._threads = anyio.CapacityLimiter(_AT_ONCE)
        self._done = Reused()
        self._failure: Exception | None = None

    async def run(self, selection: Selection) -> Reused:
        """Take all there is for the plan's requests in ``selection``, whatever its limit of new requests.

        Raise :class:`StoppedEarly` if this folder's disk fails.
        """
        requests = filter(selection.takes, self._desk.plan)
        while self._failure is None and self._desk.space.shortage is None:
            found = await anyio.to_thread.run_sync(self._next, requests)
            if found is None:
                break
            async with anyio.create_task_group() as tasks:
                for request, one in found:
                    tasks.start_soon(self._one, request, one)
        if self._failure is not None:
            raise self._failure
        self._done.unusable += self._desk.sources.gone.values()
        return self._done

    def _next(self, requests: Iterable[Request]) -> list[tuple[Request, Found]] | None:
        """Return what can be taken of the next requests; ``None`` after the last request."""
        chunk: dict[str, Request] = {}
        for request in itertools.islice(requests, _BATCH):
            # Of equal requests the first one of the plan counts.
            chunk.setdefault(request.key, request)
        if not chunk:
            return None
        states = self._desk.reader.states(chunk)
        found = self._desk.sources.find([key for key in chunk if states.get(key) not in SETTLED])
        return [(chunk[key], one) for key, one in found.items()]

    async def _one(self, request: Request, found: Found) -> None:
        if self._failure is not None:
            return
        try:
            taken = await self._taken(request, found)
        except NotReusable as error:
            self._done.unusable.append(str(error))
        except OSError as error:
            # Kept, since a task group would wrap it into a group.
            folder = self._desk.folder.root
            self._failure = StoppedEarly(f"the disk of {folder} gave an error: {error}. Nothing was sent")
            self._failure.__cause__ = error
        except Exception as error:  # noqa: BLE001 - as above
            self._failure = error
        else:
            self._done.by_folder[found.folder] += taken

    async def _taken(self, request: Request, found: Found) -> bool:
        desk = self._desk
        pictures = await anyio.to_thread.run_sync(
            partial(take, found, desk.folder, request.key, desk.space), limiter=self._threads
        )
        if request.inputs:
            await anyio.to_thread.run_sync(desk.copies.keep, request.inputs, limiter=self._threads)
        names = await desk.ledger.reuse(
            request,
            pictures,
            stem=desk.plan.stem(request),
            run_id=desk.run_id,
            reused_from=str(found.folder),
            answered_ms=found.answered_ms,
            folders=[shard_of(desk.folder, pictures[0].original)],
        )
        if names is None:
            return False
        desk.ledger.settled(await anyio.to_thread.run_sync(desk.view.settle, names, limiter=self._threads))
        return True
