"""The run folder is made, proven and cleaned before the first cent."""

import errno
import os
import stat
from pathlib import Path

import pytest

from batchgen.errors import ExitCode, FolderInUse, FolderMismatch, LedgerDamaged, NotWritable
from batchgen.store.folder.run_folder import RunFolder

KEY = f"9f{0:030x}"


@pytest.fixture
def private_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_an_opened_folder_has_its_places_and_keeps_its_answers_to_its_owner(tmp_path, private_umask):
    folder = RunFolder(tmp_path / "deep" / "mugs")
    with folder.opened():
        assert folder.images.is_dir()
        modes = {place.name: stat.S_IMODE(place.stat().st_mode) for place in folder.state.iterdir()}
        assert modes == {"pictures": 0o750, "answers": 0o700, "lock": 0o640}
        assert stat.S_IMODE(folder.state.stat().st_mode) == 0o750
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
        (folder.pictures / "9f").mkdir()
    litter = [
        *(folder.images / "00000" / ".0123.part", folder.answers / ".4567.part"),
        *(folder.pictures / "9f" / ".89.part", folder.state / ".ab.part", folder.root / ".cd.part"),
    ]
    kept = [
        *(folder.images / "00000" / "mine.part", folder.images / "cat.png"),
        *(folder.answers / f"{KEY}-1.body", folder.original(f"9f/{KEY}-1.png")),
    ]
    for path in litter + kept:
        path.write_bytes(b"x")
    with folder.opened():
        assert [path.exists() for path in litter + kept] == [False] * 5 + [True] * 4


@pytest.mark.parametrize("inside", [False, True])
def test_a_file_where_the_folder_should_be_is_bad_usage(tmp_path, inside):
    (tmp_path / "mugs").write_text("a file")
    folder = RunFolder(tmp_path / "mugs" / "inside" if inside else tmp_path / "mugs")
    with pytest.raises(FolderMismatch, match="can't be used as a run folder"), folder.opened():
        pass


@pytest.mark.parametrize("call", ["rename", "fsync", "write", "open", "mkdir"])
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


OURS = [
    *(".batchgen", ".batchgen/pictures", ".batchgen/pictures/9f", ".batchgen/answers", ".batchgen/ledger.db"),
    *(
        ".batchgen/lock",
        ".batchgen/plan",
        "images",
        "inputs",
        "metadata.jsonl",
        "failures.jsonl",
        "summary.json",
        "compare",
    ),
]


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
@pytest.mark.parametrize("name", OURS)
def test_a_link_where_something_of_ours_belongs_is_refused_and_named(tmp_path, name, target):
    folder = RunFolder(tmp_path / "mugs")
    (tmp_path / "elsewhere").mkdir()
    (folder.root / name).parent.mkdir(parents=True)
    (folder.root / name).symlink_to(tmp_path / target)
    with pytest.raises(FolderMismatch, match=rf"mugs/{name}: a link stands where .*--out"), folder.opened():
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (tmp_path / "nowhere").exists()


def test_a_link_to_a_whole_run_folder_is_followed(tmp_path):
    (tmp_path / "large disk").mkdir()
    (tmp_path / "mugs").symlink_to(tmp_path / "large disk")
    with RunFolder(tmp_path / "mugs").opened():
        assert (tmp_path / "large disk/.batchgen/lock").is_file()


def test_originals_and_answers_are_called_by_keys(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.original(f"9f/{KEY}-12.webp") == tmp_path / ".batchgen/pictures/9f" / f"{KEY}-12.webp"
    assert folder.answer(f"{KEY}-7.body") == tmp_path / ".batchgen/answers" / f"{KEY}-7.body"


NO_ORIGINALS = [
    *("", "../ledger.db", "/etc/passwd", f"9f/../../{KEY}-1.png", f"9f/{KEY}-1.png/../x", f"9f/{KEY}-1.png\n"),
    *(f"{KEY}-1.png", f"00/{KEY}-1.png", f"9f/{KEY}-0.png", f"9f/{KEY[:-1]}-1.png", f"9f/{KEY.upper()}-1.png"),
    *(f"9f/{KEY}-1", f"9f/{KEY}-1.", f"9f/{KEY}-1.p/g", f"9f/{KEY}-1.png.exe"),
]


NO_ANSWERS = [
    *("", "../ledger.db", "/etc/passwd", f"{KEY}-1.body/../x", f"{KEY}-1.body\n", f"9f/{KEY}-1.body"),
    *(f"{KEY}-0.body", f"{KEY[:-1]}-1.body", f"{KEY}-1", f"{KEY}-1.unbilled", "17.body"),
]


@pytest.mark.parametrize("name", NO_ORIGINALS)
def test_a_picture_whose_name_is_no_key_is_the_damage_of_a_ledger(tmp_path, name):
    with pytest.raises(LedgerDamaged, match=r"it calls a picture .* which is no key"):
        RunFolder(tmp_path).original(name)


@pytest.mark.parametrize("name", NO_ANSWERS)
def test_an_answer_whose_name_is_no_key_is_the_damage_of_a_ledger(tmp_path, name):
    with pytest.raises(LedgerDamaged, match=r"it calls an answer .* which is no key"):
        RunFolder(tmp_path).answer(name)
