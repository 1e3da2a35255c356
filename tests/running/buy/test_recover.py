"""Answers without a known picture: kept whole, read again by every run, never paid for twice."""

import json

import pytest

from batchgen.errors import ExitCode
from batchgen.provider.arrival import Arrival, from_rest
from batchgen.provider.interface import DownloadFailed, Obstacle, Verdict
from batchgen.request import State
from batchgen.running.buy import recover
from batchgen.running.schedule import rate_limits
from batchgen.running.schedule.selection import Selection
from batchgen.store.folder.kept_answers import kept_answers
from batchgen.store.ledger.reader import Reader
from tests.running.shop import PICTURES, PRICE, failed, hosted, sold

pytestmark = pytest.mark.anyio

OTHERS = [f"thing {number}" for number in range(9)]
UNKNOWN = json.dumps({"pictures": "in a shape of tomorrow", "more": "x" * 200_000}).encode()


def unread(me):
    reader = Reader(me.folder.ledger)
    try:
        return reader.count_unread()
    finally:
        reader.close()


def kept(me):
    return [from_rest(path.read_bytes()) for path in kept_answers(me.folder).values()]


async def test_an_answer_of_an_unknown_shape_is_kept_whole_and_counted(customer):
    me = customer(mug=[UNKNOWN]).order(["mug", *OTHERS])
    finished = await me.run()
    assert (finished.exit_code, me.states()["mug"]) == (ExitCode.FAILURES, State.SPOILED)
    assert [one.body for one in kept(me)] == [UNKNOWN]
    assert unread(me) == 1
    assert (0, PRICE) in [attempt[1:] for attempt in me.attempts()], "nobody knows whether it was billed"


async def test_tomorrow_s_reader_finds_its_picture_without_a_post(customer, monkeypatch):
    me = customer(mug=[UNKNOWN]).order(["mug", *OTHERS])
    await me.run()
    todays = me.shop.read

    def tomorrows(arrival, *, sent=()):
        return todays(Arrival(200, (), sold(7)) if arrival.body == UNKNOWN else arrival)

    monkeypatch.setattr(me.shop, "read", tomorrows)
    finished = await me.run()
    assert (finished.exit_code, set(me.states().values()), me.shop.prompts["mug"]) == (ExitCode.OK, {State.STORED}, 1)
    assert (kept(me), unread(me)) == ([], 0)
    assert sum(maybe for *_, maybe in me.attempts()) == 0


async def test_what_is_asked_for_again_is_read_again_before_it_is_paid_for(customer, monkeypatch):
    me = customer(mug=[UNKNOWN]).order(["mug", *OTHERS])
    await me.run()
    monkeypatch.setattr(recover, "read_by", lambda provider, *_: provider.read(Arrival(200, (), sold(3))))
    await me.run(selection=Selection(again=frozenset({State.SPOILED})))
    assert (me.shop.prompts["mug"], me.states()["mug"]) == (1, State.STORED)


async def test_what_had_arrived_of_a_cut_answer_is_kept_also_after_the_request_was_repeated(customer):
    part = Arrival(200, (), b'{"data": [{"b64_json": "iVBOR', cut="closed amid the answer")
    me = customer(mug=[part]).order(["mug", *OTHERS])
    finished = await me.run()
    assert (finished.exit_code, me.shop.prompts["mug"]) == (ExitCode.OK, 2)
    assert kept(me) == [part]
    await me.run()
    assert kept(me) == [part]


async def test_a_reader_that_fails_costs_nothing_that_arrived(customer, monkeypatch):
    me = customer().order(["mug"])

    def fails(arrival, *, sent=()):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(me.shop, "read", fails)
        await me.run(strict=True)
    assert me.states() == {"mug": State.DOUBT}
    assert (await me.run(strict=True)).exit_code == ExitCode.OK
    assert me.shop.posts == 1


async def test_three_answers_alike_without_a_picture_stop_the_model_and_name_the_place(customer):
    names = [f"mug {number}" for number in range(40)]
    me = customer(**{name: [UNKNOWN] for name in names}).order(names)
    finished = await me.run()
    assert finished.exit_code == ExitCode.STOPPED
    assert me.shop.posts <= 3 + rate_limits.START
    assert "answers" in finished.reason
    assert "b64_json" in finished.reason


async def test_a_model_that_brought_a_picture_is_not_stopped_by_odd_answers(customer):
    names = [f"mug {number}" for number in range(8)]
    me = customer(**{name: [UNKNOWN] for name in names}).order([*OTHERS, *names], limits={"concurrency": 1})
    assert (await me.run()).exit_code == ExitCode.FAILURES
    assert me.shop.posts == 17


async def test_refusals_by_a_content_filter_never_stop_a_model(customer):
    names = [f"mug {number}" for number in range(8)]
    me = customer(**{name: [b'{"message": "moderation"}'] for name in names}).order(names)
    finished = await me.run()
    assert (finished.exit_code, me.shop.posts, set(me.states().values())) == (ExitCode.FAILURES, 8, {State.REFUSED})
    assert sum(maybe for *_, maybe in me.attempts()) == 8 * PRICE


async def test_a_link_that_leads_to_nothing_is_followed_for_a_while_and_once_by_each_later_run(customer):
    url, gone = "https://pictures/1", DownloadFailed("answered 404", Obstacle.GONE)
    me = customer(mug=[hosted(url)]).order(["mug"])
    me.shop.hosted[url] = [gone] * 99
    finished = await me.run()
    first = me.shop.downloads[url]
    assert (finished.exit_code, me.states()["mug"]) == (ExitCode.STOPPED, State.ANSWERED)
    assert first > 3
    await me.run()
    assert (me.shop.downloads[url], me.shop.posts) == (first + 1, 1)
    me.shop.hosted[url] = [PICTURES[5]]
    assert (await me.run()).exit_code == ExitCode.OK
    assert me.shop.posts == 1


async def test_after_a_month_a_link_that_leads_to_nothing_is_spoiled(customer):
    url, gone = "https://pictures/1", DownloadFailed("answered 404", Obstacle.GONE)
    me = customer(mug=[hosted(url)]).order(["mug"])
    me.shop.hosted[url] = [gone] * 99
    await me.run()
    await me.change("UPDATE requests SET answered_ms = answered_ms - ?", 31 * 24 * 3_600_000)
    assert (await me.run()).exit_code == ExitCode.FAILURES
    assert me.states()["mug"] == State.SPOILED


async def test_a_rule_of_this_machine_spoils_nothing_and_stops_after_three(customer):
    names = [f"mug {number}" for number in range(40)]
    refused = DownloadFailed("10.0.0.5: not a public address", Obstacle.LOCAL)
    me = customer(**{name: [hosted(f"https://inside/{name}")] for name in names}).order(names)
    for name in names:
        me.shop.hosted[f"https://inside/{name}"] = [refused]
    finished = await me.run()
    assert finished.exit_code == ExitCode.STOPPED
    assert State.ANSWERED in set(me.states().values()) <= {State.ANSWERED, State.WAITING}
    assert me.shop.posts < 20
    assert "10.0.0.5" in finished.reason
    for name in names:
        me.shop.hosted[f"https://inside/{name}"] = [PICTURES[1]]
    paid = me.shop.posts
    assert (await me.run()).exit_code == ExitCode.OK
    assert me.shop.posts == 40
    assert paid == sum(count == 2 for count in me.shop.downloads.values())


async def test_words_of_an_empty_account_stop_the_run_if_nobody_says_that_there_is_money(customer):
    broke = failed(Verdict.STOP_RUN, reason="insufficient_credits")
    me = customer(**{name: [broke] for name in OTHERS}).order(OTHERS)
    finished = await me.run()
    assert (finished.exit_code, set(me.states().values())) == (ExitCode.STOPPED, {State.WAITING})


async def test_a_supplier_s_empty_account_closes_one_model_and_leaves_the_others(customer, monkeypatch):
    broke = failed(Verdict.STOP_RUN, reason="insufficient_credits")
    rows = [{"prompt": f"one {n}", "model": "maker/one"} for n in range(5)]
    rows += [{"prompt": f"two {n}", "model": "maker/two"} for n in range(30)]
    me = customer(**{f"one {n}": [broke] * 9 for n in range(5)}).order([], rows=rows)
    monkeypatch.setattr("batchgen.running.engine.SHORTAGE_WAIT_S", 0.01)
    me.shop.balance_left = 99_000_000
    finished = await me.run()
    assert finished.exit_code == ExitCode.STOPPED
    assert "supplier" in finished.reason
    states = me.states()
    assert {states[f"two {n}"] for n in range(30)} == {State.STORED}
    assert State.REFUSED not in states.values()


async def test_a_doubt_is_priced_whatever_a_gateway_states_of_its_cost(customer):
    me = customer(mug=[failed(Verdict.DOUBT, status=502, cost_microusd=0)]).order(["mug"])
    await me.run(strict=True)
    assert sum(maybe for *_, maybe in me.attempts()) == PRICE


async def test_a_conflict_after_a_doubt_stays_a_doubt(customer):
    conflict = failed(Verdict.PASSING, status=409)
    me = customer(mug=[failed(Verdict.DOUBT), conflict, conflict]).order(["mug"])
    await me.run()
    assert (me.states()["mug"], me.shop.posts) == (State.DOUBT, 2)


async def test_a_model_that_only_throttles_is_closed_in_the_end(customer, monkeypatch):
    monkeypatch.setattr(rate_limits, "THROTTLED_FOR_S", 0.3)
    monkeypatch.setattr(rate_limits, "LONGEST_THROTTLE_S", 0.05)
    throttled = failed(Verdict.THROTTLED, reason="rate_limit", status=429)
    names = [f"mug {number}" for number in range(20)]
    me = customer(**{name: [throttled] * 500 for name in names}).order(names)
    finished = await me.run()
    assert (finished.exit_code, set(me.states().values())) == (ExitCode.STOPPED, {State.WAITING})
    assert "throttled" in finished.reason
