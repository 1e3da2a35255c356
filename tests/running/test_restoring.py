"""Pictures come back from the trash to the places they had, all that were named or none, and nothing is paid."""

import errno
import itertools

import anyio
import pytest

from batchgen.commands.verify import Discrepancy
from batchgen.errors import ExitCode, FolderInUse, StoppedEarly, UsageError
from batchgen.running.restoring import restore
from batchgen.store.folder import trash as trash_module
from batchgen.store.folder.trashed import read_trash
from batchgen.store.ledger.records import snapshot
from tests.running.dying import Books, dies_at
from tests.running.shop import PICTURES, Customer, Shop, sold
from tests.running.test_tidying import NAMED, differences, metadata, moved_lists, pictures, rows, trash

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def pruned(tmp_path):
    """A folder with red, blue and green bought; blue and green lie in the trash."""
    me = Customer(tmp_path, Shop(red=[sold(1)], blue=[sold(2)], green=[sold(3)]))
    await me.order((), rows=rows(mug="red", cup="blue", pot="green"), output=NAMED).run()
    await me.order((), rows=rows(mug="red"), output=NAMED).run(prune=True, checked=False)
    assert (pictures(me), len(trash(me))) == ({"icons/mug.png": 1}, 2)
    return me


def in_trash(me, prompt):
    with snapshot(me.folder.ledger) as db:
        (found,) = (one for one in read_trash(db) if one.prompt == prompt)
        return found


NAMES = {
    "the name below images/": lambda me: "icons/cup.png",
    "without its extension": lambda me: "icons/cup",
    "the whole name": lambda me: "images/icons/cup.png",
    "as a shell completes it": lambda me: str(me.folder.root / in_trash(me, "blue").pictures[0].file),
    "where it lies": lambda me: in_trash(me, "blue").pictures[0].file,
    "its key": lambda me: in_trash(me, "blue").key,
    "the beginning of its key": lambda me: in_trash(me, "blue").key[:8],
}


@pytest.mark.parametrize("name", NAMES)
async def test_a_picture_comes_back_by_its_name_or_its_key(pruned, name):
    restored = await restore(pruned.folder, [NAMES[name](pruned)])
    assert (restored.requests, restored.files) == (1, ("images/icons/cup.png",))
    assert (pictures(pruned), trash(pruned)) == ({"icons/mug.png": 1, "icons/cup.png": 2}, {"images/icons/pot.png": 3})
    assert [line["prompt"] for line in moved_lists(pruned)] == ["green"]
    assert [line["prompt"] for line in metadata(pruned)] == ["red", "blue"]
    assert differences(pruned) == []


async def test_a_picture_that_came_back_is_an_orphan_again_until_the_manifest_asks_for_it(pruned):
    await restore(pruned.folder, ["icons/cup", "icons/pot"])
    assert (len(pictures(pruned)), trash(pruned)) == (3, {})
    finished = await pruned.run(checked=False)
    assert (finished.orphans.count, pruned.shop.posts) == (2, 3)
    finished = await pruned.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run(prune=True, checked=False)
    assert (finished.pruned, finished.exit_code, pruned.shop.posts) == (1, ExitCode.STORED, 3)
    assert pictures(pruned) == {"icons/mug.png": 1, "icons/cup.png": 2}
    assert differences(pruned) == []


async def test_a_place_that_another_picture_has_is_told_with_whose_it_is_and_nothing_moves(tmp_path):
    me = Customer(tmp_path, Shop(red=[sold(1)], blue=[sold(2)], green=[sold(3)]))
    await me.order((), rows=rows(mug="red", pot="green"), output=NAMED).run()
    await me.order((), rows=rows(mug="blue"), output=NAMED).run(prune=True, checked=False)
    with pytest.raises(UsageError) as caught:
        await restore(me.folder, ["icons/pot", "icons/mug", "icons/tea"])
    unknown, taken = str(caught.value).splitlines()
    with snapshot(me.folder.ledger) as db:
        (key,) = db.execute("SELECT key FROM requests WHERE canonical LIKE '%blue%'").fetchone()
    assert taken == f'images/icons/mug.png is taken by request {key[:8]}, "blue"'
    assert unknown.startswith("icons/tea: nothing in the trash is called so")
    assert (pictures(me), len(trash(me))) == ({"icons/mug.png": 2}, 2)


async def test_a_place_that_somebody_s_own_file_has_is_told_too(pruned):
    (pruned.folder.root / "images/icons/cup.png").write_bytes(PICTURES[9])
    with pytest.raises(UsageError, match="is taken by a file that the ledger does not know"):
        await restore(pruned.folder, ["icons/cup"])
    # The very picture, copied there by hand, is in nobody's way.
    (pruned.folder.root / "images/icons/cup.png").write_bytes(PICTURES[2])
    await restore(pruned.folder, ["icons/cup"])
    assert trash(pruned) == {"images/icons/pot.png": 3}
    assert differences(pruned) == []


async def test_a_picture_that_was_deleted_from_the_trash_is_told(pruned):
    (pruned.folder.root / in_trash(pruned, "blue").pictures[0].file).unlink()
    with pytest.raises(UsageError, match="it was in the trash and is no file there any more"):
        await restore(pruned.folder, ["icons/cup"])


async def test_a_folder_in_which_a_run_goes_on_is_left_alone(pruned):
    with pruned.folder.opened(), pytest.raises(FolderInUse):
        await restore(pruned.folder, ["icons/cup"])


async def test_a_disk_that_gives_in_is_said_and_the_same_command_ends_it(pruned, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(trash_module, "place", full)
        with pytest.raises(StoppedEarly, match="No space left"):
            await restore(pruned.folder, ["icons/cup"])
    assert len(trash(pruned)) == 2
    await restore(pruned.folder, ["icons/cup"])
    assert pictures(pruned)["icons/cup.png"] == 2
    assert differences(pruned) == []


async def test_two_pictures_that_had_one_name_are_told_apart_by_their_keys(tmp_path):
    me = Customer(tmp_path, Shop(red=[sold(1)], blue=[sold(2)]))
    for night in ({"mug": "red"}, {"mug": "blue"}, {}):
        await me.order((), rows=rows(**night, tea="green"), output=NAMED).run(prune=True, checked=False)
    keys = {prompt: in_trash(me, prompt).key for prompt in ("red", "blue")}
    with pytest.raises(UsageError, match="2 requests in the trash are called so"):
        await restore(me.folder, ["icons/mug"])
    with pytest.raises(UsageError, match="had this name; bring back one of them"):
        await restore(me.folder, [key[:8] for key in keys.values()])
    await restore(me.folder, [keys["red"][:8]])
    assert pictures(me)["icons/mug.png"] == 1
    assert differences(me) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_process_that_dies_at_any_step_loses_nothing_and_can_be_followed_by_another_or_by_a_run(tmp_path):
    for number in itertools.count(1):
        root = tmp_path / str(number)
        root.mkdir()
        me = Customer(root, Books(root / "books", red=[sold(1)], blue=[sold(2)]))
        anyio.run(me.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run)

        async def prune(customer=me):
            await customer.run(prune=True, checked=False)

        me.order((), rows=rows(mug="red"), output=NAMED)
        anyio.run(prune)

        async def bring(customer=me):
            await restore(customer.folder, ["icons/cup"])

        died = dies_at(number, bring)
        # A name that is there and not recorded yet is foreign until it is.
        assert not {Discrepancy.MISSING, Discrepancy.ALTERED} & set(differences(me)), f"at step {number}"
        if in_ledgers_trash(me):
            anyio.run(bring)
        anyio.run(me.run)
        assert (pictures(me), trash(me)) == ({"icons/mug.png": 1, "icons/cup.png": 2}, {}), f"at step {number}"
        assert differences(me) == [], f"at step {number}"
        assert me.shop.sold() == {"red": 1, "blue": 1}
        if not died:
            assert number > 3
            return


def in_ledgers_trash(me):
    with snapshot(me.folder.ledger) as db:
        return read_trash(db)
