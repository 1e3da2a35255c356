"""The time a run still takes, against the truth: the slowest lane's, with its waits, whatever the clock does."""

from itertools import pairwise

import pytest

from batchgen.running.schedule.rate_limits import StartRate
from tests.running.jobs import lanes
from tests.running.schedule.service import Service, adaptive, two_lanes


def tenths(service):
    """The share of the truth that was shown at each tenth of a run, from the second on."""
    seen = list(service.run())
    end_s = seen[-1][0]
    shares = {}
    for tenth in range(2, 10):
        true_s, tracked = min(seen, key=lambda one: abs(one[0] - end_s * tenth / 10))
        assert tracked.eta_s is not None, f"nothing was shown after {tenth} tenths"
        shares[tenth] = tracked.eta_s / (end_s - true_s)
    return shares


def test_from_a_fifth_of_a_run_on_the_time_left_is_within_thirty_percent_of_the_truth():
    shares = tenths(two_lanes())
    assert all(0.7 <= share <= 1.3 for share in shares.values()), shares


def test_a_machine_that_sleeps_meanwhile_does_not_change_that():
    shares = tenths(two_lanes(jumps={60.0: 7200.0, 130.0: 30.0}))
    assert all(0.7 <= share <= 1.3 for share in shares.values()), shares


def test_the_time_left_never_jumps():
    seen = [tracked.eta_s for _, tracked in two_lanes(jumps={60.0: 7200.0}).run() if tracked.eta_s is not None]
    steps = [(before, after) for before, after in pairwise(seen) if before > 10]
    assert max(abs(after - before) / before for before, after in steps) < 0.25


def test_a_rate_of_starts_is_known_before_it_is_felt():
    chooser = lanes(adaptive("a", 200, rate=StartRate(1.0, burst=5)))
    service = Service(chooser, latency_s={"a": 0.5})
    shares = tenths(service)
    assert all(0.7 <= share <= 1.3 for share in shares.values()), shares


def test_a_lane_that_is_paused_has_no_end_and_the_run_neither():
    service = two_lanes()
    for true_s, tracked in service.run(until_s=60):
        if true_s == 40:
            assert tracked.eta_s is not None
            service.lanes.by_model["slow"].paused = True
    assert tracked.eta_s is None
    fast, slow = tracked.lanes
    assert (fast.state, slow.state) == ("at work", "paused")
    assert fast.eta_s > 0


def test_a_lane_that_is_parked_is_waited_for_by_nobody():
    service = two_lanes()
    service.lanes.by_model["slow"].parked = "somebody"
    *_, (_, tracked) = service.run()
    assert [lane.state for lane in tracked.lanes] == ["done", "parked"]
    assert tracked.eta_s == 0
    assert tracked.lanes[1].done == 0


@pytest.mark.parametrize("number", [0, 1])
def test_what_is_done_never_goes_back_and_ends_at_the_total(number):
    seen = [tracked.lanes[number] for _, tracked in two_lanes().run()]
    done = [lane.done for lane in seen]
    assert done == sorted(done)
    assert done[-1] == seen[-1].total
    assert seen[-1].state == "done"
    assert {lane.total for lane in seen} == {seen[0].total}


def test_the_states_of_a_lane_are_said_in_words():
    service = two_lanes(held_s=3.0)
    states = {tracked.lanes[1].state for _, tracked in service.run()}
    assert {"at work", "told to wait", "throttled", "done"} <= states
