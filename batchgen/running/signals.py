"""Ctrl-C, SIGTERM and SIGHUP: the first lets paid requests land, the second abandons them."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from batchgen.errors import ExitCode, Interrupted

if TYPE_CHECKING:
    from batchgen.running.engine import Engine

# What a shell expects of a program that a signal ended.
EXIT_CODES = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.TERMINATED,
}

# `timeout` signals the program and then its whole group, a terminal that closes does much the same: what comes within
# this time of the first is the same wish, and no reason to abandon what is paid for.
ONE_WISH_S = 0.5

_NAMES = frozenset(number.name for number in EXIT_CODES)

Signals = AbstractAsyncContextManager[AsyncIterator[int]]


def heard_numbers() -> list[signal.Signals]:
    """Return the signals that end a run; what nohup, or a shell's background, told us to ignore stays ignored."""
    return [number for number in EXIT_CODES if signal.getsignal(number) not in {signal.SIG_IGN, None}]


@asynccontextmanager
async def own_signals() -> AsyncIterator[AsyncIterator[int]]:
    """Receive the signals that end a run, in the event loop of the main thread."""
    with anyio.open_signal_receiver(*heard_numbers()) as numbers:
        yield numbers


@asynccontextmanager
async def interruptible(signals: Signals) -> AsyncIterator[Callable[[Engine], None]]:
    """Watch for ``signals`` while the block runs; yield the function to call with the engine once there is one.

    The first signal drains the newest engine, also one that is stopping for another reason; a later one cancels it.
    Without an engine the first raises :class:`Interrupted`.
    """
    engines: list[Engine] = []
    failure: Exception | None = None
    interrupted = False

    def attend(engine: Engine) -> None:
        # The signal may have come while one engine had ended and the next was not there yet.
        if engines and (why := engines[-1].stopped) in _NAMES:
            engine.drain(why)
        engines.append(engine)

    async def watch() -> None:
        nonlocal interrupted
        first_at: float | None = None
        async with signals as numbers:
            async for number in numbers:
                if not engines:
                    interrupted = True
                    tasks.cancel_scope.cancel()
                elif first_at is None:
                    first_at = anyio.current_time()
                    engines[-1].drain(signal.Signals(number).name)
                elif anyio.current_time() - first_at >= ONE_WISH_S:
                    engines[-1].cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        try:
            yield attend
        except Exception as error:  # noqa: BLE001 - raised below: a task group would wrap it into a group
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if interrupted:
        raise Interrupted("interrupted before anything was sent")
