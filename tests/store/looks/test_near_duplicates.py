"""Near duplicates among many pictures: none is missed, whatever differs, and thousands that are alike cost no time."""

import random

import numpy as np
import pytest

from batchgen.store.looks.near_duplicates import partners


def words(*numbers):
    return np.array(numbers, dtype=np.uint64)


def tints(count, level=128):
    return np.full((count, 48), level, dtype=np.uint8)


def test_thousands_of_near_duplicates_are_found_in_no_time_and_none_is_missed():
    chance = random.Random(1)
    near = [0x0123456789ABCDEF ^ 1 << chance.randrange(64) for _ in range(5_000)]
    others = [chance.getrandbits(64) for _ in range(15_000)]
    found = partners(words(*near, *others), tints(20_000))
    assert set(np.flatnonzero(found >= 0).tolist()) == set(range(5_000))
    assert all(found[one] != one and found[one] < 5_000 for one in range(5_000))


@pytest.mark.parametrize("seed", range(5))
def test_three_bits_anywhere_are_near_and_four_are_not(seed):
    chance = random.Random(seed)
    bits = [chance.getrandbits(64) for _ in range(200)]
    twins = [
        one ^ sum(1 << place for place in chance.sample(range(64), 3 + number % 2)) for number, one in enumerate(bits)
    ]
    found = partners(words(*bits, *twins), tints(400)).tolist()
    assert found[:200] == [200 + number if number % 2 == 0 else -1 for number in range(200)]


def test_equal_gradients_in_other_colours_are_not_near():
    colours = np.vstack([tints(1, 100), tints(1, 106), tints(1, 120)])
    assert partners(words(7, 7, 7), colours).tolist() == [1, 0, -1]


@pytest.mark.parametrize("count", [0, 1])
def test_one_picture_has_no_neighbour(count):
    assert partners(words(*range(count)), tints(count)).tolist() == [-1] * count
