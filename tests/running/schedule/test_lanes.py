"""Which request is next: fair between models, retries first, and money never promised twice."""

import math
from collections import Counter

from batchgen.running.schedule.lanes import Job, NothingDue
from tests.running.jobs import job, lane, lanes


def picked(chooser, count, now=0.0):
    """The next ``count`` choices; the keys of jobs, or :class:`NothingDue`."""
    choices = [chooser.pick(now) for _ in range(count)]
    return [choice.key if isinstance(choice, Job) else choice for choice in choices]


def test_lanes_are_served_in_turn():
    chooser = lanes(lane("a", "123"), lane("b", "456"), lane("c", "7"))
    assert picked(chooser, 7) == ["1", "4", "7", "2", "5", "3", "6"]


def test_a_lane_that_is_full_paused_slow_or_empty_stops_no_other():
    full, slow, paused, empty = (
        lane("full", "12", limit=1),
        lane("slow", "34", per_s=0.1, burst=1),
        lane("p", "5"),
        lane("e"),
    )
    paused.hold_until(60.0)
    chooser = lanes(full, slow, paused, empty, lane("free", "6789"))
    assert Counter(picked(chooser, 6)) == Counter("136789")
    assert chooser.pick(0.0) == NothingDue(10.0)


def test_the_ceiling_is_that_of_all_lanes_together():
    chooser = lanes(lane("a", "123"), lane("b", "456"), ceiling=3)
    assert picked(chooser, 4) == ["1", "4", "2", NothingDue(math.inf)]
    chooser.release("a")
    assert picked(chooser, 2) == ["5", NothingDue(math.inf)]


def test_a_retry_goes_before_new_work_once_it_is_due_and_holds_no_slot_before():
    one = lane("a", "12", limit=2)
    chooser = lanes(one)
    assert picked(chooser, 1) == ["1"]
    one.wait(job("late"), 9.0)
    one.wait(job("early"), 5.0)
    chooser.release("a")
    assert chooser.in_flight == one.in_flight == 0
    assert picked(chooser, 2, now=4.9) == ["2", NothingDue(5.0)]
    chooser.release("a")
    one.add([job("3")])
    assert picked(chooser, 2, now=5.0) == ["early", "3"]
    chooser.release("a")
    assert picked(chooser, 1, now=20.0) == ["late"]


def test_lanes_are_done_when_nothing_is_queued_waiting_or_in_flight():
    one = lane("a", "1", fed=False)
    chooser = lanes(one)
    picked(chooser, 1)
    chooser.release("a")
    assert not chooser.done
    one.fed = True
    assert chooser.done
    one.wait(job("again"), 5.0)
    assert not chooser.done
    picked(chooser, 1, now=5.0)
    assert not chooser.done
    chooser.release("a")
    assert chooser.done


def test_a_closed_lane_sends_nothing_and_keeps_nobody():
    closed = lane("a", "123", fed=False)
    chooser = lanes(closed, lane("b", "4"))
    closed.closed = "daily limit"
    assert picked(chooser, 2) == ["4", NothingDue(math.inf)]
    chooser.release("b")
    assert chooser.done


def test_a_stopped_run_sends_nothing_but_waits_for_what_is_in_flight():
    chooser = lanes(lane("a", "123"))
    picked(chooser, 1)
    chooser.stop("SIGINT")
    chooser.stop("budget")
    assert chooser.stopped == "SIGINT"
    assert picked(chooser, 1) == [NothingDue(math.inf)]
    assert not chooser.done
    chooser.release("a")
    assert chooser.done


def test_the_budget_stops_the_run_only_when_nothing_in_flight_can_free_money():
    chooser = lanes(lane("a", "123", price=4), cap=10)
    assert picked(chooser, 3) == ["1", "2", NothingDue(math.inf)]
    assert chooser.stopped is None
    chooser._budget.settle(4, billed_microusd=1)
    chooser.release("a")
    assert picked(chooser, 2) == ["3", NothingDue(math.inf)]
    for _ in range(2):
        chooser._budget.settle(4, billed_microusd=4)
        chooser.release("a")
    chooser.by_model["a"].add([job("4", price=4)])
    assert picked(chooser, 1) == [NothingDue(math.inf)]
    assert chooser.stopped.startswith("the budget of $0.00001 is used up: another request may cost $0.000004")
    assert chooser._budget.reserved_microusd == 0


def test_a_lane_that_is_too_dear_leaves_the_rest_of_the_budget_to_a_cheaper_one():
    chooser = lanes(lane("dear", "12", price=100), lane("cheap", "345", price=1), cap=2)
    assert picked(chooser, 3) == ["3", "4", NothingDue(math.inf)]


def test_a_dear_lane_does_not_end_the_run_before_a_cheaper_one_has_been_fed():
    cheap = lane("cheap", fed=False)
    chooser = lanes(lane("dear", "1", price=100), cheap, cap=50)
    assert picked(chooser, 1) == [NothingDue(math.inf)]
    assert chooser.stopped is None
    cheap.add([job("2", "cheap", 1)])
    assert picked(chooser, 1) == ["2"]


def test_a_dear_lane_waits_for_a_cheaper_retry_before_it_ends_the_run():
    cheap = lane("cheap")
    cheap.wait(job("2", "cheap", 1), 7.0)
    chooser = lanes(lane("dear", "1", price=100), cheap, cap=50)
    assert picked(chooser, 1) == [NothingDue(7.0)]
    assert chooser.stopped is None
    assert picked(chooser, 1, now=7.0) == ["2"]


def test_an_answer_dearer_than_its_reservation_raises_that_of_its_like_from_then_on():
    one = lane("a")
    one.add([job("1", price=10), job("2", price=10)])
    chooser = lanes(one)
    first = chooser.pick(0.0)
    one.cost(first, 25)
    one.cost(first, 15)
    assert chooser.pick(0.0).reserve_microusd == 25
    assert chooser._budget.reserved_microusd == 10 + 25


def test_a_job_without_a_known_price_reserves_nothing():
    one = lane("a")
    one.add([Job(job("1").request, None, None)])
    chooser = lanes(one)
    assert picked(chooser, 1) == ["1"]
    assert chooser._budget.reserved_microusd == 0


def test_people_are_told_what_is_waited_for():
    paused, backing_off, slow = lane("p", "1"), lane("b"), lane("s", "2", per_s=0.1, burst=1)
    paused.hold_until(60.0)
    backing_off.wait(job("3"), 9.0)
    slow.rate.take(0.0)
    chooser = lanes(paused, backing_off, slow, lane("free", "4"))
    assert [(wait.model, wait.count, wait.wait_s, wait.reason) for wait in chooser.waits(0.0)] == [
        ("p", 1, 60.0, "the service asked to wait"),
        ("b", 1, 9.0, "back-off before a retry"),
        ("s", 1, 10.0, "rate limit"),
    ]


def test_a_paused_lane_sends_nothing_and_keeps_the_run_from_ending():
    one, other = lane("a", "12"), lane("b", "3")
    chooser = lanes(one, other)
    one.paused = True
    assert picked(chooser, 2) == ["3", NothingDue(math.inf)]
    chooser.release("b")
    assert not chooser.done
    (wait,) = chooser.waits(0.0)
    assert (wait.model, wait.count, wait.reason) == ("a", 2, "paused")
    one.paused = False
    assert picked(chooser, 2) == ["1", "2"]


def test_a_parked_lane_is_left_behind_and_comes_back_while_the_run_goes_on():
    one, other = lane("a", "1"), lane("b", "2")
    chooser = lanes(one, other)
    one.parked = "somebody"
    assert picked(chooser, 2) == ["2", NothingDue(math.inf)]
    assert not chooser.done
    one.parked = None
    assert picked(chooser, 1) == ["1"]
    one.parked = "somebody"
    chooser.release("b")
    assert not chooser.done, "what is in flight lands"
    chooser.release("a")
    assert chooser.done


def test_a_budget_that_is_used_up_is_waited_for_if_a_person_may_raise_it():
    chooser = lanes(lane("a", "12"), cap=1, waits_for_budget=True)
    assert picked(chooser, 1) == ["1"]
    chooser._budget.settle(1, billed_microusd=1)
    chooser.release("a")
    assert picked(chooser, 1) == [NothingDue(math.inf)]
    assert chooser.stopped is None
    assert "is used up" in chooser.waits(0.0)[0].reason
    chooser._budget.cap_microusd = 2
    assert picked(chooser, 1) == ["2"]
    assert chooser.waits(0.0) == ()


def test_a_balance_that_is_used_up_stops_also_a_run_that_waits_for_a_budget():
    chooser = lanes(lane("a", "12"), cap=100, waits_for_budget=True)
    chooser._budget.balance_microusd = 0
    picked(chooser, 1)
    assert "balance" in chooser.stopped


def test_a_budget_that_is_lowered_below_what_is_spent_stops_the_sending():
    chooser = lanes(lane("a", "12", price=3), cap=6)
    assert picked(chooser, 1) == ["1"]
    chooser._budget.cap_microusd = 1
    assert picked(chooser, 1) == [NothingDue(math.inf)]
    assert chooser.stopped is None, "what is in flight lands first"
    chooser._budget.settle(3, billed_microusd=3)
    chooser.release("a")
    picked(chooser, 1)
    assert "is used up" in chooser.stopped


def test_no_budget_stops_a_run_while_a_cheaper_lane_is_paused():
    dear, cheap = lane("dear", "1", price=9), lane("cheap", "2", price=1)
    chooser = lanes(dear, cheap, cap=5)
    cheap.paused = True
    picked(chooser, 1)
    assert chooser.stopped is None
    cheap.paused = False
    assert picked(chooser, 1) == ["2"]
