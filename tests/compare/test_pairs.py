import dataclasses
import json
import random
import shutil
import subprocess
from importlib import resources

import msgspec
import pytest

from tests.compare.elections import vote
from tests.compare.pairs import Match, Row, choose, identical, lot

TITLES = ("amber", "birch", "cedar")


def row(item="mug", **pictures):
    return Row(item, pictures)


def three(item="mug"):
    return row(item, amber="1", birch="2", cedar="3")


def chosen(rows, cast=(), *, titles=TITLES, voter="ann", seed=7, ratings=None):
    return choose(rows, titles, cast, voter=voter, seed=seed, ratings=ratings)


def pair(match):
    return (match.a, match.b)


def test_the_pair_with_fewest_votes_comes_first():
    cast = [vote(voter="ben"), vote(voter="cy", a="cedar", b="amber")]
    assert pair(chosen([three()], cast)) == ("birch", "cedar")


def test_skips_are_no_votes_of_others():
    cast = [vote("skip", voter="ben"), vote(voter="ben", a="amber", b="cedar"), vote(voter="ben", a="birch", b="cedar")]
    assert pair(chosen([three()], cast)) == ("amber", "birch")


def test_of_equally_many_votes_the_closest_ratings_come_first():
    assert pair(chosen([three()], ratings={"amber": 1.0, "birch": -1.0, "cedar": 0.8})) == ("amber", "cedar")


def test_without_votes_and_ratings_the_axis_order_decides():
    assert pair(chosen([three()])) == ("amber", "birch")
    assert pair(chosen([three()], titles=("cedar", "birch", "amber"))) == ("cedar", "birch")


def test_the_row_with_fewest_votes_comes_first():
    cast = [vote(voter="ben", item="mug"), vote(voter="ben", item="jug", a="birch", b="cedar")]
    found = chosen([three("mug"), three("jug"), three("pot")], cast)
    assert (found.item, pair(found)) == ("pot", ("amber", "cedar"))


def test_a_voter_sees_no_pair_twice_in_a_row_but_others_see_it():
    cast = [vote(), vote("skip", a="cedar", b="amber"), vote("both_bad", a="birch", b="cedar")]
    assert chosen([three()], cast) is None
    assert chosen([three()], cast, voter="ben") is not None


def test_what_failed_is_missing_or_is_the_same_file_is_never_shown():
    rows = [row("one", amber="1"), row("two", amber="1", birch="1"), row("three")]
    assert chosen(rows) is None
    assert identical(rows, TITLES) == 1


def test_titles_off_the_axis_are_never_shown():
    assert chosen([row(amber="1", other="2")]) is None


def test_sides_are_drawn_and_the_same_draw_can_be_made_again():
    rows = [three(f"item {number}") for number in range(400)]
    sides = [chosen([one]).side for one in rows]
    assert 150 < sides.count("a") < 250
    assert sides == [chosen([one]).side for one in rows]
    assert sides != [chosen([one], seed=8).side for one in rows]


def test_everybody_is_through_after_every_pair_of_every_row():
    rows = [three("mug"), three("jug"), row("pot", amber="1", birch="1", cedar="2")]
    cast = []
    while found := chosen(rows, cast):
        assert isinstance(found, Match)
        cast.append(vote(item=found.item, a=found.a, b=found.b, ts=len(cast)))
    assert len(cast) == 3 + 3 + 2


@pytest.mark.parametrize(
    ("words", "number"), [((7, "mug"), 2364793913), ((0, ""), 1053888997), ((1, "é", "a", "b"), 1839097940)]
)
def test_lots_are_the_documented_ones(words, number):
    assert lot(*words) == number


NODE = shutil.which("node")


def in_the_page(expression):
    """What the page's own script says."""
    script = (resources.files("batchgen.compare") / "page" / "pairs.js").read_text(encoding="utf-8")
    asked = f"{script}\nconsole.log(JSON.stringify({expression}));"
    return json.loads(subprocess.run([NODE], input=asked, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_the_page_draws_the_same_lots():
    draws = [(number * 2**22, word, f"{number} é \U0001f980") for number in range(1_000) for word in ("mug", "", "\n")]
    assert in_the_page(f"{json.dumps(draws)}.map((draw) => pairs.lot(...draw))") == [lot(*draw) for draw in draws]


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_the_page_chooses_the_same_matches():
    rng = random.Random(1)
    cases = []
    for seed in range(200):
        rows = [
            [f"item {number}", [[title, str(rng.randrange(3))] for title in TITLES if rng.random() < 0.8]]
            for number in range(rng.randrange(6))
        ]
        cast = [
            vote(
                rng.choice(["a", "b", "tie", "both_bad", "skip"]),
                item=f"item {rng.randrange(6)}",
                voter=rng.choice(["ann", "ben"]),
                **dict(zip("ab", rng.sample(TITLES, 2), strict=True)),
            )
            for _ in range(rng.randrange(9))
        ]
        cases.append((rows, cast, {title: rng.choice([0.0, 0.5, -0.25]) for title in TITLES}, seed))
    asked = [
        [rows, [msgspec.to_builtins(one) for one in cast], list(ratings.items()), seed]
        for rows, cast, ratings, seed in cases
    ]
    shown = in_the_page(
        f"{json.dumps(asked)}.map(([rows, votes, ratings, seed]) => pairs.choose("
        "rows.map(([item, pictures]) => ({item, pictures: new Map(pictures)})), "
        f"{json.dumps(TITLES)}, votes, {{voter: 'ann', seed, ratings: new Map(ratings)}}))"
    )
    ours = [
        chosen([Row(item, dict(pictures)) for item, pictures in rows], cast, ratings=ratings, seed=seed)
        for rows, cast, ratings, seed in cases
    ]
    assert shown == [match and dataclasses.asdict(match) for match in ours]
    assert sum(match is not None for match in ours) > 100
