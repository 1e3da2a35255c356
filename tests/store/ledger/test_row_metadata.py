"""Where a request stands in its manifest, and by which plan the ledger says so."""

from contextlib import closing
from dataclasses import dataclass

import msgspec
import pytest

from batchgen.request import State
from batchgen.store.folder.view import View
from batchgen.store.ledger import names, retired
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.records import Sharing, records, snapshot
from batchgen.store.ledger.row_metadata import Described, describe, describes, outdated, record_described
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


def described(*requests, named=False):
    """Rows as the plan gives them: opaque names hold a row's place and the beginning of its key."""
    return [
        Described(one, f"images/own-{one.row}" if named else f"images/00000/{one.index:09d}-{one.key[:8]}", named=named)
        for one in requests
    ]


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
    assert outdated(shelf.db, described(shelf.mug)) == []
    moved = described(msgspec.structs.replace(shelf.mug, **CHANGES[change]))
    assert outdated(shelf.db, moved) == moved
    assert describe(shelf.db, moved, now_ms=1) == 0
    assert outdated(shelf.db, moved) == []
    # An opaque name stays as it was first given.
    assert shelf.row()[-1] == stem


@pytest.mark.parametrize("named_before", [False, True])
def test_a_name_of_the_user_s_own_is_seen_and_given(shelf, named_before):
    shelf.builder.store(shelf.mug, name="images/before.png" if named_before else None)
    own = described(shelf.mug, named=True)
    assert outdated(shelf.db, own) == own
    assert describe(shelf.db, own, now_ms=1) == 1
    assert outdated(shelf.db, own) == []
    assert shelf.row()[-1] == "images/own-0"
    opaque = described(shelf.mug)
    assert outdated(shelf.db, opaque) == opaque
    assert describe(shelf.db, opaque, now_ms=1) == 1
    assert outdated(shelf.db, opaque) == []
    assert shelf.row()[-1] == opaque[0].stem


def test_what_was_retired_is_asked_for_again_and_has_its_name_again(shelf):
    (file,) = shelf.builder.store(shelf.mug)
    names.retire(shelf.db, [1], now_ms=1)
    assert outdated(shelf.db, described(shelf.mug)) == described(shelf.mug)
    assert describe(shelf.db, described(shelf.mug), now_ms=2) == 1
    assert shelf.db.execute("SELECT file, state FROM names").fetchall() == [(file, "wanted")]
    assert shelf.db.execute("SELECT retired_ms FROM requests").fetchone() == (None,)
    assert outdated(shelf.db, described(shelf.mug)) == []


@pytest.mark.parametrize("state", [State.REFUSED, State.SPOILED, State.DOUBT, State.WAITING])
def test_what_has_no_picture_is_described_and_has_no_name(shelf, state):
    shelf.builder.fail(shelf.mug, state)
    moved = described(msgspec.structs.replace(shelf.mug, row=9), named=True)
    assert describe(shelf.db, moved, now_ms=1) == 0
    assert shelf.row()[1] == 9
    assert shelf.row()[-1] == "images/own-9"
    assert shelf.db.execute("SELECT count(*) FROM names").fetchone() == (0,)


def test_what_was_discarded_is_described_and_gets_no_name(shelf):
    shelf.builder.store(shelf.mug)
    names.retire(shelf.db, [1], now_ms=1)
    retired.discard(shelf.db, [1], now_ms=1)
    names.record(shelf.db, View(shelf.builder.folder).settle(names.unsettled(shelf.db)))
    assert describe(shelf.db, described(shelf.mug), now_ms=2) == 0
    assert shelf.db.execute("SELECT count(*) FROM names").fetchone() == (0,)


def test_what_the_ledger_does_not_know_is_not_described(shelf):
    with closing(Reader(shelf.builder.folder.ledger)) as reader:
        assert not reader.knows_any()
        assert outdated(shelf.db, described(shelf.mug)) == []
        shelf.builder.fail(shelf.mug)
        assert reader.knows_any()


def test_rows_that_ask_for_the_same_keep_their_own_columns_in_the_plan_s_order(shelf):
    shelf.builder.store(shelf.mug)
    more = [
        msgspec.structs.replace(shelf.mug, index=place, row=place, columns={"label": str(place)}, axes={})
        for place in (30, 20)
    ]
    ledgers.share(shelf.db, described(*more, named=True))
    with snapshot(shelf.builder.folder.ledger) as db:
        (record,) = records(db)
        shared = Sharing(db).of(record)
    assert [(one.file, one.record.row, one.record.columns) for one in shared] == [
        ("images/own-20.png", 20, {"label": "20"}),
        ("images/own-30.png", 30, {"label": "30"}),
    ]
    assert {one.record.key for one in shared} == {shelf.mug.key}
    assert dict(record.columns) == {"label": "one", "size": "2"}


def test_only_the_rows_of_the_newest_plan_share_a_request(shelf):
    shelf.builder.store(shelf.mug)
    for row in (20, 30):
        more = msgspec.structs.replace(shelf.mug, index=row, row=row)
        ledgers.share(shelf.db, described(more, named=True))
    assert shelf.db.execute("SELECT row, stem FROM shares").fetchall() == [(30, "images/own-30")]
    states = shelf.db.execute("SELECT file, state FROM names WHERE share <> -1 ORDER BY file").fetchall()
    assert states == [("images/own-20.png", "leaving"), ("images/own-30.png", "wanted")]


def test_a_row_that_moved_keeps_the_name_it_shares(shelf):
    shelf.builder.store(shelf.mug)
    more = msgspec.structs.replace(shelf.mug, index=20, row=20)
    ledgers.share(shelf.db, [Described(more, "images/own", named=True)])
    names.record(shelf.db, View(shelf.builder.folder).settle(names.unsettled(shelf.db)))
    ledgers.share(shelf.db, [Described(msgspec.structs.replace(more, index=21), "images/own", named=True)])
    names.record(shelf.db, View(shelf.builder.folder).settle(names.unsettled(shelf.db)))
    assert shelf.db.execute("SELECT file, share, state FROM names WHERE share <> -1").fetchall() == [
        ("images/own.png", 21, "made")
    ]


def test_a_row_shares_what_is_not_stored_yet_and_has_its_name_with_the_first_one(shelf):
    more = msgspec.structs.replace(shelf.mug, index=20, row=20)
    ledgers.share(shelf.db, described(more, named=True))
    assert shelf.db.execute("SELECT count(*) FROM names").fetchone() == (0,)
    made = shelf.builder.store(shelf.mug)
    assert made == [f"images/00000/000000001-{shelf.mug.key[:8]}.png", "images/own-20.png"]


def test_one_plan_is_described_at_a_time_and_none_while_one_is_being_described(shelf):
    shelf.builder.store(shelf.mug)
    assert not describes(shelf.db, "a plan")
    record_described(shelf.db, "a plan")
    assert describes(shelf.db, "a plan")
    record_described(shelf.db, "another")
    assert (describes(shelf.db, "a plan"), describes(shelf.db, "another")) == (False, True)
    describe(shelf.db, described(msgspec.structs.replace(shelf.mug, row=3)), now_ms=1)
    assert not describes(shelf.db, "another")
