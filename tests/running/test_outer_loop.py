"""Waiting for a coroutine where an event loop is running already: asyncio's or trio's."""

import os
import signal
import threading

import anyio
import pytest

from batchgen.running.events import Notice
from batchgen.running.outer_loop import wait_for, wait_for_run


async def doubled(number):
    await anyio.sleep(0)
    return 2 * number


def test_without_a_loop_the_coroutine_runs_in_this_thread():
    async def where():
        return threading.current_thread()

    assert wait_for(where) is threading.current_thread()
    assert wait_for(doubled, 21) == 42


@pytest.mark.anyio
async def test_inside_a_loop_its_result_and_its_error_arrive():
    async def failing():
        raise LookupError("nobody")

    assert wait_for(doubled, 21) == 42
    with pytest.raises(LookupError, match="nobody"):
        wait_for(failing)


@pytest.mark.anyio
async def test_events_are_heard_one_by_one_in_the_thread_that_waits():
    heard = []

    async def main(listen, _signals):
        for number in range(100):
            listen(Notice(str(number)))
        return "done"

    def listen(event):
        heard.append((event.message, threading.current_thread()))

    assert wait_for_run(main, listen) == "done"
    assert heard == [(str(number), threading.current_thread()) for number in range(100)]


@pytest.mark.anyio
async def test_an_error_of_the_listener_is_raised_where_the_event_was_told():
    async def main(listen, _signals):
        with pytest.raises(ZeroDivisionError):
            listen(Notice("a"))
        return "went on"

    assert wait_for_run(main, lambda event: 1 / 0) == "went on"


@pytest.mark.anyio
async def test_a_signal_reaches_the_run_also_while_its_listener_is_at_work_and_interrupts_nothing_else():
    async def main(listen, signals):
        async with signals as numbers:
            listen(Notice("before"))
            return await anext(numbers)

    def listen(event):
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    assert wait_for_run(main, listen) == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.anyio
async def test_a_signal_that_comes_when_the_run_is_over_is_the_caller_s():
    async def main(listen, _signals):
        listen(Notice("the end"))

    with pytest.raises(KeyboardInterrupt):
        wait_for_run(main, lambda event: os.kill(os.getpid(), signal.SIGINT))


@pytest.mark.anyio
async def test_in_another_thread_than_the_main_one_there_are_no_signals_to_hear():
    async def main(_listen, signals):
        return signals

    assert await anyio.to_thread.run_sync(wait_for_run, main, None) is None


def test_a_run_in_a_thread_without_a_loop_has_none_either():
    async def main(_listen, signals):
        return signals

    found = []
    thread = threading.Thread(target=lambda: found.append(wait_for_run(main, None)))
    thread.start()
    thread.join()
    assert found == [None]
