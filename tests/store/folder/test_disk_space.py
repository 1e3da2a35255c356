"""The mark below which nothing is sent, and the ballast that is thrown out for what is in flight."""

import errno
import os
import sqlite3

import pytest

from batchgen.store.folder import disk_space as rooms
from batchgen.store.folder.disk_space import DiskSpace, is_full
from batchgen.store.folder.run_folder import RunFolder
from tests.store.disks import small_disk


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "mugs")
    with folder.opened():
        yield folder


def free_bytes(monkeypatch, free, names=10_000):
    monkeypatch.setattr(rooms, "_free", lambda place: (free, names))


@pytest.mark.parametrize(
    ("free", "concurrency", "stated", "short"),
    [
        (256 << 20, 16, None, False),
        ((256 << 20) - 1, 16, None, True),
        ((800 << 20) - 1, 200, None, True),
        (1 << 20, 200, 0, False),
        (1 << 20, 1, 2 << 20, True),
    ],
)
def test_below_the_mark_nothing_more_may_be_sent(folder, monkeypatch, free, concurrency, stated, short):
    room = DiskSpace(folder, concurrency=concurrency, min_free_bytes=stated)
    free_bytes(monkeypatch, free)
    room.look()
    assert (room.shortage is not None) == short
    assert room.failed is None
    if short:
        assert "BATCHGEN_MIN_FREE_MB" in room.shortage
        assert str(folder.root) in room.shortage


def test_the_mark_follows_the_answers_that_were_seen(folder, monkeypatch):
    room = DiskSpace(folder, concurrency=1000)
    for _ in range(20):
        room.saw(100_000)
    free_bytes(monkeypatch, 300 << 20)
    room.look()
    assert room.shortage is None


def test_a_disk_that_runs_out_of_names_is_short_too(folder, monkeypatch):
    room = DiskSpace(folder, concurrency=16)
    free_bytes(monkeypatch, 1 << 40, names=31)
    room.look()
    assert "31 more files" in room.shortage


def test_a_disk_too_small_for_all_pictures_is_said_before_the_run(folder, monkeypatch):
    free_bytes(monkeypatch, (256 << 20) + (200 << 20))
    room = DiskSpace(folder, concurrency=1)
    assert room.warning(100, None) is None
    assert "room for about 100 of 101 pictures (2.00 MiB each, a guess" in room.warning(101, None)
    assert room.warning(200, 1 << 20) is None
    assert "about 200 of 201 pictures (1.00 MiB each)" in room.warning(201, 1 << 20)


def test_ballast_really_takes_its_space_and_is_gone_afterwards(folder):
    ballast = folder.state / "ballast"
    with DiskSpace(folder, concurrency=1).held():
        found = ballast.stat()
        assert found.st_size == 64 << 20
        assert found.st_blocks * 512 >= found.st_size
        assert found.st_mode & 0o777 == 0o600
    assert not ballast.exists()


def test_a_disk_with_little_room_gets_little_ballast_or_none(folder, monkeypatch):
    for free, size in ((80 << 20, 20 << 20), (100_000, None)):
        free_bytes(monkeypatch, free)
        with DiskSpace(folder, concurrency=1).held():
            ballast = folder.state / "ballast"
            assert (ballast.stat().st_size if ballast.exists() else None) == size


def test_the_ledger_s_ballast_is_thrown_out_for_the_ledger_alone(folder):
    room, ledger_ballast = DiskSpace(folder, concurrency=1), folder.state / "ballast-ledger"
    full = OSError(errno.ENOSPC, "No space left on device")
    with room.held():
        assert ledger_ballast.stat().st_blocks * 512 >= 4 << 20
        room.make(full)
        assert ledger_ballast.exists()
        room.make(full, for_ledger=True)
        assert not ledger_ballast.exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_on_a_full_disk_the_ballast_goes_and_the_write_is_made_once_more(folder, code):
    room, tries = DiskSpace(folder, concurrency=1), []

    def write():
        tries.append((folder.state / "ballast").exists())
        if len(tries) == 1:
            raise OSError(code, os.strerror(code))
        return "written"

    with room.held():
        assert room.kept(write) == "written"
    assert tries == [True, False]
    assert "is full" in room.failed


@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS, errno.EACCES, errno.EFBIG, errno.EMFILE])
def test_any_other_error_of_the_disk_is_not_tried_again(folder, code):
    room, tries = DiskSpace(folder, concurrency=1), []

    def write():
        tries.append(1)
        raise OSError(code, os.strerror(code))

    with room.held(), pytest.raises(OSError, match=os.strerror(code)):
        room.kept(write)
    assert len(tries) == 1


def test_only_a_full_disk_is_full():
    assert is_full(OSError(errno.ENOSPC, "no space"))
    assert not is_full(OSError(errno.EIO, "no disk"))
    assert not is_full(sqlite3.OperationalError("disk I/O error"))


def test_a_picture_that_no_longer_fits_is_written_in_the_ballast_s_place(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        folder = RunFolder(disk / "mugs")
        with folder.opened():
            room = DiskSpace(folder, concurrency=1, min_free_bytes=0)
            with room.held():
                for number in range(100):
                    target = folder.images / str(number)
                    room.kept(lambda target=target: target.write_bytes(b"x" * 100_000))
                    if room.failed:
                        break
                assert 10 < number < 99
                assert target.stat().st_size == 100_000
