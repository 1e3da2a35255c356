"""Each row of the retry table: what follows from a failed attempt."""

import statistics

import pytest

from batchgen.provider.interface import Failed, Verdict
from batchgen.request import State
from batchgen.running.buy.budget import RetryTokens, Risk
from batchgen.running.buy.retry import (
    LONGEST_BACKOFF_S,
    SHORTEST_WAIT_S,
    THROTTLED_FOR_S,
    Again,
    Leave,
    Policy,
    StopLane,
    StopRun,
    Tries,
    after,
    download_wait_s,
    may_repeat,
)

PRICE = 40_000


def failed(verdict, **given):
    return Failed(verdict, "because", "it was so", **given)


def risk(cap=10**9):
    return Risk(cap, expected_microusd=0, risked_microusd=0)


def follow(verdict, tries=None, *, policy=None, cap=10**9, price=PRICE, now=0.0, tokens=None, **given):
    return after(
        failed(verdict, **given),
        tries or Tries(),
        policy or Policy(),
        risk(cap),
        tokens or RetryTokens(),
        price_microusd=price,
        now=now,
    )


def spent_tokens():
    tokens = RetryTokens()
    while tokens.take():
        pass
    return tokens


def test_without_retry_tokens_a_failed_request_is_left_for_the_next_run_and_a_throttled_one_is_not():
    assert follow(Verdict.PASSING, tokens=spent_tokens()) == Leave(State.WAITING)
    assert follow(Verdict.DOUBT, tokens=spent_tokens()) == Leave(State.DOUBT)
    assert isinstance(follow(Verdict.THROTTLED, tokens=spent_tokens()), Again)


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict.REFUSED, Leave(State.REFUSED)),
        (Verdict.SPOILED, Leave(State.SPOILED)),
        (Verdict.STOP_LANE, StopLane("it was so")),
        (Verdict.STOP_RUN, StopRun("it was so")),
    ],
)
def test_what_lasts_is_not_tried_again(verdict, expected):
    assert follow(verdict) == expected


@pytest.mark.parametrize(
    ("verdict", "attempts", "left"),
    [
        (Verdict.PASSING, 6, State.WAITING),
        (Verdict.OVERLOADED, 6, State.WAITING),
        (Verdict.UNCLEAR, 3, State.REFUSED),
    ],
)
def test_what_was_surely_not_billed_is_tried_so_often_and_no_more(verdict, attempts, left):
    tries, made = Tries(), 1
    while isinstance(then := follow(verdict, tries), Again):
        assert SHORTEST_WAIT_S <= then.wait_s <= min(LONGEST_BACKOFF_S, 2 * 2**made)
        tries, made = then.tries, made + 1
    assert (made, then) == (attempts, Leave(left))


def test_a_manifest_may_ask_for_fewer_attempts():
    assert follow(Verdict.PASSING, policy=Policy(attempts=1)) == Leave(State.WAITING)


@pytest.mark.parametrize("verdict", [Verdict.PASSING, Verdict.OVERLOADED, Verdict.UNCLEAR, Verdict.THROTTLED])
@pytest.mark.parametrize("asked", [0.2, 2.0, 300.0])
def test_nobody_comes_back_sooner_than_the_service_asked_nor_much_later(verdict, asked):
    waits = [follow(verdict, retry_after_s=asked).wait_s for _ in range(200)]
    assert asked <= min(waits)
    assert max(waits) <= asked * 1.1 + 0.5
    assert statistics.pstdev(waits) > 0


@pytest.mark.parametrize("verdict", [Verdict.PASSING, Verdict.OVERLOADED, Verdict.THROTTLED])
def test_a_wait_longer_than_allowed_stops_the_run_and_says_so(verdict):
    then = follow(verdict, retry_after_s=86_400.0)
    assert then == StopRun("the service asks to wait 86,400 s, longer than the 900 s allowed")
    assert isinstance(follow(verdict, retry_after_s=86_400.0, policy=Policy(max_wait_s=90_000.0)), Again)


def test_throttled_requests_are_bounded_by_time_and_not_by_count():
    tries = Tries()
    for number in range(100):
        then = follow(Verdict.THROTTLED, tries, now=number * 10.0, retry_after_s=10.0)
        assert isinstance(then, Again)
        tries = then.tries
    assert tries.unbilled == 0
    assert follow(Verdict.THROTTLED, tries, now=THROTTLED_FOR_S + 1) == Leave(State.WAITING)


def test_throttling_does_not_use_up_attempts():
    then = follow(Verdict.THROTTLED, Tries(unbilled=4))
    assert isinstance(follow(Verdict.PASSING, then.tries), Again)


def test_what_is_in_doubt_is_repeated_once():
    then = follow(Verdict.DOUBT)
    assert isinstance(then, Again)
    assert then.tries.doubts == 1
    assert follow(Verdict.DOUBT, then.tries) == Leave(State.DOUBT)


@pytest.mark.parametrize(
    "given",
    [
        {"policy": Policy(retry_doubt=False)},
        {"price": None},
        {"price": 250_000},
        {"cap": PRICE - 1},
    ],
)
def test_what_is_in_doubt_is_held_where_repeating_is_not_allowed_or_too_dear(given):
    assert follow(Verdict.DOUBT, **given) == Leave(State.DOUBT)


def test_doubts_are_repeated_only_as_long_as_the_risk_cap_lasts():
    cap = risk(3 * PRICE)
    assert sum(may_repeat(1, Policy(), cap, PRICE) and cap.take(PRICE) for _ in range(10)) == 3


def test_asking_whether_a_doubt_may_be_repeated_takes_nothing_of_the_cap():
    cap = risk(PRICE)
    assert all(may_repeat(1, Policy(), cap, PRICE) for _ in range(10))
    assert cap.risked_microusd == 0


def test_doubts_that_no_token_is_left_for_leave_the_cap_to_later_ones():
    cap, tokens = risk(5 * PRICE), RetryTokens()
    while tokens.take():
        pass
    doubt = Failed(Verdict.DOUBT, "reset", "the connection was reset")
    for _ in range(5):
        assert after(doubt, Tries(), Policy(), cap, tokens, price_microusd=PRICE, now=0) == Leave(State.DOUBT)
    assert cap.risked_microusd == 0


def test_a_refused_repetition_risks_nothing():
    cap = risk(PRICE)
    assert not may_repeat(2, Policy(), cap, PRICE)
    assert not may_repeat(1, Policy(retry_doubt=False), cap, PRICE)
    assert may_repeat(1, Policy(), cap, PRICE)


def test_waits_are_spread_over_their_whole_range():
    waits = [download_wait_s(3, gone=False) for _ in range(500)]
    assert min(waits) >= SHORTEST_WAIT_S
    assert max(waits) <= 16
    assert min(waits) < 1.0
    assert max(waits) > 5.0
