"""Amounts of money: read from whatever states them, whole micro-dollars from there on."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.money import dollars, microusd, plausible, usd


@pytest.mark.parametrize(
    ("stated", "amount"),
    [
        (0, 0),
        (0.04, 40_000),
        ("0.04", 40_000),
        (" 1e-3 ", 1_000),
        (Decimal("12.3456789"), 12_345_679),
        (0.0000005, 1),
    ],
)
def test_an_amount_is_rounded_to_the_micro_dollar(stated, amount):
    assert microusd(stated) == amount


@pytest.mark.parametrize(
    "stated", [float("nan"), float("inf"), -0.01, "-1", "1_000", "free", "", "1e999", 1e13, True, None, [1], b"1"]
)
def test_what_is_no_finite_amount_is_none(stated):
    assert microusd(stated) is None


@given(st.integers(0, 10**15))
def test_an_amount_survives_the_way_through_dollars(amount):
    assert microusd(dollars(amount).removeprefix("$").replace(",", "")) == amount


@given(st.integers(0, 10**12))
def test_an_amount_survives_the_way_through_a_float(amount):
    assert microusd(usd(amount)) == amount


def test_a_cost_beyond_fifty_times_its_estimate_is_not_believed():
    assert plausible(50, 1)
    assert not plausible(51, 1)
    assert plausible(10**9, None)
    assert not plausible(None, 1)
