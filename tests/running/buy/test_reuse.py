"""What another run folder has bought is linked and never bought again, whatever happens on the way."""

import errno
import itertools
import json
from functools import partial

import anyio
import pytest

from batchgen.commands.verify import Discrepancy, verify
from batchgen.errors import ExitCode, StoppedEarly, UsageError
from batchgen.provider.interface import Verdict
from batchgen.request import State
from batchgen.running import preflight
from batchgen.running.events import Notice
from batchgen.running.schedule.selection import Selection
from batchgen.store.dataset.leftovers import is_lost
from batchgen.store.dataset.metadata import write_dataset
from batchgen.store.ledger import transitions
from batchgen.store.ledger.records import records, snapshot
from tests.running.dying import Books, dies_at
from tests.running.shop import PICTURES, Customer, Shop, failed, sold

pytestmark = pytest.mark.anyio


@pytest.fixture
async def before(tmp_path):
    """A folder in which three mugs were bought."""
    (tmp_path / "before").mkdir()
    customer = Customer(tmp_path / "before", Shop()).order(["a", "b", "c"])
    await customer.run()
    return customer


def afterwards(tmp_path, before, prompts, **more):
    (tmp_path / "now").mkdir(exist_ok=True)
    shop = Shop(**more.pop("scripts", {}))
    # The same shop's books: what it sold before must not be sold again.
    shop.accepted = before.shop.accepted
    return Customer(tmp_path / "now", shop).order(prompts, reuse=[str(before.folder.root)], **more)


def notices(customer):
    return [event.message for event in customer.events if isinstance(event, Notice)]


def recorded(customer):
    with snapshot(customer.folder.ledger) as db:
        return {record.words["prompt"]: record for record in records(db)}


async def test_only_what_is_new_is_bought(tmp_path, before):
    customer = afterwards(tmp_path, before, ["c", "d", "a"])
    finished = await customer.run()
    assert (finished.exit_code, finished.reused) == (ExitCode.OK, 2)
    assert customer.shop.prompts == {"d": 1}
    assert notices(customer) == [f"2 requests reused from {before.folder.root}: linked, and not bought again"]
    found = recorded(customer)
    assert {name: record.state for name, record in found.items()} == dict.fromkeys("acd", State.STORED)
    for name in "ac":
        ours, theirs = found[name], recorded(before)[name]
        assert (ours.reused_from, ours.attempts, ours.billed_microusd, ours.cost_source) == (
            str(before.folder.root),
            0,
            0,
            "reused",
        )
        assert ours.answered_ms == theirs.answered_ms
        assert (customer.folder.root / ours.pictures[0].file).samefile(before.folder.root / theirs.pictures[0].file)
    assert found["d"].reused_from is None


async def test_a_second_run_has_nothing_to_do_and_says_nothing(tmp_path, before):
    customer = afterwards(tmp_path, before, ["a"])
    await customer.run()
    customer.events.clear()
    finished = await customer.run()
    assert (finished.reused, finished.changed, customer.shop.posts) == (0, False, 0)
    assert notices(customer) == []


async def test_what_was_altered_or_is_gone_is_bought_and_said(tmp_path, before):
    files = [before.folder.original(record.pictures[0].original) for record in recorded(before).values()]
    files[0].unlink()
    files[1].chmod(0o644)
    files[1].write_bytes(bytes(files[1].stat().st_size))
    customer = afterwards(tmp_path, before, ["a", "b", "c"])
    await customer.run(checked=False)
    assert customer.shop.prompts == {"a": 1, "b": 1}
    said = notices(customer)
    assert said[0].startswith("1 request reused from")
    assert said[1].startswith("2 pictures can't be reused and will be bought: ")
    assert f"{files[0]} is missing or altered" in said[1]
    assert f"{files[1]} has other bytes than were stored" in said[1]


async def test_a_request_in_doubt_takes_the_picture_that_is_there_instead_of_a_second_chance(tmp_path, before):
    customer = afterwards(tmp_path, before, ["a"], scripts={"a": [failed(Verdict.DOUBT)]})
    customer.order(["a"])
    await customer.run(strict=True)
    assert customer.states() == {"a": State.DOUBT}
    afterwards(tmp_path, before, ["a"])
    customer.order(["a"], reuse=[str(before.folder.root)])
    await customer.run()
    assert customer.states() == {"a": State.STORED}
    assert customer.shop.posts == 1
    # What the lost answer may have cost stays in the books.
    ((outcome, billed, maybe),) = customer.attempts()
    assert (outcome, billed) == ("in doubt", 0)
    assert maybe > 0


async def test_the_limit_of_new_requests_does_not_bound_what_is_free(tmp_path, before):
    customer = afterwards(tmp_path, before, ["a", "b", "c", "d", "e"])
    finished = await customer.run(selection=Selection(limit=1))
    assert finished.reused == 3
    assert customer.shop.posts == 1


async def test_only_what_was_selected_is_taken(tmp_path, before):
    customer = afterwards(tmp_path, before, ["a", "b"])
    finished = await customer.run(selection=Selection(only={"prompt": "b"}))
    assert finished.reused == 1
    assert customer.states() == {"b": State.STORED}


async def test_equal_requests_are_taken_once_and_the_first_one_counts(tmp_path, before):
    customer = afterwards(tmp_path, before, ["a", "a", "a"])
    assert (await customer.run()).reused == 1
    assert customer.shop.posts == 0
    assert recorded(customer)["a"].row == 1


async def test_two_requests_of_one_name_and_the_same_bytes_get_a_file_each(tmp_path, before):
    source = await bought_twice(tmp_path)
    customer = afterwards(tmp_path, source, ["x", "y"], output={"path": "{prompt}"})
    customer.order(["x", "y"], reuse=[str(source.folder.root)], output={"path": "same-{repeat}-{key}"})
    assert (await customer.run(checked=False)).reused == 2
    files = [record.pictures[0].file for record in recorded(customer).values()]
    assert len(set(files)) == 2


async def bought_twice(tmp_path):
    """A folder whose two requests got the very same picture."""
    (tmp_path / "twice").mkdir()
    customer = Customer(tmp_path / "twice", Shop(x=[sold(1)], y=[sold(1)])).order(["x", "y"])
    await customer.run()
    return customer


async def test_what_it_takes_does_not_count_for_the_limit_of_an_unconfirmed_run(tmp_path, before, monkeypatch):
    monkeypatch.setattr(preflight, "UNCONFIRMED_REQUESTS", 1)
    customer = afterwards(tmp_path, before, ["a", "b", "c", "d"])
    assert (await customer.run()).reused == 3
    with pytest.raises(UsageError, match="unconfirmed"):
        await customer.order(["e", "f"], reuse=[str(before.folder.root)]).run()


async def test_what_was_linked_and_could_not_be_recorded_is_taken_by_the_next_run(tmp_path, before, monkeypatch):
    customer = afterwards(tmp_path, before, ["a", "b", "c"])

    def fails(*_, **__):
        raise OSError(errno.EIO, "the disk gave in")

    with monkeypatch.context() as patched:
        patched.setattr(transitions, "reuse", fails)
        with pytest.raises(StoppedEarly, match="the disk"):
            await customer.run(checked=False)
    files = {path.name for path in customer.folder.pictures.glob("*/*.png")}
    assert (await customer.run()).result.passed[State.STORED] == 3
    assert customer.shop.posts == 0
    assert files
    assert files <= {path.name for path in customer.folder.pictures.glob("*/*.png")}
    assert len(list(customer.folder.images.rglob("*.png"))) == 3


async def test_a_folder_in_which_a_run_goes_on_may_be_read(tmp_path, before):
    waiting = anyio.Event()

    async def hold():
        waiting.set()
        await anyio.sleep_forever()

    before.shop.scripts["late"] = [hold]
    before.order(["a", "late"])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(before.run, checked=False))
        await waiting.wait()
        customer = afterwards(tmp_path, before, ["a", "b", "late2"])
        assert (await customer.run()).reused == 2
        before.engine.cancel()


async def test_a_source_that_is_no_run_folder_ends_the_run_before_anything_is_sent(tmp_path, before):
    customer = afterwards(tmp_path, before, ["a"])
    customer.order(["z"], reuse=[str(tmp_path / "typo"), str(before.folder.root)])
    with pytest.raises(UsageError, match="typo: there is no ledger here"):
        await customer.run()
    assert customer.shop.posts == 0


async def test_a_lost_ledger_remembers_where_its_pictures_came_from(tmp_path, before):
    customer = afterwards(tmp_path, before, ["a", "d"])
    await customer.run()
    write_dataset(customer.folder)
    lines = [json.loads(line) for line in (customer.folder.root / "metadata.jsonl").read_text().splitlines()]
    assert [(line["cost_source"], line["cost_usd"], line["reused_from"]) for line in lines] == [
        ("reused", 0, str(before.folder.root)),
        ("answer", 0.04, None),
    ]
    for path in customer.folder.state.glob("ledger.db*"):
        path.unlink()
    assert is_lost(customer.folder)
    await customer.run(checked=False)
    assert customer.shop.posts == 1
    found = recorded(customer)
    assert (found["a"].reused_from, found["a"].attempts) == (str(before.folder.root), 0)
    assert (found["d"].reused_from, found["d"].billed_microusd) == (None, 40_000)


NAMED = {"path": "icons/{icon}"}


def named(customer, prompt, **more):
    return customer.order((), rows=[{"icon": "mug", "prompt": prompt}], output=NAMED, **more)


def held(customer, place):
    """The pictures below a folder, by their names, as their numbers."""
    files = (path for path in place.rglob("*.png") if not path.name.startswith("."))
    return {path.name: PICTURES.index(path.read_bytes()) for path in files}


async def test_a_picture_that_is_taken_has_the_name_of_the_orphan_that_stood_there(tmp_path):
    for name in ("before", "now"):
        (tmp_path / name).mkdir()
    source = Customer(tmp_path / "before", Shop(blue=[sold(2)])).order(["blue"])
    await source.run()
    customer = Customer(tmp_path / "now", Shop(red=[sold(1)]))
    await named(customer, "red").run()
    finished = await named(customer, "blue", reuse=[str(source.folder.root)]).run(checked=False)
    assert (finished.reused, customer.shop.posts) == (1, 1)
    assert held(customer, customer.folder.images) == {"mug.png": 2}
    assert sorted(held(customer, customer.folder.pictures).values()) == [1, 2]
    assert list(verify(customer.folder, read_data=True)) == []
    # Another folder's file was linked, and never written to.
    assert held(source, source.folder.images).popitem()[1] == 2
    # The edit taken back.
    finished = await named(customer, "red").run(checked=False)
    assert (finished.exit_code, customer.shop.posts) == (ExitCode.OK, 1)
    assert held(customer, customer.folder.images) == {"mug.png": 1}


async def test_a_picture_that_turns_out_to_be_altered_moves_nothing_out_of_its_way(tmp_path):
    for name in ("before", "now"):
        (tmp_path / name).mkdir()
    source = Customer(tmp_path / "before", Shop(blue=[sold(2)])).order(["blue"])
    await source.run()
    (file,) = source.folder.pictures.glob("*/*.png")
    file.chmod(0o644)
    file.write_bytes(bytes(file.stat().st_size))
    customer = Customer(tmp_path / "now", Shop(red=[sold(1)], blue=[failed(Verdict.REFUSED)]))
    await named(customer, "red").run()
    finished = await named(customer, "blue", reuse=[str(source.folder.root)]).run(checked=False)
    assert (finished.reused, finished.exit_code) == (0, ExitCode.FAILURES)
    assert held(customer, customer.folder.images) == {"mug.png": 1}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_process_that_dies_while_it_takes_a_picture_loses_none_and_buys_none(tmp_path):
    (tmp_path / "before").mkdir()
    source = Customer(tmp_path / "before", Shop(blue=[sold(2)])).order(["blue"])
    anyio.run(source.run)
    for number in itertools.count(1):
        root = tmp_path / str(number)
        root.mkdir()
        customer = Customer(root, Books(root / "books", red=[sold(1)]))
        anyio.run(named(customer, "red").run)
        named(customer, "blue", reuse=[str(source.folder.root)])

        async def night(customer=customer):
            assert (await customer.run(checked=False)).exit_code == ExitCode.OK

        died = dies_at(number, night)
        lost = {Discrepancy.MISSING, Discrepancy.ALTERED, Discrepancy.FOREIGN}
        # What was linked and not recorded yet is foreign until the next run takes it.
        found = {finding.difference for finding in verify(customer.folder, read_data=True)}
        assert not (lost - {Discrepancy.FOREIGN}) & found, f"at step {number}"
        anyio.run(night)
        assert held(customer, customer.folder.images) == {"mug.png": 2}, f"at step {number}"
        assert sorted(held(customer, customer.folder.pictures).values()) == [1, 2], f"at step {number}"
        assert list(verify(customer.folder, read_data=True)) == [], f"at step {number}"
        assert customer.shop.sold() == {"red": 1}
        if not died:
            assert number > 5
            return
