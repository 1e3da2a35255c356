"""Pictures whose bytes are gone: bought again if their user says so, and only then."""

import base64
import json
import sqlite3

import pytest

from batchgen.commands.verify import verify
from batchgen.errors import ExitCode, UsageError
from batchgen.request import State
from batchgen.running.schedule.selection import Selection
from batchgen.store.ledger.records import snapshot
from tests.running.shop import PICTURES, PRICE, sold

pytestmark = pytest.mark.anyio

MUGS = ["red", "blue", "green"]
AGAIN = Selection(missing=True)


def delete(me, *prompts, answers=True):
    """Delete pictures, their names and, if ``answers``, the kept answers that hold them."""
    if answers:
        with sqlite3.connect(me.folder.ledger) as db:
            db.execute("UPDATE requests SET body = NULL")
        db.close()
    with snapshot(me.folder.ledger) as db:
        for prompt in prompts:
            (original,) = db.execute(
                "SELECT p.original FROM pictures p JOIN requests r ON r.id = p.request_id"
                " WHERE json_extract(r.canonical, '$.parameters.prompt') = ?",
                (prompt,),
            ).fetchone()
            for name in me.folder.images.rglob("*.png"):
                if name.samefile(me.folder.original(original)):
                    name.unlink()
            me.folder.original(original).unlink()


async def test_a_lost_picture_is_bought_again_only_when_asked(customer):
    me = customer().order(MUGS)
    await me.run()
    delete(me, "blue")
    finished = await me.run(checked=False)
    assert (finished.exit_code, me.shop.posts) == (ExitCode.OK, 3)
    finished = await me.run(checked=False, selection=AGAIN)
    assert (finished.exit_code, finished.result.passed) == (ExitCode.OK, {State.STORED: 2})
    assert me.shop.prompts == {"red": 1, "blue": 2, "green": 1}
    assert list(verify(me.folder, read_data=True)) == []
    assert (await me.run(checked=False, selection=AGAIN)).result.sent == 0


async def test_a_lost_picture_that_a_kept_answer_still_holds_comes_back_without_paying(customer):
    me = customer().order(MUGS)
    await me.run()
    delete(me, "blue", answers=False)
    finished = await me.run(checked=False, selection=AGAIN)
    assert (finished.exit_code, me.shop.posts, set(me.states().values())) == (ExitCode.OK, 3, {State.STORED})
    assert list(verify(me.folder, read_data=True)) == []


async def test_it_comes_back_under_the_name_it_had(customer):
    me = customer(red=[sold(1), sold(2)]).order(["red"], output={"path": "icons/mug"})
    await me.run()
    delete(me, "red")
    await me.run(checked=False, selection=AGAIN)
    assert (me.folder.images / "icons/mug.png").read_bytes() == PICTURES[2]


async def test_what_the_manifest_no_longer_asks_for_and_what_has_a_picture_left_is_not_bought(customer):
    entries = [{"b64_json": base64.b64encode(PICTURES[number]).decode()} for number in (1, 2)]
    two = json.dumps({"data": entries, "cost": PRICE}).encode()
    me = customer(blue=[two]).order(MUGS)
    await me.run()
    delete(me, "red", "blue")
    await me.order(MUGS[1:]).run(checked=False, selection=AGAIN)
    assert me.shop.posts == 3


async def test_it_counts_against_what_was_agreed_to_and_a_refusal_changes_nothing(customer):
    me = customer().order(MUGS, prices={"maker/one": 30})
    await me.run(confirmed=True)
    delete(me, "red", "blue")
    with pytest.raises(UsageError, match=r"about \$60.00 is more than"):
        await me.run(checked=False, selection=AGAIN)
    assert set(me.states().values()) == {State.STORED}
    me.order(MUGS, limits={"budget_usd": 4 * PRICE / 1e6})
    finished = await me.run(checked=False, selection=AGAIN)
    assert (finished.exit_code, me.shop.posts) == (ExitCode.STOPPED, 4)


async def test_what_was_lost_and_not_bought_yet_is_bought_by_the_next_run_that_is_asked(customer):
    me = customer().order(MUGS)
    await me.run()
    delete(me, *MUGS)
    await me.run(checked=False, selection=Selection(missing=True, limit=1))
    assert (me.shop.posts, sorted(me.states().values())) == (4, ["spoiled", "spoiled", "stored"])
    await me.run(checked=False)
    assert me.shop.posts == 4
    await me.run(checked=False, selection=AGAIN)
    assert (me.shop.posts, set(me.states().values())) == (6, {State.STORED})
