"""A run that goes on with an unchanged plan: what is stored is neither read again nor made, and nothing is missed."""

import json

import pytest

from batchgen.errors import ExitCode
from batchgen.manifest import load_manifest
from batchgen.planning.plan import Plan
from batchgen.provider.interface import Verdict
from batchgen.request import State
from batchgen.running.schedule.selection import Selection
from batchgen.store.folder.plan_cache import memo_in
from tests.running.shop import Customer, Shop, failed

pytestmark = pytest.mark.anyio

MUGS = [f"mug {number}" for number in range(30)]


def knows_the_plan(me):
    return Plan(load_manifest(me.root / "job.yaml"), memo=memo_in(me.folder)).is_known


async def test_it_buys_exactly_what_is_open_and_counts_the_rest_as_stored(tmp_path):
    me = Customer(tmp_path, Shop()).order(
        MUGS, defaults={"size": "256x256"}, matrix={"model": ["maker/one", "maker/two"]}
    )
    await me.run(selection=Selection(limit=37))
    assert knows_the_plan(me)
    finished = await me.run()
    assert finished.exit_code == ExitCode.OK
    assert finished.result.passed == {State.STORED: 37}
    assert (me.shop.posts, set(me.shop.prompts.values())) == (60, {2})
    finished = await me.run()
    assert (me.shop.posts, finished.result.passed) == (60, {State.STORED: 60})


async def test_what_ended_otherwise_is_open_to_it(tmp_path):
    scripts = {MUGS[3]: [failed(Verdict.REFUSED)], MUGS[7]: [failed(Verdict.DOUBT)]}
    me = Customer(tmp_path, Shop(**scripts)).order(MUGS, retry={"on_doubt": "hold"})
    await me.run()
    assert (await me.run()).result.passed == {State.STORED: 28, State.REFUSED: 1, State.DOUBT: 1}
    await me.run(selection=Selection(again=frozenset({State.REFUSED, State.DOUBT})))
    assert set(me.states().values()) == {State.STORED}
    assert me.shop.posts == 32


async def test_rows_in_another_order_have_other_places_and_the_same_keys(tmp_path):
    me = Customer(tmp_path, Shop()).order(MUGS)
    await me.run(selection=Selection(limit=11))
    me.order(MUGS[::-1])
    assert not knows_the_plan(me)
    await me.run()
    assert knows_the_plan(me)
    assert me.shop.posts == 30
    assert set(me.shop.prompts.values()) == {1}


async def test_a_memo_that_lies_buys_nothing_twice(tmp_path):
    me = Customer(tmp_path, Shop()).order(MUGS)
    await me.run(selection=Selection(limit=11))
    plan = Plan(load_manifest(me.root / "job.yaml"))
    plan.outline.numbers.reverse()
    me.folder.memo.write_bytes(plan.memo())
    assert knows_the_plan(me)
    await me.run()
    assert set(me.shop.prompts.values()) == {1}
    me.folder.memo.unlink()
    await me.run()
    assert me.shop.posts == 30


async def test_only_a_part_of_the_plan_is_counted_where_only_a_part_was_wanted(tmp_path):
    me = Customer(tmp_path, Shop()).order(
        MUGS[:4], defaults={"size": "256x256"}, matrix={"model": ["maker/one", "maker/two"]}
    )
    await me.run()
    finished = await me.run(selection=Selection(only={"model": "maker/two"}))
    assert finished.result.passed == {State.STORED: 4}
    assert json.loads((me.root / "job.yaml").read_text())["matrix"]
