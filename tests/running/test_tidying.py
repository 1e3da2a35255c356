"""Names that stay, pictures that come back, and a process that dies between any two steps of a move."""

import itertools
import json
import shutil

import anyio
import pytest

from batchgen.commands.verify import Discrepancy, verify
from batchgen.errors import ExitCode, StoppedEarly
from batchgen.manifest import load_manifest
from batchgen.planning.plan import make_plan
from batchgen.request import State
from batchgen.running.tidying import Tidying
from batchgen.store.dataset.metadata import write_dataset
from batchgen.store.ledger.ledger import open_ledger
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.records import snapshot
from tests.running.dying import Books, dies_at
from tests.running.shop import PICTURES, Customer, Shop, sold

pytestmark = pytest.mark.anyio

NAMED = {"path": "icons/{icon}"}


@pytest.fixture
def customer(tmp_path):
    def made(**scripts):
        return Customer(tmp_path, Shop(**scripts))

    return made


def rows(**prompts):
    return [{"icon": icon, "prompt": prompt} for icon, prompt in prompts.items()]


def pictures(me):
    """The names below images/ and the number of the picture each holds."""
    files = (path for path in me.folder.images.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(me.folder.images).as_posix(): PICTURES.index(path.read_bytes()) for path in files}


def trash(me):
    """The names in the trash, without its dates, and the number of the picture each holds."""
    files = (path for path in me.folder.trash.rglob("*") if path.is_file() and path.name != "moved.jsonl")
    return {"/".join(path.relative_to(me.folder.trash).parts[1:]): PICTURES.index(path.read_bytes()) for path in files}


def moved_lists(me):
    lists = sorted(me.folder.trash.glob("*/moved.jsonl"))
    return [json.loads(line) for path in lists for line in path.read_text().splitlines()]


def metadata(me):
    write_dataset(me.folder)
    return [json.loads(line) for line in (me.folder.root / "metadata.jsonl").read_text().splitlines()]


def differences(me):
    return [finding.difference for finding in verify(me.folder, read_data=True)]


async def test_a_changed_request_takes_its_name_and_the_old_picture_lies_in_the_trash(customer):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red"), output=NAMED).run()
    finished = await me.order((), rows=rows(mug="blue"), output=NAMED).run(checked=False)
    assert finished.exit_code == ExitCode.STORED
    assert pictures(me) == {"icons/mug.png": 2}
    assert trash(me) == {"images/icons/mug.png": 1}
    (line,) = moved_lists(me)
    assert (line["was"], line["prompt"], line["cost_usd"]) == ("images/icons/mug.png", "red", 0.04)
    assert [line["prompt"] for line in metadata(me)] == ["blue"]
    assert differences(me) == []
    assert finished.orphans.count == 0


async def test_a_change_that_fails_leaves_the_old_picture_where_it_is(customer):
    me = customer(red=[sold(1)], blue=[b'{"data": [{"b64_json": "bm8="}], "cost": 0}'])
    await me.order((), rows=rows(mug="red"), output=NAMED).run()
    finished = await me.order((), rows=rows(mug="blue"), output=NAMED).run(checked=False)
    assert finished.exit_code == ExitCode.FAILURES
    assert pictures(me) == {"icons/mug.png": 1}
    assert trash(me) == {}
    assert finished.orphans.count == 1


async def test_a_change_that_is_taken_back_brings_the_old_picture_back_without_paying(customer):
    me = customer(red=[sold(1)], blue=[sold(2)])
    for prompt in ("red", "blue", "red"):
        finished = await me.order((), rows=rows(mug=prompt), output=NAMED).run(checked=False)
    assert (me.shop.posts, finished.returned, finished.changed) == (2, 1, True)
    assert pictures(me) == {"icons/mug.png": 1}
    assert trash(me) == {"images/icons/mug.png": 2}
    assert [line["prompt"] for line in moved_lists(me)] == ["blue"]
    assert [line["prompt"] for line in metadata(me)] == ["red"]
    assert differences(me) == []


async def test_a_picture_of_another_format_takes_the_place_of_the_old_one_too(customer, monkeypatch):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red"), output=NAMED).run()
    # The ledger and the disk as they are when the old picture was a JPEG.
    with snapshot(me.folder.ledger) as db:
        ((file,),) = db.execute("SELECT file FROM pictures").fetchall()
    (me.folder.root / file).rename(me.folder.root / "images/icons/mug.jpg")
    async with open_ledger(me.folder.ledger, provider="simulator") as ledger:
        await ledger.change(lambda db: db.execute("UPDATE pictures SET file = 'images/icons/mug.jpg'"))
    await me.order((), rows=rows(mug="blue"), output=NAMED).run(checked=False)
    assert pictures(me) == {"icons/mug.png": 2}
    assert trash(me) == {"images/icons/mug.jpg": 1}
    assert differences(me) == []


async def test_names_follow_the_manifest_also_where_two_change_places(customer):
    me = customer(red=[sold(1)], blue=[sold(2)], green=[sold(3)])
    await me.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run()
    finished = await me.order((), rows=rows(cup="red", mug="blue"), output=NAMED).run()
    assert (finished.exit_code, finished.returned, me.shop.posts) == (ExitCode.STORED, 0, 2)
    assert (pictures(me), trash(me)) == ({"icons/mug.png": 2, "icons/cup.png": 1}, {})
    # One moves to a new name, its old one is bought anew, and the third goes to the trash.
    await me.order((), rows=rows(pot="red", cup="green"), output=NAMED).run(checked=False)
    assert pictures(me) == {"icons/mug.png": 2, "icons/pot.png": 1, "icons/cup.png": 3}
    assert me.shop.posts == 3
    assert differences(me) == []


async def test_a_deleted_picture_that_changes_its_name_stays_bought_and_recorded(customer):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run()
    (me.folder.images / "icons/mug.png").unlink()
    finished = await me.order((), rows=rows(cup="red", mug="blue"), output=NAMED).run(checked=False)
    assert (finished.exit_code, me.shop.posts) == (ExitCode.STORED, 2)
    assert set(me.states().values()) == {State.STORED}
    # The ledger still has the name for the one that was deleted: it may come back from a backup.
    assert pictures(me) == {"icons/mug-2.png": 2}
    assert differences(me) == [Discrepancy.MISSING]


async def test_a_disk_that_refuses_new_names_stops_the_run_before_anything_is_sent(customer):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run()
    me.folder.trash.write_text("somebody's file where the trash belongs")
    me.order((), rows=rows(cup="red", mug="blue", pot="green"), output=NAMED)
    with pytest.raises(StoppedEarly, match="Nothing was sent"):
        await me.run(checked=False)
    me.folder.trash.unlink()
    assert (me.shop.posts, pictures(me)) == (2, {"icons/mug.png": 1, "icons/cup.png": 2})
    await me.run()
    assert pictures(me).items() >= {"icons/mug.png": 2, "icons/cup.png": 1}.items()


async def test_another_template_gives_every_picture_its_new_name_and_buys_nothing(customer):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red", cup="blue")).run()
    await me.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run()
    assert (pictures(me), trash(me)) == ({"icons/mug.png": 1, "icons/cup.png": 2}, {})
    await me.order((), rows=rows(mug="red", cup="blue"), output={"path": "{icon}s/one"}).run()
    assert (pictures(me), trash(me)) == ({"mugs/one.png": 1, "cups/one.png": 2}, {})
    # Without a template names say nothing, and stay.
    await me.order((), rows=rows(mug="red", cup="blue")).run()
    assert (pictures(me), me.shop.posts) == ({"mugs/one.png": 1, "cups/one.png": 2}, 2)
    assert differences(me) == []


def test_a_process_that_dies_at_any_step_of_a_renaming_loses_no_picture_and_the_next_one_ends_it(tmp_path):
    for number in itertools.count(1):
        me = Customer(tmp_path / str(number), Shop(red=[sold(1)], blue=[sold(2)]))
        me.root.mkdir()
        anyio.run(me.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run)
        died = dies_at(number, me.order((), rows=rows(cup="red", mug="blue"), output=NAMED).run)
        for _ in range(2):
            anyio.run(me.run)
        assert (pictures(me), trash(me)) == ({"icons/mug.png": 2, "icons/cup.png": 1}, {}), number
        assert me.shop.posts == 2
        assert differences(me) == []
        if not died:
            break
    assert number > 20


async def test_equal_bytes_under_one_name_are_two_pictures(customer):
    me = customer(red=[sold(1)], blue=[sold(1)])
    for prompt in ("red", "blue"):
        await me.order((), rows=rows(mug=prompt), output=NAMED).run(checked=False)
    assert (pictures(me), trash(me)) == ({"icons/mug.png": 1}, {"images/icons/mug.png": 1})
    assert differences(me) == []


async def test_a_picture_comes_back_to_a_name_that_one_of_the_very_same_bytes_has_to_leave(customer):
    me = customer(red=[sold(1)], blue=[sold(1)])
    for night in ({"mug": "red"}, {"mug": "blue"}, {"mug": "red", "cup": "blue"}):
        finished = await me.order((), rows=rows(**night), output=NAMED).run(checked=False)
    assert (finished.exit_code, finished.returned, me.shop.posts) == (ExitCode.STORED, 1, 2)
    assert (pictures(me), trash(me)) == ({"icons/mug.png": 1, "icons/cup.png": 1}, {})
    assert differences(me) == []


async def test_a_name_that_was_held_for_a_request_the_manifest_dropped_is_removed(customer):
    me = customer(red=[sold(1)])
    await me.order((), rows=rows(mug="red"), output=NAMED).run()
    plan = make_plan(load_manifest(me.order((), rows=rows(mug="blue"), output=NAMED).root / "job.yaml"))
    # A process that dies once it has made way.
    async with open_ledger(me.folder.ledger, provider="simulator") as ledger:
        past = PlanDiff(me.folder.ledger, plan.outline.numbers)
        await Tidying(ledger, past, me.folder, plan).make_way("images/icons/mug", next(iter(plan)).key)
        past.close()
    assert (pictures(me), trash(me)) == ({"icons/mug.png": 1}, {"images/icons/mug.png": 1})
    await me.order((), rows=rows(cup="green"), output=NAMED).run(checked=False)
    assert (set(pictures(me)), trash(me)) == ({"icons/cup.png"}, {"images/icons/mug.png": 1})
    assert differences(me) == []


async def test_prune_moves_what_is_no_longer_asked_for_and_a_later_run_brings_it_back(customer):
    me = customer(a=[sold(1)], b=[sold(2)], c=[sold(3)])
    await me.order(["a", "b", "c"]).run()
    finished = await me.order(["b"]).run(prune=True, checked=False)
    assert (finished.pruned, finished.orphans.count) == (2, 0)
    assert sorted(pictures(me).values()) == [2]
    assert sorted(trash(me).values()) == [1, 3]
    assert [line["prompt"] for line in metadata(me)] == ["b"]
    assert differences(me) == []
    finished = await me.order(["c", "b", "a"]).run(checked=False)
    assert (me.shop.posts, finished.returned) == (3, 2)
    assert sorted(pictures(me).values()) == [1, 2, 3]
    assert (trash(me), list(me.folder.trash.glob("*"))) == ({}, [])
    assert differences(me) == []


async def test_a_run_that_stopped_early_prunes_nothing(customer):
    me = customer()
    await me.order(["a", "b"]).run()
    me.order(["b", "c", "d"], limits={"budget_usd": 0.12})
    finished = await me.run(prune=True, checked=False)
    assert (finished.exit_code, finished.pruned, trash(me)) == (ExitCode.STOPPED, 0, {})


@pytest.mark.parametrize("selection", [{"limit": 1}, {"only": {"prompt": "b"}}])
async def test_a_part_of_a_plan_makes_no_orphans_of_the_rest(customer, selection):
    from batchgen.running.schedule.feeder import Selection

    me = customer()
    await me.order(["a", "b"]).run()
    finished = await me.run(prune=True, selection=Selection(**selection), checked=False)
    assert (finished.pruned, trash(me)) == (0, {})


async def test_a_picture_that_is_wanted_back_from_an_emptied_trash_is_bought_again_only_when_asked(customer):
    from batchgen.running.schedule.feeder import Selection

    me = customer()
    await me.order(["a", "b"]).run()
    await me.order(["b"]).run(prune=True, checked=False)
    for path in me.folder.trash.rglob("*.png"):
        path.unlink()
    assert differences(me) == []
    await me.order(["a", "b"]).run(checked=False)
    assert (me.shop.posts, me.states()) == (2, {"a": State.SPOILED, "b": State.STORED})
    again = Selection(again=frozenset({State.SPOILED}))
    assert (await me.run(selection=again, checked=False)).exit_code == ExitCode.STORED
    assert (me.shop.posts, me.states()["a"]) == (3, State.STORED)
    assert differences(me) == []


async def test_a_lost_ledger_remembers_what_lies_in_the_trash(customer):
    me = customer()
    await me.order(["a", "b"]).run()
    await me.order(["b"]).run(prune=True, checked=False)
    write_dataset(me.folder)
    me.folder.ledger.unlink()
    finished = await me.order(["a", "b"]).run(checked=False)
    assert (finished.exit_code, me.shop.posts, finished.returned) == (ExitCode.STORED, 2, 1)
    assert len(pictures(me)) == 2
    assert differences(me) == []


async def test_pruning_needs_no_service(customer):
    me = customer()
    await me.order(["a", "b"]).run()
    plan = make_plan(load_manifest(me.order(["b"]).root / "job.yaml"))
    async with open_ledger(me.folder.ledger, provider="simulator") as ledger:
        past = PlanDiff(me.folder.ledger, plan.outline.numbers)
        tidying = Tidying(ledger, past, me.folder, plan)
        assert await tidying.prune() == 1
        await tidying.finish()
        past.close()
    assert (len(pictures(me)), len(trash(me)), differences(me)) == (1, 1, [])


# (what is asked for night by night, the options of the last night, what is there then, what is in the trash)
STORIES = {
    "a change": ([{"mug": "red"}, {"mug": "blue"}], {}, {"icons/mug.png": 2}, {"images/icons/mug.png": 1}),
    "a change taken back": (
        [{"mug": "red"}, {"mug": "blue"}, {"mug": "red"}],
        {},
        {"icons/mug.png": 1},
        {"images/icons/mug.png": 2},
    ),
    "a prune": (
        [{"mug": "red", "cup": "blue", "pot": "green"}, {"cup": "blue"}],
        {"prune": True},
        {"icons/cup.png": 2},
        {"images/icons/mug.png": 1, "images/icons/pot.png": 3},
    ),
    "a return to a name that is taken": (
        [{"mug": "red"}, {"mug": "blue", "cup": "green"}, {"mug": "blue", "cup": "red"}],
        {},
        {"icons/mug.png": 2, "icons/cup.png": 1},
        {"images/icons/cup.png": 3},
    ),
}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("story", STORIES)
def test_a_process_that_dies_at_any_step_loses_nothing_pays_nothing_twice_and_is_finished_by_the_next(tmp_path, story):
    nights, options, there, thrown = STORIES[story]

    def customer(root):
        return Customer(root, Books(root / "books", red=[sold(1)], blue=[sold(2)], green=[sold(3)]))

    (tmp_path / "before").mkdir()
    me = customer(tmp_path / "before")
    for night in nights[:-1]:
        anyio.run(me.order((), rows=rows(**night), output=NAMED).run)
    for number in itertools.count(1):
        me = customer(shutil.copytree(tmp_path / "before", tmp_path / str(number)))
        books = me.shop
        before = books.sold()
        me.order((), rows=rows(**nights[-1]), output=NAMED, retry={"on_doubt": "retry", "risk_usd": 10})

        async def last_night(customer=me):
            finished = await customer.run(checked=False, **options)
            assert finished.exit_code == ExitCode.STORED, finished.reason

        died = dies_at(number, last_night)
        lost = {Discrepancy.MISSING, Discrepancy.ALTERED, Discrepancy.FOREIGN}
        assert not lost & set(differences(me)), f"at step {number}"
        anyio.run(last_night)
        assert (pictures(me), trash(me)) == (there, thrown), f"at step {number}"
        assert differences(me) == [], f"at step {number}"
        assert sorted(line["was"] for line in moved_lists(me)) == sorted(thrown)
        with snapshot(me.folder.ledger) as db:
            doubts = db.execute("SELECT count(*) FROM attempts WHERE outcome = 'in doubt'").fetchone()[0]
        asked = {prompt for night in nights for prompt in night.values()}
        assert sum((books.sold() - before).values()) <= len(asked - before.keys()) + doubts, f"at step {number}"
        if not died:
            assert number > 5
            return
