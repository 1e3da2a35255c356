"""A picture that a person found takes the name of its request, and what stood there is never lost."""

import itertools

import anyio
import pytest

from batchgen.commands.verify import Discrepancy
from batchgen.errors import ExitCode, UsageError
from batchgen.provider.interface import Verdict
from batchgen.request import State
from batchgen.running.adopting import adopt
from batchgen.store.ledger.records import snapshot
from batchgen.store.media.sniff import NotAPicture
from tests.running.dying import Books, dies_at
from tests.running.shop import PICTURES, PRICE, Customer, Shop, failed, sold
from tests.running.test_tidying import NAMED, differences, metadata, moved_lists, pictures, rows, trash

pytestmark = pytest.mark.anyio

HOLD = {"on_doubt": "hold"}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def customer(tmp_path):
    def made(**scripts):
        return Customer(tmp_path, Shop(**scripts))

    return made


def key_of(me, prompt):
    with snapshot(me.folder.ledger) as db:
        question = "SELECT key FROM requests WHERE json_extract(canonical, '$.parameters.prompt') = ?"
        return db.execute(question, (prompt,)).fetchone()[0]


async def nights(me, *asked):
    for night in asked:
        finished = await me.order((), rows=rows(**night), output=NAMED, retry=HOLD).run(checked=False)
    return finished


async def test_it_takes_the_name_from_what_stood_there_before(customer):
    me = customer(red=[sold(1)], blue=[failed(Verdict.DOUBT)])
    await nights(me, {"mug": "red"}, {"mug": "blue"})
    assert pictures(me) == {"icons/mug.png": 1}
    adopted = await adopt(me.folder, key_of(me, "blue")[:9], PICTURES[2])
    assert adopted.file == "images/icons/mug.png"
    assert [(me.folder.root / file).read_bytes() for file in adopted.made_way] == [PICTURES[1]]
    assert (pictures(me), trash(me)) == ({"icons/mug.png": 2}, {"images/icons/mug.png": 1})
    assert [line["prompt"] for line in moved_lists(me)] == ["red"]
    assert [line["prompt"] for line in metadata(me)] == ["blue"]
    assert differences(me) == []
    finished = await nights(me, {"mug": "blue"})
    assert (finished.exit_code, finished.changed, me.shop.posts) == (ExitCode.STORED, False, 2)


async def test_what_made_way_comes_back_under_the_name_it_has_once_it_is_asked_for_again(customer):
    me = customer(red=[sold(1)], blue=[failed(Verdict.DOUBT)])
    await nights(me, {"mug": "red"}, {"mug": "blue"})
    await adopt(me.folder, key_of(me, "blue"), PICTURES[2])
    assert pictures(me) == {"icons/mug.png": 2}
    finished = await nights(me, {"mug": "blue", "cup": "red"})
    assert (finished.returned, me.shop.posts) == (1, 2)
    assert (pictures(me), trash(me)) == ({"icons/mug.png": 2, "icons/cup.png": 1}, {})
    assert differences(me) == []


async def test_a_picture_that_is_newer_than_the_doubt_keeps_its_name(customer):
    me = customer(red=[failed(Verdict.DOUBT)], blue=[sold(2)])
    await nights(me, {"mug": "red"}, {"mug": "blue"})
    adopted = await adopt(me.folder, key_of(me, "red"), PICTURES[1])
    assert (adopted.file, adopted.made_way) == ("images/icons/mug-2.png", ())
    assert (pictures(me), trash(me)) == ({"icons/mug.png": 2, "icons/mug-2.png": 1}, {})
    assert differences(me) == []


async def test_the_very_bytes_of_the_picture_that_has_the_name_become_a_picture_of_their_own(customer):
    me = customer(red=[failed(Verdict.DOUBT)], blue=[sold(2)])
    await nights(me, {"mug": "red"}, {"mug": "blue"})
    key = key_of(me, "red")
    adopted = await adopt(me.folder, key, PICTURES[2])
    assert adopted.file == f"images/icons/mug-{key[:8]}.png"
    assert me.states() == {"red": State.STORED, "blue": State.STORED}
    assert differences(me) == []


async def test_a_spoiled_request_that_was_withdrawn_can_still_be_given_its_picture(customer):
    me = customer(red=[failed(Verdict.SPOILED, cost_microusd=PRICE)])
    await nights(me, {"mug": "red"}, {"tea": "blue"})
    adopted = await adopt(me.folder, key_of(me, "red"), PICTURES[1])
    assert pictures(me)[adopted.file.removeprefix("images/")] == 1
    assert sorted(line["prompt"] for line in metadata(me)) == ["blue", "red"]
    assert differences(me) == []


async def test_a_doubt_whose_name_was_lost_with_its_ledger_gets_one_that_nobody_else_has(customer):
    me = customer(red=[failed(Verdict.DOUBT)])
    await nights(me, {"mug": "red", "cup": "blue"})
    key = key_of(me, "red")
    metadata(me)
    for path in me.folder.state.glob("ledger.db*"):
        path.unlink()
    await nights(me, {"cup": "blue"})
    adopted = await adopt(me.folder, key, PICTURES[1])
    assert adopted.file.startswith("images/00000/")
    assert pictures(me)[adopted.file.removeprefix("images/")] == 1
    assert differences(me) == []


async def test_what_is_no_picture_or_belongs_to_no_doubt_moves_nothing(customer):
    me = customer(red=[sold(1)], blue=[failed(Verdict.DOUBT)])
    await nights(me, {"mug": "red"}, {"mug": "blue"})
    with pytest.raises(NotAPicture):
        await adopt(me.folder, key_of(me, "blue"), b"<html>gone</html>")
    with pytest.raises(UsageError, match="only one in doubt or spoiled"):
        await adopt(me.folder, key_of(me, "red"), PICTURES[2])
    assert (pictures(me), trash(me)) == ({"icons/mug.png": 1}, {})
    assert differences(me) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_process_that_dies_at_any_step_of_an_adoption_loses_nothing_and_the_next_one_ends_it(tmp_path):
    for number in itertools.count(1):
        root = tmp_path / str(number)
        root.mkdir()
        me = Customer(root, Books(root / "books", red=[sold(1)], blue=[failed(Verdict.DOUBT)]))
        anyio.run(nights, me, {"mug": "red"}, {"mug": "blue"})
        key = key_of(me, "blue")

        async def attach(customer=me, wanted=key):
            await adopt(customer.folder, wanted, PICTURES[2])

        died = dies_at(number, attach)
        lost = {Discrepancy.MISSING, Discrepancy.ALTERED, Discrepancy.FOREIGN}
        assert not lost & set(differences(me)), f"at step {number}"
        if me.states()["blue"] is not State.STORED:
            anyio.run(attach)
        finished = anyio.run(nights, me, {"mug": "blue"})
        assert finished.exit_code == ExitCode.STORED
        assert (pictures(me), trash(me)) == ({"icons/mug.png": 2}, {"images/icons/mug.png": 1}), f"at step {number}"
        assert [line["was"] for line in moved_lists(me)] == ["images/icons/mug.png"]
        assert differences(me) == [], f"at step {number}"
        assert me.shop.sold() == {"red": 1, "blue": 1}
        if not died:
            assert number > 5
            return


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_process_that_dies_in_an_adoption_may_be_followed_by_a_night_that_wants_the_old_picture(tmp_path):
    for number in itertools.count(1):
        root = tmp_path / str(number)
        root.mkdir()
        me = Customer(root, Books(root / "books", red=[sold(1)], blue=[failed(Verdict.DOUBT)]))
        anyio.run(nights, me, {"mug": "red"}, {"mug": "blue"})
        key = key_of(me, "blue")

        async def attach(customer=me, wanted=key):
            await adopt(customer.folder, wanted, PICTURES[2])

        died = dies_at(number, attach)
        anyio.run(nights, me, {"mug": "red"})
        there = sorted([*pictures(me).values(), *trash(me).values()])
        assert there in ([1], [1, 2]), f"at step {number}"
        assert 1 in pictures(me).values(), f"at step {number}"
        assert me.shop.sold() == {"red": 1, "blue": 1}
        if not died:
            return
