"""Long-lived workers that take one job after another from the lanes; the pool knows jobs, not pictures.

A worker that finds nothing to do parks. Whoever makes a job ready wakes one worker, and a worker that got a job wakes
the next while there may be more: no crowd is woken for one job, and nobody polls.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from batchgen.running.schedule.lanes import Job, Lanes
from batchgen.waiter import Waiter, new_waiter


class Pool:
    """``workers`` tasks that run ``work`` for each job of ``lanes`` until the lanes are done."""

    def __init__(self, lanes: Lanes, work: Callable[[Job], Awaitable[None]], *, workers: int) -> None:
        self._lanes = lanes
        self._work = work
        self._workers = workers
        self._serving = 0
        self._more = anyio.Event()
        self._parked: deque[Waiter] = deque()
        self._alarm_at = math.inf
        self._alarm_changed = anyio.Event()

    async def run(self) -> None:
        """Return once nothing is in flight and nothing is left to send."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._ring)
            async with anyio.create_task_group() as workers:
                self._start(workers)
                tasks.start_soon(self._start_more, workers)
            tasks.cancel_scope.cancel()

    def grow(self, workers: int) -> None:
        """Have ``workers`` tasks, if there are fewer; those there are stay."""
        if workers > self._workers:
            self._workers = workers
            self._more.set()

    def _start(self, workers: TaskGroup) -> None:
        missing = self._workers - self._serving
        self._serving += missing
        for _ in range(missing):
            workers.start_soon(self._serve)

    async def _start_more(self, workers: TaskGroup) -> None:
        while True:
            await self._more.wait()
            self._more = anyio.Event()
            # A group whose last worker has left takes no other.
            if self._serving:
                self._start(workers)

    def wake(self) -> None:
        """Tell the pool that a job may have become ready, or that the lanes were stopped."""
        if self._lanes.done:
            while self._parked:
                self._parked.popleft().set()
        elif self._parked:
            self._parked.popleft().set()

    async def _serve(self) -> None:
        while (job := await self._next()) is not None:
            await self._work(job)
        self._serving -= 1

    async def _next(self) -> Job | None:
        while True:
            picked = self._lanes.pick(anyio.current_time())
            if isinstance(picked, Job):
                self.wake()
                return picked
            if self._lanes.done:
                self.wake()
                return None
            self._set_alarm(picked.until)
            parked = new_waiter()
            self._parked.append(parked)
            await parked.wait()

    def _set_alarm(self, at: float) -> None:
        if at < self._alarm_at:
            self._alarm_at = at
            self._alarm_changed.set()

    async def _ring(self) -> None:
        """Wake a worker when the clock alone makes a job ready; that worker sets the next alarm."""
        while True:
            self._alarm_changed = anyio.Event()
            with anyio.move_on_at(self._alarm_at):
                await self._alarm_changed.wait()
                continue
            self._alarm_at = math.inf
            self.wake()
