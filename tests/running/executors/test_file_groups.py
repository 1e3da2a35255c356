"""Work on files is done in groups, whatever becomes of one of them."""

import threading

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from batchgen.running.executors.file_groups import FileGroups

pytestmark = pytest.mark.anyio


class Bench:
    """Squares numbers, and says in which groups; a group that holds ``waits_at`` waits for ``go``."""

    def __init__(self, waits_at=None):
        self.waits_at = waits_at
        self.begun, self.go = threading.Event(), threading.Event()
        self.groups = []

    def work(self, numbers):
        self.groups.append(list(numbers))
        if self.waits_at in numbers:
            self.begun.set()
            assert self.go.wait(10)
        return [ValueError(f"{number} is odd") if number % 2 else number * number for number in numbers]


async def all_of(groups, numbers, results):
    async def one(number):
        try:
            results[number] = await groups.do(number)
        except ValueError as error:
            results[number] = str(error)

    async with anyio.create_task_group() as tasks:
        for number in numbers:
            tasks.start_soon(one, number)


async def test_what_gathers_while_the_thread_is_busy_is_one_group():
    bench, results = Bench(waits_at=0), {}
    groups = FileGroups(bench.work, threads=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(groups.serve)
        async with anyio.create_task_group() as callers:
            callers.start_soon(all_of, groups, [0], results)
            await anyio.to_thread.run_sync(bench.begun.wait, 10)
            callers.start_soon(all_of, groups, range(2, 12, 2), results)
            await anyio.wait_all_tasks_blocked()
            bench.go.set()
        tasks.cancel_scope.cancel()
    assert [sorted(group) for group in bench.groups] == [[0], [2, 4, 6, 8, 10]]
    assert results == {number: number * number for number in range(0, 12, 2)}


async def test_threads_share_what_has_gathered():
    bench, results = Bench(), {}
    groups = FileGroups(bench.work, threads=3)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(groups.serve)
        await anyio.wait_all_tasks_blocked()
        await all_of(groups, range(0, 24, 2), results)
        tasks.cancel_scope.cancel()
    assert len(results) == 12
    assert max(map(len, bench.groups)) <= 6


async def test_an_error_is_raised_for_the_one_that_it_is_about():
    bench, results = Bench(), {}
    groups = FileGroups(bench.work, threads=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(groups.serve)
        await all_of(groups, [2, 3, 4], results)
        tasks.cancel_scope.cancel()
    assert results == {2: 4, 3: "3 is odd", 4: 16}


async def test_work_that_fails_as_a_whole_tells_all_and_the_next_group_is_done(monkeypatch):
    results, broken = {}, [True]

    def work(numbers):
        if broken.pop() if broken else False:
            raise ValueError("no disk")
        return numbers

    groups = FileGroups(work, threads=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(groups.serve)
        await all_of(groups, [2, 4], results)
        assert results == {2: "no disk", 4: "no disk"}
        await all_of(groups, [6], results)
        tasks.cancel_scope.cancel()
    assert results[6] == 6


async def test_a_machine_without_another_thread_ends_no_more_than_the_work_itself(monkeypatch):
    bench = Bench()
    groups = FileGroups(bench.work, threads=1)

    async def none(*_, **__):
        raise RuntimeError("can't start new thread")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(groups.serve)
        with monkeypatch.context() as patch:
            patch.setattr(anyio.to_thread, "run_sync", none)
            with pytest.raises(RuntimeError, match="new thread"):
                await groups.do(2)
        assert await groups.do(4) == 16
        tasks.cancel_scope.cancel()


async def test_what_is_being_done_is_ended_before_the_threads_are_left():
    bench, ended = Bench(waits_at=0), []
    groups = FileGroups(bench.work, threads=1)

    def let_go():
        bench.begun.wait(10)
        bench.go.set()
        ended.append("let go")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(groups.serve)
        tasks.start_soon(groups.do, 0)
        await anyio.wait_all_tasks_blocked()
        await anyio.to_thread.run_sync(bench.begun.wait, 10)
        threading.Timer(0.05, let_go).start()
        tasks.cancel_scope.cancel()
    assert ended == ["let go"]
    assert bench.groups == [[0]]
