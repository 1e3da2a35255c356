"""Whether the intervals keep their word: 95 % of them hold the truth, in studies of the sizes that people make."""

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from batchgen.compare import bootstrap
from batchgen.compare.bootstrap import FEWEST_PROMPTS, resampled, widened
from batchgen.compare.ranking import points, rank
from batchgen.compare.tally import tally
from tests.compare.elections import MODELS, election, item, meant

STUDIES = 500

# Models, prompts, votes on each, how much models differ, how many ties, and how much that changes with the prompt.
SIZES = {
    "one vote a prompt": ([0.8, 0, -0.8], 30, 1, 0.0, 0.0),
    "a small sweep": ([0.7, 0, -0.7], 20, 3, 0.1, 0.0),
    "five models": ([1, 0.5, 0, -0.5, -1], 50, 4, 0.1, 0.0),
    "prompts that suit different models": ([0.6, 0.2, -0.2, -0.6], 30, 12, 0.1, 1.0),
    "a clear winner": ([1.6, -0.6, -1.0], 25, 3, 0.0, 0.0),
}


def covered(rng, size, *, studies=STUDIES, turned=lambda one: one):
    """The share of intervals that hold the truth, over all studies and models."""
    truth, prompts, votes, ties, spread = size
    goal = dict(zip(MODELS, map(points, meant(truth, ties=ties, spread=spread)), strict=False))
    held = []
    for _ in range(studies):
        cast = election(rng, truth, prompts=prompts, votes=votes, ties=ties, spread=spread)
        ranking = rank([turned(one) for one in cast], resamples=400)
        held += [one.low <= goal[one.title] <= one.high for one in ranking.rated]
    return np.mean(held)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_intervals_hold_the_truth(size):
    assert 0.93 <= covered(np.random.default_rng(11), size) <= 0.995


def test_intervals_from_the_fewest_prompts_hold_the_truth_nearly_as_often():
    few = ([0.5, 0, -0.5], FEWEST_PROMPTS, 60, 0.1, 0.8)
    assert 0.91 <= covered(np.random.default_rng(11), few) <= 0.995


def test_intervals_drawn_by_vote_would_promise_too_much():
    size = SIZES["prompts that suit different models"]
    # The time of a vote is its number.
    rng = np.random.default_rng(12)
    assert covered(rng, size, studies=100, turned=lambda one: replace(one, item=item(one.ts))) < 0.9


@pytest.mark.parametrize(
    ("prompts", "votes", "spread"), [(8, 20, 0.8), (30, 4, 0.0), (40, 10, 0.8)], ids=["few", "plain", "mixed"]
)
def test_equal_models_are_told_apart_in_5_percent_of_all_studies_at_most(prompts, votes, spread):
    rng = np.random.default_rng(13)
    wrong = sum(
        any(one.best_rank > 1 for one in rank(cast, resamples=400).rated)
        for cast in (election(rng, [0.0] * 5, prompts=prompts, votes=votes, spread=spread) for _ in range(STUDIES))
    )
    # Two standard errors of 500 studies are 2 %.
    assert wrong / STUDIES <= 0.07


@pytest.mark.parametrize("count", [6, 7, 10, 30, 500])
@pytest.mark.parametrize("edge", [1.0, 1.96, 2.7, 3.5])
def test_edges_are_widened_as_student_did(count, edge):
    exact = stats.t.ppf(stats.norm.cdf(edge), count - 1) * np.sqrt(count / (count - 1))
    assert widened(edge, count) == pytest.approx(exact, rel=0.015)


def test_draws_do_not_depend_on_how_much_memory_is_taken_at_a_time(monkeypatch):
    counted = tally(election(np.random.default_rng(3), [0, 1, -1], prompts=30, votes=3))
    at_once = resampled(counted, seed=5, resamples=50)
    monkeypatch.setattr(bootstrap, "_BLOCK", 100)
    assert resampled(counted, seed=5, resamples=50) == pytest.approx(at_once, abs=1e-9)
