"""The pace of a lane: recent, blind to clocks that jump, and never jumping itself."""

from itertools import pairwise

import pytest

from batchgen.running.schedule.pace import LONGEST_TICK_S, Pace


def going(per_s, seconds, *, pace=None, now=0.0, latency_s=1.0):
    """A pace after so many seconds with ``per_s`` ends in each."""
    pace = pace or Pace()
    for tick in range(int(seconds * 5)):
        pace.tick(now + tick / 5)
        for _ in range(round(per_s / 5)) if per_s >= 5 else range(tick % round(5 / per_s) == 0):
            pace.answered(latency_s)
            pace.ended()
    return pace


def test_there_is_no_rate_before_a_few_answers():
    pace = Pace()
    assert pace.rate_per_s() is None
    assert pace.left_s(unsent=10, in_flight=4) is None
    assert going(10, 2).rate_per_s() is None
    assert going(10, 20).rate_per_s() == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("per_s", [0.2, 1, 10, 100])
def test_a_steady_lane_has_its_rate(per_s):
    assert going(per_s, 200).rate_per_s() == pytest.approx(per_s, rel=0.1)


def test_the_rate_is_the_recent_one():
    pace = going(50, 200)
    assert going(10, 120, pace=pace, now=200.0).rate_per_s() == pytest.approx(10, rel=0.15)


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, LONGEST_TICK_S + 0.1])
def test_a_clock_that_jumps_changes_neither_rate_nor_time_left(jump_s):
    steady, jumped = going(10, 120), going(10, 60)
    going(10, 60, pace=jumped, now=60 + jump_s)
    assert jumped.rate_per_s() == pytest.approx(steady.rate_per_s(), rel=0.02)
    before = jumped.shown_s(jumped.left_s(unsent=100, in_flight=4), 0.2)
    step_s = jumped.tick(60 + jump_s + 60 + jump_s)
    assert step_s == 0
    assert jumped.shown_s(jumped.left_s(unsent=100, in_flight=4), step_s) == pytest.approx(before, abs=1)


def test_a_wait_that_goes_on_is_counted_once_and_counts_down():
    pace = going(10, 120)
    free_s = pace.left_s(unsent=300, in_flight=0)
    lefts = []
    for second in range(60):
        pace.tick(120.0 + second, blocked=True)
        lefts.append(pace.left_s(unsent=300, in_flight=0, blocked_s=60.0 - second))
    assert lefts[0] == pytest.approx(free_s + 60, rel=0.05)
    assert all(later < earlier for earlier, later in pairwise(lefts))


def test_waits_that_come_again_and_again_slow_the_lane():
    pace, now = Pace(), 0.0
    for _ in range(20):
        going(10, 10, pace=pace, now=now)
        for _ in range(50):
            now += 0.2
            pace.tick(now + 10, blocked=True)
        now += 10
    pace.tick(now)
    assert pace.rate_per_s() == pytest.approx(5, rel=0.25)


def test_a_pause_of_a_person_takes_no_time():
    pace = going(10, 120)
    pace.tick(120.0)
    before = pace.rate_per_s()
    for second in range(1000):
        if second < 50:
            pace.ended()
        pace.tick(120.0 + second / 5, frozen=True)
    assert pace.rate_per_s() == before


def test_the_last_answers_take_as_long_as_answers_do():
    pace = going(10, 60, latency_s=20.0)
    pace.started()
    assert pace.left_s(unsent=0, in_flight=3) == pytest.approx(20)
    pace.tick(62.0)
    assert pace.left_s(unsent=0, in_flight=3) == pytest.approx(18, abs=0.3)
    assert pace.left_s(unsent=0, in_flight=0) == 0


def test_no_more_may_start_than_a_rate_allows():
    pace = going(10, 60, latency_s=0.0)
    assert pace.left_s(unsent=100, in_flight=0, most_per_s=1.0) == pytest.approx(100)


def test_the_time_shown_counts_down_and_moves_to_a_new_estimate_by_and_by():
    pace = Pace()
    assert pace.shown_s(100.0, 0.2) == 100
    assert pace.shown_s(99.8, 0.2) == pytest.approx(99.8)
    seen = [pace.shown_s(600.0, 0.2) for _ in range(300)]
    assert seen[0] < 120
    assert max(later - earlier for earlier, later in pairwise(seen)) < 15
    assert seen[-1] == pytest.approx(600, rel=0.02)
