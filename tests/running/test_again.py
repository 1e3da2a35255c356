"""Another picture of what is stored: bought once for each time it was asked for, kept beside the first, and shown."""

import itertools
import shutil
from collections import Counter
from contextlib import closing

import anyio
import pytest

from batchgen.commands.choose import choose
from batchgen.commands.report import write_derived
from batchgen.commands.verify import verify
from batchgen.errors import ExitCode, UsageError
from batchgen.provider.interface import Verdict
from batchgen.request import State
from batchgen.running.buy.purchase import Purchase
from batchgen.running.schedule.selection import Selection
from batchgen.store.ledger import takes
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.records import snapshot
from tests.running.dying import Books, dies_at
from tests.running.shop import PICTURES, PRICE, Customer, failed, sold

pytestmark = pytest.mark.anyio

NAMED = {"path": "{prompt}"}
RED = "images/red.png"


def shown(me, file=RED):
    """Which of the pictures that the shop sells stands under a name; ``None`` if there is no such name."""
    path = me.folder.root / file
    return PICTURES.index(path.read_bytes()) if path.is_file() else None


def taken(me, prompt="red"):
    """The takes of a prompt, each with whether it is shown."""
    with snapshot(me.folder.ledger) as db:
        (row,) = db.execute(
            "SELECT id FROM requests WHERE json_extract(canonical, '$.parameters.prompt') = ? AND take = 1", (prompt,)
        ).fetchone()
        return {one.number: one.shown for one in takes.takes_of(db, row)}


def open_takes(me):
    with closing(Reader(me.folder.ledger)) as reader:
        return {key: (take, known.state) for key, (take, known) in reader.open_takes().items()}


def bought(me):
    with snapshot(me.folder.ledger) as db:
        return db.execute("SELECT count(*) FROM attempts").fetchone()[0]


@pytest.fixture
def me(customer):
    return customer(red=[sold(1), sold(2), sold(3), sold(4)], blue=[sold(5), sold(6)]).order(
        ["red", "blue"], output=NAMED
    )


async def test_it_is_bought_shown_and_the_first_one_is_kept(me):
    await me.run()
    finished = await me.run(again=("red",))
    assert finished.exit_code == ExitCode.OK
    assert finished.counts.takes == finished.counts.bought == 1
    assert me.shop.prompts == {"red": 2, "blue": 1}
    assert taken(me) == {1: False, 2: True}
    assert shown(me) == 2
    assert not list(verify(me.folder, read_data=True))


async def test_no_later_run_buys_it_once_more_or_shows_another(me):
    await me.run()
    await me.run(again=("red",))
    choose_in_thread = anyio.to_thread.run_sync
    await choose_in_thread(choose, me.folder.root, "red", 1)
    for options in ({}, {"prune": True}, {"selection": Selection(missing=True)}):
        assert (await me.run(**options)).exit_code == ExitCode.OK
        assert shown(me) == 1
    assert me.shop.prompts["red"] == 2


@pytest.mark.parametrize("killed", [False, True])
async def test_a_choice_outlives_a_ledger_that_is_restored_from_before_it(me, killed):
    await me.run()
    await me.run(again=("red",))
    await anyio.to_thread.run_sync(write_derived, me.folder)
    backup = me.root / "backup"
    shutil.copytree(me.folder.state, backup)
    await anyio.to_thread.run_sync(choose, me.folder.root, "red", 1)
    if killed:
        # As a run that was killed leaves its folder: nothing says any more which of the two is newer.
        (me.folder.pictures / "mark").unlink()
    else:
        for log in me.folder.state.glob("ledger.db-*"):
            log.unlink()
        shutil.copy(backup / "ledger.db", me.folder.ledger)
        assert taken(me) == {1: False, 2: True}
    for _ in range(2):
        await me.run()
        assert taken(me) == {1: True, 2: False}
        assert shown(me) == 1
    assert me.shop.prompts["red"] == 2


async def test_a_choice_that_the_lists_do_not_know_yet_is_not_undone(me):
    await me.run()
    await me.run(again=("red",))
    await anyio.to_thread.run_sync(write_derived, me.folder)
    await anyio.to_thread.run_sync(choose, me.folder.root, "red", 1)
    await me.change("UPDATE facts SET value = 'another' WHERE name = 'mark'")
    older = (me.folder.root / "metadata.jsonl").read_text().replace('"take_shown":1', '"take_shown":2')
    (me.folder.root / "summary.json").unlink()
    (me.folder.root / "metadata.jsonl").write_text(older)
    await me.run()
    assert shown(me) == 1


async def test_each_time_it_is_asked_for_another_one_is_bought_under_another_idempotency_key(me):
    keys = []
    generate = me.shop.generate

    async def noted(request, *, idempotency_key):
        keys.append(idempotency_key)
        return await generate(request, idempotency_key=idempotency_key)

    me.shop.generate = noted
    await me.run()
    await me.run(again=("red",))
    await me.run(again=("images/red.png", "row=1"))
    assert taken(me) == {1: False, 2: False, 3: True}
    assert len(keys) == 4
    assert len(set(keys)) == 4


async def test_the_bill_of_all_takes_stands_in_the_line(me):
    await me.run()
    await me.run(again=("red",))
    with snapshot(me.folder.ledger) as db:
        found = takes.takes_of(db, 1)
        assert [one.billed_microusd for one in found] == [PRICE, PRICE]
        assert db.execute("SELECT sum(billed_microusd) FROM attempts WHERE request_id = 1").fetchone() == (2 * PRICE,)


async def test_a_picture_that_was_deleted_by_hand_has_its_name_again(me):
    await me.run()
    (me.folder.root / RED).unlink()
    await me.run()
    assert shown(me) is None
    await me.run(again=("red",))
    assert shown(me) == 2


async def test_rows_that_share_a_request_show_the_new_one_all(customer):
    me = customer(red=[sold(1), sold(2)]).order(
        (), rows=[{"prompt": "red", "n": n} for n in "ab"], output={"path": "{n}"}
    )
    await me.run()
    await me.run(again=("b",))
    assert shown(me, "images/a.png") == shown(me, "images/b.png") == 2
    assert me.shop.prompts["red"] == 2


@pytest.mark.parametrize("bad", [Verdict.REFUSED, Verdict.SPOILED])
async def test_one_that_brings_no_picture_leaves_the_first_and_may_be_asked_for_again(customer, bad):
    me = customer(red=[sold(1), failed(bad), sold(2)]).order(["red"], output=NAMED)
    await me.run()
    assert (await me.run(again=("red",))).exit_code == ExitCode.FAILURES
    assert shown(me) == 1
    assert (await me.run()).exit_code == ExitCode.OK
    assert me.shop.prompts["red"] == 2
    assert (await me.run(again=("red",))).exit_code == ExitCode.OK
    assert taken(me) == {1: False, 2: True}


async def test_one_in_doubt_is_held_told_and_not_sent_by_asking_for_it_again(customer):
    me = customer(red=[sold(1), failed(Verdict.DOUBT), sold(2)]).order(
        ["red"], output=NAMED, retry={"on_doubt": "hold"}
    )
    await me.run()
    assert (await me.run(again=("red",))).exit_code == ExitCode.DOUBT
    assert (await me.run()).exit_code == ExitCode.DOUBT
    assert (await me.run(again=("red",))).exit_code == ExitCode.DOUBT
    assert me.shop.prompts["red"] == 2
    assert shown(me) == 1
    assert [take for take, _ in open_takes(me).values()] == [2]
    doubt = Selection(again=frozenset({State.DOUBT}))
    assert (await me.run(selection=doubt)).exit_code == ExitCode.OK
    assert me.shop.prompts["red"] == 3
    assert shown(me) == 2


async def test_what_was_asked_for_and_not_sent_is_bought_by_the_next_run_alone(me, monkeypatch):
    await me.run()

    async def not_now(*_):
        raise OSError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(Purchase, "_intend", not_now)
        assert (await me.run(again=("red",), checked=False)).exit_code == ExitCode.STOPPED
    assert me.shop.prompts["red"] == 1
    assert list(open_takes(me).values()) == [(2, State.WAITING)]
    await me.run()
    assert me.shop.prompts["red"] == 2
    await me.run()
    assert me.shop.prompts["red"] == 2
    assert shown(me) == 2


async def test_a_budget_that_does_not_reach_leaves_it_for_a_run_that_has_one(customer):
    me = customer(red=[sold(1), sold(2)])
    order = {"prompts": ["red"], "output": NAMED}
    await me.order(**order, limits={"budget_usd": 1.5 * PRICE / 1e6}).run()
    finished = await me.run(again=("red",))
    assert finished.exit_code == ExitCode.STOPPED
    assert "budget" in finished.reason
    assert me.shop.prompts["red"] == 1
    assert (await me.order(**order, limits={"budget_usd": 2 * PRICE / 1e6}).run()).exit_code == ExitCode.OK
    assert me.shop.prompts["red"] == 2


async def test_a_run_that_nobody_agreed_to_asks_for_nothing(customer):
    me = customer(red=[sold(1), sold(2)])
    await me.order(["red"], output=NAMED).run()
    me.order(["red"], output=NAMED, prices={"maker/one": 51})
    with pytest.raises(UsageError, match="more than the"):
        await me.run(again=("red",))
    assert open_takes(me) == {}
    assert me.shop.prompts["red"] == 1


async def test_a_limit_counts_it_first(customer):
    me = customer(red=[sold(1), sold(2)]).order(["red"], output=NAMED)
    await me.run()
    me.order(["red", "blue", "green"], output=NAMED)
    await me.run(again=("red",), selection=Selection(limit=1))
    assert me.shop.prompts == {"red": 2}


WRONG = {
    "nothing": ("rad", r"'rad': nothing stored in .* is called so; did you mean 'red'\?"),
    "row": ("row=7", "there is no row 7 that makes a request; rows reach up to 3"),
    "number": ("2", "did you mean 'row=2'"),
    "other": ("prompt=red", "a name, the beginning of a key, or row=NUMBER"),
    "unstored": ("green", "'green': it is not stored yet; a run without --again buys it"),
    "row unstored": ("row=3", "nothing of row 3 is stored yet"),
    "orphan": ("old", "the manifest no longer asks for images/old.png"),
    "refused": ("row=2", "nothing of row 2 is stored yet"),
}


@pytest.mark.parametrize("kind", WRONG)
async def test_a_word_that_means_nothing_that_can_be_bought_again_is_refused_before_anything_is_sent(customer, kind):
    me = customer(blue=[failed(Verdict.REFUSED)])
    await me.order(["red", "blue", "old"], output=NAMED).run()
    me.order(["red", "blue", "green"], output=NAMED)
    word, said = WRONG[kind]
    posts = me.shop.posts
    with pytest.raises(UsageError, match=said):
        await me.run(again=("red", word))
    assert me.shop.posts == posts
    assert open_takes(me) == {}


async def test_a_word_that_means_several_is_refused_with_their_names(customer):
    me = customer().order(
        (), rows=[{"prompt": "a", "to": "x"}, {"prompt": "b", "to": "y"}], output={"path": "{to}/mug"}
    )
    await me.run()
    with pytest.raises(UsageError, match=r"'mug' means several requests: images/x/mug.png \(.*images/y/mug.png"):
        await me.run(again=("mug",))
    assert (await me.run(again=("x/mug",))).counts.takes == 1


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("large", [False, True])
def test_a_process_that_dies_at_any_step_neither_forgets_it_nor_buys_it_twice(tmp_path, large):
    def customer(root):
        return Customer(root, Books(root / "books", red=[sold(1, large=large)]))

    (tmp_path / "before").mkdir()
    me = customer(tmp_path / "before").order(["red"], output=NAMED, retry={"on_doubt": "retry", "risk_usd": 10})
    anyio.run(me.run)
    seen = Counter()
    for number in itertools.count(1):
        me = customer(shutil.copytree(tmp_path / "before", tmp_path / str(number)))
        me.shop.scripts["red"] = [sold(2, large=large), sold(3, large=large)]

        async def asked(customer=me):
            finished = await customer.run(checked=False, again=("red",))
            assert finished.exit_code == ExitCode.OK, finished.reason

        died = dies_at(number, asked, commits=True)
        wanted = bool(open_takes(me)) or len(taken(me)) > 1
        before = me.shop.sold()["red"]
        assert before == 1 or wanted, f"at step {number}"
        assert (me.folder.root / RED).is_file(), f"at step {number}"
        with snapshot(me.folder.ledger) as db:
            sent = db.execute("SELECT count(*) FROM attempts WHERE outcome = 'sent'").fetchone()[0]
        me.shop.scripts["red"] = [sold(4, large=large)]
        for _ in range(2):
            assert anyio.run(me.run).exit_code == ExitCode.OK, f"at step {number}"
        doubts = sum(outcome == "in doubt" for outcome, *_ in me.attempts())
        assert doubts <= sent
        assert me.shop.sold()["red"] <= 1 + wanted + doubts, f"at step {number}"
        assert taken(me) == ({1: False, 2: True} if wanted else {1: True}), f"at step {number}"
        assert (shown(me) == 1) is not wanted, f"at step {number}"
        assert open_takes(me) == {}
        assert not list(verify(me.folder, read_data=True)), f"at step {number}"
        seen[wanted, before, sent] += 1
        if not died:
            break
    # Not asked for yet; asked for; sent and paid, or not known whether; answered or stored.
    assert {(False, 1, 0), (True, 1, 0), (True, 2, 1), (True, 2, 0)} <= seen.keys()
