"""What is kept is described as the manifest does today, and an unchanged plan is not even compared."""

import json
import sqlite3

import pytest

from batchgen.errors import ExitCode
from batchgen.manifest import load_manifest
from batchgen.planning.plan import make_plan
from batchgen.provider.interface import Verdict
from batchgen.running import metadata_sync
from batchgen.running.metadata_sync import Synced
from batchgen.running.schedule.selection import Selection
from batchgen.store.dataset.metadata import write_dataset
from batchgen.store.ledger import row_metadata
from batchgen.store.ledger.ledger import open_ledger
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.reader import Reader
from tests.running.shop import failed

pytestmark = pytest.mark.anyio


def told(me, name="metadata.jsonl"):
    write_dataset(me.folder)
    return [json.loads(line) for line in (me.folder.root / name).read_text().splitlines()]


def order(me, *rows, **more):
    return me.order((), rows=list(rows), prompt="a {thing}", **more)


async def test_columns_rows_and_axes_follow_the_manifest_and_nothing_is_bought(customer):
    me = customer()
    await order(me, {"thing": "mug", "label": "old"}, {"thing": "cup", "label": "old"}).run()
    finished = await order(me, {"thing": "cup", "shelf": "2"}, {"thing": "mug", "label": "new"}).run()
    assert (finished.exit_code, finished.renewed, finished.changed, me.shop.posts) == (ExitCode.OK, 2, False, 2)
    assert [(line["prompt"], line["row"], line["label"], line["shelf"]) for line in told(me)] == [
        ("a cup", 1, None, "2"),
        ("a mug", 2, "new", None),
    ]


async def test_a_title_that_changes_is_the_one_of_today(customer):
    me = customer()
    await order(me, {"thing": "mug"}, matrix={"look": {"ink": {"quality": "low"}}}).run()
    assert (await order(me, {"thing": "mug"}, matrix={"look": {"pen": {"quality": "low"}}}).run()).renewed == 1
    assert [line["look"] for line in told(me)] == ["pen"]
    assert me.shop.posts == 1


async def test_of_equal_rows_the_first_one_of_the_plan_counts(customer):
    me = customer()
    mug = {"thing": "mug"}
    await order(me, mug | {"label": "first"}, mug | {"label": "second"}).run()
    for _ in range(2):
        await me.run()
        assert [(line["label"], line["row"], line["shares"] is None) for line in told(me)] == [
            ("first", 1, True),
            ("second", 2, False),
        ]
    finished = await order(me, {"thing": "cup"}, mug | {"label": "second"}, mug | {"label": "first"}).run()
    assert finished.renewed == 1
    assert [(line["prompt"], line["label"], line["row"], line["cost_usd"]) for line in told(me)] == [
        ("a cup", None, 1, 0.04),
        ("a mug", "second", 2, 0.04),
        ("a mug", "first", 3, 0),
    ]


async def test_a_row_gets_its_name_back_from_rows_that_are_gone_and_those_keep_their_others(customer):
    me = customer()
    named = {"output": {"path": "{icon}"}}
    mug, blue = {"thing": "mug", "icon": "mug"}, {"thing": "blue mug"}
    await order(me, mug, **named).run()
    await order(me, blue | {"icon": "mug"}, blue | {"icon": "cup"}, **named).run()
    await order(me, mug, **named).run()
    assert [(line["prompt"], line["file_name"]) for line in told(me)] == [
        ("a mug", "images/mug.png"),
        ("a blue mug", "images/cup.png"),
    ]


async def test_what_failed_or_is_in_doubt_is_described_anew_too(customer):
    me = customer(**{"a mug": [failed(Verdict.REFUSED)], "a cup": [failed(Verdict.DOUBT)]})
    hold = {"retry": {"on_doubt": "hold"}}
    await order(me, {"thing": "mug", "label": "old"}, {"thing": "cup", "label": "old"}, **hold).run()
    await order(me, {"thing": "cup", "label": "new"}, {"thing": "mug", "label": "new"}, **hold).run()
    found = told(me, "failures.jsonl")
    assert [(line["parameters"]["prompt"], line["row"], line["columns"]["label"]) for line in found] == [
        ("a cup", 1, "new"),
        ("a mug", 2, "new"),
    ]


async def test_a_part_of_a_plan_describes_the_whole_of_it(customer):
    me = customer()
    await order(me, {"thing": "mug", "label": "old"}, {"thing": "cup", "label": "old"}).run()
    order(me, {"thing": "mug", "label": "new"}, {"thing": "cup", "label": "new"}, {"thing": "pot", "label": "new"})
    await me.run(selection=Selection(only={"thing": "pot"}))
    assert [line["label"] for line in told(me)] == ["new", "new", "new"]


async def test_what_the_manifest_dropped_keeps_its_last_description_until_it_is_asked_for_again(customer):
    me = customer()
    mug, cup = {"thing": "mug", "label": "one"}, {"thing": "cup", "label": "one"}
    await order(me, mug, cup).run()
    await order(me, cup).run(prune=True, checked=False)
    finished = await order(me, cup, mug | {"label": "two"}).run()
    assert (finished.renewed, me.shop.posts) == (1, 2)
    assert [(line["prompt"], line["label"]) for line in told(me)] == [("a cup", "one"), ("a mug", "two")]


async def test_an_unchanged_plan_is_not_compared(customer, monkeypatch):
    me = customer()
    await order(me, {"thing": "mug"}).run()

    def compared(*_):
        raise AssertionError("a request was compared")

    monkeypatch.setattr(row_metadata, "outdated", compared)
    assert (await me.run()).renewed == 0


@pytest.mark.parametrize("dies_after", [0, 1, 2, 3])
async def test_a_renewal_that_was_broken_off_is_done_by_the_next_run_of_any_plan(customer, monkeypatch, dies_after):
    me = customer()
    things = [{"thing": str(number), "label": "old"} for number in range(3)]
    await order(me, *things).run()
    old = make_plan(load_manifest(me.root / "job.yaml"))
    order(me, *({**thing, "label": "new"} for thing in things))
    new = make_plan(load_manifest(me.root / "job.yaml"))
    monkeypatch.setattr(metadata_sync, "_BATCH", 1)

    class Died(Exception):
        pass

    class Dying:
        left = dies_after

        def __init__(self, ledger):
            self._ledger = ledger

        async def change(self, change):
            if not self.left:
                raise Died
            self.left -= 1
            return await self._ledger.change(change)

    async with open_ledger(me.folder.ledger, provider="simulator") as ledger:
        reader = Reader(me.folder.ledger)
        diff = PlanDiff(me.folder.ledger, new.outline.numbers)
        with pytest.raises(Died):
            await metadata_sync.sync(new, Dying(ledger), reader, diff)
        # The plan that the ledger had described before is no exception; the first change describes no request.
        assert await metadata_sync.sync(old, ledger, reader, diff) == Synced(described=max(0, dies_after - 1))
        assert await metadata_sync.sync(old, ledger, reader, diff) == Synced()
        reader.close()
        diff.close()
    assert [line["label"] for line in told(me)] == ["old"] * 3


async def test_a_ledger_of_before_describes_nothing_as_a_whole_and_is_compared(customer):
    me = customer()
    await order(me, {"thing": "mug", "label": "one"}).run()
    with sqlite3.connect(me.folder.ledger) as db:
        db.execute("DELETE FROM facts WHERE name = 'described'")
        db.execute("UPDATE requests SET row = 17")
    assert (await me.run()).renewed == 1
    assert [line["row"] for line in told(me)] == [1]
