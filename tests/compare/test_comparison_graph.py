import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.compare.comparison_graph import cliques, components, never_lost, open_ends, reaches, same_group


def wins(size, *beaten):
    found = np.zeros((size, size))
    for one, other in beaten:
        found[one, other] += 1
    return found


def test_models_that_were_never_compared_are_in_groups_of_their_own():
    groups = components(wins(5, (0, 3), (3, 4), (2, 1)))
    assert groups == [[0, 3, 4], [1, 2]]
    assert same_group(groups, 5)[0].tolist() == [True, False, False, True, True]


def test_who_beat_one_that_beat_another_reaches_it():
    ring = np.roll(np.eye(7), 1, axis=1)
    assert reaches(ring).all()
    chain = np.triu(ring)
    assert reaches(chain)[0].all()
    assert reaches(chain)[6].tolist() == [False] * 6 + [True]


def test_who_never_lost_to_whom_is_told_through_others_too():
    never = never_lost(wins(4, (0, 1), (1, 2), (2, 1)))
    assert [tuple(pair) for pair in np.argwhere(never).tolist()] == [(0, 1), (0, 2)]


ROUND = [(1, 2), (2, 3), (3, 1)]
ENDS = {
    "all beat all": (wins(4, *ROUND, (0, 1), (1, 0)), "", ""),
    "one never lost": (wins(4, *ROUND, (0, 1)), "0", ""),
    "one never won": (wins(4, *ROUND, (1, 0)), "", "0"),
    "one of two never lost": (wins(2, (0, 1)), "0", "1"),
    "one tied once": (wins(2, (0, 1)) + 0.5 * (1 - np.eye(2)), "", ""),
    "two never lost to two": (wins(4, (0, 1), (1, 0), (2, 3), (3, 2), (0, 2)), "01", "23"),
    "two never lost to three": (wins(5, (0, 1), (1, 0), (2, 3), (3, 4), (4, 2), (0, 2)), "01", ""),
    "each beat the next": (wins(5, (0, 1), (1, 2), (2, 3), (3, 4)), "01", "34"),
    "two pairs that never met": (wins(4, (0, 1), (1, 0), (2, 3)), "2", "3"),
}


@pytest.mark.parametrize(("won", "above", "below"), ENDS.values(), ids=ENDS.keys())
def test_the_ends_are_open_of_those_that_never_lost_or_won_against_the_rest(won, above, below):
    found = open_ends(won)
    assert "".join(map(str, np.flatnonzero(found.above))) == above
    assert "".join(map(str, np.flatnonzero(found.below))) == below


@given(
    st.integers(2, 6).flatmap(
        lambda size: st.lists(
            st.lists(st.integers(0, 1), min_size=size, max_size=size), min_size=size, max_size=size
        ).map(lambda rows: np.array(rows, dtype=float) * (1 - np.eye(size)))
    )
)
def test_an_end_is_open_where_some_set_of_at_most_half_can_be_moved_away(won):
    expected = {(place, up): False for place in range(len(won)) for up in (True, False)}
    for group in components(won):
        for size in range(1, len(group) // 2 + 1):
            for some in itertools.combinations(group, size):
                others = [one for one in group if one not in some]
                for up, lost in ((True, won[np.ix_(others, some)]), (False, won[np.ix_(some, others)])):
                    expected |= {(place, up): True for place in some if not lost.any()}
    ends = open_ends(won)
    assert {
        (place, up): bool(end[place])
        for up, end in ((True, ends.above), (False, ends.below))
        for place in range(len(won))
    } == expected


def test_the_largest_sets_in_which_all_are_alike_may_overlap():
    alike = np.eye(4, dtype=bool)
    for one, other in ((0, 1), (1, 2), (0, 2), (2, 3)):
        alike[one, other] = alike[other, one] = True
    assert sorted(map(sorted, cliques(alike))) == [[0, 1, 2], [2, 3]]
