"""Group commits: cheap for many, fair to each, and over for good once the disk has failed."""

import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial

import anyio
import pytest

from batchgen.errors import ExitCode, LedgerDamaged, LedgerFailed
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.schema import connect
from batchgen.store.ledger.writer import open_writer
from tests.store.disks import fill, small_disk

pytestmark = pytest.mark.anyio


@pytest.fixture
def db(tmp_path):
    with closing(connect(tmp_path / "ledger.db")) as db:
        yield db


def put(name, db):
    db.execute("INSERT INTO facts VALUES (?, '')", (str(name),))
    return name


def facts(db):
    return {name for (name,) in db.execute("SELECT name FROM facts WHERE name <> 'place'")}


async def commit_all(writer, changes):
    """What became of each change: its result, or its error."""
    results = {}

    async def commit(number, change):
        try:
            results[number] = await writer.commit(change)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the result
            results[number] = error

    async with anyio.create_task_group() as tasks:
        for number, change in enumerate(changes):
            tasks.start_soon(commit, number, change)
    return [results[number] for number in sorted(results)]


async def test_many_changes_at_once_share_a_few_commits(db):
    statements = []
    db.set_trace_callback(statements.append)
    async with open_writer(db) as writer:
        assert await commit_all(writer, [partial(put, n) for n in range(500)]) == list(range(500))
    db.set_trace_callback(None)
    assert statements.count("COMMIT") <= 3
    assert len(facts(db)) == 500


async def test_a_result_is_durable_when_it_is_given(db, tmp_path):
    async with open_writer(db) as writer:
        for number in range(5):
            await writer.commit(partial(put, number))
            with closing(sqlite3.connect(tmp_path / "ledger.db")) as other:
                assert str(number) in facts(other)


async def test_a_change_that_is_wrong_in_itself_fails_alone(db):
    def wrong(db):
        put("half of it", db)
        raise ZeroDivisionError

    changes = [partial(put, "a"), wrong, partial(put, "a"), partial(put, "b"), partial(put, 2**70)]
    async with open_writer(db) as writer:
        good, bad, twin, other, huge = await commit_all(writer, changes)
        assert (other, huge) == ("b", 2**70)
        assert isinstance(bad, ZeroDivisionError)
        # Of the two that exclude each other, the one that came first is made.
        assert sorted(type(one).__name__ for one in (good, twin)) == ["IntegrityError", "str"]
        assert await writer.commit(partial(put, "later")) == "later"
    assert facts(db) == {"a", "b", "later", str(2**70)}


async def test_a_full_disk_ends_the_writer_for_good_and_everyone_is_told(db):
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")

    def large(db):
        db.execute("INSERT INTO facts VALUES ('large', hex(randomblob(50000)))")

    async with open_writer(db) as writer:
        results = await commit_all(writer, [partial(put, "small"), large, partial(put, "other")])
        assert isinstance(results[1], LedgerFailed)
        confirmed = {result for result in results if isinstance(result, str)}
        db.execute("PRAGMA max_page_count = 100000")
        with pytest.raises(LedgerFailed, match="full") as told:
            await writer.commit(partial(put, "later"))
    assert told.value.exit_code == ExitCode.STOPPED
    assert facts(db) == confirmed


async def test_a_folder_that_cannot_be_synced_ends_the_writer_before_its_files_are_recorded(db, tmp_path):
    (tmp_path / "a file").touch()
    async with open_writer(db) as writer:
        with pytest.raises(LedgerFailed, match="disk"):
            await writer.commit(partial(put, "picture"), folders=[tmp_path / "a file"])
        with pytest.raises(LedgerFailed):
            await writer.commit(partial(put, "later"))
    assert facts(db) == set()


async def test_each_folder_is_synced_once_per_group(db, tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("batchgen.store.ledger.writer.sync_folder", synced.append)

    async with open_writer(db) as writer, anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(
                partial(writer.commit, partial(put, number), folders=[tmp_path / str(number % 2), tmp_path / "2"])
            )
    assert len(synced) <= 9
    assert set(synced) == {tmp_path / name for name in "012"}
    assert len(facts(db)) == 100


async def test_what_nobody_waits_for_is_committed_with_the_next_group(db, tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("batchgen.store.ledger.writer.sync_folder", synced.append)
    async with open_writer(db) as writer:
        writer.add(partial(put, "first"), folders=[tmp_path])
        await anyio.lowlevel.checkpoint()
        assert facts(db) == set()
        await writer.commit(partial(put, "second"))
        assert facts(db) == {"first", "second"}
        writer.add(partial(put, "last"))
    assert facts(db) == {"first", "second", "last"}
    assert synced == [tmp_path]


async def test_what_was_given_is_committed_though_everyone_is_cancelled(db):
    started = []
    with anyio.CancelScope() as scope:
        async with open_writer(db) as writer, anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(writer.commit, partial(put, number))
            await anyio.lowlevel.checkpoint()
            started = range(50)
            scope.cancel()
    assert scope.cancelled_caught
    assert facts(db) == {str(number) for number in started}


async def test_what_went_wrong_in_the_block_is_raised_as_it_is(db):
    with pytest.raises(ZeroDivisionError):
        async with open_writer(db):
            raise ZeroDivisionError


async def test_a_writer_that_is_closed_takes_nothing_and_nobody_waits(db):
    async with open_writer(db) as writer:
        pass
    with anyio.fail_after(5), pytest.raises(LedgerFailed, match="closed"):
        await writer.commit(partial(put, "late"))


async def test_who_waits_for_a_commit_is_told_even_where_no_thread_can_be_had(db, monkeypatch):
    async def no_thread(*args, **kwargs):
        raise RuntimeError("can't start new thread")

    async with open_writer(db) as writer:
        monkeypatch.setattr(anyio.to_thread, "run_sync", no_thread)
        with anyio.fail_after(5, shield=True), pytest.raises(LedgerFailed, match="thread"):
            await writer.commit(partial(put, "a"))


FILL = """
import anyio, sys
from contextlib import closing
from functools import partial
from pathlib import Path
from batchgen.store.ledger.schema import connect
from batchgen.errors import LedgerFailed
from batchgen.store.ledger.writer import open_writer

def put(number, db):
    db.execute("INSERT INTO facts VALUES (?, ?)", (str(number), "x" * 3000))

async def main():
    with closing(connect(Path(sys.argv[1]))) as db:
        db.execute("PRAGMA wal_autocheckpoint = 0")
        async with open_writer(db) as writer:
            for number in range(1000):
                try:
                    await writer.commit(partial(put, number))
                except LedgerFailed as error:
                    print(number, error)
                    sys.stdout.flush()
                    import os
                    os._exit(0)

anyio.run(main)
"""


async def test_a_ledger_whose_disk_gave_in_holds_exactly_what_was_confirmed(tmp_path):
    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    done = await anyio.to_thread.run_sync(
        partial(
            subprocess.run,
            [sys.executable, "-c", FILL, tmp_path / "ledger.db"],
            capture_output=True,
            text=True,
            preexec_fn=limited,
            check=True,
        )
    )
    number, _, message = done.stdout.partition(" ")
    assert "the disk under the ledger failed" in message
    with closing(connect(tmp_path / "ledger.db")) as db:
        assert facts(db) == {str(n) for n in range(int(number))}


async def test_a_group_that_no_longer_fits_is_committed_in_the_ballast_s_place(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        folder = RunFolder(disk / "mugs")
        with folder.opened(), closing(connect(folder.ledger)) as db:
            room = DiskSpace(folder, concurrency=1, min_free_bytes=0)
            with room.held():
                db.execute("PRAGMA wal_autocheckpoint = 0")
                fill(disk, leave=200_000)
                async with open_writer(db, room) as writer:
                    made = 0
                    while room.failed is None:
                        await writer.commit(lambda db: db.execute("INSERT INTO facts VALUES (hex(randomblob(9)), '')"))
                        made += 1
                assert "full" in room.failed
                assert not (folder.state / "ballast").exists()
            assert db.execute("SELECT count(*) FROM facts WHERE name <> 'place'").fetchone() == (made,)


@pytest.mark.parametrize(
    ("code", "error", "exit_code"),
    [
        (sqlite3.SQLITE_IOERR_FSYNC, LedgerFailed, ExitCode.STOPPED),
        (sqlite3.SQLITE_CORRUPT, LedgerDamaged, ExitCode.DAMAGED),
    ],
)
async def test_a_disk_that_fails_otherwise_is_never_tried_again(db, tmp_path, code, error, exit_code):
    folder = RunFolder(tmp_path / "mugs")
    tries = []

    def failing(db):
        tries.append(1)
        found = (
            sqlite3.OperationalError("it failed") if code != sqlite3.SQLITE_CORRUPT else sqlite3.DatabaseError("bad")
        )
        found.sqlite_errorcode = code
        raise found

    with folder.opened():
        async with open_writer(db, DiskSpace(folder, concurrency=1)) as writer:
            with pytest.raises(error, match="batchgen verify") as told:
                await writer.commit(failing)
            with pytest.raises(error):
                await writer.commit(partial(put, "later"))
    assert told.value.exit_code == exit_code
    assert len(tries) == 1
