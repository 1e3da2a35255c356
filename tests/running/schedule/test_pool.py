"""The pool: full to its ceiling and never above, over when nothing is left, and without crowds or naps."""

import math
from collections import Counter

import anyio
import pytest

from batchgen.running.schedule.lanes import NothingDue
from batchgen.running.schedule.pool import Pool
from tests.running.jobs import job, lane, lanes


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    if request.param == "asyncio":
        return "asyncio"
    import trio.testing

    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


pytestmark = pytest.mark.anyio


class Works:
    """Honest work in memory: it takes its time, counts itself, and gives its slot and its money back."""

    def __init__(self, chooser, workers, seconds=0.001):
        self.lanes = chooser
        self.pool = Pool(chooser, self, workers=workers)
        self.seconds = seconds
        self.now = self.peak = self.picks = 0
        self.done = []
        self._pick, chooser.pick = chooser.pick, self._counted

    def _counted(self, now):
        self.picks += 1
        return self._pick(now)

    async def __call__(self, job):
        self.now += 1
        self.peak = max(self.peak, self.now)
        await anyio.sleep(self.seconds)
        self.now -= 1
        self.done.append(job.key)
        self.lanes._budget.settle(job.reserve_microusd, billed_microusd=job.reserve_microusd)
        self.lanes.release(job.request.model)
        self.pool.wake()

    async def run(self):
        with anyio.fail_after(1000 if self.seconds > 1 else 30):
            await self.pool.run()


@pytest.mark.parametrize(("ceiling", "workers"), [(1, 9), (7, 15), (100, 125)])
async def test_the_ceiling_is_reached_and_never_passed(ceiling, workers):
    works = Works(lanes(lane("a", range(500)), ceiling=ceiling), workers)
    await works.run()
    assert works.peak == ceiling
    assert sorted(works.done, key=int) == [str(n) for n in range(500)]


async def test_a_thousand_workers_are_not_woken_as_a_crowd():
    works = Works(lanes(lane("a", range(3000)), ceiling=1000), 1250)
    await works.run()
    assert works.peak == 1000
    assert len(works.done) == 3000
    # Each worker looks once when it starts and once when all is over; beyond that, a job costs two looks at most.
    assert works.picks <= 2 * 3000 + 2 * 1250


async def test_no_worker_is_woken_while_there_is_nothing_to_do():
    one = lane("a", range(10), limit=1)
    works = Works(lanes(one, ceiling=1000), 1250)
    await works.run()
    # A job wakes one worker when it is taken and one when it ends; its own worker looks for the next.
    assert works.picks <= 3 * 10 + 2 * 1250


async def test_a_pool_without_jobs_ends_at_once():
    works = Works(lanes(lane("a")), 50)
    await works.run()
    assert works.done == []


async def test_a_stopped_pool_lands_what_is_in_flight_and_starts_nothing():
    works = Works(lanes(lane("a", range(100)), ceiling=8), 16, seconds=0.05)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(works.run)
        while works.now < 8:
            await anyio.lowlevel.checkpoint()
        works.lanes.stop("SIGINT")
        works.pool.wake()
    assert len(works.done) == works.peak == 8


async def test_a_pool_that_is_stopped_while_it_sleeps_ends_at_once():
    sleeping = lane("a")
    sleeping.wait(job("1"), math.inf)
    works = Works(lanes(sleeping), 50)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(works.run)
        await anyio.wait_all_tasks_blocked()
        works.lanes.stop("SIGTERM")
        works.pool.wake()
    assert works.done == []


async def test_a_pool_wakes_up_for_each_retry_when_it_is_due():
    resting = lane("a")
    works = Works(lanes(resting), 3)
    start = anyio.current_time()
    for number, delay in enumerate((0.06, 0.02, 0.02, 0.04)):
        resting.wait(job(number), start + delay)
    await works.run()
    assert {*works.done[:2]} == {"1", "2"}
    assert works.done[2:] == ["3", "0"]
    assert anyio.current_time() >= start + 0.06


async def test_an_earlier_retry_rings_before_the_alarm_that_was_set():
    resting, ended = lane("a", fed=False), {}
    works = Works(lanes(resting), 3)
    start = anyio.current_time()
    resting.wait(job("late"), start + 0.2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(works.run)
        await anyio.wait_all_tasks_blocked()
        resting.wait(job("early"), start + 0.05)
        works.pool.wake()
        while "early" not in works.done:
            await anyio.sleep(0.005)
        ended["early"] = anyio.current_time() - start
        resting.fed = True
        works.pool.wake()
    assert works.done == ["early", "late"]
    assert ended["early"] < 0.2


async def test_a_rate_spreads_the_starts_of_its_lane_and_of_no_other():
    works = Works(lanes(lane("slow", range(8), per_s=50, burst=2), lane("fast", range(100, 300))), 400)
    start = anyio.current_time()
    await works.run()
    assert anyio.current_time() - start >= 6 / 50 - 0.001
    assert works.done.index("299") < works.done.index("7")


async def test_jobs_that_are_fed_one_by_one_are_all_done():
    fed = lane("a", fed=False)
    works = Works(lanes(fed, ceiling=4), 12)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(works.run)
        for number in range(200):
            fed.add([job(number)])
            works.pool.wake()
            await anyio.lowlevel.checkpoint()
        fed.fed = True
        works.pool.wake()
    assert len(works.done) == 200


async def test_one_call_wakes_as_many_workers_as_there_are_jobs(anyio_backend):
    fed = lane("a", fed=False)
    works = Works(lanes(fed, ceiling=40), 50, seconds=0.05)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(works.run)
        await anyio.wait_all_tasks_blocked()
        fed.add([job(number) for number in range(40)])
        fed.fed = True
        works.pool.wake()
    assert works.peak == len(works.done) == 40


async def test_a_budget_ends_the_pool_with_nothing_reserved():
    works = Works(lanes(lane("a", range(50), price=4), ceiling=16, cap=40), 24)
    await works.run()
    assert len(works.done) == 10
    assert works.lanes.stopped.startswith("the budget of $0.00004 is used up")
    assert works.lanes._budget.reserved_microusd == 0


async def test_work_that_outlives_its_slot_leaves_the_slot_to_others():
    chooser, sending, finished = lanes(lane("a", range(20)), ceiling=2), Counter(), []

    async def work(one):
        sending["now"] += 1
        sending["peak"] = max(sending["peak"], sending["now"])
        await anyio.sleep(0.001)
        sending["now"] -= 1
        chooser.release("a")
        pool.wake()
        await anyio.sleep(0.02)
        finished.append(one.key)

    pool = Pool(chooser, work, workers=10)
    with anyio.fail_after(30):
        await pool.run()
    assert sending["peak"] == 2
    assert len(finished) == 20
    assert isinstance(chooser.pick(anyio.current_time()), NothingDue)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_retries_at_random_moments_in_many_lanes_are_never_forgotten(anyio_backend):
    import random

    dice = random.Random(7)
    made = [lane(f"m{n}", (f"m{n}-{i}" for i in range(60)), limit=dice.randint(1, 9)) for n in range(6)]
    chooser, tries, done = lanes(*made, ceiling=12), Counter(), set()

    async def work(one):
        await anyio.sleep(dice.random() * 0.002)
        tries[one.key] += 1
        if tries[one.key] < 4 and dice.random() < 0.5:
            chooser.by_model[one.request.model].wait(one, anyio.current_time() + dice.random() * 0.01)
        else:
            done.add(one.key)
        chooser.release(one.request.model)
        pool.wake()

    pool = Pool(chooser, work, workers=20)
    with anyio.fail_after(20):
        await pool.run()
    assert len(done) == 360


async def test_a_pool_grows_while_it_works_up_to_a_ceiling_that_was_raised():
    works = Works(lanes(lane("a", range(200)), ceiling=4), 12, seconds=0.01)

    async def raise_it():
        while not works.done:
            await anyio.sleep(0.001)
        assert works.peak == 4
        works.lanes.ceiling = 64
        works.pool.grow(80)
        works.pool.wake()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(raise_it)
            await works.pool.run()
    assert works.peak == 64
    assert len(works.done) == 200


async def test_a_pool_that_grows_at_its_end_ends():
    works = Works(lanes(lane("a", range(3))), 2)
    await works.run()
    works.pool.grow(100)
