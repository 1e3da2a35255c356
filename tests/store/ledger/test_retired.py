"""What nothing asks for any more: which requests, which names, and which bytes may go for good."""

import pytest

from batchgen.request import State, number_of
from batchgen.store.ledger import names, retired
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.records import records, withdrawn_records
from batchgen.store.ledger.retired import Doubts
from tests import ledgers


@pytest.fixture
def shelf(tmp_path):
    with ledgers.build(tmp_path / "out") as builder:
        builder.begin()
        yield builder


@pytest.fixture
def diff(shelf):
    opened = []

    def open_diff(*planned):
        opened.append(PlanDiff(shelf.folder.ledger, [number_of(one.key) for one in planned]))
        return opened[-1]

    yield open_diff
    for one in opened:
        one.close()


def number(shelf, request):
    return shelf.db.execute("SELECT id FROM requests WHERE key = ?", (request.key,)).fetchone()[0]


@pytest.mark.parametrize("state", [State.REFUSED, State.SPOILED, State.WAITING])
def test_what_ended_without_a_picture_and_is_not_asked_for_is_withdrawn(shelf, diff, state):
    asked, gone = shelf.request("asked"), shelf.request("gone")
    for one in (asked, gone):
        shelf.fail(one, state)
    found = retired.no_longer_asked(diff(asked))
    assert found == [number(shelf, gone)]
    retired.withdraw(shelf.db, found, now_ms=5)
    assert [one.key for one in records(shelf.db)] == [asked.key]
    assert [one.key for one in withdrawn_records(shelf.db)] == [gone.key]
    assert retired.no_longer_asked(diff(asked)) == []


@pytest.mark.parametrize("later", [None, State.REFUSED, State.SPOILED, State.WAITING])
def test_what_was_ever_in_doubt_is_never_withdrawn(shelf, diff, later):
    gone = shelf.request("gone")
    shelf.fail(gone, State.DOUBT, maybe_microusd=11)
    if later is not None:
        shelf.fail(gone, later)
    assert retired.no_longer_asked(diff()) == []
    retired.withdraw(shelf.db, [number(shelf, gone)] if later is None else [], now_ms=5)
    assert [one.key for one in records(shelf.db)] == [gone.key]


def test_what_became_a_picture_meanwhile_is_not_withdrawn(shelf, diff):
    gone = shelf.request("gone")
    shelf.fail(gone)
    found = retired.no_longer_asked(diff())
    shelf.store(gone)
    retired.withdraw(shelf.db, found, now_ms=5)
    assert [one.state for one in records(shelf.db)] == [State.STORED]


def test_doubts_that_no_run_before_could_tell_of_are_told_with_their_cost(shelf, diff):
    old, new, asked = (shelf.request(prompt) for prompt in ("old", "new", "asked"))
    shelf.fail(old, State.DOUBT, maybe_microusd=11)
    shelf.now_ms += 1
    shelf.end()
    shelf.begin()
    for one in (new, asked):
        shelf.fail(one, State.DOUBT, maybe_microusd=7)
    shelf.fail(new, State.DOUBT, maybe_microusd=5)
    assert retired.new_doubts(diff(asked), shelf.run_id) == Doubts(1, 12)
    assert retired.new_doubts(diff(asked, new), shelf.run_id) == Doubts(0, 0)


def test_names_are_told_without_their_extensions_and_leaving_ones_no_more(shelf):
    shelf.store(shelf.request("mug"), name="images/mug.png", kinds=("PNG", "WEBP"))
    shelf.store(shelf.request("cup"), name="images/cup.png")
    assert retired.stems_of(shelf.db, [1, 2, 9]) == {1: {"images/mug", "images/mug-2"}, 2: {"images/cup"}}
    assert retired.count_names(shelf.db) == 3
    names.retire(shelf.db, [1], now_ms=1)
    assert retired.stems_of(shelf.db, [1, 2]) == {2: {"images/cup"}}
    assert retired.count_names(shelf.db) == 1


def test_bytes_may_go_once_no_name_shows_them(shelf):
    shelf.store(shelf.request("mug"), kinds=("PNG", "WEBP"))
    shelf.store(shelf.request("cup"))
    assert retired.discardable(shelf.db) == []
    names.retire(shelf.db, [1], now_ms=1)
    # The names still stand in images/.
    assert retired.discardable(shelf.db) == []
    shelf.retire(1)
    found = retired.discardable(shelf.db)
    assert [request for request, _, _ in found] == [1, 1]
    assert {shelf.folder.original(original).stat().st_size for _, original, _ in found} == {
        size for _, _, size in found
    }


def test_a_picture_whose_names_its_user_deleted_is_kept_while_it_is_asked_for(shelf):
    (file,) = shelf.store(shelf.request("mug"))
    names.record_deleted(shelf.db, [file])
    assert retired.discardable(shelf.db) == []


def test_what_was_discarded_says_when_for_the_first_time_and_is_still_stored(shelf):
    shelf.store(shelf.request("mug"))
    shelf.retire(1)
    retired.discard(shelf.db, [1], now_ms=5)
    retired.discard(shelf.db, [1], now_ms=9)
    assert shelf.db.execute("SELECT state, discarded_ms FROM requests").fetchall() == [("stored", 5)]
    # Bytes that a process left which died in between are found again.
    assert len(retired.discardable(shelf.db)) == 1
