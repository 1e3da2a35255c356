"""The sentence that says which to buy, for votes that say much, little or nothing."""

import numpy as np
import pytest

from batchgen.compare.claims import claims, prices, verdict
from batchgen.compare.costs import Cost
from batchgen.compare.leaderboard import Leaderboard, LeaderboardRow
from batchgen.compare.ranking import rank
from tests.compare.elections import election, item, vote

PRICES = {"amber": 167_000, "birch": 35_000, "cedar": 1_300}


def board(votes, costs=PRICES, **more):
    ranking = rank(votes)
    rows = tuple(
        LeaderboardRow(one, Cost(9, costs[one.title], False, 900) if one.title in costs else None, None, None, **more)
        for one in ranking.rated
    )
    return Leaderboard("model", ranking, rows, {}, {}, None, {}, 0)


def told(truth, *, costs=PRICES, prompts=60, votes=6):
    return verdict(
        board(election(np.random.default_rng(4), truth, prompts=prompts, votes=votes), costs, unbeaten=False)
    )


def test_the_best_alone_is_named_with_its_price():
    assert told([2, 0, -1]) == "amber is the best, and costs $0.167 a picture."


def test_the_cheapest_that_is_not_shown_to_be_worse_is_named_beside_the_best():
    assert told([1.05, 1, -1]) == (
        "birch, at $0.035 a picture, is the cheapest that is not shown to be worse than the best: amber, at $0.167."
    )


def test_what_is_shown_to_be_worse_is_no_choice_however_cheap():
    assert "cedar" not in told([1, 1, -2])


def test_one_that_is_best_and_cheapest_of_those_that_may_be_the_best_is_said_to_be_both():
    assert told([1, 1.1, -2]) == (
        "birch is rated highest, and is the cheapest of those that may be the best, at $0.035 a picture."
    )


def test_votes_that_tell_nothing_apart_are_no_praise_of_the_cheapest():
    said = told([0, 0, 0], prompts=12, votes=2)
    assert said == "The votes don't tell any of them apart yet; cedar is the cheapest, at $0.0013 a picture."


@pytest.mark.parametrize(("prompts", "missing"), [(1, "7 more prompts"), (7, "1 more prompt")])
def test_too_few_prompts_say_how_many_are_missing(prompts, missing):
    said = verdict(board([vote(item=item(number)) for number in range(prompts)], unbeaten=False))
    assert said == f"Too early to choose: votes on {missing} are needed at least."


def test_without_a_vote_that_decides_nothing_is_said():
    assert verdict(board([], unbeaten=False)) == "Nobody has said yet which is better."


def test_a_title_without_a_price_is_no_bargain():
    assert told([1.05, 1, -1], costs={"amber": 167_000}) == (
        "amber is rated highest, and is the cheapest of those that may be the best, at $0.167 a picture."
    )
    assert told([2, 0, -1], costs={}) == "amber is rated highest; what the best cost is not known."


def test_models_that_never_met_the_best_are_not_said_to_be_as_good():
    cast = [vote(item=item(number), ts=number) for number in range(12)]
    cast += [vote("tie", item=item(number), a="cedar", b="delta", ts=99 + number) for number in range(12)]
    said = verdict(board(cast, PRICES | {"delta": 7}, unbeaten=False))
    assert "delta" not in said
    assert "cedar" not in said


def test_a_title_that_never_won_is_not_said_to_have_had_too_few_prompts():
    said = " ".join(claims(rank([vote("a", item=item(number)) for number in range(20)])))
    assert "fewer than" not in said
    assert "never lost to the others" in said


def test_the_price_of_a_higher_rating_is_told_only_if_there_is_more_than_one():
    cast = [vote(item=item(number), ts=number) for number in range(9)]
    assert list(prices(board(cast, unbeaten=True))) == [
        "Whoever wants a higher rating than one of these has to pay more: amber, birch."
    ]
    assert list(prices(board(cast, unbeaten=False))) == []
