"""Bytes on disk: durable, and never over another file."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from batchgen.store.folder import atomic
from batchgen.store.folder.atomic import make_folder, publish, replace_synced, sha256_of, write_synced


def digest(content):
    return hashlib.sha256(content).hexdigest()


def put(folder, name, content):
    return publish(write_synced(folder, content), folder / name, sha256=digest(content))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_published_file_has_its_bytes_and_leaves_no_temporary_name(tmp_path):
    assert put(tmp_path, "a.png", b"picture")
    assert (tmp_path / "a.png").read_bytes() == b"picture"
    assert names(tmp_path) == ["a.png"]


def test_a_file_with_other_bytes_is_never_replaced(tmp_path):
    (tmp_path / "a.png").write_bytes(b"the user's own")
    assert not put(tmp_path, "a.png", b"second")
    assert (tmp_path / "a.png").read_bytes() == b"the user's own"
    assert names(tmp_path) == ["a.png"]


def test_what_an_earlier_process_published_is_taken_as_it_is(tmp_path):
    put(tmp_path, "a.png", b"first")
    before = (tmp_path / "a.png").stat().st_ino
    assert put(tmp_path, "a.png", b"first")
    assert (tmp_path / "a.png").stat().st_ino == before
    assert names(tmp_path) == ["a.png"]


@pytest.mark.parametrize("target", ["missing", "outside.png"])
def test_a_link_is_neither_followed_nor_replaced(tmp_path, target):
    folder = tmp_path / "images"
    folder.mkdir()
    (tmp_path / "outside.png").write_bytes(b"new")
    (folder / "a.png").symlink_to(tmp_path / target)
    assert not put(folder, "a.png", b"new")
    assert (folder / "a.png").is_symlink()
    assert not (tmp_path / "missing").exists()
    assert names(folder) == ["a.png"]


def test_a_folder_of_that_name_stays(tmp_path):
    (tmp_path / "a.png").mkdir()
    assert not put(tmp_path, "a.png", b"new")
    assert (tmp_path / "a.png").is_dir()
    assert names(tmp_path) == ["a.png"]


def test_derived_files_are_replaced_whole(tmp_path):
    (tmp_path / "metadata.jsonl").write_bytes(b"old" * 100)
    replace_synced(tmp_path / "metadata.jsonl", b"new")
    assert (tmp_path / "metadata.jsonl").read_bytes() == b"new"
    assert names(tmp_path) == ["metadata.jsonl"]


def test_replacing_a_link_leaves_what_it_points_to(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "report.csv").symlink_to(tmp_path / "precious")
    replace_synced(tmp_path / "report.csv", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_write_that_fails_leaves_no_file(tmp_path):
    program = (
        "import sys, pathlib\n"
        "from batchgen.store.folder.atomic import write_synced\n"
        "write_synced(pathlib.Path(sys.argv[1]), bytes(100_000))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: (
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        ),
    )
    assert "File too large" in done.stderr
    assert names(tmp_path) == []


def test_a_file_is_synced_before_it_has_its_name_and_each_new_folder_in_its_parent(tmp_path, monkeypatch):
    steps = []
    for name in ("fsync", "rename", "mkdir"):
        real = getattr(os, name)

        def recorded(*args, _name=name, _real=real, **kwargs):
            opened = Path(f"/proc/self/fd/{args[0]}").readlink() if _name == "fsync" else str(args[0])
            steps.append((_name, os.path.relpath(opened, tmp_path)))
            return _real(*args, **kwargs)

        monkeypatch.setattr(os, name, recorded)
    make_folder(tmp_path / "a" / "b", tmp_path)
    put(tmp_path / "a" / "b", "x.png", b"x")
    atomic.sync_folder(tmp_path / "a" / "b")
    assert [(name, path if not path.endswith(".part") else "part") for name, path in steps] == [
        ("mkdir", "a"),
        ("fsync", "."),
        ("mkdir", "a/b"),
        ("fsync", "a"),
        ("fsync", "part"),
        ("rename", "part"),
        ("fsync", "a/b"),
    ]


def test_a_digest_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256_of(tmp_path / "a") == digest(b"abc" * 100_000)
