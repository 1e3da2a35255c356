import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.compare.bootstrap import FEWEST_PROMPTS
from batchgen.compare.ranking import MIDDLE, MOST_TITLES, POINTS, points, rank
from batchgen.errors import UsageError
from tests.compare.elections import MODELS, election, item, vote


def titles(ranking):
    return [one.title for one in ranking.rated]


def test_a_planted_winner_is_ranked_first_and_told_apart():
    found = rank(election(np.random.default_rng(1), [0.2, 1.8, -0.3, -0.9], prompts=80, votes=5))
    assert titles(found) == ["birch", "amber", "cedar", "delta"]
    assert (found.rated[0].best_rank, found.rated[0].worst_rank) == (1, 1)
    assert all(one.low < one.rating < one.high for one in found.rated)
    assert (found.votes, found.prompts, found.apart) == (400, 80, ())


def test_ratings_are_400_points_for_odds_of_ten_to_one_around_1000():
    assert points(math.log(10)) - points(0) == pytest.approx(400)
    found = rank([vote("a" if number < 9_000 else "b", item=item(number)) for number in range(10_000)], resamples=10)
    one, other = found.rated
    assert one.rating + other.rating == pytest.approx(2 * MIDDLE)
    assert one.rating - other.rating == pytest.approx(POINTS * math.log(9), abs=2)
    assert one.win_share == pytest.approx(0.9, abs=0.002)


def test_voters_are_counted_by_their_names():
    cast = [vote(voter="ann"), vote(voter="ann", item="jug"), vote(voter="ben"), vote("skip", voter="cy")]
    assert rank(cast).voters == 2


def test_no_votes_rank_nothing():
    found = rank([vote("skip"), vote("both_bad", ts=2)])
    assert (found.rated, found.votes, found.skipped, found.both_bad, found.alike) == ((), 0, 1, 1, ())


def test_one_vote_is_no_evidence():
    found = rank([vote("b")])
    assert titles(found) == ["birch", "amber"]
    assert [(one.low, one.high, one.best_rank, one.worst_rank) for one in found.rated] == [(None, None, 1, 2)] * 2
    assert found.alike == (("birch", "amber"),)
    assert found.more is None


def test_many_votes_on_few_prompts_are_no_evidence_for_other_prompts():
    found = rank([vote(item=item(number % (FEWEST_PROMPTS - 1), number)) for number in range(500)])
    assert found.rated[0].low is None
    assert found.rated[0].worst_rank == 2
    found = rank([vote(item=item(number % FEWEST_PROMPTS, number)) for number in range(500)])
    assert found.rated[0].worst_rank == 1


def test_ties_alone_say_that_all_are_alike_and_no_more_votes_are_promised_to_help():
    cast = [vote("tie", a=a, b=b, item=item(n)) for a, b in itertools.combinations(MODELS, 2) for n in range(30)]
    found = rank(cast)
    assert [one.rating for one in found.rated] == pytest.approx([MIDDLE] * len(MODELS))
    assert found.alike == (tuple(sorted(MODELS)),)
    assert (found.ties, found.more) == (len(cast), None)


def test_a_model_that_wins_everything_is_first_and_nothing_bounds_how_good_it_is():
    cast = [vote(a="amber", b=b, item=item(n)) for n in range(20) for b in ("birch", "cedar")]
    cast += [vote("ab"[n % 2], a="birch", b="cedar", item=item(n)) for n in range(20)]
    found = rank(cast)
    first, *others = found.rated
    assert (first.title, first.worst_rank, first.high) == ("amber", 1, None)
    assert all(one.low < one.rating < one.high < first.low < first.rating for one in others)


def test_a_model_that_wins_nothing_is_last_and_nothing_bounds_how_bad_it_is():
    cast = [vote("b", a="amber", b=b, item=item(n)) for n in range(20) for b in ("birch", "cedar")]
    cast += [vote("ab"[n % 2], a="birch", b="cedar", item=item(n)) for n in range(20)]
    last = rank(cast).rated[-1]
    assert (last.title, last.best_rank, last.low) == ("amber", 3, None)


def test_one_lost_vote_of_many_bounds_the_rating_far_away():
    cast = [vote("b" if n == 7 else "a", item=item(n)) for n in range(200)]
    first, last = rank(cast).rated
    # Clopper and Pearson: between 97.2 and 99.99 % of all votes.
    assert points(math.log(0.95 / 0.05) / 2) < first.low < points(math.log(0.985 / 0.015) / 2)
    assert points(math.log(0.999 / 0.001) / 2) < first.high < points(math.log(0.99999 / 0.00001) / 2)
    assert last.low - MIDDLE == pytest.approx(MIDDLE - first.high)


def test_both_bad_and_skips_are_counted_and_change_no_rating():
    cast = election(np.random.default_rng(2), [0, 0.5], prompts=10, votes=2)
    more = [vote("both_bad", item="x"), vote("both_bad", item="y", b="cedar"), vote("skip", item="z")]
    plain, found = rank(cast), rank(cast + more)
    assert [one.rating for one in found.rated] == [one.rating for one in plain.rated]
    assert {one.title: one.both_bad for one in found.rated} == {"amber": 2, "birch": 1}
    assert (found.both_bad, found.skipped) == (2, 1)


def test_groups_that_never_met_are_told_rated_by_themselves_and_never_ranked_against_each_other():
    cast = [vote("a" if n % 20 else "b", item=item(n)) for n in range(40)]
    cast += [vote("a" if n % 8 else "b", a="cedar", b="delta", item=item(n)) for n in range(40)]
    found = rank(cast)
    assert found.apart == (("amber", "birch"), ("cedar", "delta"))
    ranks = {one.title: (one.best_rank, one.worst_rank) for one in found.rated}
    assert ranks == {"amber": (1, 3), "cedar": (1, 3), "delta": (2, 4), "birch": (2, 4)}
    alone = rank([one for one in cast if one.a == "cedar"])
    by_title = {one.title: one for one in found.rated}
    for one in alone.rated:
        assert by_title[one.title].rating == pytest.approx(one.rating)
        assert by_title[one.title].win_share == pytest.approx(one.win_share)
        assert (by_title[one.title].low, by_title[one.title].high) == pytest.approx((one.low, one.high), abs=30)


def test_who_beat_whom_is_listed_for_every_pair_that_met():
    cast = [vote(), vote("b", item="jug"), vote("tie", item="pot"), vote("b", a="birch", b="amber", item="pan")]
    (found,) = rank(cast).meetings
    assert (found.a, found.b, found.wins_a, found.wins_b, found.ties, found.votes) == ("amber", "birch", 2, 1, 1, 4)


def test_alike_is_no_chain():
    found = rank(election(np.random.default_rng(4), [0.9, 0.45, 0, -0.45, -0.9], prompts=60, votes=5))
    assert len(found.alike) > 1
    assert not any(set(one) < set(other) for one in found.alike for other in found.alike)
    place = {one.title: number for number, one in enumerate(found.rated)}
    for one in found.rated:
        others = {title for group in found.alike if one.title in group for title in group} - {one.title}
        assert one.worst_rank - one.best_rank == len(others)
        assert one.best_rank <= place[one.title] + 1 <= one.worst_rank


def test_the_votes_that_are_said_to_be_needed_mostly_do():
    rng = np.random.default_rng(8)
    truth = [0.35, -0.35]
    told = promised = 0
    for _ in range(120):
        cast = election(rng, truth, prompts=20, votes=2)
        if (more := rank(cast, resamples=300).more) is None or not 40 <= more.votes <= 400:
            continue
        promised += 1
        told += (
            rank(election(rng, truth, prompts=20 + more.votes // 2, votes=2), resamples=300).rated[0].worst_rank == 1
        )
    assert promised > 10
    assert told / promised > 0.5


def test_items_are_of_one_prompt_where_that_is_known():
    cast = [vote(item=f"cell {number}") for number in range(12)]
    assert rank(cast).prompts == 12
    assert rank(cast, prompts_known={f"cell {number}": "mug" for number in range(11)}).prompts == 2


def test_repeats_of_an_item_are_no_new_prompts():
    cast = [vote(item=f'{{"repeat":"{number}","picture":"1","subject":"mug"}}') for number in range(12)]
    assert rank(cast).prompts == 1


def test_too_many_titles_are_refused():
    with pytest.raises(UsageError, match="at most 100"):
        rank([vote(b=f"model {number}") for number in range(MOST_TITLES)])


VOTES = st.lists(
    st.builds(
        lambda winner, number, pair, ts: vote(winner, item=item(number), a=pair[0], b=pair[1], ts=ts),
        st.sampled_from(["a", "b", "tie", "both_bad", "skip"]),
        st.integers(0, 9),
        st.sampled_from(list(itertools.permutations(MODELS[:4], 2))),
        st.integers(0, 3),
    ),
    max_size=40,
)


@given(VOTES, st.integers(0, 99))
def test_the_order_of_the_votes_and_the_side_a_model_is_named_on_make_no_difference(cast, seed):
    chance = random.Random(seed)
    other_side = {"a": "b", "b": "a"}
    mixed = [
        vote(other_side.get(one.winner, one.winner), item=one.item, a=one.b, b=one.a, ts=one.ts)
        if chance.random() < 0.5
        else one
        for one in chance.sample(cast, len(cast))
    ]
    assert rank(mixed, resamples=20) == rank(cast, resamples=20)


@given(VOTES)
def test_names_make_no_difference_to_ratings_and_intervals(cast):
    # Backwards, so that every order by name is turned around.
    names = dict(zip(MODELS, reversed(MODELS), strict=True))
    before = rank(cast, resamples=60)
    after = rank(
        [vote(one.winner, item=one.item, a=names[one.a], b=names[one.b], ts=one.ts) for one in cast], resamples=60
    )
    was = {names[one.title]: one for one in before.rated}
    equal = len({round(one.rating, 6) for one in before.rated}) < len(before.rated)
    for one in after.rated:
        assert one.rating == pytest.approx(was[one.title].rating, abs=1e-6)
        assert one.win_share == pytest.approx(was[one.title].win_share, abs=1e-9)
        # What is drawn by lot for models of one strength goes by their names.
        if not equal:
            assert [one.low, one.high] == [
                end if end is None else pytest.approx(end, abs=1e-6)
                for end in (was[one.title].low, was[one.title].high)
            ]


@given(VOTES)
def test_whatever_was_voted_every_number_is_finite_and_in_its_place(cast):
    found = rank(cast, resamples=20)
    for place, one in enumerate(found.rated, 1):
        assert math.isfinite(one.rating)
        assert 0 < one.win_share < 1
        assert one.low is None or one.low <= one.rating
        assert one.high is None or one.rating <= one.high
        assert 1 <= one.best_rank <= place <= one.worst_rank <= len(found.rated)
        assert one.votes == one.wins + one.losses + one.ties
    assert sum(one.votes for one in found.rated) == 2 * found.votes == 2 * sum(one.votes for one in found.meetings)
    ratings = [one.rating for one in found.rated]
    assert ratings == pytest.approx(sorted(ratings, reverse=True), abs=1e-6)


def test_the_same_seed_gives_the_same_intervals_and_another_one_nearly_so():
    cast = election(np.random.default_rng(6), [0.5, 0, -0.5], prompts=40, votes=4)
    first, again, other = rank(cast), rank(cast), rank(cast, seed=1)
    assert first == again
    assert first != other
    for one, two in zip(first.rated, other.rated, strict=True):
        assert (one.low, one.high) == pytest.approx((two.low, two.high), abs=15)
