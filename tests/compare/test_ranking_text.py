import io
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from batchgen.compare.costs import Cost
from batchgen.compare.leaderboard import Leaderboard, LeaderboardRow
from batchgen.compare.ranking import rank
from batchgen.compare.ranking_text import print_standings
from tests.compare.elections import election, item, vote


def printed(ranking, *, folder="outputs/mugs", width=80, **more):
    titles = tuple(
        LeaderboardRow(one, Cost(4, 40_000, False, 1_000), 80_000, 2_000, unbeaten=False) for one in ranking.rated
    )
    standings = Leaderboard(
        "model",
        ranking,
        titles,
        **{"others": {}, "elsewhere": {}, "by": None, "categories": {}, "uncategorised": 0, **more},
    )
    stream = io.StringIO()
    print_standings(standings, Path(folder), Console(file=stream, width=width))
    return stream.getvalue()


def test_a_table_is_as_narrow_as_it_can_be_and_has_nothing_behind_its_lines():
    said = printed(rank(election(np.random.default_rng(1), [1, 0, -1], prompts=30, votes=4))).splitlines()
    assert said[0] == "outputs/mugs by model: 120 votes by 1 voter on 30 prompts"
    header, rule, *rows = said[1:6]
    assert header.split() == ["rank", "model", "rating", "95", "%", "votes", "wins", "a", "picture", "p50", "a", "win"]
    assert {len(one) for one in (header, rule, *rows)} == {len(rule)}
    assert [one.split()[1] for one in rows] == ["amber", "birch", "cedar"]
    assert all(one == one.rstrip() for one in said)


@pytest.mark.parametrize(("winner", "ends"), [("a", ["≥", "≤"]), ("tie", ["", ""])])
def test_an_end_that_nothing_bounds_is_shown_as_one(winner, ends):
    said = printed(rank([vote(winner, item=item(number)) for number in range(20)]))
    rows = said.splitlines()[3:5]
    assert ["".join(sign for sign in "≥≤" if sign in row) for row in rows] == ends
    assert ("never lost to the others" in said) == (winner == "a")


def test_few_prompts_have_a_dash_for_an_interval_and_no_open_end():
    said = printed(rank([vote(item=item(number)) for number in range(3)]))
    assert "≥" not in said
    assert "Voted on fewer than 8 prompts" in said


@pytest.mark.parametrize(("count", "words"), [(2, "Can't be told apart: amber, birch."), (6, "their ranks overlap")])
def test_sets_that_are_many_are_told_by_the_ranks(count, words):
    found = rank(election(np.random.default_rng(2), [1.5, 0.5, -0.5, -1.5], prompts=80, votes=9))
    assert found.alike == ()
    pairs = tuple(combinations([one.title for one in found.rated], 2))[:count]
    said = printed(replace(found, alike=pairs))
    assert words in said
    assert said.count("Can't be told apart") == (count if count <= 4 else 0)


def test_a_command_to_be_copied_is_one_line_that_a_shell_takes():
    said = printed(rank([]), folder="out puts/" + "x" * 90, others={"a": None, "b": None})
    assert f"  batchgen compare 'out puts/{'x' * 90}' --serve" in said.splitlines()
