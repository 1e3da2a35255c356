"""The mark of a run that ended in order: without it, or with another one, a folder is looked through."""

import json
from contextlib import closing

import pytest

from batchgen.store.dataset.heal import heal
from batchgen.store.dataset.mark import is_in_step, leave_mark, mark_of, remove_mark
from batchgen.store.ledger.schema import connect
from tests import ledgers


class Night:
    """A run folder and its ledger, which stays open while a test looks at it."""

    def __init__(self, folder):
        self.folder = folder
        self.db = None


@pytest.fixture
def mugs(tmp_path):
    with ledgers.build(tmp_path / "mugs") as book:
        book.begin()
        book.store(book.request("mug 0"))
    return Night(book.folder)


@pytest.fixture
def ended(mugs):
    """A run that ended in order: the mark of it is beside the pictures, in the ledger and in summary.json."""
    with closing(connect(mugs.folder.ledger)) as db:
        leave_mark(mugs.folder)(db)
        (mugs.folder.root / "summary.json").write_text(json.dumps({"mark": mark_of(db)}))
        mugs.db = db
        yield mugs


def in_step(night, *strangers):
    return is_in_step(night.folder, night.db, strangers)


def test_a_folder_whose_last_run_ended_in_order_is_in_step(ended):
    assert in_step(ended)
    assert mark_of(ended.db)


def test_a_ledger_without_a_mark_is_not_in_step(mugs):
    with closing(connect(mugs.folder.ledger)) as db:
        assert mark_of(db) is None
        assert not is_in_step(mugs.folder, db, [])


def test_a_run_that_dies_leaves_a_folder_that_is_looked_through(ended):
    remove_mark(ended.folder)
    remove_mark(ended.folder)
    assert not in_step(ended)


def test_a_ledger_of_yesterday_is_not_in_step(ended):
    with ended.db:
        before = mark_of(ended.db)
    leave_mark(ended.folder)(ended.db)
    (ended.folder.root / "summary.json").write_text(json.dumps({"mark": mark_of(ended.db)}))
    assert in_step(ended)
    ended.db.execute("UPDATE facts SET value = ? WHERE name = 'mark'", (before,))
    assert not in_step(ended)


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b'{"mark": 5}', b'{"mark": "other"}', b"\xff"])
def test_a_summary_of_another_run_is_not_in_step(ended, content):
    path = ended.folder.root / "summary.json"
    path.unlink() if content is None else path.write_bytes(content)
    assert not in_step(ended)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"other"])
def test_another_mark_beside_the_pictures_is_not_in_step(ended, content):
    (ended.folder.pictures / "mark").write_bytes(content)
    assert not in_step(ended)


def test_files_that_nobody_knows_are_looked_at_once(ended):
    assert not in_step(ended, "images/holiday.png")
    (ended.folder.images / "holiday.png").write_bytes(b"mine")
    heal(ended.db, folder=ended.folder, find=lambda _: iter(()), lost=False, buys_missing=False)
    assert in_step(ended, "images/holiday.png")
    assert in_step(ended)
    assert not in_step(ended, "images/holiday.png", "images/other.png")
