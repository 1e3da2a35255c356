"""A model that keeps failing is left alone, probed, and taken up again when it answers."""

import math

import pytest

from batchgen.provider.interface import Failed, Verdict
from batchgen.running.schedule.breaker import Alike, Breaker, kind_of

FAILING = [Verdict.DOUBT, Verdict.PASSING, Verdict.OVERLOADED, Verdict.UNCLEAR]
HEALTHY = [verdict for verdict in Verdict if verdict not in FAILING]


def failing(times, verdict=Verdict.PASSING, now=0.0):
    breaker = Breaker()
    for _ in range(times):
        breaker.started()
        breaker.failed(verdict, now)
    return breaker


@pytest.mark.parametrize("verdict", FAILING)
def test_five_straight_failures_open_it_for_fifteen_seconds(verdict):
    assert not failing(4, verdict).is_open
    breaker = failing(5, verdict, now=100.0)
    assert breaker.blocked_until(100.0) == 115.0
    assert breaker.blocked_until(200.0) == 200.0


@pytest.mark.parametrize("verdict", HEALTHY)
def test_throttling_refusals_and_stops_do_not_count(verdict):
    assert not failing(50, verdict).is_open


def test_a_success_between_failures_keeps_it_closed():
    breaker = failing(4)
    breaker.succeeded(1.0)
    for _ in range(4):
        breaker.failed(Verdict.PASSING, 2.0)
    assert not breaker.is_open


def test_half_of_ten_attempts_in_a_minute_open_it_without_a_streak():
    breaker = Breaker()
    for number in range(5):
        breaker.succeeded(float(number))
        breaker.failed(Verdict.PASSING, number + 0.5)
    assert breaker.is_open


def test_failures_of_more_than_a_minute_ago_are_forgotten():
    breaker = Breaker()
    for number in range(20):
        breaker.succeeded(number * 31.0)
        breaker.failed(Verdict.PASSING, number * 31.0 + 1)
    assert not breaker.is_open


def test_one_probe_is_sent_at_a_time_and_the_pauses_double_to_five_minutes():
    breaker, now, pauses = failing(5), 0.0, []
    for _ in range(7):
        due = breaker.blocked_until(now)
        pauses.append(due - now)
        now = due
        breaker.started()
        assert breaker.blocked_until(now) == math.inf
        breaker.failed(Verdict.PASSING, now)
    assert pauses == [15, 30, 60, 120, 240, 300, 300]


def test_an_answered_probe_closes_it_and_forgets_the_pauses():
    breaker = failing(5)
    breaker.started()
    breaker.succeeded(15.0)
    assert breaker.blocked_until(15.0) == 15.0
    for _ in range(5):
        breaker.failed(Verdict.PASSING, 20.0)
    assert breaker.blocked_until(20.0) == 35.0


def test_a_probe_that_was_not_sent_after_all_lets_another_one_through():
    breaker = failing(5)
    breaker.started()
    breaker.unsent()
    assert breaker.blocked_until(15.0) == 15.0


def test_a_throttled_probe_lets_the_next_one_through():
    breaker = failing(5)
    breaker.started()
    breaker.failed(Verdict.THROTTLED, 16.0)
    assert breaker.blocked_until(16.0) == 16.0


def test_late_failures_of_requests_from_before_it_opened_do_not_move_the_probe():
    breaker = failing(5)
    for now in (1.0, 5.0, 9.0):
        breaker.failed(Verdict.PASSING, now)
    assert breaker.blocked_until(9.0) == 15.0


def test_it_says_when_waiting_on_would_take_longer_than_allowed():
    breaker = failing(5)
    assert breaker.beyond(10.0)
    assert not breaker.beyond(15.0)
    assert not Breaker().beyond(0.0)


def refused(status=400, reason="invalid_request", verdict=Verdict.REFUSED):
    return Failed(verdict, reason, "no such size", status)


def test_the_third_equal_answer_without_a_picture_is_one_too_many():
    alike = Alike()
    assert [alike.noticed(kind_of(refused())) for _ in range(3)] == [False, False, True]


def test_answers_of_different_kinds_are_single_cases():
    alike = Alike()
    kinds = [refused(400), refused(404), refused(413), refused(415), refused(400), refused(404)]
    assert not any(alike.noticed(kind_of(kind)) for kind in kinds)


@pytest.mark.parametrize(
    "failed",
    [
        *(refused(reason="moderation"), refused(verdict=Verdict.PASSING), refused(502, verdict=Verdict.DOUBT)),
        Failed(Verdict.DOUBT, "timeout", "no answer"),
    ],
)
def test_what_speaks_of_one_prompt_or_of_a_passing_state_is_never_alike(failed):
    assert kind_of(failed) is None


@pytest.mark.parametrize("verdict", [Verdict.SPOILED, Verdict.DOUBT])
def test_successes_in_which_nobody_finds_a_picture_are_alike_by_their_reason(verdict):
    first, second = (refused(200, reason=reason, verdict=verdict) for reason in ("no_picture", "accepted_job"))
    assert kind_of(first) == kind_of(first) != kind_of(second)


def test_a_model_that_has_brought_a_picture_may_refuse_as_often_as_it_likes():
    alike = Alike()
    alike.succeeded()
    assert not any(alike.noticed("refused") for _ in range(10))


def test_what_this_machine_lacks_counts_anew_after_each_picture():
    alike = Alike(forgets=True)
    said = []
    for _ in range(3):
        said += [alike.noticed("memory") for _ in range(2)]
        alike.succeeded()
    assert not any(said)
    assert [alike.noticed("memory") for _ in range(3)] == [False, False, True]
