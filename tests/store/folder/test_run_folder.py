"""The run folder is made, proven and cleaned before the first cent."""

import errno
import os
import stat
from pathlib import Path

import pytest

from batchgen.errors import ExitCode, FolderInUse, FolderMismatch
from batchgen.store.folder.run_folder import NotWritable, RunFolder


def test_an_opened_folder_has_its_places_and_keeps_its_state_to_its_owner(tmp_path):
    folder = RunFolder(tmp_path / "deep" / "mugs")
    with folder.opened():
        assert folder.images.is_dir()
        for place in (folder.state, folder.spool):
            assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert stat.S_IMODE(folder.lock.stat().st_mode) == 0o600
    assert not folder.exists


def test_every_new_level_of_the_folder_is_synced_in_its_parent(tmp_path, monkeypatch):
    synced = set()
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.add(Path(f"/proc/self/fd/{fd}").readlink()), real(fd))[1])
    folder = RunFolder(tmp_path / "deep" / "mugs")
    with folder.opened():
        assert {tmp_path, tmp_path / "deep", folder.root, folder.state} <= synced


def test_leftovers_of_a_process_that_died_are_removed_and_nothing_else(tmp_path):
    folder = RunFolder(tmp_path)
    with folder.opened():
        (folder.images / "00000").mkdir()
    litter = [folder.images / "00000" / ".0123.part", folder.spool / ".4567.part"]
    kept = [folder.images / "00000" / "mine.part", folder.spool / "12.body", folder.images / "cat.png"]
    for path in litter + kept:
        path.write_bytes(b"x")
    with folder.opened():
        assert [path.exists() for path in litter + kept] == [False, False, True, True, True]


@pytest.mark.parametrize("inside", [False, True])
def test_a_file_where_the_folder_should_be_is_bad_usage(tmp_path, inside):
    (tmp_path / "mugs").write_text("a file")
    folder = RunFolder(tmp_path / "mugs" / "inside" if inside else tmp_path / "mugs")
    with pytest.raises(FolderMismatch, match="can't be used as a run folder"), folder.opened():
        pass


@pytest.mark.parametrize("call", ["link", "fsync", "write", "open", "mkdir"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO])
def test_a_disk_that_takes_nothing_stops_the_run_before_it_begins(tmp_path, monkeypatch, call, code):
    def broken(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    folder = RunFolder(tmp_path / "mugs")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, broken)
        with pytest.raises(NotWritable) as stopped, folder.opened():
            pass
    assert stopped.value.exit_code == ExitCode.STOPPED
    assert str(folder.root) in str(stopped.value)
    assert not list(tmp_path.rglob("*.part"))
    with folder.opened():
        pass


def test_an_error_inside_the_block_is_not_taken_for_one_of_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError), RunFolder(tmp_path).opened():
        (tmp_path / "missing").read_bytes()


def test_a_folder_that_is_open_is_in_use(tmp_path):
    folder = RunFolder(tmp_path)
    with folder.opened(), pytest.raises(FolderInUse), folder.opened():
        pass
    with folder.opened():
        pass


def test_a_folder_that_was_made_for_nothing_is_not_left_behind(tmp_path):
    folder = RunFolder(tmp_path / "deep" / "mugs")
    with pytest.raises(ValueError, match="a mistake"), folder.opened():
        raise ValueError("a mistake")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", [".", ".batchgen/ledger.db", "images/00000/a.png"])
def test_a_folder_that_was_there_or_holds_something_stays(tmp_path, there):
    folder = RunFolder(tmp_path / "mugs")

    def fail():
        (folder.root / there).parent.mkdir(parents=True, exist_ok=True)
        (folder.root / there).touch()
        raise ValueError("a mistake")

    if there == ".":
        folder.root.mkdir()
    with pytest.raises(ValueError, match="a mistake"), folder.opened():
        fail()
    assert (folder.root / there).exists()
    assert folder.state.is_dir()
