import pytest

from batchgen.manifest import Limits
from batchgen.manifest.model import LaneLimit, Rate
from batchgen.planning.eta import expected_s


def limits(concurrency=10, rate=None, lanes=()):
    return Limits(concurrency, adaptive=True, rate=rate, budget_microusd=None, lanes=lanes)


@pytest.mark.parametrize(
    ("new", "given", "seconds"),
    [
        ({}, limits(), 0),
        ({"a/1": 100}, limits(), 20),
        ({"a/1": 100, "a/2": 100}, limits(), 60),
        ({"a/1": 100, "a/3": 0}, limits(), 20),
        ({"a/1": 100, "a/2": 10}, limits(lanes=(LaneLimit("a/1", 2, None),)), 100),
        ({"a/1": 100}, limits(lanes=(LaneLimit("a/*", 5, None), LaneLimit("a/1", 20, None))), 40),
        ({"a/1": 101}, limits(rate=Rate("60/min", 60, 60)), 100),
        ({"a/1": 101}, limits(rate=Rate("60/min", 60, 60), lanes=(LaneLimit("a/*", None, Rate("2/s", 2, 1)),)), 50),
    ],
)
def test_the_slowest_lane_or_the_ceiling_says_how_long_it_takes(new, given, seconds):
    assert expected_s(new, {"a/1": 2_000, "a/2": 4_000}, given) == pytest.approx(seconds)


@pytest.mark.parametrize("median_ms", [{}, {"a/1": None}])
def test_a_model_that_was_never_measured_leaves_the_time_untold(median_ms):
    assert expected_s({"a/1": 1}, median_ms, limits()) is None
