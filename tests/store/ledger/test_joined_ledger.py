"""Several ledgers are read as one: each request once, all money, and runs that overlap as one."""

import sqlite3
from contextlib import closing

import pytest
from msgspec import structs

from batchgen.errors import LedgerDamaged, StoppedEarly, UsageError
from batchgen.request import State
from batchgen.store.ledger import takes
from batchgen.store.ledger.joined_ledger import join_ledgers
from batchgen.store.ledger.records import records, snapshot
from batchgen.store.ledger.run_counts import RunCounts, read_counts, record_counts
from tests import ledgers
from tests.ledgers import START_MS
from tests.parts import divided
from tests.store.disks import small_disk


@pytest.fixture
def two(tmp_path):
    with ledgers.build(tmp_path / "a") as first, ledgers.build(tmp_path / "b") as second:
        yield first, second


@pytest.fixture
def joined(tmp_path):
    """Join ledgers and return what one question to them brings."""

    def joined(*builders):
        path = tmp_path / "joined.db"
        path.unlink(missing_ok=True)
        join_ledgers({f"{one.folder.root.name}/": one.folder.ledger for one in builders}, path)
        return path

    return joined


def rows(path, statement):
    with closing(sqlite3.connect(path)) as db:
        return db.execute(statement).fetchall()


def test_each_request_is_one_and_its_pictures_are_found_from_above(two, joined):
    first, second = two
    first.begin()
    second.begin()
    first.store(first.request("a fox"), billed=1, kinds=("PNG", "PNG"))
    second.store(second.request("a mug"), billed=2)
    with snapshot(joined(first, second)) as db:
        found = {record.words["prompt"]: record for record in records(db)}
    assert {prompt: record.billed_microusd for prompt, record in found.items()} == {"a fox": 1, "a mug": 2}
    files = [picture.file for record in found.values() for picture in record.pictures]
    assert sorted(file.split("/")[0] for file in files) == ["a", "a", "b"]
    assert all((first.folder.root.parent / file).is_file() for file in files)


def test_a_request_of_two_ledgers_counts_once_and_what_was_paid_for_it_twice(two, joined):
    first, second = two
    for builder, billed in ((first, 3), (second, 4)):
        builder.begin()
        builder.store(builder.request("a fox"), billed=billed)
    ((record),) = _records(joined(first, second))
    assert (record.billed_microusd, record.attempts, len(record.pictures)) == (7, 2, 1)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_take_that_is_none_yet_in_one_ledger_leaves_the_attempts_of_the_stored_request_of_another(
    two, joined, swapped
):
    first, second = two
    first.begin()
    second.begin()
    asked = first.request("a fox")
    first.store(asked, billed=3)
    second.store(second.request("a fox"), billed=4)
    takes.ask(first.db, [(asked, "images/a fox")], run_id=first.run_id, now_ms=first.now_ms)
    first.fail(structs.replace(asked, take=2), State.DOUBT, reason="killed", maybe_microusd=5)
    path = joined(*(reversed(two) if swapped else two))
    spent = rows(
        path,
        "SELECT r.take, r.state, sum(a.billed_microusd), sum(a.maybe_microusd) FROM requests r"
        " JOIN attempts a ON a.request_id = r.id GROUP BY r.id ORDER BY r.take",
    )
    assert spent == [(1, "stored", 7, 0), (2, "in doubt", 0, 5)]


def test_the_takes_of_a_request_are_those_of_its_ledger(two, joined):
    first, second = two
    first.begin()
    second.begin()
    asked = first.request("a fox")
    first.store(asked, billed=3)
    takes.ask(first.db, [(asked, "images/a fox")], run_id=first.run_id, now_ms=first.now_ms)
    first.store(structs.replace(asked, take=2), billed=5)
    second.store(second.request("a mug"), billed=4)
    path = joined(first, second)
    with snapshot(path) as db:
        (found,) = takes.numbers(db).items()
        assert found[1] == (2, 2)
        assert [(one.number, one.shown, one.billed_microusd) for one in takes.takes_of(db, found[0])] == [
            (1, False, 3),
            (2, True, 5),
        ]


@pytest.mark.parametrize("swapped", [False, True])
def test_a_request_that_is_stored_anywhere_is_stored(two, joined, swapped):
    first, second = two
    first.begin()
    second.begin()
    first.fail(first.request("a fox"), State.WAITING, reason="throttled", status=429)
    second.store(second.request("a fox"), billed=4)
    ((record),) = _records(joined(*(reversed(two) if swapped else two)))
    assert (record.state, record.attempts, record.billed_microusd) == (State.STORED, 2, 4)
    assert record.pictures[0].file.startswith("b/images/")


def test_runs_that_overlap_are_one_and_others_are_not(two, joined):
    first, second = two
    first.begin(planned=3)
    first.store(first.request("a fox"), billed=1, latency_ms=60_000)
    first.end()
    second.now_ms = START_MS + 30_000
    second.begin(planned=4)
    second.store(second.request("a mug"), billed=1, latency_ms=60_000)
    second.end(3, "the balance is empty")
    first.now_ms = START_MS + 600_000
    first.begin(planned=3)
    first.end()
    found = rows(joined(first, second), "SELECT started_ms, ended_ms, planned, exit_code, reason FROM runs ORDER BY id")
    assert found == [
        (START_MS, second.now_ms, 7, 3, "the balance is empty"),
        (START_MS + 600_000, START_MS + 600_000, 3, 0, None),
    ]
    attempts = rows(joined(first, second), "SELECT DISTINCT run_id FROM attempts")
    assert attempts == [(1,)]


@pytest.mark.parametrize(("codes", "worse"), [((4, 3), 3), ((1, 4), 4), ((0, 1), 1), ((143, 4), 143), ((6, 3), 6)])
def test_the_worst_end_of_a_run_s_parts_is_its_end(two, joined, codes, worse):
    for number, (builder, code) in enumerate(zip(two, codes, strict=True)):
        builder.begin()
        builder.store(builder.request(f"mug {number}"), billed=1)
        builder.end(code)
    assert rows(joined(*two), "SELECT exit_code FROM runs") == [(worse,)]


def test_a_run_of_which_one_part_goes_on_has_no_end(two, joined):
    first, second = two
    first.begin()
    first.store(first.request("a fox"), billed=1)
    first.end()
    second.begin()
    second.store(second.request("a mug"), billed=1, latency_ms=90_000)
    assert rows(joined(first, second), "SELECT ended_ms, exit_code FROM runs") == [(None, None)]


def test_what_the_newest_run_did_is_the_sum_of_its_parts(two, joined):
    for number, builder in enumerate(two, 1):
        builder.begin()
        builder.store(builder.request(f"mug {number}"), billed=1)
        builder.end()
        record_counts(builder.db, RunCounts(run_id=1, bought=number, kept=10))
    with snapshot(joined(*two)) as db:
        counts = read_counts(db)
    assert (counts.bought, counts.kept) == (3, 20)


def test_play_money_is_never_added_to_real_money(two, joined):
    first, second = two
    first.begin(simulated=True)
    second.begin()
    with pytest.raises(UsageError, match=r"a holds simulated results and .*b real ones; they are never added up"):
        joined(first, second)


def test_the_ledgers_are_left_as_they_are(two, joined):
    for number, builder in enumerate(two):
        builder.begin()
        builder.store(builder.request(f"mug {number}"), billed=1)
    before = [list(builder.db.iterdump()) for builder in two]
    joined(*two)
    assert [list(builder.db.iterdump()) for builder in two] == before


def test_a_disk_that_has_no_room_is_told_as_such(two, tmp_path):
    first, second = two
    for number, builder in enumerate(two):
        builder.begin()
        for each in range(200):
            builder.fail(builder.request(f"mug {number}-{each} " + "x" * 1_000))
    with (
        small_disk(tmp_path / "small", "256k") as place,
        pytest.raises(StoppedEarly, match=r"the disk is full.*TMPDIR"),
    ):
        join_ledgers({"a/": first.folder.ledger, "b/": second.folder.ledger}, place / "joined.db")


def test_a_damaged_ledger_is_named(two, tmp_path):
    first, _ = two
    first.begin()
    first.store(first.request("a mug"), billed=1)
    copy = tmp_path / "copy.db"
    copy.write_bytes(b"SQLite format 3\0" + b"x" * 5_000)
    with pytest.raises(LedgerDamaged, match=r"copy\.db"):
        join_ledgers({"a/": first.folder.ledger, "b/": copy}, tmp_path / "joined.db")


def test_the_parts_of_a_ledger_hold_together_what_it_holds(two, joined, tmp_path):
    first, _ = two
    first.begin()
    for number in range(12):
        first.store(first.request(f"mug {number}"), billed=number)
    first.end()
    parts = divided(first.folder, 4)
    path = tmp_path / "joined.db"
    join_ledgers({f"{part.root.name}/": part.ledger for part in parts}, path)
    for statement in (
        "SELECT key, state, position, canonical, answered_ms FROM requests ORDER BY id",
        "SELECT r.key, a.ordinal, a.billed_microusd FROM attempts a JOIN requests r ON r.id = a.request_id ORDER BY 1",
        "SELECT original, sha256, bytes FROM pictures ORDER BY 1",
        "SELECT started_ms, ended_ms, planned, exit_code FROM runs",
    ):
        assert rows(path, statement) == rows(first.folder.ledger, statement)


def _records(path):
    with snapshot(path) as db:
        return list(records(db))
