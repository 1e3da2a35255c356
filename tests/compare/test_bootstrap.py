"""Whether the intervals keep their word: 95 % of them hold the truth, in studies of the sizes that people make."""

import os
from functools import partial

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from batchgen.compare import bootstrap
from batchgen.compare.bootstrap import FEWEST_PROMPTS, resampled, widened
from batchgen.compare.bradley_terry import centred, strengths
from batchgen.compare.counts import matrix, tally
from batchgen.compare.ranking import points, rank
from tests.compare.elections import MODELS, best_of_all_election, chosen_election, election, item, meant, vote

pytestmark = pytest.mark.statistics

# FULL=1 makes five times as many, and the bands, which are told in standard errors, less than half as wide.
STUDIES = 500 if os.environ.get("FULL") else 100
STANDARD_ERROR = np.sqrt(0.05 * 0.95 / STUDIES)

# Strengths; how votes are cast; how many ties, and how much the strengths change with the prompt.
FEW = ([0.5, 0, -0.5], partial(election, prompts=FEWEST_PROMPTS, votes=60, ties=0.1, spread=0.8), 0.1, 0.8)
MIXED = ([0.6, 0.2, -0.2, -0.6], partial(election, prompts=30, votes=12, ties=0.1, spread=1.0), 0.1, 1.0)
SIZES = {
    "one vote a prompt": ([0.8, 0, -0.8], partial(election, prompts=30, votes=1), 0.0, 0.0),
    "a small sweep": ([0.7, 0, -0.7], partial(election, prompts=20, votes=3, ties=0.1), 0.1, 0.0),
    "two models": ([0.4, -0.4], partial(election, prompts=12, votes=5), 0.0, 0.0),
    "five models": ([1, 0.5, 0, -0.5, -1], partial(election, prompts=50, votes=4, ties=0.1), 0.1, 0.0),
    "the fewest prompts": FEW,
    "prompts that suit different models": MIXED,
    "pairs by need": ([0.9, 0.3, -0.3, -0.9], partial(chosen_election, prompts=12, votes=4, spread=0.5), 0.0, 0.5),
    "a clear winner": ([1.6, -0.6, -1.0], partial(election, prompts=25, votes=3), 0.0, 0.0),
    "one that wins 99 % of all votes": ([3.2, -1.3, -1.9], partial(election, prompts=40, votes=4), 0.0, 0.0),
    "one that loses nearly always": ([-3.6, 0.7, 0.9, 2.0], partial(election, prompts=25, votes=4), 0.0, 0.0),
}


def covered(rng, size, *, studies=STUDIES, turned=lambda one: one):
    """The share of intervals that hold the truth, over all studies, by model."""
    truth, cast, ties, spread = size
    return held(rng, lambda: map(turned, cast(rng, truth)), meant(truth, ties=ties, spread=spread), studies)


def held(rng, cast, meant, studies=STUDIES):
    goal = dict(zip(MODELS, map(points, meant), strict=False))
    found = [rank(cast(), resamples=400).rated for _ in range(studies)]
    return np.array(
        [[_holds(one, goal[one.title]) for one in sorted(rated, key=lambda one: one.title)] for rated in found]
    ).mean(axis=0)


def _holds(one, goal):
    return (one.low is None or one.low <= goal) and (one.high is None or goal <= one.high)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_intervals_hold_the_truth(size):
    found = covered(np.random.default_rng(11), size)
    assert 0.95 - 2 * STANDARD_ERROR <= found.mean() <= 0.995
    assert found.min() > 0.95 - 3 * STANDARD_ERROR


def test_intervals_from_votes_on_whole_rows_hold_the_truth():
    truth = [0.6, 0.2, -0.2, -0.6]
    endless = best_of_all_election(np.random.default_rng(1), truth, prompts=20_000, votes=1)
    goal = strengths(1e3 * matrix(tally(endless)).halved)
    rng = np.random.default_rng(11)
    found = held(rng, partial(best_of_all_election, rng, truth, prompts=20, votes=2), centred(goal, [range(4)]))
    assert 0.95 - 2 * STANDARD_ERROR <= found.mean() <= 0.995


def test_intervals_drawn_by_vote_would_promise_too_much():
    # The time of a vote is its number.
    rng = np.random.default_rng(12)
    assert covered(rng, MIXED, studies=100, turned=lambda one: replace(one, item=item(one.ts))).mean() < 0.9


@pytest.mark.parametrize(
    ("prompts", "votes", "spread"), [(8, 20, 0.8), (30, 4, 0.0), (40, 10, 0.8)], ids=["few", "plain", "mixed"]
)
def test_equal_models_are_told_apart_in_5_percent_of_all_studies_at_most(prompts, votes, spread):
    rng = np.random.default_rng(13)
    wrong = sum(
        any(one.best_rank > 1 for one in rank(cast, resamples=400).rated)
        for cast in (election(rng, [0.0] * 5, prompts=prompts, votes=votes, spread=spread) for _ in range(STUDIES))
    )
    assert wrong / STUDIES <= 0.05 + 2 * STANDARD_ERROR


@pytest.mark.parametrize(("won", "lost"), [(20, 4), (24, 1), (9, 9)])
def test_draws_of_two_models_and_one_vote_a_prompt_are_those_of_jeffreys(won, lost):
    cast = [vote("a" if number < won else "b", item=item(number)) for number in range(won + lost)]
    counted = tally(cast)
    draws = resampled(counted, strengths(matrix(counted).halved), seed=1, resamples=20_000)
    chances = 1 / (1 + np.exp(draws[:, 1] - draws[:, 0]))
    levels = [0.025, 0.25, 0.5, 0.75, 0.975]
    assert np.quantile(chances, levels) == pytest.approx(stats.beta.ppf(levels, won + 0.5, lost + 0.5), abs=0.01)


def test_the_low_end_of_one_that_never_lost_is_that_of_clopper_and_pearson():
    counted = tally([vote(item=item(number)) for number in range(60)])
    draws = resampled(counted, strengths(matrix(counted).halved), seed=1, resamples=20_000)
    chance = 1 / (1 + np.exp(-np.quantile(draws[:, 0] - draws[:, 1], 0.025)))
    assert chance == pytest.approx(0.025 ** (1 / 60), abs=0.003)


@pytest.mark.parametrize("count", [6, 7, 10, 30, 500])
@pytest.mark.parametrize("edge", [1.0, 1.96, 2.7, 3.5])
def test_edges_are_widened_as_student_did(count, edge):
    exact = stats.t.ppf(stats.norm.cdf(edge), count - 1) * np.sqrt((count + 1) / (count - 1))
    assert widened(edge, count) == pytest.approx(exact, rel=0.015)


def test_draws_do_not_depend_on_how_much_memory_is_taken_at_a_time(monkeypatch):
    counted = tally(election(np.random.default_rng(3), [0, 1, -1], prompts=30, votes=3))
    fitted = strengths(matrix(counted).halved)
    at_once = resampled(counted, fitted, seed=5, resamples=50)
    monkeypatch.setattr(bootstrap, "_BLOCK", 100)
    assert resampled(counted, fitted, seed=5, resamples=50) == pytest.approx(at_once, abs=1e-6)
