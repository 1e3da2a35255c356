"""Further takes in the ledger: rows of their own until they are pictures, then part of the request they are of."""

from contextlib import closing

import msgspec
import pytest

from batchgen.request import State, number_of
from batchgen.store.folder.view import View
from batchgen.store.ledger import names, retired, takes, transitions
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.transitions import Bill, Outcome
from batchgen.store.pictures.on_disk import put_picture
from tests import ledgers

STEM = "images/mug"


class Mug:
    """One stored request with a name of the user's own."""

    def __init__(self, book):
        self.book, self.db, self.folder = book, book.db, book.folder
        self.request = book.request("a mug")
        book.store(self.request, name=f"{STEM}.png")

    def ask(self):
        takes.ask(self.db, [(self.request, STEM)], run_id=self.book.run_id, now_ms=self.book.now_ms)

    def intend(self, number=2):
        return transitions.intend(
            *(self.db,),
            request=msgspec.structs.replace(self.request, take=number),
            stem=STEM,
            run_id=self.book.run_id,
            reserved_microusd=50_000,
            estimate_microusd=50_000,
            now_ms=self.book.now_ms,
        )

    def buy(self, *kinds, number=2):
        self.ask()
        ticket = self.intend(number)
        self.book.answer(ticket, Bill(30_000))
        stored = [
            put_picture(self.folder, self.request.key, place, ledgers.picture_bytes(100 * number + place, kind))
            for place, kind in enumerate(kinds or ("PNG",), 1)
        ]
        self.settle(
            transitions.store(*(self.db,), request_id=ticket.request_id, pictures=stored, downloads=0, now_ms=9)
        )
        return ticket

    def show(self, number):
        self.settle(takes.show(self.db, 1, number, now_ms=9))

    def settle(self, wanted):
        names.record(self.db, View(self.folder).settle(wanted))

    def files(self):
        return sorted(path.name for path in self.folder.images.iterdir())

    def known(self):
        return {one.number: one.shown for one in takes.takes_of(self.db, 1)}


@pytest.fixture
def mug(tmp_path):
    with ledgers.build(tmp_path / "mugs") as book:
        book.begin()
        yield Mug(book)


def test_one_that_nobody_asked_for_is_not_sent(mug):
    assert mug.intend() is None


def test_one_that_is_stored_is_not_sent_once_more(mug):
    mug.buy()
    assert mug.intend() is None
    assert mug.db.execute("SELECT count(*) FROM requests").fetchone() == (1,)


def test_the_first_stays_stored_while_it_is_on_its_way_and_when_it_fails(mug):
    mug.ask()
    ticket = mug.intend()
    with closing(PlanDiff(mug.folder.ledger, [number_of(mug.request.key)])) as diff:
        assert list(diff.open_positions) == []
        assert diff.states([mug.request.key]) == {mug.request.key: State.STORED}
    refused = Outcome(State.REFUSED, "moderation", "flagged", 400)
    transitions.fail(mug.db, ticket=ticket, outcome=refused, duration_ms=1, now_ms=9)
    assert mug.known() == {1: True}
    assert mug.files() == ["mug.png"]


def test_its_attempts_have_numbers_and_idempotency_keys_after_those_before(mug):
    tickets = [mug.buy(), mug.buy(number=3)]
    assert [one.idempotency_key.rpartition("-")[2] for one in tickets] == ["2", "3"]
    rows = mug.db.execute("SELECT request_id, take, ordinal FROM attempts ORDER BY id").fetchall()
    assert rows == [(1, 1, 1), (1, 2, 2), (1, 3, 3)]


def test_a_doubt_is_repeated_under_its_own_idempotency_key(mug):
    mug.ask()
    ticket = mug.intend()
    doubt = Outcome(State.DOUBT, "reset", "lost", maybe_microusd=50_000)
    transitions.fail(mug.db, ticket=ticket, outcome=doubt, duration_ms=1, now_ms=9)
    assert mug.intend().idempotency_key == ticket.idempotency_key


def test_another_kind_of_picture_and_another_number_of_them_leave_no_old_name(mug):
    mug.buy("WEBP", "WEBP")
    assert mug.files() == ["mug-2.webp", "mug.webp"]
    mug.show(1)
    assert mug.files() == ["mug.png"]
    mug.show(2)
    assert mug.files() == ["mug-2.webp", "mug.webp"]


def test_time_and_latency_are_those_of_the_take_that_is_shown(mug):
    facts = "SELECT first_sent_ms, answered_ms, latency_ms FROM requests WHERE id = 1"
    first = mug.db.execute(facts).fetchone()
    mug.book.now_ms += 60_000
    mug.buy()
    second = mug.db.execute(facts).fetchone()
    assert second[1] - first[1] > 60_000
    mug.show(1)
    assert mug.db.execute(facts).fetchone() == first
    mug.show(2)
    assert mug.db.execute(facts).fetchone() == second


def test_what_is_pruned_and_deleted_loses_the_bytes_of_all_takes(mug):
    mug.buy()
    mug.book.retire(1)
    found = {original for _, original, _ in retired.discardable(mug.db)}
    assert found == {f"{mug.request.key[:2]}/{mug.request.key}-{number}.png" for number in (1, 2)}


def test_bytes_that_are_the_same_are_kept_once_for_both(mug):
    mug.ask()
    ticket = mug.intend()
    mug.book.answer(ticket, Bill(30_000))
    same = ledgers.picture_bytes(mug.request.index * 20)
    for _ in range(2):
        stored = put_picture(mug.folder, mug.request.key, 1, same)
    mug.settle(transitions.store(*(mug.db,), request_id=ticket.request_id, pictures=[stored], downloads=0, now_ms=9))
    assert mug.known() == {1: False, 2: True}
    assert len(list(mug.folder.pictures.glob("*/*-*"))) == 1


def test_open_ones_are_told_with_their_numbers(mug):
    mug.ask()
    with closing(Reader(mug.folder.ledger)) as reader:
        ((take, known),) = reader.open_takes().values()
    assert (take, known.state) == (2, State.WAITING)
    assert takes.count_open(mug.db) == 1
    mug.ask()
    assert takes.count_open(mug.db) == 1
