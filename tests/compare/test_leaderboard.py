import json

import pytest

from batchgen.compare.costs import Cost, read_categories, read_costs
from batchgen.compare.leaderboard import read_leaderboard, write_leaderboard
from batchgen.compare.votes import Votes
from batchgen.errors import LedgerDamaged, UsageError
from batchgen.request import State
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.records import snapshot
from tests import ledgers
from tests.compare.elections import vote


@pytest.fixture
def folder(tmp_path):
    """Two models and an unused third, two subjects in two looks, twice each; one states no cost."""
    with ledgers.build(tmp_path / "mugs") as builder:
        builder.begin()
        for subject, kind in (("mug", "kitchen"), ("owl", "animal")):
            for look in ("ink", "oil"):
                for repeat in (1, 2):
                    for model, money in (
                        ("amber", {"billed": 40_000, "latency_ms": 1_000}),
                        ("birch", {"billed": 0, "estimated": 10_000, "flag": "unstated", "latency_ms": 3_000 + repeat}),
                    ):
                        request = builder.request(
                            f"{subject} in {look}",
                            model=model,
                            columns={"subject": subject, "kind": kind},
                            axes={"model": model, "look": look},
                            repeat=repeat,
                        )
                        builder.store(request, **money)
        builder.store(builder.request("mug in ink", model="cedar"), billed=90_000)
        spoiled = builder.request("owl in wax", model="amber", axes={"model": "amber", "look": "wax"})
        builder.fail(spoiled, State.SPOILED, reason="no picture", billed_microusd=80_000)
        builder.end()
    return RunFolder(tmp_path / "mugs")


def cell(**held):
    return json.dumps(dict(sorted(held.items())), separators=(",", ":"))


def cast(*more):
    """The dear model wins three of four times."""
    votes = [
        vote("b" if number == 0 else "a", item=cell(prompt=f"{subject} in {look}", look=look, repeat="1"), ts=number)
        for number, (subject, look) in enumerate(
            (subject, look) for subject in ("mug", "owl") for look in ("ink", "oil")
        )
    ]
    return Votes(votes=(*votes, *more))


def test_costs_are_what_a_picture_and_all_that_came_to_nothing_cost(folder):
    with snapshot(folder.ledger) as db:
        found = read_costs(db, "model")
    assert found == {
        # 8 pictures at $0.04, and $0.08 for an answer without one.
        "amber": Cost(8, 50_000, estimated=False, latency_ms=1_000),
        "birch": Cost(8, 10_000, estimated=True, latency_ms=3_001),
        "cedar": Cost(1, 90_000, estimated=False, latency_ms=2_000),
    }


def test_costs_are_told_for_any_axis_parameter_and_column(folder):
    with snapshot(folder.ledger) as db:
        assert {title: cost.pictures for title, cost in read_costs(db, "look").items()} == {
            "ink": 8,
            "oil": 8,
            "wax": 0,
        }
        assert read_costs(db, "kind").keys() == {"kitchen", "animal"}
        assert read_costs(db, "repeat").keys() == {"1", "2"}
        assert read_costs(db, "nothing") == {}


def test_a_win_costs_a_picture_divided_by_its_share_of_wins(folder):
    standings = read_leaderboard(folder, cast())
    first, second = standings.titles
    assert (first.rated.title, second.rated.title) == ("amber", "birch")
    assert first.cost_per_win_microusd == round(50_000 / first.rated.win_share)
    assert second.ms_per_win == round(3_001 / second.rated.win_share)
    assert standings.others.keys() == {"cedar"}


def test_what_is_dearer_and_no_better_is_beaten(folder):
    by_title = {one.rated.title: one.unbeaten for one in read_leaderboard(folder, cast()).titles}
    assert by_title == {"amber": True, "birch": True}
    turned = Votes(votes=tuple(vote("a", a="birch", b="amber", item=one.item, ts=one.ts) for one in cast().votes))
    by_title = {one.rated.title: one.unbeaten for one in read_leaderboard(folder, turned).titles}
    assert by_title == {"birch": True, "amber": False}


def test_what_was_never_compared_is_not_said_to_be_better_for_less(folder):
    dear = vote("b", a="cedar", b="zebra", item="elsewhere", ts=99)
    by_title = {one.rated.title: one for one in read_leaderboard(folder, cast(dear)).titles}
    amber, cedar = by_title["amber"], by_title["cedar"]
    assert amber.rated.rating > cedar.rated.rating
    assert amber.cost.microusd < cedar.cost.microusd
    assert cedar.unbeaten


def test_titles_the_folder_does_not_know_are_ranked_without_a_price(folder):
    standings = read_leaderboard(folder, cast(vote(a="zebra", b="amber", item="elsewhere", ts=99)))
    zebra = next(one for one in standings.titles if one.rated.title == "zebra")
    assert (zebra.cost, zebra.cost_per_win_microusd, zebra.ms_per_win, zebra.unbeaten) == (None, None, None, False)


@pytest.mark.parametrize("by", ["kind", "subject", "look", "prompt"])
def test_categories_come_from_the_item_or_from_the_ledger(folder, by):
    standings = read_leaderboard(folder, cast(), by=by)
    assert sum(ranking.votes for ranking in standings.categories.values()) == 4
    assert standings.uncategorised == 0
    assert len(standings.categories) == (4 if by == "prompt" else 2)


def test_items_that_nobody_knows_have_no_category(folder):
    standings = read_leaderboard(folder, cast(vote(item="elsewhere", ts=99)), by="kind")
    assert standings.uncategorised == 1
    assert standings.ranking.votes == 5


def test_an_item_is_of_a_category_only_if_all_its_cells_are(folder):
    items = {cell(subject="mug"), cell(look="ink"), "mug in ink", cell(prompt="mug in ink", picture="2")}
    with snapshot(folder.ledger) as db:
        assert read_categories(db, items, "kind") == dict.fromkeys(items - {cell(look="ink")}, "kitchen")


def test_cells_without_a_prompt_are_put_together_by_the_prompt_that_the_ledger_knows(folder):
    votes = [vote(item=cell(subject="mug", look="ink", repeat=str(number)), ts=number) for number in (1, 2)]
    assert read_leaderboard(folder, Votes(votes=tuple(votes))).ranking.prompts == 1


def test_where_the_prompt_itself_is_compared_a_row_stands_for_it(folder):
    votes = [
        vote(a="ink", b="oil", axis="look", item=cell(model=model, subject="mug", repeat="1"), ts=number)
        for number, model in enumerate(("amber", "birch"))
    ]
    standings = read_leaderboard(folder, Votes(votes=tuple(votes)))
    assert standings.axis == "look"
    assert standings.titles[0].cost.pictures == 8


def test_the_axis_with_most_votes_is_ranked_unless_another_is_named(folder):
    votes = cast(vote(a="ink", b="oil", axis="look", item="x", ts=99))
    assert (standings := read_leaderboard(folder, votes)).axis == "model"
    assert standings.elsewhere == {"look": 1}
    assert read_leaderboard(folder, votes, axis="look").ranking.votes == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"axis": "modle"}, "nobody has voted on 'modle', but on 'model'; did you mean 'model'?"),
        ({"by": "knid"}, "did you mean 'kind'?"),
        ({"by": "model"}, "this is the ranked axis"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_those_that_are(folder, wrong, said):
    with pytest.raises(UsageError) as caught:
        read_leaderboard(folder, cast(), **wrong)
    assert said in str(caught.value)


def test_without_a_ledger_there_is_no_run_folder(tmp_path):
    with pytest.raises(LedgerDamaged, match="is this a run folder"):
        read_leaderboard(RunFolder(tmp_path), cast())


def test_the_file_for_programs_says_it_all_and_is_the_same_each_time(folder):
    standings = read_leaderboard(folder, cast(), by="kind")
    write_leaderboard(folder, standings)
    said = json.loads((folder.root / "ranking.json").read_bytes())
    assert (said["version"], said["axis"], said["votes"], said["by"]) == (1, "model", 4, "kind")
    assert [one["title"] for one in said["rated"]] == ["amber", "birch"]
    assert said["rated"][0]["cost"]["microusd"] == 50_000
    assert said["categories"]["animal"]["votes"] == 2
    before = (folder.root / "ranking.json").read_bytes()
    write_leaderboard(folder, read_leaderboard(folder, cast(), by="kind"))
    assert (folder.root / "ranking.json").read_bytes() == before
    assert not list(folder.root.glob(".*.part"))
