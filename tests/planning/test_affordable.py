"""What money is enough for, held against buying one request after the other."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.planning.affordable import affordable
from batchgen.planning.forecast import ModelForecast
from batchgen.provider.interface import Price


def model(count, expected, high):
    return ModelForecast(count, count, Price(0, count * expected, count * high, "test"))


def one_by_one(models, left):
    """Buy in turn, as lanes do: the worst case is reserved, the expected cost is paid."""
    lanes, bought = deque(models), 0
    while lanes:
        count, expected, high = lanes.popleft()
        if count and high <= left:
            bought, left = bought + 1, left - expected
            lanes.append((count - 1, expected, high))
    return bought


@pytest.mark.parametrize(
    ("left", "enough"), [(0, 0), (199_999, 0), (200_000, 1), (250_999, 1), (251_000, 2), (404_000, 5), (10**9, 5)]
)
def test_the_worst_case_must_be_left_when_a_request_is_sent(left, enough):
    assert affordable([model(5, 51_000, 200_000)], left) == enough


def test_what_costs_nothing_is_always_bought_and_what_has_no_price_never():
    assert affordable([model(7, 0, 0), ModelForecast(3, 3, None)], 0) == 7


LANES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 50), st.integers(0, 50)), max_size=4)


@given(LANES, st.integers(0, 3_000))
def test_whole_rounds_at_once_come_to_the_same_as_one_after_the_other(lanes, left):
    lanes = [(count, expected, expected + more) for count, expected, more in lanes]
    assert affordable([model(*lane) for lane in lanes if lane[0]], left) == one_by_one(lanes, left)
