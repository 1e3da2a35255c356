"""A signal reaches the task that waits for it, on either backend, and outlives a task that gave up."""

import anyio
import pytest

from batchgen.waiter import new_waiter

pytestmark = pytest.mark.anyio


async def test_the_task_goes_on_once_the_signal_is_set():
    waiter, seen = new_waiter(), []

    async def wait():
        await waiter.wait()
        seen.append("set")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert seen == []
        waiter.set()
        waiter.set()
    assert seen == ["set"]


async def test_a_signal_set_before_is_not_waited_for():
    waiter = new_waiter()
    waiter.set()
    with anyio.fail_after(5):
        await waiter.wait()


async def test_a_signal_may_be_set_after_the_task_was_cancelled():
    waiter = new_waiter()
    with anyio.move_on_after(0.01) as scope:
        await waiter.wait()
    assert scope.cancelled_caught
    waiter.set()


async def test_a_shielded_task_waits_on_when_all_around_it_is_cancelled():
    waiter, seen = new_waiter(), []

    async def wait():
        with anyio.CancelScope(shield=True):
            await waiter.wait()
            seen.append("set")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.wait_all_tasks_blocked()
            waiter.set()
    assert seen == ["set"]
