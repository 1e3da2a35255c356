"""What failed and is no longer asked for is no failure of tonight; what may have been paid stays in sight."""

import csv
import json
import sqlite3

import pytest

from batchgen.commands.verify import verify
from batchgen.errors import ExitCode
from batchgen.provider.interface import Verdict
from batchgen.report import write_report
from batchgen.request import State
from batchgen.running.events import Notice
from batchgen.running.schedule.selection import Selection
from batchgen.store.dataset.metadata import write_dataset
from tests.running.shop import PRICE, failed, hang

pytestmark = pytest.mark.anyio

REFUSED = failed(Verdict.REFUSED, reason="moderation")
SPOILED = failed(Verdict.SPOILED, reason="no_picture", cost_microusd=PRICE)
DOUBT = failed(Verdict.DOUBT, reason="lost")
HOLD = {"on_doubt": "hold"}


def lines(me, name="failures.jsonl"):
    """The prompts of a list, as it is written now."""
    write_dataset(me.folder)
    path = me.folder.root / name
    return [json.loads(line)["parameters"]["prompt"] for line in path.read_text().splitlines()] if path.exists() else []


def withdrawn(me):
    return lines(me, ".batchgen/retired.jsonl")


def summary(me):
    return write_report(me.folder).summary


@pytest.mark.parametrize(("step", "state"), [(REFUSED, State.REFUSED), (SPOILED, State.SPOILED)])
async def test_a_failure_that_is_deleted_from_the_manifest_is_one_no_more_and_its_money_stays(customer, step, state):
    me = customer(bad=[step])
    assert (await me.order(["good", "bad"]).run()).exit_code == ExitCode.FAILURES
    before = summary(me)
    assert (lines(me), before.states[state], before.requests, before.withdrawn) == (["bad"], 1, 2, 0)
    finished = await me.order(["good"]).run()
    assert (finished.exit_code, finished.withdrawn, finished.changed) == (ExitCode.OK, 1, True)
    after = summary(me)
    assert (lines(me), withdrawn(me)) == ([], ["bad"])
    assert (after.states[state], after.requests, after.withdrawn, after.success_rate) == (0, 1, 1, 1.0)
    assert [error.requests for error in after.errors] == [0]
    with (me.folder.root / "report.csv").open(newline="", encoding="utf-8-sig") as rows:
        assert {row["prompt"]: row["state"] for row in csv.DictReader(rows)} == {"good": "stored", "bad": "withdrawn"}
    assert (after.billed_microusd, after.attempts) == (before.billed_microusd, before.attempts)
    # The next night has nothing to do, and nothing to write.
    assert not (await me.run()).changed
    # A row restored: it stands as it stood, and nothing is sent.
    finished = await me.order(["good", "bad"]).run()
    assert (finished.exit_code, me.shop.posts) == (ExitCode.FAILURES, 2)
    assert (lines(me), withdrawn(me), summary(me).states[state]) == (["bad"], [], 1)


async def test_a_withdrawn_failure_that_is_asked_for_again_can_be_sent_again(customer):
    me = customer(bad=[REFUSED])
    await me.order(["good", "bad"]).run()
    await me.order(["good"]).run()
    again = Selection(again=frozenset({State.REFUSED}))
    finished = await me.order(["good", "bad"]).run(selection=again)
    assert (finished.exit_code, me.shop.posts) == (ExitCode.OK, 3)
    assert (lines(me), withdrawn(me)) == ([], [])
    assert summary(me).states[State.STORED] == 2


async def test_what_waits_is_withdrawn_too_and_sent_when_it_is_asked_for_again(customer):
    me = customer(late=[failed(Verdict.REFUSED)]).order(["a", "late"])
    await me.run()
    with sqlite3.connect(me.folder.ledger) as db:
        db.execute("UPDATE requests SET state = 'waiting' WHERE state = 'refused'")
    assert (await me.order(["a"]).run()).withdrawn == 1
    assert (lines(me), withdrawn(me)) == ([], ["late"])
    assert (await me.order(["a", "late"]).run()).exit_code == ExitCode.OK
    assert me.shop.posts == 3


async def test_a_part_of_the_plan_withdraws_nothing_that_the_rest_of_it_asks_for(customer):
    me = customer(bad=[REFUSED])
    await me.order(["good", "bad"]).run()
    finished = await me.run(selection=Selection(only={"prompt": "good"}))
    assert (finished.withdrawn, lines(me)) == (0, ["bad"])


async def test_a_doubt_is_listed_and_priced_whatever_the_manifest_says(customer):
    me = customer(lost=[DOUBT])
    assert (await me.order(["good", "lost"], retry=HOLD).run()).exit_code == ExitCode.DOUBT
    finished = await me.order(["good"], retry=HOLD).run()
    assert (finished.exit_code, finished.withdrawn) == (ExitCode.OK, 0)
    assert (lines(me), withdrawn(me)) == (["lost"], [])
    found = summary(me)
    assert (found.states[State.DOUBT], found.maybe_billed_microusd) == (1, PRICE)


async def test_what_may_have_been_paid_before_it_was_refused_stays_listed_with_that(customer):
    me = customer(bad=[DOUBT, REFUSED]).order(["good", "bad"], retry={"on_doubt": "retry", "risk_usd": 10})
    assert (await me.run()).exit_code == ExitCode.FAILURES
    finished = await me.order(["good"]).run()
    assert (finished.exit_code, finished.withdrawn) == (ExitCode.OK, 0)
    assert (lines(me), summary(me).maybe_billed_microusd) == (["bad"], PRICE)


async def test_withdrawn_requests_come_back_with_a_lost_ledger_and_are_withdrawn_again(customer):
    me = customer(bad=[SPOILED])
    await me.order(["good", "bad"]).run()
    await me.order(["good"]).run()
    assert withdrawn(me) == ["bad"]
    for path in me.folder.state.glob("ledger.db*"):
        path.unlink()
    finished = await me.run(checked=False)
    assert (finished.exit_code, finished.withdrawn) == (ExitCode.OK, 1)
    assert (lines(me), withdrawn(me)) == ([], ["bad"])
    assert summary(me).billed_microusd == 2 * PRICE
    # What was paid for and brought nothing is not bought again by itself.
    await me.order(["good", "bad"]).run(checked=False)
    assert me.shop.posts == 2
    assert list(verify(me.folder, read_data=True)) == []


async def test_a_doubt_that_a_killed_process_left_is_told_once_though_the_manifest_dropped_it(customer):
    me = customer(good=[hang]).order(["good", "other"], retry=HOLD)
    await me.run_until(lambda: me.states() == {"good": State.SENT, "other": State.STORED})
    # As it is where the process could not say so any more.
    with sqlite3.connect(me.folder.ledger) as db:
        db.execute("UPDATE requests SET state = 'sent' WHERE state = 'in doubt'")
        db.execute("UPDATE attempts SET outcome = 'sent', maybe_microusd = 0 WHERE outcome = 'in doubt'")
        db.execute("UPDATE runs SET ended_ms = NULL, exit_code = NULL")
    finished = await me.order(["other"], retry=HOLD).run(checked=False)
    assert finished.exit_code == ExitCode.DOUBT
    told = [event.message for event in me.events if isinstance(event, Notice)]
    assert told == [
        "1 request in doubt is no longer in the manifest: it may have cost $0.04, and stays in failures.jsonl"
    ]
    assert lines(me) == ["good"]
    me.events.clear()
    assert (await me.run(checked=False)).exit_code == ExitCode.OK
    assert [event for event in me.events if isinstance(event, Notice)] == []
    assert lines(me) == ["good"]
