"""The folder that an export goes to: nothing of a stranger's is touched, nothing is written twice."""

import random
import shutil
import sqlite3
import subprocess
import zlib
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from batchgen.commands import export as command
from batchgen.errors import FolderInUse, StoppedEarly, UsageError
from batchgen.export import destination, webdataset
from batchgen.export.destination import STATE
from batchgen.export.interface import Conversion, ExportKind
from batchgen.store.folder.lock import locked
from tests.export.folders import also, exported, fill, settle, tiny
from tests.store.disks import small_disk

KINDS = [kind.value for kind in ExportKind]


def tree(folder):
    """Every file but the memory, with its bytes and when it was made."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and STATE not in path.parts
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_finished_export_is_left_alone(ledger, tmp_path, kind):
    for number in range(3):
        ledger.store(ledger.request(f"mug {number}"))
    assert exported(ledger.folder, kind, tmp_path / "out").tally.kept == 0
    before = tree(tmp_path / "out")
    again = exported(ledger.folder, kind, tmp_path / "out")
    assert tree(tmp_path / "out") == before
    assert (again.tally.written, again.tally.removed) == (0, 0)
    assert again.tally.pictures.total() == 3


@pytest.mark.parametrize("kind", KINDS)
def test_equal_folders_make_equal_files_whenever_they_are_exported(ledger, tmp_path, kind):
    for number in range(5):
        ledger.store(ledger.request(f"mug {number}"))
    for name in ("one/out", "two/out"):
        (tmp_path / name).parent.mkdir()
        exported(ledger.folder, kind, tmp_path / name, copies=kind in {"captions", "imagefolder"})
    one, two = (tree(tmp_path / name) for name in ("one/out", "two/out"))
    assert {name: content for name, (content, *_) in one.items()} == {
        name: content for name, (content, *_) in two.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_has_grown_adds_to_its_export_and_moves_no_prompt_to_another_split(ledger, tmp_path, kind):
    for number in range(40):
        ledger.store(ledger.request(f"mug {number % 20}", repeat=number // 20 + 1))
    splits = {"test": 0.3}
    before = exported(ledger.folder, kind, tmp_path / "out", fractions=splits).tally.pictures
    names = {*tree(tmp_path / "out")}
    for number in range(20):
        ledger.store(ledger.request(f"mug {number}", repeat=3))
    after = exported(ledger.folder, kind, tmp_path / "out", fractions=splits).tally
    assert after.pictures == {split: count * 3 // 2 for split, count in before.items()}
    assert names <= {*tree(tmp_path / "out")}
    assert after.removed == 0


def test_pictures_that_the_run_no_longer_shows_leave_the_export(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    mug = ledger.request("b")
    ledger.store(mug)
    also(ledger, mug, ("again", {}))
    settle(ledger)
    exported(ledger.folder, "captions", tmp_path / "out")
    ledger.retire(2)
    done = exported(ledger.folder, "captions", tmp_path / "out")
    assert done.tally.removed == 4
    assert len([*(tmp_path / "out").glob("*.png")]) == len([*(tmp_path / "out").glob("*.txt")]) == 1


def test_a_file_that_was_deleted_or_cut_is_made_again(ledger, tmp_path):
    for number in range(3):
        ledger.store(ledger.request(f"mug {number}"))
    exported(ledger.folder, "captions", tmp_path / "out")
    first, second, _ = sorted((tmp_path / "out").glob("*.txt"))
    before = tree(tmp_path / "out")
    first.unlink()
    second.write_text("")
    assert exported(ledger.folder, "captions", tmp_path / "out").tally.written == 2
    assert {name: content for name, (content, *_) in tree(tmp_path / "out").items()} == {
        name: content for name, (content, *_) in before.items()
    }


def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty, and holds no export"):
        exported(ledger.folder, "captions", tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is no folder"):
        exported(ledger.folder, "captions", tmp_path / "file")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_a_file_that_somebody_put_where_one_belongs_is_never_written_over(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    exported(ledger.folder, "captions", tmp_path / "out")
    new = ledger.request("b")
    ledger.store(new)
    theirs = tmp_path / "out" / f"{new.key}-1.txt"
    theirs.write_text("a caption by hand")
    with pytest.raises(UsageError, match="a file that no export made stands where one belongs"):
        exported(ledger.folder, "captions", tmp_path / "out")
    assert theirs.read_text() == "a caption by hand"
    theirs.unlink()
    (tmp_path / "out/notes.md").write_text("mine")
    exported(ledger.folder, "captions", tmp_path / "out")
    assert (tmp_path / "out/notes.md").read_text() == "mine"


def test_another_export_in_the_folder_is_refused_with_what_it_is(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    other = fill(tmp_path / "other", 2)
    exported(ledger.folder, "captions", tmp_path / "out", fractions={"test": 0.1})
    with pytest.raises(UsageError, match="holds an export as captions; give another folder for parquet"):
        exported(ledger.folder, "parquet", tmp_path / "out")
    with pytest.raises(UsageError, match="was exported with other options"):
        exported(ledger.folder, "captions", tmp_path / "out")
    with pytest.raises(UsageError, match="was made from 1 folder more"):
        exported(other, "captions", tmp_path / "out", fractions={"test": 0.1})
    assert exported([ledger.folder, other], "captions", tmp_path / "out", fractions={"test": 0.1}).tally.kept == 2


def test_a_run_folder_is_no_destination(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    for name in (".", "images/dataset", "dataset"):
        with pytest.raises(UsageError, match="lies in the run folder"):
            exported(ledger.folder, "captions", ledger.folder.root / name)


def test_a_bucket_is_no_destination(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    with pytest.raises(UsageError, match="the destination"):
        exported(ledger.folder, "captions", Path("s3://bucket/x"))


def test_two_exports_into_one_folder_at_once_are_told(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    exported(ledger.folder, "captions", tmp_path / "out")
    with locked(tmp_path / "out" / STATE / "lock"), pytest.raises(FolderInUse):
        exported(ledger.folder, "captions", tmp_path / "out")


@pytest.mark.parametrize(
    "name", ["../precious.txt", "/etc/passwd", "link/precious.txt", ".hidden.txt", "a/../../b.txt"]
)
def test_a_stranger_s_list_of_files_takes_nothing_away(ledger, tmp_path, name):
    ledger.store(ledger.request("a"))
    exported(ledger.folder, "captions", tmp_path / "out")
    (tmp_path / "precious.txt").write_text("mine")
    (tmp_path / "out/link").symlink_to(tmp_path)
    with closing(sqlite3.connect(tmp_path / "out" / STATE / "files.db")) as db, db:
        db.execute("INSERT INTO files VALUES (?, 'x', 4, '{}', 1)", (name,))
    with pytest.raises(UsageError, match="which no export makes"):
        exported(ledger.folder, "captions", tmp_path / "out")
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_a_damaged_memory_is_told_in_one_sentence(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    exported(ledger.folder, "captions", tmp_path / "out")
    (tmp_path / "out" / STATE / "files.db").write_bytes(b"no database, and longer than a header" * 40)
    with pytest.raises(UsageError, match="its list of files can't be read"):
        exported(ledger.folder, "captions", tmp_path / "out")


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_is_full_ends_the_export_which_goes_on_once_there_is_room(tmp_path, kind):
    folder = fill(tmp_path / "mugs", 12, content=_large)
    more = {"copies": True} if kind in {"captions", "imagefolder"} else {"shard_pictures": 4}
    with small_disk(tmp_path / "disk", "900k") as disk:
        with pytest.raises(StoppedEarly, match="the disk is full"):
            exported(folder, kind, disk / "out", **more)
        assert not [*(disk / "out").rglob("*.part")]
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        done = exported(folder, kind, disk / "out", **more)
        assert done.tally.pictures.total() == 12
        assert not [*(disk / "out").rglob("*.part")]


def test_a_disk_too_full_for_the_memory_of_an_export_ends_it_in_the_same_way(ledger, tmp_path, monkeypatch):
    def full(*_):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    ledger.store(ledger.request("a"))
    with monkeypatch.context() as patch:
        patch.setattr(destination.Destination, "record", full)
        with pytest.raises(StoppedEarly, match="the disk is full"):
            exported(ledger.folder, "captions", tmp_path / "out")
    assert exported(ledger.folder, "captions", tmp_path / "out").tally.pictures.total() == 1


def _large(number):
    """A picture with 100 kB that no file system makes smaller, in a chunk that no decoder knows."""
    head = tiny(number)
    body = b"noIs" + random.Random(number).randbytes(100_000)
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return head[:33] + chunk + head[33:]


def test_a_new_version_of_a_packer_packs_again(ledger, tmp_path, monkeypatch):
    ledger.store(ledger.request("a"))
    exported(ledger.folder, "webdataset", tmp_path / "out")
    monkeypatch.setattr(webdataset.WebDatasetPacker, "version", "webdataset next")
    assert exported(ledger.folder, "webdataset", tmp_path / "out").tally.written == 1


def test_a_destination_that_was_moved_is_the_same_export(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    exported(ledger.folder, "parquet", tmp_path / "out")
    shutil.move(tmp_path / "out", tmp_path / "moved")
    assert exported(ledger.folder, "parquet", tmp_path / "moved").tally.kept == 1


def test_the_options_are_remembered_as_typed(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    conversion = Conversion("jpeg", (8, 8), 80)
    exported(ledger.folder, "captions", tmp_path / "out", conversion=conversion)
    with closing(sqlite3.connect(tmp_path / "out" / STATE / "files.db")) as db:
        (said,) = db.execute("SELECT value FROM facts WHERE name = 'options'").fetchone()
    assert msgspec.json.decode(said).items() >= {"--format": "jpeg", "--size": "8x8", "--quality": 80}.items()
    assert command.CARD in tree(tmp_path / "out")
