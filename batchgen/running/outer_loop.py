"""Waits for a coroutine in code that is none, also in a thread whose own event loop is running, as that of Jupyter.

There the coroutine runs in a thread of its own. The thread that waits hears the events, so that a listener may touch
whatever belongs to its caller, and passes signals on, so that the interrupt of a notebook is a Ctrl-C.
"""

from __future__ import annotations

import asyncio
import importlib.util
import signal
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from typing import TypeVar, TypeVarTuple, Unpack

import anyio

from batchgen.running.events import Event, Listener
from batchgen.running.signals import Signals, heard_numbers, own_signals

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Main = Callable[[Listener | None, Signals | None], Awaitable[T]]


def wait_for(main: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts) -> T:
    """Return the result of ``main(*args)``, whether or not an event loop is running in this thread."""
    if not _is_in_a_loop():
        return _run(main, *args)
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(lambda: _run(main, *args)).result()


def wait_for_run(main: Main[T], listen: Listener | None) -> T:
    """Return the result of ``main``, which is given the listener and the signals that it has to follow.

    Signals are for the main thread of a program alone; elsewhere there are none to follow.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not _is_in_a_loop():
        return _run(main, listen, own_signals() if is_main else None)
    waiting, passed = _WaitingThread(), _PassedSignals()
    hear = partial(waiting.call, listen) if listen else None
    with _passed_on(passed, heard_numbers() if is_main else ()), ThreadPoolExecutor(1) as executor:
        return waiting.serve(executor.submit(_run, main, hear, passed.received() if is_main else None))


def _is_in_a_loop() -> bool:
    try:
        anyio.get_cancelled_exc_class()
    except RuntimeError:
        return False
    return True


def _run(main: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts) -> T:
    has_uvloop = importlib.util.find_spec("uvloop") is not None
    return anyio.run(main, *args, backend_options={"use_uvloop": has_uvloop})


class _WaitingThread:
    """The thread that waits for a run, and meanwhile does what the threads of the run ask of it."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[Callable[[], None], Future[None]] | None] = SimpleQueue()

    def call(self, listen: Listener, event: Event) -> None:
        """Let the waiting thread call ``listen``, and wait for that; raise what it raises."""
        done: Future[None] = Future()
        self._asked.put((partial(listen, event), done))
        done.result()

    def serve(self, run: Future[T]) -> T:
        """Do what is asked until the run has ended, and return its result."""
        run.add_done_callback(lambda _: self._asked.put(None))
        while (asked := self._asked.get()) is not None:
            call, done = asked
            try:
                call()
            except BaseException as error:  # noqa: BLE001 - raised in the thread that asked
                done.set_exception(error)
            else:
                done.set_result(None)
        return run.result()


class _PassedSignals:
    """Signals that one thread notes, and the event loop of another one receives."""

    def __init__(self) -> None:
        self.waiting: deque[int] = deque()
        self._wake: Callable[[], object] = lambda: None

    def note(self, number: int, _frame: object = None) -> None:
        self.waiting.append(number)
        # The loop may have ended at this very moment.
        with suppress(RuntimeError):
            self._wake()

    @asynccontextmanager
    async def received(self) -> AsyncIterator[AsyncIterator[int]]:
        async with aclosing(self._receive()) as numbers:
            yield numbers

    async def _receive(self) -> AsyncGenerator[int, None]:
        news = asyncio.Event()
        self._wake = partial(asyncio.get_running_loop().call_soon_threadsafe, news.set)
        while True:
            while self.waiting:
                yield self.waiting.popleft()
            await news.wait()
            news.clear()


@contextmanager
def _passed_on(passed: _PassedSignals, numbers: Iterable[int]) -> Iterator[None]:
    """Let ``passed`` note the signals with these ``numbers`` in the block.

    Those that nobody received, because the run was over, are raised after it.
    """
    before = {number: signal.signal(number, passed.note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for unheard in passed.waiting:
            signal.raise_signal(unheard)
