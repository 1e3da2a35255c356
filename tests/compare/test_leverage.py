import numpy as np
import pytest

from batchgen.compare.bradley_terry import strengths
from batchgen.compare.counts import matrix, tally
from batchgen.compare.leverage import weigh
from tests.compare.elections import election, item, vote


def weighed(cast):
    counted = tally(cast)
    return weigh(counted, strengths(matrix(counted).halved))


def test_leverage_adds_up_to_the_strengths_that_are_free():
    leverage = weighed(election(np.random.default_rng(1), [0.5, 0, 0, -0.5], prompts=20, votes=3)).leverage
    assert np.triu(leverage).sum() == pytest.approx(3)
    assert (leverage >= 0).all()
    assert leverage == pytest.approx(leverage.T)


def test_leverage_of_groups_that_never_met_adds_up_for_each():
    cast = [vote(item=item(n)) for n in range(9)] + [vote(item=item(n), a="cedar", b="delta") for n in range(5)]
    leverage = weighed(cast).leverage
    assert (leverage[0, 1], leverage[2, 3]) == pytest.approx((1, 1))
    assert leverage[:2, 2:].max() == 0


def test_a_pair_that_alone_links_two_groups_has_all_the_leverage_it_can():
    cast = [vote("ab"[n % 2], item=item(n)) for n in range(50)] + [vote(item="once", a="birch", b="cedar")]
    assert weighed(cast).leverage[1, 2] == pytest.approx(1)


@pytest.mark.parametrize("times", [1, 4, 10])
def test_a_vote_repeated_on_its_prompt_weighs_as_much_less(times):
    lots = np.random.default_rng(4).random(400)
    cast = [
        vote("a" if lot < 0.6 else "b", item=item(n, repeat), ts=repeat)
        for n, lot in enumerate(lots)
        for repeat in range(times)
    ]
    assert weighed(cast).design_effect == pytest.approx(times, rel=0.1)


def test_votes_that_agree_more_than_chance_would_have_it_weigh_no_more_than_one_each():
    assert weighed([vote("tie", item=item(n)) for n in range(20)]).design_effect == 1
