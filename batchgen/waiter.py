"""A signal that one task waits for, once: a future of the event loop on asyncio, an event anywhere else.

Several of them are on the way of each picture, and an event costs ten times what a future does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Protocol

import anyio


class Waiter(Protocol):
    """A signal for one task. It is set from the event loop's own thread; setting it again changes nothing."""

    def set(self) -> object: ...

    def wait(self) -> Awaitable[object]:
        """Return what to await, once, until the signal is set."""
        ...


class _Future:
    __slots__ = ("_future",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._future = loop.create_future()

    def set(self) -> None:
        # Cancelling the task that waits cancels the future.
        if not self._future.done():
            self._future.set_result(None)

    def wait(self) -> asyncio.Future[None]:
        return self._future


def new_waiter() -> Waiter:
    """Return a signal of the running event loop."""
    try:
        return _Future(asyncio.get_running_loop())
    except RuntimeError:
        return anyio.Event()
