"""Limits on a given clock: they start slowly, are cut once per burst, and never stay frozen."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.manifest import scalars
from batchgen.provider.interface import RateLimit
from batchgen.running.schedule.from_manifest import start_rate
from batchgen.running.schedule.rate_limits import (
    CUT_LOST,
    CUT_THROTTLED,
    DEBOUNCE_S,
    LONGEST_PAUSE_S,
    ConcurrencyLimit,
    StartRate,
)


def clean_round(limit, at):
    """As many successes as the limit allows, with all of it in use."""
    size = limit.now
    for in_flight in range(1, size + 1):
        limit.started(in_flight)
    for _ in range(size):
        limit.succeeded(at)


def grown(limit, rounds, at=0.0):
    seen = [limit.now]
    for _ in range(rounds):
        clean_round(limit, at)
        seen.append(limit.now)
    return seen


def test_a_limit_doubles_with_every_clean_round_up_to_its_ceiling():
    assert grown(ConcurrencyLimit(100, adaptive=True), 6) == [4, 8, 16, 32, 64, 100, 100]


def test_after_the_first_cut_a_limit_grows_by_a_twentieth():
    limit = ConcurrencyLimit(1000, adaptive=True)
    grown(limit, 5)
    limit.cut(CUT_THROTTLED, 50.0)
    assert grown(limit, 4, at=51.0) == [89, 93, 97, 101, 106]


def test_a_limit_that_was_never_used_does_not_grow():
    limit = ConcurrencyLimit(100, adaptive=True)
    for _ in range(400):
        limit.started(3)
        limit.succeeded(0.0)
    assert limit.now == 4


@pytest.mark.parametrize(("factor", "expected"), [(CUT_THROTTLED, 11), (CUT_LOST, 12)])
def test_a_burst_of_throttled_answers_is_one_cut(factor, expected):
    limit = ConcurrencyLimit(16, adaptive=True)
    grown(limit, 2)
    for second in range(int(DEBOUNCE_S)):
        limit.cut(factor, 100.0 + second)
    assert limit.now == expected
    limit.cut(factor, 100.0 + DEBOUNCE_S)
    assert limit.now < expected


def test_a_limit_is_never_cut_below_one():
    limit = ConcurrencyLimit(16, adaptive=True)
    for burst in range(20):
        limit.cut(CUT_THROTTLED, 100.0 * burst)
    assert limit.now == 1
    assert grown(limit, 1, at=2000.0) == [1, 2]


def test_successes_of_requests_from_before_a_cut_prove_nothing():
    limit = ConcurrencyLimit(100, adaptive=True)
    limit.cut(CUT_THROTTLED, 10.0)
    assert limit.now == 2
    assert grown(limit, 3, at=9.9) == [2, 2, 2, 2]
    assert grown(limit, 1, at=10.0) == [2, 3]


def test_a_limit_that_does_not_adapt_is_its_ceiling():
    limit = ConcurrencyLimit(200, adaptive=False)
    limit.cut(CUT_THROTTLED, 0.0)
    assert limit.now == 200


@given(
    st.integers(1, 300),
    st.lists(st.tuples(st.sampled_from(["round", "cut"]), st.floats(0.01, 100)), max_size=60),
)
def test_a_limit_stays_between_one_and_its_ceiling(ceiling, events):
    limit, now = ConcurrencyLimit(ceiling, adaptive=True), 0.0
    for event, passed in events:
        now += passed
        if event == "cut":
            limit.cut(CUT_THROTTLED, now)
        else:
            clean_round(limit, now)
        assert 1 <= limit.now <= ceiling


@given(
    st.floats(0.01, 500),
    st.integers(1, 50),
    st.lists(st.floats(0, 20), min_size=1, max_size=300),
)
def test_no_window_ever_sees_more_starts_than_the_burst_and_the_rate_allow(per_s, burst, pauses):
    rate, now, starts = StartRate(per_s, burst=burst), 0.0, []
    for pause in pauses:
        now += pause
        if rate.wait_s(now) == 0:
            rate.take(now)
            starts.append(now)
    for first in range(0, len(starts), 7):
        for last in range(first, len(starts), 5):
            elapsed = starts[last] - starts[first]
            assert last - first + 1 <= burst + per_s * elapsed + 1e-6 * (1 + per_s * elapsed)


@given(st.floats(0.01, 500), st.integers(1, 20))
def test_who_waits_as_long_as_told_may_start(per_s, burst):
    rate, now = StartRate(per_s, burst=burst), 1e6
    for _ in range(burst + 20):
        now += rate.wait_s(now)
        assert rate.wait_s(now) < 1e-6
        rate.take(now)


def test_without_a_rate_everything_may_start():
    rate = StartRate(None)
    for _ in range(1000):
        assert rate.wait_s(0.0) == 0
        rate.take(0.0)


def test_a_stated_limit_is_followed_at_four_fifths():
    rate = StartRate(None)
    rate.heard(RateLimit(limit=100, remaining=50, window_s=1.0, reset_s=1.0), 0.0)
    starts, now = 0, 0.0
    while now < 10:
        now += max(rate.wait_s(now), 1e-9)
        rate.take(now)
        starts += 1
    assert starts == pytest.approx(800, abs=82)


def test_a_used_up_window_is_waited_out():
    rate = StartRate(None)
    rate.heard(RateLimit(limit=100, remaining=0, window_s=60.0, reset_s=40.0), 100.0)
    assert rate.wait_s(100.0) == pytest.approx(40.0)
    assert rate.wait_s(139.0) == pytest.approx(1.0)
    assert rate.wait_s(140.0) == 0


def test_a_reset_that_is_an_epoch_does_not_stop_a_lane_for_years():
    rate = StartRate(None)
    rate.heard(RateLimit(limit=100, remaining=0, window_s=1.0, reset_s=1.8e9), 0.0)
    assert rate.wait_s(0.0) <= LONGEST_PAUSE_S


def test_a_rate_the_user_wrote_down_is_not_raised_by_the_service():
    rate = StartRate(1.0, burst=1, follow=False)
    rate.heard(RateLimit(limit=1000, remaining=0, window_s=1.0, reset_s=500.0), 0.0)
    rate.take(0.0)
    assert rate.wait_s(0.0) == 1.0
    assert math.isclose(rate.wait_s(0.75), 0.25)


def test_a_higher_ceiling_is_tried_by_doubling_and_a_lower_one_holds_at_once():
    limit = ConcurrencyLimit(4, adaptive=True)
    limit.cut(0.7, 0.0)
    limit.bound(64)
    assert grown(limit, 6)[-1] == 64
    limit.bound(4)
    assert limit.now == limit.ceiling == 4
    fixed = ConcurrencyLimit(4, adaptive=False)
    fixed.bound(64)
    assert fixed.now == 64


def test_shards_follow_their_part_of_what_the_service_states_of_the_account():
    rate = StartRate(None, shards=4)
    rate.heard(RateLimit(limit=100, remaining=50, reset_s=1, window_s=10), 0.0)
    assert rate.per_s == pytest.approx(0.8 * 100 / 10 / 4)


@pytest.mark.parametrize(("text", "shards", "at_once"), [("60/min", 1, 5), ("60/min", 4, 1), ("600/min", 2, 2)])
def test_shards_that_start_together_start_one_burst_between_them(text, shards, at_once):
    whole = scalars.rate(text)
    rate = start_rate(replace(whole, count=whole.count / shards), shards=shards)
    starts = 0
    while rate.wait_s(0.0) == 0:
        rate.take(0.0)
        starts += 1
    assert starts == at_once
    assert rate.per_s == pytest.approx(whole.starts_per_s / shards)
