"""Whole runs against a small honest shop: real ledger, real files, every way a purchase can go."""

import errno
import shutil
import sqlite3

import anyio
import pytest

from batchgen.errors import ExitCode, LedgerDamaged
from batchgen.provider.interface import DownloadFailed, Obstacle, RateLimit, Verdict
from batchgen.request import State
from batchgen.running.buy import publish, purchase
from batchgen.running.events import Ended, Retrying, Started, Stopping
from batchgen.running.executors import in_process
from batchgen.running.schedule import feeder
from batchgen.running.schedule.selection import Selection
from tests.running.shop import PICTURES, PRICE, b64, counted, failed, hang, hosted, sold

pytestmark = pytest.mark.anyio


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(feeder, "CHUNK", 20)
    monkeypatch.setattr(feeder, "LOW_WATER", 10)


OTHERS = [f"other {number}" for number in range(10)]


async def test_every_request_is_bought_once_and_a_second_run_buys_nothing(customer):
    me = customer().order([f"mug {number}" for number in range(120)])
    finished = await me.run()
    assert finished.exit_code == ExitCode.OK
    assert set(me.states().values()) == {State.STORED}
    assert me.shop.posts == 120
    again = await me.run()
    assert (again.exit_code, again.changed, me.shop.posts) == (ExitCode.OK, False, 120)


async def test_equal_rows_are_bought_once(customer):
    me = customer().order(["a", "b", "a"] * 300)
    finished = await me.run()
    assert me.shop.posts == 2
    assert finished.result.ended[State.STORED] == 2


@pytest.mark.parametrize("verdict", [Verdict.PASSING, Verdict.OVERLOADED, Verdict.UNCLEAR])
async def test_what_was_surely_not_billed_is_tried_until_it_works(customer, verdict):
    me = customer(mug=[failed(verdict), failed(verdict, retry_after_s=0.01)]).order(["mug", *OTHERS])
    finished = await me.run()
    assert finished.exit_code == ExitCode.OK
    assert me.shop.prompts["mug"] == 3
    assert sum(isinstance(event, Retrying) for event in me.events) == 2


async def test_a_throttled_lane_sends_nothing_until_the_service_says_so(customer):
    me = customer(mug=[failed(Verdict.THROTTLED, retry_after_s=0.4)]).order(["mug", *OTHERS], limits={"concurrency": 1})
    started = anyio.current_time()
    await me.run()
    assert anyio.current_time() - started >= 0.4
    assert me.shop.posts == 12


async def test_what_never_works_is_left_for_another_day(customer):
    me = customer(mug=[failed(Verdict.PASSING)] * 6).order(["mug", *OTHERS])
    finished = await me.run()
    assert (finished.exit_code, finished.result.ended[State.WAITING]) == (ExitCode.STOPPED, 1)
    assert me.shop.prompts["mug"] == 6
    assert (await me.run()).exit_code == ExitCode.OK


@pytest.mark.parametrize(
    ("verdict", "state", "billed"), [(Verdict.REFUSED, State.REFUSED, PRICE), (Verdict.SPOILED, State.SPOILED, PRICE)]
)
async def test_what_lasts_is_sent_again_only_when_asked(customer, verdict, state, billed):
    me = customer(mug=[failed(verdict, cost_microusd=PRICE)]).order(["mug", *OTHERS])
    assert (await me.run()).exit_code == ExitCode.FAILURES
    assert me.states()["mug"] == state
    assert me.engine._desk.budget.billed_microusd == 10 * PRICE + billed
    assert (await me.run()).exit_code == ExitCode.FAILURES
    assert me.shop.prompts["mug"] == 1
    me.shop.accepted.clear()
    assert (await me.run(selection=Selection(again=frozenset({state})))).exit_code == ExitCode.OK
    assert me.shop.prompts["mug"] == 2


async def test_what_is_in_doubt_is_repeated_once_and_then_held(customer):
    me = customer(mug=[failed(Verdict.DOUBT)] * 5).order(["mug", *OTHERS])
    finished = await me.run()
    assert finished.exit_code == ExitCode.DOUBT
    assert me.shop.prompts["mug"] == 2
    assert me.engine._desk.budget.maybe_microusd == 2 * PRICE
    await me.run()
    assert me.shop.prompts["mug"] == 2


@pytest.mark.parametrize("strictly", [{"strict": True}, {"hold": True}])
async def test_strict_mode_never_repeats_what_may_be_paid(customer, strictly):
    me = customer(mug=[failed(Verdict.DOUBT)]).order(
        ["mug", *OTHERS, "mug"], retry={"on_doubt": "hold" if "hold" in strictly else "retry"}
    )
    strict = strictly.get("strict", False)
    for _ in range(3):
        assert (await me.run(strict=strict)).exit_code == ExitCode.DOUBT
    assert max(me.shop.accepted.values()) == 1


@pytest.mark.parametrize("step", [failed(Verdict.DOUBT), failed(Verdict.SPOILED), b64(b"<html>")])
async def test_a_twin_far_down_the_plan_does_not_repeat_what_ended_badly(customer, small_chunks, step):
    many = [f"other {number}" for number in range(60)]
    me = customer(mug=[step] * 3).order(["mug", *many, "mug"])
    again = Selection(again=frozenset({State.DOUBT, State.SPOILED}))
    await me.run(strict=True, selection=again)
    assert me.shop.prompts["mug"] == 1
    me.shop.accepted.clear()
    await me.run(strict=True, selection=again)
    assert me.shop.prompts["mug"] == 2


async def test_a_rejected_key_stops_the_run_and_what_is_in_flight_lands(customer):
    me = customer(**{"other 5": [failed(Verdict.STOP_RUN)]}).order(
        [f"other {n}" for n in range(200)], limits={"concurrency": 4}
    )
    me.shop.latency_s = 0.02
    finished = await me.run()
    assert (finished.exit_code, finished.reason) == (ExitCode.STOPPED, "it was so")
    assert me.shop.posts <= 6 + 4
    assert sum(me.shop.accepted.values()) == finished.result.ended[State.STORED]
    assert any(isinstance(event, Stopping) for event in me.events)


async def test_a_model_that_is_used_up_for_today_stops_no_other(customer):
    me = customer(**{"other 0": [failed(Verdict.STOP_LANE)]}).order(
        [*OTHERS], matrix={"model": ["maker/one", "maker/two"]}, defaults={}, limits={"concurrency": 1}
    )
    finished = await me.run()
    assert finished.exit_code == ExitCode.STOPPED
    assert "maker/one: it was so" in finished.reason
    assert finished.result.ended[State.STORED] == 10


@pytest.mark.parametrize("large", [False, True])
async def test_a_bug_in_the_provider_stops_the_run_drains_the_others_and_leaves_a_doubt(customer, large):
    me = customer(mug=[RuntimeError("a bug")]).order(["mug", *OTHERS], limits={"concurrency": 11, "adaptive": False})
    me.shop.latency_s, me.shop.large = 0.02, large
    finished = await me.run()
    assert finished.exit_code == ExitCode.BUG
    assert "RuntimeError('a bug')" in finished.reason
    assert me.states() == {"mug": State.DOUBT, **dict.fromkeys(OTHERS, State.STORED)}
    assert finished.result.ended[State.DOUBT] == 1
    assert not list(me.folder.answers.iterdir())


async def test_an_answer_that_does_not_come_in_time_is_in_doubt(customer):
    me = customer(mug=[hang]).order(["mug", *OTHERS], retry={"deadline": "1s", "on_doubt": "hold"})
    finished = await me.run()
    assert finished.exit_code == ExitCode.DOUBT
    ended = next(event for event in me.events if isinstance(event, Ended) and event.state is State.DOUBT)
    assert ended.reason == "deadline"
    assert me.engine._desk.budget.maybe_microusd == PRICE


async def ended_by(me, act):
    """The run after ``act`` was done while its requests are at the service."""
    results = []

    async def run():
        results.append(await me.run())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await me.shop.at_work.wait()
        act()
    return results[0]


async def test_the_first_signal_lets_land_what_is_in_flight(customer):
    me = customer().order([f"mug {number}" for number in range(100)], limits={"concurrency": 4})
    me.shop.latency_s = 0.1
    finished = await ended_by(me, lambda: me.engine.drain("SIGINT"))
    assert finished.exit_code == ExitCode.INTERRUPTED
    assert 1 <= me.shop.posts <= 4
    assert finished.result.ended == {State.STORED: me.shop.posts}
    me.shop.latency_s = 0
    assert (await me.run()).exit_code == ExitCode.OK
    assert me.shop.posts == 100


async def test_the_second_signal_puts_in_doubt_what_is_in_flight(customer):
    me = customer().order([f"mug {number}" for number in range(100)], limits={"concurrency": 8, "adaptive": False})
    me.shop.latency_s = 20

    def twice():
        me.engine.drain("SIGTERM")
        me.engine.cancel()

    finished = await ended_by(me, twice)
    assert finished.exit_code == ExitCode.TERMINATED
    doubts = [state for state in me.states().values() if state is State.DOUBT]
    assert len(doubts) == finished.result.ended[State.DOUBT] == me.shop.posts
    assert me.engine._desk.budget.maybe_microusd == me.shop.posts * PRICE


async def test_a_run_that_is_cancelled_from_outside_leaves_nothing_as_sent(customer):
    me = customer().order([f"mug {number}" for number in range(300)], limits={"concurrency": 50, "adaptive": False})
    me.shop.latency_s = 0.01
    for moment in (0.0, 0.02, 0.05, 0.08, 0.11):
        with anyio.move_on_after(moment):
            await me.run()
        if me.engine is not None:
            me.check()
    me.shop.latency_s = 0
    await me.run()
    assert set(me.states().values()) <= {State.STORED, State.DOUBT}


async def test_a_cancelled_request_that_was_not_sent_yet_is_no_doubt(customer):
    me = customer().order([f"mug {number}" for number in range(60)], limits={"concurrency": 60, "adaptive": False})
    me.shop.latency_s = 20

    async def cancel_at_once():
        while me.engine is None or not me.engine._lanes.in_flight:
            await anyio.sleep(0)
        me.engine.drain("SIGINT")
        me.engine.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cancel_at_once)
        finished = await me.run()
    assert finished.result.ended[State.DOUBT] == me.shop.posts
    assert set(me.states().values()) <= {State.DOUBT, State.WAITING}


@pytest.mark.parametrize("budget_usd", [0.0, 0.399, 0.4, 0.43])
async def test_a_budget_holds_with_many_in_flight(customer, budget_usd):
    me = customer().order([f"mug {n}" for n in range(50)], limits={"concurrency": 16, "budget_usd": budget_usd})
    me.shop.latency_s = 0.005
    finished = await me.run()
    assert finished.exit_code == ExitCode.STOPPED
    assert finished.reason.startswith("the budget of $0.")
    assert me.shop.posts == int(budget_usd * 1e6) // PRICE


TOKENS = {"per_million_tokens": {"text_in": 5, "image_in": 10, "image_out": 40}}


def of_tokens(customer, tokens, at_most, budget_usd, concurrency):
    mugs = [f"mug {number}" for number in range(25)]
    me = customer(**{mug: [counted(number, tokens)] for number, mug in enumerate(mugs)})
    limits = {"budget_usd": budget_usd, "concurrency": concurrency}
    return me.order(mugs, prices={"maker/one": TOKENS | {"at_most": at_most}}, limits=limits)


@pytest.mark.parametrize(("tokens", "at_most"), [(4160, 0.1664), (4160, 0.25), (272, 0.1664)])
async def test_answers_priced_by_tokens_never_pass_a_budget_while_none_is_dearer_than_stated(customer, tokens, at_most):
    me = of_tokens(customer, tokens, at_most, 0.5, 16)
    me.shop.latency_s = 0.005
    await me.run()
    spent = me.engine._desk.budget
    assert spent.estimated_microusd == me.shop.posts * tokens * 40 <= 500_000
    assert (spent.billed_microusd, spent.maybe_microusd) == (0, 0)
    assert me.shop.posts >= 2


async def test_an_answer_dearer_than_its_worst_case_raises_the_reservation_from_then_on(customer):
    me = of_tokens(customer, 4160, 0.01, 0.5, 1)
    finished = await me.run()
    assert "another request may cost $0.1664" in finished.reason
    assert (me.shop.posts, me.engine._desk.budget.estimated_microusd) == (3, 3 * 166_400)


async def test_money_in_doubt_counts_against_the_budget(customer):
    me = customer(mug=[failed(Verdict.DOUBT)]).order(["mug", *OTHERS], limits={"budget_usd": 0.4, "concurrency": 1})
    await me.run(strict=True)
    assert me.shop.posts == 10


async def test_a_hosted_picture_is_fetched_again_and_never_bought_again(customer):
    broken, url = DownloadFailed("the host answered 500"), "https://pictures/1"
    me = customer(mug=[hosted(url)]).order(["mug"])
    me.shop.hosted[url] = [broken, broken, PICTURES[0]]
    assert (await me.run()).exit_code == ExitCode.OK
    assert (me.shop.posts, me.shop.downloads[url]) == (1, 3)


@pytest.mark.parametrize(
    ("content", "tries"),
    [(DownloadFailed("no URL", Obstacle.NEVER), 2), (b"<html>", 1), (PICTURES[0][:-20], 1)],
)
async def test_a_paid_picture_that_cannot_be_had_is_spoiled_and_not_bought_again(customer, content, tries):
    url = "https://pictures/1"
    me = customer(mug=[hosted(url)]).order(["mug"])
    me.shop.hosted[url] = [content] * 9
    assert (await me.run()).exit_code == ExitCode.FAILURES
    assert me.states() == {"mug": State.SPOILED}
    await me.run()
    assert (me.shop.posts, me.shop.downloads[url]) == (1, tries)


@pytest.mark.parametrize("large", [False, True])
async def test_a_process_that_dies_after_the_answer_finishes_it_without_a_post(customer, monkeypatch, large):
    me = customer().order([*OTHERS])
    me.shop.large = large

    async def dies(*args, **kwargs):
        await hang()

    with monkeypatch.context() as patch:
        patch.setattr(publish.Publisher, "publish", dies)
        await me.run_until(lambda: list(me.states().values()) == [State.ANSWERED] * 10)
    finished = await me.run()
    assert finished.exit_code == ExitCode.OK
    assert (me.shop.posts, finished.result.ended[State.STORED]) == (10, 10)
    assert next(event for event in me.events if isinstance(event, Started) and event.finishing).finishing == 10
    assert not list(me.folder.answers.iterdir())


async def test_a_body_that_a_dead_process_could_not_record_is_adopted_and_the_rest_is_doubted(customer):
    me = customer(mug=[sold(1, large=True)]).order(["mug", "cup"])
    await me.run()
    with sqlite3.connect(me.folder.ledger) as db:
        key, attempt = db.execute(
            "SELECT r.key, a.id FROM attempts a JOIN requests r ON r.id = a.request_id WHERE r.canonical LIKE '%mug%'"
        ).fetchone()
        db.execute("DELETE FROM pictures")
        db.execute("DELETE FROM names")
        db.execute("UPDATE attempts SET outcome = 'sent', billed_microusd = 0")
        db.execute("UPDATE requests SET state = 'sent', body = NULL")
    db.close()
    shutil.rmtree(me.folder.pictures)
    shutil.rmtree(me.folder.images)
    (me.folder.answers / f"{key}-{attempt}.body").write_bytes(sold(1, large=True))
    assert (await me.run(strict=True)).exit_code == ExitCode.DOUBT
    assert me.states() == {"mug": State.STORED, "cup": State.DOUBT}
    assert me.shop.posts == 2


async def test_bodies_of_stored_pictures_are_removed_and_those_of_others_kept(customer):
    me = customer(mug=[failed(Verdict.DOUBT)]).order(["mug", "cup"])
    await me.run(strict=True)
    with sqlite3.connect(me.folder.ledger) as db:
        attempts = dict(
            db.execute("SELECT r.state, r.key || '-' || a.id FROM attempts a JOIN requests r ON r.id = a.request_id")
        )
    db.close()
    for attempt in attempts.values():
        (me.folder.answers / f"{attempt}.body").write_bytes(b"{}")
    await me.run(strict=True)
    assert [path.name for path in me.folder.answers.iterdir()] == [f"{attempts['in doubt']}.body"]


async def test_a_full_disk_below_answers_loses_no_paid_answer(customer, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    me = customer().order(["mug"])
    me.shop.large = True
    monkeypatch.setattr(purchase, "write_answer", full)
    finished = await me.run()
    assert me.states() == {"mug": State.STORED}
    assert finished.exit_code == ExitCode.STOPPED
    assert "is full" in finished.reason


async def test_a_disk_that_takes_no_pictures_stops_the_run_and_keeps_every_paid_answer(customer, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    me = customer().order([f"mug {number}" for number in range(100)], limits={"concurrency": 4})
    me.shop.latency_s = 0.01
    with monkeypatch.context() as patch:
        patch.setattr(in_process, "put_picture", full)
        finished = await me.run()
    assert finished.exit_code == ExitCode.STOPPED
    assert "No space left" in finished.reason
    assert me.shop.posts < 20
    me.shop.latency_s = 0
    assert (await me.run()).exit_code == ExitCode.OK
    assert me.shop.posts == 100


async def test_a_ledger_whose_disk_fails_ends_the_run_and_loses_no_answer(customer, monkeypatch):
    me = customer().order([f"mug {number}" for number in range(50)], limits={"concurrency": 4})
    commits = []

    def failing(writer, group):
        commits.append(group)
        if len(commits) == 8:
            raise sqlite3.OperationalError("disk I/O error")
        return transact(writer, group)

    from batchgen.store.ledger.writer import Writer

    transact = Writer._transact
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_transact", failing)
        finished = await me.run(checked=False)
    assert finished.exit_code == ExitCode.STOPPED
    assert "disk I/O error" in finished.reason
    assert "batchgen verify" in finished.reason
    assert me.engine._desk.budget.reserved_microusd == 0
    posts = me.shop.posts
    assert posts < 50
    await me.run(strict=True)
    doubts = [prompt for prompt, state in me.states().items() if state is State.DOUBT]
    assert len(doubts) <= 4
    assert sum(me.shop.accepted.values()) == 50 - len(doubts)
    assert max(me.shop.accepted.values()) == 1


async def test_a_row_that_goes_bad_while_the_plan_is_read_cancels_nothing(customer, small_chunks, monkeypatch):
    me = customer().order([f"mug {number}" for number in range(60)], limits={"concurrency": 8, "adaptive": False})
    me.shop.latency_s = 0.02
    chunks = []

    def gone(feeder, model):
        chunks.append(model)
        if len(chunks) > 1:
            raise LedgerDamaged("ledger.db: damaged")
        return next_chunk(feeder, model)

    from batchgen.running.schedule.feeder import Feeder

    next_chunk = Feeder._next_chunk  # the first chunk is good, the second is not
    monkeypatch.setattr(Feeder, "_next_chunk", gone)
    finished = await me.run()
    assert finished.exit_code == ExitCode.DAMAGED
    assert me.shop.posts >= 8
    assert finished.result.ended == {State.STORED: me.shop.posts}


@pytest.mark.parametrize("deaf_to", [Started, Ended, Stopping])
async def test_a_listener_that_fails_cancels_nothing_that_is_paid_for(customer, deaf_to):
    me = customer().order([*OTHERS])

    def listen(event):
        if isinstance(event, deaf_to) and me.engine is not None:
            raise ValueError("I can't hear you")

    finished = await me.run(listen=listen)
    assert finished.result.ended == ({State.STORED: me.shop.posts} if me.shop.posts else {})
    assert State.DOUBT not in me.states().values()
    assert finished.exit_code == (ExitCode.BUG if deaf_to is Ended else ExitCode.OK)


@pytest.mark.parametrize("short", [MemoryError(), RuntimeError("can't start new thread")])
async def test_a_shortage_of_the_machine_spoils_nothing_and_the_next_run_finishes_it(customer, monkeypatch, short):
    me = customer().order(["mug"])

    def fails(*_, **__):
        raise short

    with monkeypatch.context() as patched:
        patched.setattr("batchgen.running.executors.in_process.put_picture", fails)
        finished = await me.run()
    assert finished.exit_code == ExitCode.STOPPED
    assert "this machine" in finished.reason
    assert set(me.states().values()) == {State.ANSWERED}
    assert (await me.run()).exit_code == ExitCode.OK
    assert set(me.states().values()) == {State.STORED}
    assert me.shop.posts == 1


async def test_a_limit_takes_no_more_of_what_may_be_risked_than_it_sends(customer):
    prompts = ["mug", "cup", "jug"]
    me = customer(**{prompt: [failed(Verdict.DOUBT)] for prompt in prompts}).order(prompts)
    await me.run(strict=True)
    await me.run(selection=Selection(limit=1))
    assert me.shop.posts == 4
    assert me.engine._desk.risk.risked_microusd == PRICE


async def test_a_limit_sends_so_many_and_the_next_run_goes_on(customer):
    me = customer().order([f"mug {number}" for number in range(20)])
    for sent in (7, 14, 20):
        assert (await me.run(selection=Selection(limit=7))).exit_code == ExitCode.OK
        assert me.shop.posts == sent


async def test_a_stated_start_rate_is_followed(customer):
    stated = RateLimit(limit=100, remaining=0, window_s=1.0, reset_s=0.3)
    me = customer(mug=[failed(Verdict.PASSING, rate_limit=stated)]).order(["mug", *OTHERS], limits={"concurrency": 1})
    started = anyio.current_time()
    await me.run()
    assert anyio.current_time() - started >= 0.3


async def test_the_ceiling_is_reached_at_once_where_nothing_adapts(customer):
    me = customer().order([f"mug {n}" for n in range(200)], limits={"concurrency": 100, "adaptive": False})
    me.shop.latency_s = 0.3
    await me.run()
    assert me.shop.peak == 100
