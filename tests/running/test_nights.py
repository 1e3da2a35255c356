"""What bounds a night: its budget over kills and resumptions, the clock, failures, and a canary."""

import sqlite3
from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from batchgen.errors import ExitCode, UsageError
from batchgen.provider.interface import Verdict
from batchgen.request import State
from batchgen.running.events import Notice
from batchgen.running.schedule.selection import Selection
from batchgen.running.schedule.stop_rules import Bounds, Deadline, MaxFailures, read_deadline, read_max_failures
from batchgen.store.ledger.reader import NIGHT_MS
from tests.running.shop import PRICE, Customer, Shop, failed, hang

pytestmark = pytest.mark.anyio

MANY = [f"mug {number}" for number in range(40)]
REFUSED = failed(Verdict.REFUSED, reason="moderation")


@pytest.fixture
def customer(tmp_path):
    def made(**scripts):
        return Customer(tmp_path, Shop(**scripts))

    return made


class WhenAtWork(Deadline):
    """A deadline that comes when the first request is at the service."""

    async def wait(self):
        await self.at_s.at_work.wait()


def age(me, hours):
    """Lets so many hours pass for everything the ledger knows."""
    with sqlite3.connect(me.folder.ledger) as db:
        db.execute("UPDATE runs SET started_ms = started_ms - ?", (round(hours * 3_600_000),))


async def test_a_night_spends_no_more_than_its_budget_however_often_it_is_started(customer):
    me = customer().order(MANY)
    for _ in range(3):
        finished = await me.run(night_microusd=10 * PRICE + 1)
        assert finished.exit_code == ExitCode.STOPPED
        assert finished.reason.startswith("the night's budget of $0.400001 is used up: another request may cost $0.04")
    assert me.shop.posts == 10


async def test_the_next_night_has_a_budget_of_its_own(customer):
    me = customer().order(MANY)
    for night in range(1, 4):
        await me.run(night_microusd=10 * PRICE)
        assert me.shop.posts == 10 * night
        age(me, 24)


async def test_a_run_that_was_killed_in_the_night_leaves_what_it_spent_to_the_one_that_resumes_it(customer):
    me = customer(**{prompt: [hang] for prompt in MANY[8:]}).order(
        MANY, limits={"concurrency": 8}, retry={"on_doubt": "hold"}
    )
    await me.run_until(lambda: me.shop.now == 8 and len(me.attempts()) == 16, night_microusd=100 * PRICE)
    spent = sum(billed + maybe for _, billed, maybe in me.attempts())
    assert spent > 8 * PRICE
    me.shop.scripts.clear()
    me.events.clear()
    age(me, 3)
    finished = await me.run(night_microusd=20 * PRICE)
    assert finished.exit_code == ExitCode.STOPPED
    assert sum(billed + maybe for _, billed, maybe in me.attempts()) <= 20 * PRICE
    assert any(isinstance(event, Notice) and "goes on with tonight's budget" in event.message for event in me.events)


async def test_the_budget_of_a_night_does_not_lift_that_of_the_folder(customer):
    me = customer().order(MANY, limits={"budget_usd": 12 * PRICE / 1e6})
    for _ in range(3):
        await me.run(night_microusd=10 * PRICE)
        age(me, 24)
    assert me.shop.posts == 12


async def test_a_clock_that_is_set_back_begins_no_new_night(customer):
    me = customer().order(MANY)
    await me.run(night_microusd=10 * PRICE)
    age(me, -100)
    await me.run(night_microusd=10 * PRICE)
    assert me.shop.posts == 10


async def test_a_night_is_over_after_its_hours(customer):
    assert NIGHT_MS == 12 * 3_600_000
    me = customer().order(MANY)
    await me.run(night_microusd=PRICE)
    age(me, 11.9)
    await me.run(night_microusd=PRICE)
    assert me.shop.posts == 1
    age(me, 0.2)
    await me.run(night_microusd=PRICE)
    assert me.shop.posts == 2


async def test_a_model_of_unknown_price_can_t_be_kept_in_a_night_s_budget(customer):
    me = customer().order(["mug"], prices={})
    with pytest.raises(UsageError, match="nobody states a price"):
        await me.run(night_microusd=PRICE, checked=False)


async def test_what_earlier_nights_bought_does_not_confirm_what_tonight_would_cost(customer):
    me = customer()
    await me.order(["a"], prices={"maker/one": 30}).run()
    with pytest.raises(UsageError, match=r"about \$60.00 is more than"):
        await me.order(["b", "c"], prices={"maker/one": 30}).run(checked=False)
    assert me.shop.posts == 1


async def test_failures_beyond_what_is_allowed_stop_the_run(customer):
    me = customer(**{prompt: [REFUSED] for prompt in MANY[::2]})
    me.order(MANY, limits={"concurrency": 1, "adaptive": False})
    finished = await me.run(bounds=Bounds(max_failures=MaxFailures(count=2)))
    assert finished.exit_code == ExitCode.STOPPED
    assert finished.reason == "2 requests of this run failed, and max_failures is 2"
    assert me.shop.posts == 3


async def test_a_share_of_failures_counts_once_enough_have_ended(customer):
    me = customer(**{prompt: [REFUSED] for prompt in MANY[::4]})
    me.order(MANY, limits={"concurrency": 1, "adaptive": False})
    finished = await me.run(bounds=Bounds(max_failures=MaxFailures(share=0.2)))
    assert finished.exit_code == ExitCode.STOPPED
    # One more may have been picked before the last failure was told.
    assert me.shop.posts in {20, 21}


async def test_failures_of_earlier_nights_do_not_count(customer):
    me = customer(**{prompt: [REFUSED] for prompt in MANY[:5]})
    me.order(MANY[:5] + MANY[10:15])
    await me.run()
    finished = await me.order(MANY[:20]).run(bounds=Bounds(max_failures=MaxFailures(count=1)))
    assert finished.exit_code == ExitCode.FAILURES
    assert finished.result.ended == Counter({State.STORED: 10})


async def test_after_the_deadline_nothing_is_sent_and_what_is_in_flight_lands(customer):
    me = customer()
    me.shop.latency_s = 0.2
    me.order(MANY, limits={"concurrency": 4, "adaptive": False})
    finished = await me.run(bounds=Bounds(deadline=WhenAtWork("05:30", me.shop)))
    assert finished.exit_code == ExitCode.STOPPED
    assert finished.reason == "the deadline 05:30 has come"
    assert 1 <= me.shop.posts <= 4
    # What was about to be sent waits for the next night.
    states = Counter(me.states().values())
    assert states[State.STORED] == me.shop.posts
    assert states.keys() <= {State.STORED, State.WAITING}
    await me.run()
    assert (me.shop.posts, set(me.states().values())) == (40, {State.STORED})


async def test_a_deadline_after_the_last_request_was_sent_changes_nothing(customer):
    me = customer()
    me.shop.latency_s = 0.5
    me.order(["mug"])
    finished = await me.run(bounds=Bounds(deadline=WhenAtWork("05:30", me.shop)))
    assert (finished.exit_code, finished.reason) == (ExitCode.OK, None)


async def test_a_canary_goes_first_and_the_others_follow_when_it_is_stored(customer):
    me = customer().order(MANY)
    finished = await me.run(bounds=Bounds(canary=3))
    assert finished.exit_code == ExitCode.OK
    assert finished.result.ended == Counter({State.STORED: 40})
    assert (me.shop.posts, finished.result.passed.total()) == (40, 0)


async def test_a_canary_that_dies_keeps_all_the_others_from_being_sent(customer):
    me = customer(**{prompt: [REFUSED] for prompt in MANY})
    finished = await me.order(MANY).run(bounds=Bounds(canary=3))
    assert finished.exit_code == ExitCode.STOPPED
    assert finished.reason == "the canary stored only 0 of 3 requests, so no other was sent: it was so"
    assert me.shop.posts == 3


async def test_a_canary_is_spread_over_the_models_and_over_the_plan(customer):
    scripts = {prompt: [REFUSED] * 2 for prompt in MANY}
    me = customer(**scripts).order(MANY, defaults={"size": "256x256"}, matrix={"model": ["maker/one", "maker/two"]})
    await me.run(bounds=Bounds(canary=4))
    with sqlite3.connect(me.folder.ledger) as db:
        sent = db.execute("SELECT model, row FROM requests").fetchall()
    assert Counter(model for model, _ in sent) == {"maker/one": 2, "maker/two": 2}
    assert len({row for _, row in sent} - {1, 2, 3, 4}) >= 2


async def test_a_canary_counts_towards_the_limit_and_equal_requests_are_counted_once(customer):
    me = customer().order([*MANY[:10], *MANY[:2]])
    finished = await me.run(bounds=Bounds(canary=2), selection=Selection(limit=5))
    assert me.shop.posts == 5
    finished = await me.run(bounds=Bounds(canary=20))
    assert me.shop.posts == 10
    assert finished.result.ended + finished.result.passed == Counter({State.STORED: 10 + 2 - finished.result.equal})


async def test_a_canary_with_nothing_to_send_sends_nothing(customer):
    me = customer().order(MANY[:3])
    await me.run()
    finished = await me.run(bounds=Bounds(canary=3))
    assert (finished.exit_code, finished.changed, me.shop.posts) == (ExitCode.OK, False, 3)


VIENNA = ZoneInfo("Europe/Vienna")


@pytest.mark.parametrize(
    ("text", "now", "at"),
    [
        ("05:30", "2026-03-01 02:00", "2026-03-01 05:30"),
        ("05:30", "2026-03-01 05:30", "2026-03-02 05:30"),
        ("5:30", "2026-03-01 23:00", "2026-03-02 05:30"),
        ("00:00", "2026-12-31 23:59", "2027-01-01 00:00"),
        # The night in which an hour is left out.
        ("05:30", "2026-03-28 22:00", "2026-03-29 05:30"),
        ("02:30", "2026-03-28 22:00", "2026-03-29 03:30"),
        ("02:30", "2026-03-29 01:45", "2026-03-29 03:30"),
        ("90m", "2026-03-01 02:00", "2026-03-01 03:30"),
        ("1h30m", "2026-03-01 02:00", "2026-03-01 03:30"),
        ("1d 2h", "2026-03-01 02:00", "2026-03-02 04:00"),
        ("45s", "2026-03-01 02:00", "2026-03-01 02:00:45"),
    ],
)
async def test_a_deadline_is_a_time_of_day_or_a_span(text, now, at, monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Vienna")
    import time

    time.tzset()
    try:
        found = read_deadline(text, now=datetime.fromisoformat(now).replace(tzinfo=VIENNA))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert datetime.fromtimestamp(found.at_s, UTC) == datetime.fromisoformat(at).replace(tzinfo=VIENNA)


@pytest.mark.parametrize("text", ["", "25:00", "5", "05:60", "soon", "-1h", "1.5h", "05:30:00", "0530"])
async def test_a_deadline_that_is_neither_says_what_it_may_be(text):
    with pytest.raises(UsageError, match="time of day such as 05:30"):
        read_deadline(text)


@pytest.mark.parametrize(("text", "count", "share"), [("10", 10, None), ("5%", None, 0.05), ("2.5 %", None, 0.025)])
async def test_failures_are_a_number_or_a_share(text, count, share):
    assert read_max_failures(text) == MaxFailures(count=count, share=share)


@pytest.mark.parametrize("text", ["", "0", "0%", "-1", "101%", "1.5", "many", "5 percent"])
async def test_failures_that_are_neither_say_what_they_may_be(text):
    with pytest.raises(UsageError, match="a number such as 10, or a share such as 5%"):
        read_max_failures(text)
