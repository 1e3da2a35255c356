"""Names that follow the manifest while the pictures rest, and a process that dies between any two steps."""

import itertools
import os
import shutil

import anyio
import pytest

from batchgen.commands.verify import Discrepancy
from batchgen.errors import ExitCode, FolderMismatch, StoppedEarly
from batchgen.running.schedule.selection import Selection
from batchgen.store.folder import view
from batchgen.store.ledger.records import snapshot
from tests.running.dying import Books, dies_at
from tests.running.names import NAMED, at_rest, differences, metadata, notices, pictures, rows, states_of_names
from tests.running.shop import PICTURES, Customer, Shop, sold

pytestmark = pytest.mark.anyio

BROKEN = b'{"data": [{"b64_json": "bm8="}], "cost": 0}'


@pytest.fixture
def customer(tmp_path):
    def made(**scripts):
        return Customer(tmp_path, Shop(**scripts))

    return made


async def test_a_picture_rests_under_its_key_read_only_and_its_name_is_a_link(customer):
    me = customer()
    await me.order((), rows=rows(mug="red"), output=NAMED).run()
    (original,) = me.folder.pictures.glob("*/*")
    with snapshot(me.folder.ledger) as db:
        ((key,),) = db.execute("SELECT key FROM requests").fetchall()
    assert original.relative_to(me.folder.pictures).as_posix() == f"{key[:2]}/{key}-1.png"
    assert original.stat().st_mode & 0o777 == 0o444
    assert (me.folder.images / "icons/mug.png").samefile(original)


async def test_a_changed_request_takes_its_name_and_the_old_picture_rests(customer):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red"), output=NAMED).run()
    finished = await me.order((), rows=rows(mug="blue"), output=NAMED).run()
    assert finished.exit_code == ExitCode.OK
    assert (pictures(me), at_rest(me)) == ({"icons/mug.png": 2}, [1, 2])
    assert [line["prompt"] for line in metadata(me)] == ["blue"]
    assert (differences(me), finished.orphans.count) == ([], 0)


@pytest.mark.parametrize("prune", [False, True])
async def test_a_name_keeps_its_picture_until_its_successor_is_stored(customer, prune):
    me = customer(red=[sold(1)], blue=[BROKEN])
    await me.order((), rows=rows(mug="red", cup="green"), output=NAMED).run()
    finished = await me.order((), rows=rows(mug="blue", cup="green"), output=NAMED).run(prune=prune, checked=False)
    assert finished.exit_code == ExitCode.FAILURES
    assert pictures(me)["icons/mug.png"] == 1
    assert (finished.orphans.count, finished.orphans.kept, finished.pruned) == (1, 1, 0)
    # No line says that it shows what was asked for today.
    assert {line["prompt"] for line in metadata(me)} == {"red", "green"}


async def test_a_night_on_which_nothing_can_be_bought_empties_no_folder(customer):
    me = customer(**{f"new {number}": [BROKEN] for number in range(6)})
    icons = [f"icon{number}" for number in range(6)]
    await me.order((), rows=rows(**{icon: icon for icon in icons}), output=NAMED).run()
    before = pictures(me)
    later = {icon: f"new {number}" for number, icon in enumerate(icons)}
    finished = await me.order((), rows=rows(**later), output=NAMED).run(prune=True, confirmed=True, checked=False)
    assert (len(before), pictures(me)) == (6, before)
    assert (finished.orphans.kept, finished.pruned) == (6, 0)


async def test_opaque_names_wait_until_nothing_is_open(customer):
    me = customer(d=[BROKEN])
    await me.order(["a", "b", "c"]).run()
    finished = await me.order(["b", "c", "d"]).run(prune=True, checked=False)
    assert (finished.pruned, finished.orphans.kept, len(pictures(me))) == (0, 1, 3)
    finished = await me.run(prune=True, selection=Selection(again=frozenset({"spoiled"})), checked=False)
    assert (finished.pruned, len(pictures(me))) == (1, 3)


async def test_a_change_that_is_taken_back_brings_the_old_picture_back_without_paying(customer):
    me = customer(red=[sold(1)], blue=[sold(2)])
    for prompt in ("red", "blue", "red"):
        await me.order((), rows=rows(mug=prompt), output=NAMED).run()
    assert (me.shop.posts, pictures(me), at_rest(me)) == (2, {"icons/mug.png": 1}, [1, 2])
    assert ([line["prompt"] for line in metadata(me)], differences(me)) == (["red"], [])


async def test_a_picture_of_another_format_takes_the_place_of_the_old_one_too(customer):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red"), output=NAMED).run()
    with snapshot(me.folder.ledger) as db:
        ((original,),) = db.execute("SELECT original FROM pictures").fetchall()
    # The ledger and the disk as they are when the old picture was a JPEG.
    jpeg = original.replace(".png", ".jpg")
    me.folder.original(original).rename(me.folder.original(jpeg))
    (me.folder.images / "icons/mug.png").rename(me.folder.images / "icons/mug.jpg")
    await me.change("UPDATE pictures SET original = ?", jpeg)
    await me.change("UPDATE names SET file = 'images/icons/mug.jpg', held = ?", jpeg)
    await me.order((), rows=rows(mug="blue"), output=NAMED).run()
    assert (pictures(me), at_rest(me), differences(me)) == ({"icons/mug.png": 2}, [1, 2], [])


async def test_names_follow_the_manifest_also_if_two_or_three_change_places(customer):
    me = customer(red=[sold(1)], blue=[sold(2)], green=[sold(3)])
    await me.order((), rows=rows(mug="red", cup="blue", pot="green"), output=NAMED).run()
    untouched = {path: path.stat() for path in me.folder.pictures.glob("*/*.*")}
    await me.order((), rows=rows(cup="red", mug="blue", pot="green"), output=NAMED).run()
    assert pictures(me) == {"icons/mug.png": 2, "icons/cup.png": 1, "icons/pot.png": 3}
    await me.order((), rows=rows(cup="green", mug="red", pot="blue"), output=NAMED).run()
    assert pictures(me) == {"icons/mug.png": 1, "icons/cup.png": 3, "icons/pot.png": 2}
    assert (me.shop.posts, differences(me)) == (3, [])
    after = {path: path.stat() for path in me.folder.pictures.glob("*/*.*")}
    assert {path: (one.st_ino, one.st_mtime_ns) for path, one in untouched.items()} == {
        path: (one.st_ino, one.st_mtime_ns) for path, one in after.items()
    }


async def test_another_template_gives_every_picture_its_new_name_and_buys_nothing(customer):
    me = customer(red=[sold(1)], blue=[sold(2)])
    order = rows(mug="red", cup="blue")
    await me.order((), rows=order).run()
    opaque = set(pictures(me))
    await me.order((), rows=order, output=NAMED).run()
    assert pictures(me) == {"icons/mug.png": 1, "icons/cup.png": 2}
    await me.order((), rows=order, output={"path": "{icon}s/one"}).run()
    assert (pictures(me), (me.folder.images / "icons").exists()) == ({"mugs/one.png": 1, "cups/one.png": 2}, False)
    await me.order((), rows=order).run()
    assert (set(pictures(me)), me.shop.posts, differences(me)) == (opaque, 2, [])


async def test_rows_that_change_places_leave_opaque_names_as_they_are(customer):
    me = customer()
    await me.order(["a", "b"]).run()
    before = pictures(me)
    await me.order(["c", "b", "a"]).run()
    assert pictures(me).items() >= before.items()


async def test_equal_bytes_of_two_requests_are_two_pictures(customer):
    me = customer(red=[sold(1)], blue=[sold(1)])
    for prompt in ("red", "blue"):
        await me.order((), rows=rows(mug=prompt), output=NAMED).run()
    assert (pictures(me), at_rest(me), differences(me)) == ({"icons/mug.png": 1}, [1, 1], [])
    await me.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run()
    assert (pictures(me), me.shop.posts) == ({"icons/mug.png": 1, "icons/cup.png": 1}, 2)


async def test_equal_rows_have_a_name_and_a_line_each_and_are_bought_once(customer):
    me = customer(red=[sold(1)])
    order = [{"icon": icon, "prompt": "red", "label": icon.upper()} for icon in ("mug", "cup", "pot")]
    await me.order((), rows=order, output=NAMED).run()
    assert me.shop.posts == 1
    assert pictures(me) == {"icons/mug.png": 1, "icons/cup.png": 1, "icons/pot.png": 1}
    lines = metadata(me)
    assert [(line["file_name"], line["label"], line["row"]) for line in lines] == [
        ("images/icons/mug.png", "MUG", 1),
        ("images/icons/cup.png", "CUP", 2),
        ("images/icons/pot.png", "POT", 3),
    ]
    assert [line["cost_usd"] for line in lines] == [0.04, 0, 0]
    assert [line["shares"] for line in lines] == [None, lines[0]["key"], lines[0]["key"]]
    assert at_rest(me) == [1]


async def test_equal_rows_come_and_go_without_a_purchase(customer):
    me = customer(red=[sold(1)])
    for icons in (("mug",), ("mug", "cup"), ("cup", "pot"), ("pot",), ("mug", "cup", "pot")):
        await me.order((), rows=[{"icon": icon, "prompt": "red"} for icon in icons], output=NAMED).run()
        assert set(pictures(me)) == {f"icons/{icon}.png" for icon in icons}
        assert [line["icon"] for line in metadata(me)] == list(icons)
    assert (me.shop.posts, differences(me)) == (1, [])


async def test_what_a_person_deleted_stays_deleted_is_told_and_not_listed(customer):
    me = customer(red=[sold(1)], blue=[sold(2)], green=[sold(3)])
    await me.order((), rows=rows(mug="red", cup="blue", pot="green"), output=NAMED).run()
    (me.folder.images / "icons/mug.png").unlink()
    for _ in range(2):
        me.events.clear()
        finished = await me.run()
        assert (finished.exit_code, me.shop.posts) == (ExitCode.OK, 3)
        assert [text for text in notices(me) if "images/icons/mug.png was deleted by hand: it stays so" in text]
        assert {line["prompt"] for line in metadata(me)} == {"blue", "green"}
    assert differences(me) == [Discrepancy.DELETED]
    (me.folder.images / "icons/cup.png").unlink()
    me.events.clear()
    await me.run()
    assert [text for text in notices(me) if text.startswith("2 files, such as images/icons/cup.png, were deleted")]


async def test_a_deleted_picture_that_changes_its_name_stays_deleted_and_bought(customer):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run()
    (me.folder.images / "icons/mug.png").unlink()
    await me.run()
    finished = await me.order((), rows=rows(cup="red", mug="blue"), output=NAMED).run()
    assert (finished.exit_code, me.shop.posts) == (ExitCode.OK, 2)
    assert pictures(me) == {"icons/mug.png": 2}
    assert states_of_names(me) == {"icons/cup.png": "deleted", "icons/mug.png": "made"}


async def test_a_manifest_that_restores_brings_deleted_files_back_at_each_run(customer):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red", cup="blue"), output=NAMED | {"deleted": "restore"}).run()
    (me.folder.images / "icons/mug.png").unlink()
    await me.run()
    assert (pictures(me), me.shop.posts) == ({"icons/mug.png": 1, "icons/cup.png": 2}, 2)
    assert differences(me) == []


async def test_a_deleted_file_that_its_user_puts_back_is_one_of_ours_again(customer):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run()
    (me.folder.images / "icons/mug.png").unlink()
    await me.run()
    (me.folder.images / "icons/mug.png").write_bytes(PICTURES[1])
    await me.run()
    assert (differences(me), len(metadata(me))) == ([], 2)


@pytest.mark.parametrize("lost", ["images", "images/icons"])
async def test_if_every_name_is_gone_that_is_a_loss_and_all_are_made_again(customer, lost):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run()
    shutil.rmtree(me.folder.root / lost)
    await me.run()
    assert (pictures(me), me.shop.posts) == ({"icons/mug.png": 1, "icons/cup.png": 2}, 2)
    assert [text for text in notices(me) if "every picture was gone from it; 2 names made again, free" in text]


async def test_a_copied_folder_has_its_links_made_again_without_a_word(customer, tmp_path):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run()
    shutil.copytree(me.folder.root, tmp_path / "copy")
    shutil.rmtree(me.folder.root)
    (tmp_path / "copy").rename(me.folder.root)
    me.events.clear()
    await me.run()
    assert (pictures(me), me.shop.posts, differences(me)) == ({"icons/mug.png": 1, "icons/cup.png": 2}, 2, [])
    assert notices(me) == []
    assert all(path.stat().st_nlink == 2 for path in me.folder.pictures.glob("*/*.*"))


async def test_a_file_with_other_bytes_under_one_of_our_names_is_left_alone_and_told(customer):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run()
    mug = me.folder.images / "icons/mug.png"
    mug.unlink()
    mug.write_bytes(b"painted over")
    for _ in range(2):
        me.events.clear()
        await me.run(checked=False)
        assert mug.read_bytes() == b"painted over"
        assert [text for text in notices(me) if "images/icons/mug.png was not replaced" in text]
    assert [line["prompt"] for line in metadata(me)] == ["blue"]
    assert (me.shop.posts, at_rest(me)) == (2, [1, 2])


async def test_somebody_s_file_under_a_wanted_name_is_kept_and_the_picture_too(customer):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(cup="blue"), output=NAMED).run()
    (me.folder.images / "icons/mug.png").write_bytes(b"mine")
    me.order((), rows=rows(mug="red", cup="blue"), output=NAMED)
    assert (await me.run()).exit_code == ExitCode.OK
    assert ((me.folder.images / "icons/mug.png").read_bytes(), at_rest(me)) == (b"mine", [1, 2])
    (me.folder.images / "icons/mug.png").unlink()
    await me.run()
    assert pictures(me) == {"icons/mug.png": 1, "icons/cup.png": 2}


@pytest.mark.parametrize("place", ["images/icons", "images/icons/mug.png"])
async def test_a_link_in_images_is_refused_before_anything_is_sent(customer, tmp_path, place):
    me = customer()
    await me.order((), rows=rows(mug="red"), output=NAMED).run()
    target = me.folder.root / place
    target.rename(tmp_path / "elsewhere")
    target.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderMismatch, match="--out"):
        await me.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run()
    assert me.shop.posts == 1


async def test_a_disk_that_refuses_new_names_stops_the_run_before_anything_is_sent(customer, monkeypatch):
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red", cup="blue"), output=NAMED).run()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(view.Links, "place", full)
        with pytest.raises(StoppedEarly, match="Nothing was sent"):
            await me.order((), rows=rows(cup="red", mug="blue", pot="green"), output=NAMED).run(checked=False)
    assert me.shop.posts == 2
    await me.run()
    assert pictures(me).items() >= {"icons/mug.png": 2, "icons/cup.png": 1}.items()


async def test_without_links_names_are_copies_and_that_is_said_once_a_run(customer, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    me = customer(red=[sold(1)], blue=[sold(2)])
    await me.order((), rows=rows(mug="red"), output=NAMED).run()
    await me.order((), rows=rows(mug="blue", cup="red"), output=NAMED).run()
    assert (pictures(me), me.shop.posts) == ({"icons/mug.png": 2, "icons/cup.png": 1}, 2)
    me.events.clear()
    await me.run()
    assert differences(me) == []


# (what is asked for night by night, the options of the last night, what is there then)
STORIES = {
    "a change": ([{"mug": "red"}, {"mug": "blue"}], {}, {"icons/mug.png": 2}),
    "a change taken back": ([{"mug": "red"}, {"mug": "blue"}, {"mug": "red"}], {}, {"icons/mug.png": 1}),
    "a swap": (
        [{"mug": "red", "cup": "blue"}, {"mug": "blue", "cup": "red"}],
        {},
        {"icons/mug.png": 2, "icons/cup.png": 1},
    ),
    "a prune": (
        [{"mug": "red", "cup": "blue", "pot": "green"}, {"cup": "blue", "pot": "green"}],
        {"prune": True},
        {"icons/cup.png": 2, "icons/pot.png": 3},
    ),
    "a return to a name that is taken": (
        [{"mug": "red"}, {"mug": "blue", "cup": "green"}, {"mug": "blue", "cup": "red"}],
        {},
        {"icons/mug.png": 2, "icons/cup.png": 1},
    ),
}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("story", STORIES)
def test_a_process_that_dies_at_any_step_loses_nothing_pays_nothing_twice_and_is_finished_by_the_next(tmp_path, story):
    nights, options, there = STORIES[story]

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
            assert finished.exit_code == ExitCode.OK, finished.reason

        died = dies_at(number, last_night)
        lost = {Discrepancy.MISSING, Discrepancy.ALTERED}
        assert not lost & set(differences(me)), f"at step {number}"
        anyio.run(last_night)
        assert pictures(me) == there, f"at step {number}"
        assert differences(me) == [], f"at step {number}"
        with snapshot(me.folder.ledger) as db:
            doubts = db.execute("SELECT count(*) FROM attempts WHERE outcome = 'in doubt'").fetchone()[0]
        asked = {prompt for night in nights for prompt in night.values()}
        assert sum((books.sold() - before).values()) <= len(asked - before.keys()) + doubts, f"at step {number}"
        if not died:
            assert number > 5
            return
