import choix
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.compare.bradley_terry import PRECISION, centred, strengths

WINS = np.array([[0, 7, 4], [2, 0, 5], [3, 1, 0]], dtype=float)


def as_pairs(wins):
    return [(one, other) for one, row in enumerate(wins) for other, count in enumerate(row) for _ in range(int(count))]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("precision", [PRECISION, 0.02, 3.0])
def test_choix_finds_the_same_maximum_under_the_same_prior(seed, precision):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 8))
    wins = np.triu(rng.poisson(3, (size, size)), 1) + np.tril(rng.poisson(1, (size, size)), -1)
    # It adds `alpha` times the squares, without a half.
    theirs = choix.opt_pairwise(size, as_pairs(wins), alpha=precision / 2, tol=1e-12)
    assert strengths(wins.astype(float), precision=precision) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("find", [choix.ilsr_pairwise, choix.mm_pairwise])
def test_choix_finds_the_same_maximum_without_a_prior_where_there_is_one(find):
    theirs = find(3, as_pairs(WINS), tol=1e-12)
    assert strengths(WINS, precision=1e-9) == pytest.approx(theirs, abs=1e-6)


def test_the_prior_is_weak_where_votes_are_many():
    chance = 0.8
    wins = 1_000 * np.array([[0, chance], [1 - chance, 0]])
    one, other = strengths(wins)
    assert 1 / (1 + np.exp(other - one)) == pytest.approx(chance, abs=0.002)


@pytest.mark.parametrize("votes", [1, 40, 1e5, 1e9])
def test_a_model_that_wins_everything_has_a_finite_strength(votes):
    found = strengths(np.array([[0, votes, votes], [0, 0, 1], [0, 1, 0]]))
    assert np.isfinite(found).all()
    assert found[0] > 0 > found[1] == pytest.approx(found[2])


def test_ties_alone_leave_all_equal():
    assert strengths(np.full((4, 4), 2.5) - 2.5 * np.eye(4)) == pytest.approx(np.zeros(4), abs=1e-12)


def test_models_without_votes_stand_where_the_prior_puts_them():
    assert strengths(np.zeros((3, 3))) == pytest.approx(np.zeros(3))


@pytest.mark.parametrize("size", [0, 1])
def test_nothing_and_one_alone_are_no_special_cases(size):
    assert strengths(np.zeros((size, size))).tolist() == [0.0] * size


def test_a_stack_is_fitted_like_its_parts():
    rng = np.random.default_rng(5)
    stack = rng.poisson(2, (30, 4, 4)) * (1 - np.eye(4))
    for wins, found in zip(stack, strengths(stack), strict=True):
        assert found == pytest.approx(strengths(wins), abs=1e-9)


@pytest.mark.parametrize("chance", [0.0, 1e-300, 1e-9, 0.5])
def test_weights_however_small_have_a_maximum_even_under_next_to_no_prior(chance):
    wins = np.array([[0, 40, 0], [chance, 0, 40], [0, chance, 0]], dtype=float)
    found = strengths(wins, precision=1e-4)
    assert np.isfinite(found).all()
    assert found.tolist() == sorted(found, reverse=True)


def test_one_that_is_centred_at_0_would_win_half_its_votes_against_its_group():
    found = np.array([[3.0, 0.5, -1.0, 7.0], [0.0, 0.0, 0.0, 0.0]])
    moved = centred(found, [[0, 1, 2], [3]])
    assert (1 / (1 + np.exp(moved[:, :3]))).sum(axis=1) == pytest.approx([1.5, 1.5])
    assert moved[:, 3] == pytest.approx([0, 0])
    assert np.diff(moved[0, :3]) == pytest.approx(np.diff(found[0, :3]))


def test_one_far_ahead_does_not_move_the_others_from_their_place():
    near, far = (centred(np.array([ahead, 0.5, 0, -0.5]), [range(4)]) for ahead in (8.0, 80.0))
    assert near[1:] == pytest.approx(far[1:], abs=0.01)


MATRICES = st.integers(1, 6).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, 10**5), min_size=size, max_size=size), min_size=size, max_size=size
    ).map(lambda rows: np.array(rows, dtype=float) * (1 - np.eye(size)))
)


@given(MATRICES, st.randoms(use_true_random=False))
def test_the_order_of_the_models_makes_no_difference(wins, random):
    order = list(range(len(wins)))
    random.shuffle(order)
    assert strengths(wins[np.ix_(order, order)]) == pytest.approx(strengths(wins)[order], abs=1e-6)


@given(MATRICES)
def test_the_slope_is_level_at_what_is_found_and_the_mean_is_0(wins):
    found = strengths(wins)
    chance = 1 / (1 + np.exp(found[None, :] - found[:, None]))
    slope = wins.sum(axis=1) - ((wins + wins.T) * chance).sum(axis=1) - PRECISION * found
    assert np.abs(slope).max() < 1e-8 * (1 + wins.sum())
    assert abs(found.sum()) < 1e-6


@given(MATRICES)
def test_who_wins_where_others_lost_never_falls(wins):
    more = wins.copy()
    more[0] += 1 - np.eye(len(wins))[0]
    assert strengths(more)[0] >= strengths(wins)[0] - 1e-9
