"""A disk that fills up, fails or goes away under a run: nothing paid for is lost, and nothing more is bought."""

import base64
import errno
import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import contextmanager

import anyio
import pytest

from batchgen.commands.adopt import adopt
from batchgen.errors import ExitCode, LedgerDamaged
from batchgen.provider.interface import DownloadFailed, Verdict
from batchgen.request import State
from batchgen.running.buy import purchase, spill
from batchgen.running.events import Ended, Notice
from batchgen.store.folder import disk_space as rooms
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.writer import Writer
from tests.running.shop import PICTURES, PRICE, failed, hosted, sold
from tests.store.disks import fill, small_disk

pytestmark = pytest.mark.anyio

MANY = [f"mug {number}" for number in range(60)]
# PNG readers skip what they don't know, and so do we: as large as a small picture, and each of its own.
LARGE = [PICTURES[n][:-12] + (80_000).to_bytes(4, "big") + b"noTe" + os.urandom(80_004) for n in range(60)]
LARGE = [picture + PICTURES[0][-12:] for picture in LARGE]


def inline(*contents):
    data = [{"b64_json": base64.b64encode(content).decode()} for content in contents]
    return json.dumps({"data": data, "cost": PRICE}).encode()


def stored(me):
    return sum(state is State.STORED for state in me.states().values())


async def test_a_disk_below_the_mark_is_found_before_anything_is_sent(customer):
    me = customer().order(MANY)
    finished = await me.run(min_free_bytes=1 << 60)
    assert (finished.exit_code, me.shop.posts) == (ExitCode.STOPPED, 0)
    assert "BATCHGEN_MIN_FREE_MB" in finished.reason
    assert (await me.run()).exit_code == ExitCode.OK
    assert me.shop.posts == 60


async def test_a_disk_that_falls_below_the_mark_ends_the_run_and_what_is_in_flight_lands(customer, monkeypatch):
    me = customer().order(MANY, limits={"concurrency": 4})
    monkeypatch.setattr(rooms, "_free", lambda place: (1 << 40 if me.shop.posts < 20 else 1, None))
    finished = await me.run()
    assert finished.exit_code == ExitCode.STOPPED
    assert 20 <= me.shop.posts <= 24
    assert stored(me) == me.shop.posts


async def test_the_environment_sets_the_mark_and_is_checked(customer, monkeypatch):
    from batchgen.errors import UsageError

    me = customer().order(["mug"])
    monkeypatch.setenv("BATCHGEN_MIN_FREE_MB", str(1 << 40))
    assert (await me.run()).exit_code == ExitCode.STOPPED
    monkeypatch.setenv("BATCHGEN_MIN_FREE_MB", "some")
    with pytest.raises(UsageError, match="whole number"):
        await me.run(checked=False)


@pytest.mark.parametrize("concurrency", [1, 4, 16])
async def test_a_real_disk_that_fills_up_keeps_every_paid_answer(customer, tmp_path, monkeypatch, concurrency):
    monkeypatch.setattr("tests.running.shop.PICTURES", [*PICTURES, *LARGE])
    with small_disk(tmp_path / "disk", "16m") as disk:
        me = customer(**{prompt: [inline(LARGE[n])] for n, prompt in enumerate(MANY)})
        me.order(MANY, limits={"concurrency": concurrency, "adaptive": False})
        me.folder = RunFolder(disk / "out")
        filler = fill(disk, leave=3_500_000)
        finished = await me.run(min_free_bytes=0)
        assert finished.exit_code == ExitCode.STOPPED
        assert "is full" in finished.reason
        posts = me.shop.posts
        assert 0 < posts < 60
        assert set(me.states().values()) <= {State.STORED, State.ANSWERED, State.WAITING}
        assert finished.result.unrecorded == ()
        filler.unlink()
        assert (await me.run(min_free_bytes=0)).exit_code == ExitCode.OK
        assert (me.shop.posts, max(me.shop.accepted.values())) == (60, 1)


async def test_pictures_whose_disk_turns_read_only_end_the_run_and_are_finished_by_the_next(customer):
    me = customer().order(MANY, limits={"concurrency": 4})
    mounted = []

    def listen(event):
        if isinstance(event, Ended) and me.shop.posts >= 12 and not mounted:
            mounted.append(me.folder.images)
            # The same files, on a mount of its own that takes no writing.
            for how in (["--bind", me.folder.images], ["-o", "remount,bind,ro"]):
                subprocess.run(["mount", *how, me.folder.images], check=True, capture_output=True)

    with small_disk(me.root / "probe"):
        pass
    try:
        finished = await me.run(listen=listen, checked=False)
    finally:
        if mounted:
            subprocess.run(["umount", *mounted], check=True)
    assert finished.exit_code == ExitCode.STOPPED
    assert "Read-only file system" in finished.reason
    assert me.shop.posts < 30
    assert set(me.states().values()) <= {State.STORED, State.ANSWERED, State.WAITING}
    assert (await me.run()).exit_code == ExitCode.OK
    assert (me.shop.posts, max(me.shop.accepted.values())) == (60, 1)


@contextmanager
def broken_ledger(monkeypatch, after, code=sqlite3.SQLITE_IOERR_FSYNC, kind=sqlite3.OperationalError):
    """The disk under the ledger fails at a commit: for good, as the writer sees to."""
    tries, commits = Writer._tried, []

    def failing(writer, group):
        commits.append(group)
        if len(commits) < after:
            return tries(writer, group)
        error = kind("it failed")
        error.sqlite_errorcode = code
        return error

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_tried", failing)
        yield


async def test_a_paid_answer_that_the_ledger_cannot_take_is_found_again_by_the_next_run(customer, monkeypatch):
    me = customer().order(["mug"])
    with broken_ledger(monkeypatch, after=8):
        finished = await me.run(checked=False)
    assert finished.exit_code == ExitCode.STOPPED
    assert finished.result.unrecorded == ()
    assert me.shop.posts == 1
    assert (await me.run(strict=True)).exit_code == ExitCode.OK
    assert me.shop.posts == 1


async def test_a_ledger_that_turns_out_damaged_ends_the_run_with_its_own_code(customer, monkeypatch):
    me = customer().order(MANY)
    with broken_ledger(monkeypatch, after=8, code=sqlite3.SQLITE_CORRUPT, kind=sqlite3.DatabaseError):
        finished = await me.run(checked=False)
    assert finished.exit_code == ExitCode.DAMAGED
    assert isinstance(finished.result.failure, LedgerDamaged)


async def test_a_refusal_that_the_ledger_cannot_take_leaves_no_doubt(customer, monkeypatch):
    me = customer(mug=[failed(Verdict.REFUSED), sold(3)]).order(["mug"])
    with broken_ledger(monkeypatch, after=8):
        finished = await me.run(checked=False)
    assert finished.exit_code == ExitCode.STOPPED
    assert me.states() == {"mug": State.SENT}
    assert (await me.run(strict=True)).exit_code == ExitCode.OK
    assert me.attempts() == [("not billed", 0, 0), ("billed", PRICE, 0)]
    assert not list(me.folder.answers.iterdir())


async def test_an_answer_of_a_lost_ledger_is_made_a_picture_of_and_not_bought_again(customer, monkeypatch):
    me = customer(mug=[sold(3)]).order(["mug"])
    with broken_ledger(monkeypatch, after=8):
        await me.run(checked=False)
    assert list(me.folder.answers.iterdir())
    for file in me.folder.state.glob("ledger.db*"):
        file.unlink()
    assert (await me.run(strict=True, checked=False)).exit_code == ExitCode.OK
    assert (me.shop.posts, me.states()) == (1, {"mug": State.STORED})
    told = [event.message for event in me.events if isinstance(event, Notice)]
    assert any("1 answer to be made pictures of" in text for text in told)
    assert not list(me.folder.answers.iterdir())


@pytest.mark.parametrize("url", [None, "https://pictures/1?signature=a"])
async def test_a_paid_answer_that_nothing_in_the_folder_can_take_is_named(customer, monkeypatch, tmp_path, url):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    me = customer(mug=[hosted(url) if url else inline(PICTURES[7])]).order(["mug"])
    monkeypatch.setattr(spill, "write_answer", full)
    other_disk = tmp_path / "spill"
    other_disk.mkdir()
    with broken_ledger(monkeypatch, after=8):
        finished = await me.run(checked=False, spill=other_disk)
    (message,) = finished.result.unrecorded
    assert Notice(message) in me.events
    assert "batchgen adopt" in message
    if url:
        assert url in message
        content = PICTURES[7]
    else:
        (file,) = other_disk.iterdir()
        assert str(file) in message
        content = file.read_bytes()
    (key,) = me.shop.accepted
    await anyio.to_thread.run_sync(adopt, me.folder.root, key[:12], content)
    assert (await me.run()).exit_code == ExitCode.OK
    assert me.shop.posts == 1


async def test_a_paid_answer_that_no_disk_takes_is_named_all_the_same(customer, monkeypatch, tmp_path):
    me = customer().order(["mug"])

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spill, "write_answer", full)
    with broken_ledger(monkeypatch, after=8):
        finished = await me.run(checked=False, spill=tmp_path / "missing")
    (message,) = finished.result.unrecorded
    assert next(iter(me.shop.accepted)) in message
    assert "in doubt" in message


async def test_an_answer_that_can_t_be_kept_as_a_file_stops_the_run_and_the_ledger_takes_the_answer(
    customer, monkeypatch
):
    def failing(*args):
        raise OSError(errno.EIO, "Input/output error")

    me = customer().order(MANY, limits={"concurrency": 2})
    me.shop.large = True
    monkeypatch.setattr(purchase, "write_answer", failing)
    finished = await me.run()
    assert finished.exit_code == ExitCode.STOPPED
    assert "Input/output error" in finished.reason
    assert stored(me) == me.shop.posts <= 4


async def test_one_bad_picture_of_several_does_not_spoil_the_good_ones(customer):
    me = customer(mug=[inline(PICTURES[0], b"<html>", PICTURES[2])]).order(["mug"])
    assert (await me.run()).exit_code == ExitCode.OK
    with sqlite3.connect(me.folder.ledger) as db:
        assert db.execute("SELECT count(*) FROM pictures").fetchone() == (2,)
        (message,) = db.execute("SELECT message FROM requests").fetchone()
    db.close()
    assert "1 of 3 pictures" in message
    assert "<html>" in message


async def test_a_picture_that_cannot_be_fetched_now_is_fetched_by_the_next_run_without_paying(customer):
    url, other = "https://pictures/1", "https://pictures/2"
    body = json.dumps({"data": [{"url": other}, {"url": url}], "cost": PRICE}).encode()
    me = customer(mug=[body]).order(["mug"])
    broken = DownloadFailed("the host answered 500")
    me.shop.hosted = {url: [*[broken] * 8, PICTURES[1]], other: [PICTURES[0], PICTURES[0]]}
    finished = await me.run()
    assert finished.exit_code == ExitCode.STOPPED
    assert "without paying" in finished.reason
    assert me.states() == {"mug": State.ANSWERED}
    assert (await me.run()).exit_code == ExitCode.OK
    assert me.shop.posts == 1
    assert len(list(me.folder.images.rglob("*.png"))) == 2


async def test_a_lost_ledger_is_rebuilt_before_anything_is_sent(customer):
    from batchgen.store.dataset.metadata import write_dataset

    me = customer().order(MANY[:20])
    await me.run()
    write_dataset(me.folder)
    shutil.move(me.folder.ledger, me.root / "moved.db")
    finished = await me.run()
    assert (finished.exit_code, me.shop.posts) == (ExitCode.OK, 20)
    assert any(isinstance(event, Notice) and "20 requests stored" in event.message for event in me.events)
    me.order(MANY[:25])
    await me.run()
    assert me.shop.posts == 25
