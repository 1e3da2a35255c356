"""What is known of a run folder without its ledger."""

import json
import sqlite3
from contextlib import closing

import msgspec
import pytest

from batchgen.errors import LedgerDamaged
from batchgen.request import State
from batchgen.store.dataset.leftovers import Leftovers, is_lost, picture_files, remembered
from batchgen.store.dataset.metadata import write_dataset
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.row_metadata import Described
from batchgen.store.ledger.schema import connect
from tests import ledgers


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "out")
    made.state.mkdir(parents=True)
    return made


def write(folder, name, *lines):
    path = folder.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))


def none(folder):
    """No file at all."""


def empty(folder):
    folder.ledger.write_bytes(b"")


def without_tables(folder):
    """Its making was broken off before the first table."""
    with closing(sqlite3.connect(folder.ledger)) as db:
        db.execute("PRAGMA journal_mode = WAL")


def that_knows_nothing(folder):
    connect(folder.ledger).close()


LEFT = [
    *("metadata.jsonl", "failures.jsonl", "images/00000/a.png"),
    *(f".batchgen/pictures/ab/{'ab' * 16}-1.png", f".batchgen/answers/{'ab' * 16}-1.body"),
]


@pytest.mark.parametrize("name", LEFT)
@pytest.mark.parametrize("ledger", [none, empty, without_tables, that_knows_nothing])
def test_what_an_earlier_run_left_tells_that_its_ledger_is_lost(folder, name, ledger):
    assert not is_lost(folder)
    ledger(folder)
    assert not is_lost(folder)
    write(folder, name, {"key": "a"})
    assert is_lost(folder)


@pytest.mark.parametrize("name", LEFT)
def test_a_ledger_that_is_there_is_not_lost(tmp_path, name):
    with ledgers.build(tmp_path / "out") as book:
        book.begin()
        book.fail(book.request("mug"))
        write(book.folder, name, {"key": "a"})
        assert not is_lost(book.folder)


def test_a_damaged_ledger_is_not_lost(folder):
    write(folder, "metadata.jsonl", {"key": "a"})
    folder.ledger.write_bytes(b"damaged, and there all the same")
    with pytest.raises(LedgerDamaged):
        is_lost(folder)


@pytest.mark.parametrize("name", ["mark", "ab/.1234.part", "ab"])
def test_what_a_run_leaves_that_bought_nothing_tells_nothing(folder, name):
    path = folder.pictures / name
    path.parent.mkdir(parents=True)
    path.mkdir() if name == "ab" else path.write_bytes(b"")
    assert not is_lost(folder)


@pytest.mark.parametrize("name", ["metadata.jsonl", "failures.jsonl"])
def test_an_empty_list_tells_nothing(folder, name):
    write(folder, name)
    assert not is_lost(folder)


def test_hidden_files_are_nobody_s_pictures(folder):
    write(folder, "images/00000/.a.part", "")
    assert (list(picture_files(folder)), is_lost(folder)) == ([], False)


def test_each_key_has_the_state_that_a_rebuilt_ledger_would_give_it(folder):
    write(folder, "metadata.jsonl", {"key": "a"}, "{", {"file_name": "b.png"})
    write(folder, f".batchgen/pictures/{'b' * 2}/{'b' * 32}-1.png", "a picture")
    write(folder, "failures.jsonl", {"key": "c", "state": "refused"}, {"key": "d", "state": ["lost"]}, {"key": "e"})
    lookup = remembered(folder)
    assert lookup(["a", "b" * 32, *"cdef"]) == {"a": State.STORED, "b" * 32: State.STORED, "c": State.REFUSED}


def test_lines_that_nobody_can_read_are_counted_and_end_nothing(folder):
    write(folder, "metadata.jsonl", "{", {"key": "a"}, {"key": "a"}, "[]")
    write(folder, "failures.jsonl", {"key": "c", "state": "refused"}, "\udcff".encode("utf-8", "replace").decode())
    leftovers = Leftovers(folder)
    assert [*leftovers.stored(), *leftovers.failed()] == []
    assert leftovers.unreadable == 6


def test_lines_of_rows_that_share_a_request_have_no_bill_of_their_own(tmp_path):
    with ledgers.build(tmp_path / "out") as book:
        book.begin()
        mug = book.request("mug")
        book.store(mug, kinds=("PNG", "WEBP"), name="images/mug.png")
        again = msgspec.structs.replace(mug, index=9, row=9)
        ledgers.share(book.db, [Described(again, "images/again", named=True)])
        write_dataset(book.folder)
    assert (book.folder.root / "metadata.jsonl").read_text().count("\n") == 4
    (paid,) = Leftovers(book.folder).stored()
    assert [picture.file for picture in paid.pictures] == ["images/mug.png", "images/mug-2.webp"]
    assert paid.bill.billed_microusd == 40_000
