"""What a run takes over of the waits that an earlier one noted."""

import pytest

from batchgen.running.buy.retry import Policy
from batchgen.running.schedule.feeder import carried_wait_s

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize("left_s", [0.5, 60, 900, 990.4])
def test_a_wait_that_a_service_may_have_asked_for_is_kept(left_s):
    assert carried_wait_s(NOW_MS + round(left_s * 1000), NOW_MS, Policy(max_wait_s=900)) == left_s


@pytest.mark.parametrize("left_s", [1_100, 86_400, 10**9])
def test_a_wait_that_only_a_clock_set_back_can_have_left_is_none(left_s):
    assert carried_wait_s(NOW_MS + left_s * 1000, NOW_MS, Policy(max_wait_s=900)) == 0


@pytest.mark.parametrize("left_s", [0, -1, -86_400])
def test_a_wait_that_is_over_is_none(left_s):
    assert carried_wait_s(NOW_MS + left_s * 1000, NOW_MS, Policy()) == 0


def test_a_back_off_is_kept_however_short_a_service_s_wait_may_be():
    assert carried_wait_s(NOW_MS + 60_000, NOW_MS, Policy(max_wait_s=1)) == 60
