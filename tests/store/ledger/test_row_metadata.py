"""Where a request stands in its manifest, and by which plan the ledger says so."""

from dataclasses import dataclass

import msgspec
import pytest

from batchgen.store.ledger.row_metadata import describe, describes, knows_any, outdated, record_described
from tests import ledgers


@dataclass
class Shelf:
    builder: ledgers.LedgerBuilder
    mug: object

    @property
    def db(self):
        return self.builder.db

    def row(self):
        return self.db.execute("SELECT position, row, columns, axes, stem FROM requests").fetchone()


@pytest.fixture
def shelf(tmp_path):
    with ledgers.build(tmp_path / "out") as builder:
        builder.begin()
        mug = builder.request("mug", columns={"label": "one", "size": "2"}, axes={"look": "ink"})
        yield Shelf(builder, mug)


CHANGES = {
    "its place": {"index": 9},
    "its row": {"row": 9},
    "a column's value": {"columns": {"label": "two", "size": "2"}},
    "a column more": {"columns": {"label": "one", "size": "2", "who": "me"}},
    "a column less": {"columns": {"label": "one"}},
    "the order of columns": {"columns": {"size": "2", "label": "one"}},
    "a title": {"axes": {"look": "pen"}},
    "an axis less": {"axes": {}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_seen_and_after_it_was_recorded_it_is_none(shelf, change):
    shelf.builder.store(shelf.mug)
    stem = shelf.row()[-1]
    assert outdated(shelf.db, [shelf.mug]) == []
    moved = msgspec.structs.replace(shelf.mug, **CHANGES[change])
    assert outdated(shelf.db, [moved]) == [moved]
    describe(shelf.db, [moved])
    assert outdated(shelf.db, [moved]) == []
    # Where its picture is put is no part of it.
    assert shelf.row()[-1] == stem


def test_what_the_ledger_does_not_know_is_not_described(shelf):
    assert not knows_any(shelf.db)
    assert outdated(shelf.db, [shelf.mug]) == []
    shelf.builder.fail(shelf.mug)
    assert knows_any(shelf.db)


def test_one_plan_is_described_at_a_time_and_none_while_one_is_being_described(shelf):
    shelf.builder.store(shelf.mug)
    assert not describes(shelf.db, "a plan")
    record_described(shelf.db, "a plan")
    assert describes(shelf.db, "a plan")
    record_described(shelf.db, "another")
    assert (describes(shelf.db, "a plan"), describes(shelf.db, "another")) == (False, True)
    describe(shelf.db, [msgspec.structs.replace(shelf.mug, row=3)])
    assert not describes(shelf.db, "another")
