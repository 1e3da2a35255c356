import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.manifest.ranges import numbers


def of(first, last, step=None):
    return numbers(Decimal(first), Decimal(last), None if step is None else Decimal(step))


@pytest.mark.parametrize(
    ("ends", "values"),
    [
        (("1", "3"), "1 2 3"),
        (("0.1", "0.3", "0.1"), "0.1 0.2 0.3"),
        (("1", "2", "0.5"), "1.0 1.5 2.0"),
        (("1.50", "2", "0.25"), "1.50 1.75 2.00"),
        (("3", "1"), "3 2 1"),
        (("10", "0", "-5"), "10 5 0"),
        (("10", "0", "5"), "10 5 0"),
        (("-1", "1"), "-1 0 1"),
        (("7", "7", "3"), "7"),
    ],
)
def test_both_ends_belong_to_a_range_and_its_numbers_are_exact(ends, values):
    assert of(*ends) == values.split()


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (("1", "5", "0"), "must have a step other than 0 to get from 1 to 5"),
        (("1", "5", "-1"), "must have a step above 0 to get from 1 up to 5, found -1"),
        (("0", "1", "0.3"), "from 0 in steps of 0.3 it reaches 0.9 and misses 1"),
        (("1", "0", "0.3"), "from 1 in steps of 0.3 it reaches 0.1 and misses 0"),
        (("0", "1000000"), "makes 1,000,001 values; 10,000 at most"),
        (("0", "1", "0.000000001"), "makes 1,000,000,001 values"),
    ],
)
def test_a_range_that_makes_no_sense_says_why(ends, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        of(*ends)


@given(
    st.decimals(-1000, 1000, places=3),
    st.decimals(Decimal("0.001"), 10, places=3),
    st.integers(0, 300),
    st.booleans(),
)
def test_every_step_of_a_range_is_the_step(first, step, count, down):
    last = first - step * count if down else first + step * count
    values = [Decimal(text) for text in numbers(first, last, step)]
    assert (values[0], values[-1], len(values)) == (first, last, count + 1)
    assert {abs(after - before) for before, after in itertools.pairwise(values)} <= {step}
