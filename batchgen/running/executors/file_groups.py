"""Work on files in groups: a thread does all that gathered while it was busy, and one hop serves all who wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import anyio
import anyio.to_thread

from batchgen.waiter import Waiter, new_waiter

T = TypeVar("T")
R = TypeVar("R")


class _Work(Generic[T, R]):
    __slots__ = ("done", "result", "what")

    def __init__(self, what: T) -> None:
        self.what = what
        self.done = new_waiter()
        self.result: R | Exception


class FileGroups(Generic[T, R]):
    """Groups of ``threads`` threads. ``work`` does a group: it returns, for each, its result or the error to raise."""

    def __init__(self, work: Callable[[Sequence[T]], Sequence[R | Exception]], *, threads: int) -> None:
        self._work = work
        self._threads = self._free = threads
        self._limiter = anyio.CapacityLimiter(threads)
        self._gathered: deque[_Work[T, R]] = deque()
        self._idle: deque[Waiter] = deque()

    async def do(self, what: T) -> R:
        """Return what the work on ``what`` gave, while :meth:`serve` runs.

        A caller that is cancelled does not know whether the work was done.
        """
        work = _Work[T, R](what)
        self._gathered.append(work)
        if self._idle:
            self._idle.popleft().set()
        await work.done.wait()
        if isinstance(work.result, Exception):
            raise work.result
        return work.result

    async def serve(self) -> None:
        """Do what gathers until cancelled; what is being done by then is ended first."""
        async with anyio.create_task_group() as tasks:
            for _ in range(self._threads):
                tasks.start_soon(self._serve)

    async def _serve(self) -> None:
        while True:
            if not self._gathered:
                idle = new_waiter()
                self._idle.append(idle)
                await idle.wait()
                continue
            # Threads that have nothing to do take their share.
            group = [self._gathered.popleft() for _ in range(-(-len(self._gathered) // self._free))]
            if self._gathered and self._idle:
                self._idle.popleft().set()
            self._free -= 1
            for work, result in zip(group, await self._done(group), strict=True):
                work.result = result
                work.done.set()
            self._free += 1

    async def _done(self, group: Sequence[_Work[T, R]]) -> Sequence[R | Exception]:
        try:
            return await anyio.to_thread.run_sync(self._work, [work.what for work in group], limiter=self._limiter)
        except Exception as error:  # noqa: BLE001 - of the work, or for want of a thread: all who wait must be told
            return [error] * len(group)
