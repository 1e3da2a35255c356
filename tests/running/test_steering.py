"""A run that is steered: what a person writes holds at once, is recorded, and is gone with the run."""

import anyio
import pytest

from batchgen.running import engine as engine_module
from batchgen.running.control import append, read_instruction
from batchgen.running.events import Ended, Notice
from batchgen.running.schedule.stop_rules import Bounds
from batchgen.store.ledger.control_log import recorded
from batchgen.store.ledger.records import snapshot

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(engine_module, "STEER_EVERY_S", 0.01)


class Person:
    """Somebody at another terminal of the run's machine."""

    def __init__(self, customer):
        self.customer = customer

    def says(self, words):
        append(self.customer.folder.control, read_instruction(words.split()), line_id=words, at="now")

    def acknowledged(self, run_id=None):
        with snapshot(self.customer.folder.ledger) as db:
            run_id = run_id or db.execute("SELECT max(id) FROM runs").fetchone()[0]
            return recorded(db, run_id)

    async def until(self, reached):
        with anyio.fail_after(20):
            while not reached():
                await anyio.sleep(0.005)


def stored(customer):
    return sum(isinstance(event, Ended) for event in customer.events)


def notices(customer):
    return [event.message for event in customer.events if isinstance(event, Notice)]


async def test_more_is_under_way_once_a_person_raises_the_concurrency_and_less_once_it_is_lowered(customer):
    one = customer().order(range(300), limits={"concurrency": 2, "adaptive": False})
    one.shop.latency_s = 0.02
    person = Person(one)

    async def steer():
        await person.until(lambda: stored(one) > 4)
        assert one.shop.peak == 2
        # Slow enough that there is something left to send when the second word is heard.
        one.shop.latency_s = 0.3
        person.says("concurrency 40")
        await person.until(lambda: one.shop.now == 40)
        person.says("concurrency 2")
        await person.until(lambda: one.shop.now == 2)
        one.shop.latency_s = 0.0

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(steer)
        finished = await one.run()
    assert finished.exit_code == 0
    assert one.shop.peak == 40
    first, second = person.acknowledged()
    assert (first.instruction, first.accepted, first.id) == ("concurrency 40", True, "concurrency 40")
    assert first.user
    assert first.at_ms <= second.at_ms
    assert any("at most 40 requests under way in all lanes together" in said for said in notices(one))


async def test_a_paused_model_waits_while_the_other_goes_on_and_is_resumed(customer):
    one = customer().order(range(20), matrix={"model": ["maker/one", "maker/two"]}, limits={"concurrency": 2})
    one.shop.latency_s = 0.02
    person = Person(one)

    async def steer():
        person.says("pause maker/two")
        await person.until(lambda: sum(e.model == "maker/one" for e in one.events if isinstance(e, Ended)) == 20)
        twos = sum(event.model == "maker/two" for event in one.events if isinstance(event, Ended))
        assert twos < 20
        await anyio.sleep(0.05)
        assert twos == sum(event.model == "maker/two" for event in one.events if isinstance(event, Ended))
        person.says("resume maker/*")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_when_open, one, steer)
        finished = await one.run()
    assert finished.exit_code == 0
    assert one.shop.posts == 40


async def _when_open(customer, steer):
    with anyio.fail_after(20):
        while not stored(customer):
            await anyio.sleep(0.002)
    await steer()


async def test_a_parked_model_is_left_for_the_next_run_which_knows_nothing_of_it(customer):
    one = customer().order(range(20), matrix={"model": ["maker/one", "maker/two"]}, limits={"concurrency": 2})
    one.shop.latency_s = 0.02
    person = Person(one)

    async def steer():
        person.says("park maker/two")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_when_open, one, steer)
        finished = await one.run()
    assert finished.exit_code == 3
    assert "maker/two: parked by" in finished.reason
    assert one.shop.posts < 40
    assert (await one.run()).exit_code == 0
    assert one.shop.posts == 40
    assert person.acknowledged() == []


async def test_a_budget_that_is_used_up_is_waited_for_and_raised(customer):
    one = customer().order(range(10), limits={"concurrency": 2, "budget_usd": 0.12})
    person = Person(one)

    async def steer():
        await person.until(lambda: stored(one) == 3)
        await anyio.sleep(0.1)
        assert one.shop.posts == 3
        person.says("budget 0.40")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(steer)
        finished = await one.run(waits_for_budget=True)
    assert finished.exit_code == 0
    assert one.shop.posts == 10
    assert "the budget is $0.40" in person.acknowledged()[0].outcome


async def test_without_a_wish_to_wait_a_budget_that_is_used_up_ends_the_run(customer):
    finished = await customer().order(range(10), limits={"budget_usd": 0.12}).run()
    assert finished.exit_code == 3
    assert "is used up" in finished.reason


async def test_a_budget_lowered_below_what_is_spent_stops_the_sending_and_cancels_nothing(customer):
    one = customer().order(range(200), limits={"concurrency": 4, "budget_usd": 20})
    one.shop.latency_s = 0.02
    person = Person(one)

    async def steer():
        person.says("budget 0.01")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_when_open, one, steer)
        finished = await one.run()
    assert finished.exit_code == 3
    assert one.shop.posts < 200
    assert stored(one) == one.shop.posts, "what was under way has landed"
    assert "less than the" in person.acknowledged()[0].outcome


async def test_drain_ends_the_run_and_names_who_said_so(customer):
    one = customer().order(range(200), limits={"concurrency": 2})
    one.shop.latency_s = 0.02
    person = Person(one)

    async def steer():
        person.says("drain")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_when_open, one, steer)
        finished = await one.run()
    assert finished.exit_code == 3
    assert finished.reason.startswith("drained by ")
    assert stored(one) == one.shop.posts


async def test_what_can_t_be_done_is_told_recorded_and_changes_nothing(customer):
    one = customer().order(range(30), limits={"concurrency": 2, "adaptive": False})
    one.shop.latency_s = 0.02
    person = Person(one)

    async def steer():
        person.says("pause maker/oen")
        person.says("concurrency 5000")
        with one.folder.control.open("ab") as stream:
            stream.write(b"faster, please\n")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_when_open, one, steer)
        finished = await one.run()
    assert finished.exit_code == 0
    assert one.shop.peak == 2
    outcomes = [one.outcome for one in person.acknowledged()]
    assert not any(one.accepted for one in person.acknowledged())
    assert "did you mean 'maker/one'?" in outcomes[0]
    assert "`batchgen run --concurrency 5000` opens more" in outcomes[1]
    assert "'faster, please' is no line" in outcomes[2]


async def test_what_was_said_during_the_canary_holds_for_the_rest_of_the_run(customer):
    one = customer().order(range(60), limits={"concurrency": 2, "adaptive": False})
    one.shop.latency_s = 0.05
    person = Person(one)

    async def steer():
        person.says("concurrency 20")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_when_open, one, steer)
        finished = await one.run(bounds=Bounds(canary=6))
    assert finished.exit_code == 0
    assert one.shop.peak == 20
    assert len(person.acknowledged()) == 1
