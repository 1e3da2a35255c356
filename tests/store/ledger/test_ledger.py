"""The ledger's promise: whatever the caller believes, what was answered is never sent again."""

import sqlite3
from contextlib import asynccontextmanager, closing, contextmanager

import anyio
import anyio.to_thread
import pytest

from batchgen.errors import ExitCode, FolderMismatch, LedgerDamaged
from batchgen.request import Kind, Request, State, canonical_json, key_of
from batchgen.store.ledger.ledger import open_ledger
from batchgen.store.ledger.reader import Reader, Spent
from batchgen.store.ledger.transitions import Bill, Outcome, StoredPicture
from batchgen.store.media.sniff import Format

pytestmark = pytest.mark.anyio


def request(prompt="a mug", index=0):
    parameters = {"prompt": prompt}
    canonical = canonical_json(provider="simulator", kind=Kind.IMAGE, model="maker/one", parameters=parameters)
    return Request(key_of(canonical), canonical, "simulator", Kind.IMAGE, "maker/one", parameters, index=index)


class Book:
    """A ledger with the words a test wants to say."""

    def __init__(self, ledger, run_id):
        self.ledger = ledger
        self.run_id = run_id

    async def intend(self, wanted, reserved=7, estimate=5, stem="images/0"):
        return await self.ledger.intend(
            wanted, stem=stem, run_id=self.run_id, reserved_microusd=reserved, estimate_microusd=estimate
        )

    async def answer(self, ticket, billed=4, kept=None):
        await self.ledger.answer(ticket, bill=Bill(billed), body=b"{}", kept=kept, latency_ms=1, duration_ms=2)

    async def store(self, ticket, original=None):
        original = original or f"{ticket.key[:2]}/{ticket.key}-1.png"
        picture = StoredPicture(original, "00", 1, Format("png", "png", 1, 1))
        return await self.ledger.store(ticket.request_id, [picture], folders=[self.ledger.path.parent], downloads=0)

    async def end(self, ticket, state, **money):
        await self.ledger.fail(ticket, Outcome(state, "because", "it was so", **money), duration_ms=3)

    async def bring_to(self, wanted, state):
        ticket = await self.intend(wanted)
        match state:
            case State.SENT:
                pass
            case State.ANSWERED | State.STORED:
                await self.answer(ticket)
                if state is State.STORED:
                    await self.store(ticket)
            case State.DOUBT:
                await self.end(ticket, state, maybe_microusd=7)
            case _:
                await self.end(ticket, state)
        return ticket


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mugs" / ".batchgen" / "ledger.db"


@asynccontextmanager
async def opened(path, provider="simulator"):
    path.parent.mkdir(parents=True, exist_ok=True)
    async with open_ledger(path, provider=provider) as ledger:
        run_id = await ledger.begin_run(
            version="0", manifest="mugs", provider=provider, base_url="", planned=1, estimate_microusd=5
        )
        yield Book(ledger, run_id)


@contextmanager
def reading(path):
    with closing(Reader(path)) as reader:
        yield reader


def state_of(path, wanted):
    with reading(path) as reader:
        return reader.states([wanted.key]).get(wanted.key)


@pytest.mark.parametrize("state", [State.SENT, State.ANSWERED, State.STORED])
async def test_what_is_on_its_way_or_paid_for_gets_no_second_ticket(path, state):
    async with opened(path) as book:
        await book.bring_to(request(), state)
        assert await book.intend(request()) is None
    assert state_of(path, request()) == state


@pytest.mark.parametrize("state", [State.WAITING, State.REFUSED, State.SPOILED, State.DOUBT])
async def test_what_brought_no_picture_may_be_sent_again_when_asked(path, state):
    async with opened(path) as book:
        first = await book.bring_to(request(), state)
        again = await book.intend(request(index=8), stem="images/8")
        assert (again.request_id, again.attempt_id) == (first.request_id, first.attempt_id + 1)
    assert state_of(path, request()) == State.SENT
    with reading(path) as reader:
        assert reader.db.execute("SELECT position, stem, reason, body FROM requests").fetchall() == [
            (8, "images/8", None, None)
        ]


async def test_a_thousand_callers_of_one_key_get_one_ticket(path):
    tickets = []

    async def intend(book):
        tickets.append(await book.intend(request()))

    async with opened(path) as book, anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(intend, book)
    assert sum(ticket is not None for ticket in tickets) == 1


async def test_a_ticket_is_durable_before_it_is_given(path):
    async with opened(path) as book:
        await book.intend(request())
        assert state_of(path, request()) == State.SENT


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([State.WAITING, State.WAITING, State.REFUSED], ["1", "2", "3", "4"]),
        ([State.DOUBT, State.WAITING, State.DOUBT, State.REFUSED], ["1", "1", "1", "1", "1"]),
        ([State.WAITING, State.DOUBT, State.WAITING], ["1", "2", "2", "2"]),
        # What was billed under the key in doubt was the same purchase: the next one is another.
        ([State.DOUBT, State.SPOILED, State.WAITING, State.DOUBT], ["1", "1", "3", "4", "4"]),
    ],
)
async def test_the_idempotency_key_stays_the_same_while_any_earlier_attempt_is_in_doubt(path, outcomes, expected):
    keys = []
    async with opened(path) as book:
        for outcome in (*outcomes, State.WAITING):
            ticket = await book.intend(request())
            keys.append(ticket.idempotency_key.removeprefix(f"{request().key}-"))
            await book.end(ticket, outcome)
    assert keys == expected


async def test_money_stands_in_exactly_one_column(path):
    async with opened(path) as book:
        await book.bring_to(request("stored"), State.STORED)
        await book.bring_to(request("doubtful"), State.DOUBT)
        await book.end(await book.intend(request("spoiled")), State.SPOILED, estimated_microusd=5)
        await book.bring_to(request("refused"), State.REFUSED)
        with reading(path) as reader:
            assert reader.spent() == Spent(4, 7, 5, 0)
        await book.bring_to(request("doubtful"), State.DOUBT)
    with reading(path) as reader:
        assert reader.spent() == Spent(4, 14, 5, 7)


async def test_what_a_dead_process_had_on_its_way_is_in_doubt_at_its_reserved_price(path):
    async with opened(path) as book:
        await book.bring_to(request("on its way"), State.SENT)
        await book.bring_to(request("answered"), State.ANSWERED)
    async with opened(path) as book:
        with reading(path) as reader:
            assert [one.ticket.key for one in reader.sent().values()] == [request("on its way").key]
        assert await book.ledger.doubt_what_was_sent() == 1
    with reading(path) as reader:
        assert reader.spent() == Spent(4, 7, 0, 0)
        standing = reader.standings([request("on its way").key])[request("on its way").key]
        assert (standing.state, standing.doubts) == (State.DOUBT, 1)
        assert [left.key for left in reader.unfinished()] == [request("answered").key]
        assert reader.count() == {State.DOUBT: 1, State.ANSWERED: 1}


async def test_one_original_is_never_recorded_for_two_requests(path):
    async with opened(path) as book:
        one = await book.bring_to(request("one"), State.STORED)
        other = await book.bring_to(request("two"), State.ANSWERED)
        with pytest.raises(sqlite3.IntegrityError):
            await book.store(other, f"{one.key[:2]}/{one.key}-1.png")
        assert state_of(path, request("two")) == State.ANSWERED
        await book.store(other)
    assert state_of(path, request("two")) == State.STORED


async def test_a_name_that_two_requests_want_is_that_of_the_one_stored_last_and_both_stay_stored(path):
    async with opened(path) as book:
        await book.bring_to(request("one"), State.STORED)
        other = await book.bring_to(request("two"), State.ANSWERED)
        (name,) = await book.store(other)
    assert (name.file, name.original) == ("images/0.png", f"{other.key[:2]}/{other.key}-1.png")
    with reading(path) as reader:
        assert set(reader.states([request("one").key, request("two").key]).values()) == {State.STORED}
        # The one before is asked for by no row.
        assert reader.count() == {State.STORED: 1}


async def test_an_answer_kept_as_a_file_is_recorded_by_its_name_and_forgotten_once_it_is_a_picture(path):
    async with opened(path) as book:
        ticket = await book.intend(request())
        kept = path.parent / f"{ticket.key}-{ticket.attempt_id}.body"
        kept.write_bytes(b"{}")
        await book.answer(ticket, kept=kept)
        with reading(path) as reader:
            assert [left.answer for left in reader.unfinished()] == [kept.name]
        await book.store(ticket)
    with reading(path) as reader:
        assert reader.unfinished() == []
        assert reader.db.execute("SELECT answer FROM requests").fetchone() == (None,)


async def test_attempts_whose_picture_is_stored_are_told_from_the_others(path):
    async with opened(path) as book:
        stored = await book.bring_to(request("stored"), State.STORED)
        answered = await book.bring_to(request("answered"), State.ANSWERED)
    with reading(path) as reader:
        assert reader.finished([stored.attempt_id, answered.attempt_id, 99]) == {stored.attempt_id: stored.key}
        assert reader.finished([]) == {}


@pytest.mark.parametrize(("first", "second"), [("simulator", "imagerouter"), ("openai", "simulator")])
async def test_play_money_and_real_money_never_share_a_folder(path, first, second):
    async with opened(path, first):
        pass
    with pytest.raises(FolderMismatch, match="--out"):
        async with opened(path, second):
            pass
    async with opened(path, first):
        pass


async def test_a_run_that_was_killed_has_no_exit_code(path):
    async with opened(path) as book:
        with reading(path) as reader:
            assert reader.last_run().exit_code is None
        await book.ledger.end_run(book.run_id, exit_code=3, reason="budget")
    with reading(path) as reader:
        assert (reader.last_run().exit_code, reader.last_run().reason) == (3, "budget")


async def test_any_number_of_keys_can_be_looked_up_at_once(path):
    async with opened(path) as book:
        await book.bring_to(request(), State.STORED)
    with reading(path) as reader:
        keys = [request().key, *(f"{number:032x}" for number in range(50_000))]
        assert set(reader.standings(keys)) == {request().key}
        assert reader.standings([]) == {}


async def test_damage_behind_the_definitions_of_its_tables_is_damage_too(path):
    async with opened(path) as book:
        for number in range(200):
            await book.bring_to(request(str(number)), State.ANSWERED)
    with closing(sqlite3.connect(path)) as db:
        roots = [
            root
            for (root,) in db.execute("SELECT rootpage FROM sqlite_master WHERE rootpage > 0 AND tbl_name <> 'facts'")
        ]
        (size,) = db.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    for root in roots:
        content[(root - 1) * size : root * size] = b"\xa5" * size
    path.write_bytes(content)
    with reading(path) as reader:
        for ask in (reader.spent, reader.count, reader.sent, reader.unfinished, reader.last_run):
            with pytest.raises(LedgerDamaged) as damaged:
                ask()
            assert damaged.value.exit_code == ExitCode.DAMAGED
    assert path.read_bytes() == content


async def test_a_reader_sees_what_is_committed_while_the_writer_works(path):
    async with opened(path) as book:
        with reading(path) as reader, closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert reader.count() == {}
            other.execute("ROLLBACK")
        await book.intend(request())
        assert state_of(path, request()) == State.SENT
