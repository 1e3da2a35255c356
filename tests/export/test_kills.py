"""An export that is killed in the middle: run again it is whole, nothing is in it twice, nothing is half there."""

import contextlib
import io
import os
import signal
import subprocess
import tarfile
import time

import pytest

from batchgen.export.destination import STATE
from tests.export.folders import originals
from tests.program import PROGRAM, run_as_process

WORDS = {
    "captions": ["--copy"],
    "imagefolder": [],
    "parquet": ["--shard-pictures", "500"],
    "webdataset": ["--shard-pictures", "500"],
}
SUFFIX = {"captions": ".txt", "imagefolder": ".png", "parquet": ".parquet", "webdataset": ".tar"}


def finished(folder, suffix):
    """The files of that kind under their final names, each with the time it was made."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob(f"*{suffix}") if STATE not in path.parts}


def count(folder, suffix):
    return sum(name.endswith(suffix) for _, _, names in os.walk(folder) for name in names)


@pytest.mark.parametrize("kind", WORDS)
def test_an_export_killed_in_the_middle_goes_on_and_has_everything_once(ten_thousand, tmp_path, kind):
    words = ["export", ten_thousand.root, kind, "out", *WORDS[kind]]
    wanted = 6 if kind in {"parquet", "webdataset"} else 2_500
    with subprocess.Popen([PROGRAM, *map(str, words)], cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while count(tmp_path / "out", SUFFIX[kind]) < wanted and time.monotonic() < until:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
        process.send_signal(signal.SIGKILL)
    before = finished(tmp_path / "out", SUFFIX[kind])
    assert wanted <= len(before) < (20 if wanted == 6 else 10_000)
    assert not (tmp_path / "out/README.md").exists()
    whole(kind, before, ten_thousand)

    done = run_as_process(tmp_path, *words, "--json")
    assert done.returncode == 0, done.stderr
    after = finished(tmp_path / "out", SUFFIX[kind])
    assert len(after) == (20 if wanted == 6 else 10_000)
    assert whole(kind, after, ten_thousand) == originals(ten_thousand).keys()
    assert not [*(tmp_path / "out").rglob("*.part")]
    # What was remembered as finished is not written again: all but the last handful.
    kept = sum(after[path] == made for path, made in before.items())
    assert kept >= (len(before) - 4 if wanted == 6 else len(before) - 1_000)


def whole(kind, files, folder):
    """Read every file to its end; return the names of what is in them, each once."""
    held = originals(folder)
    names = []
    for path in files:
        if kind == "webdataset":
            with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
                members = {member.name: tar.extractfile(member).read() for member in tar}
            names += [name.removesuffix(".png") for name in members if name.endswith(".png")]
            assert all(members[f"{name}.png"] == held[name] for name in names[-len(members) // 3 :])
        elif kind == "parquet":
            from pyarrow import parquet

            rows = parquet.read_table(path)["image"].to_pylist()
            names += [row["path"].removesuffix(".png") for row in rows]
            assert all(row["bytes"] == held[row["path"].removesuffix(".png")] for row in rows)
        else:
            names.append(path.stem)
            assert path.with_suffix(".png").read_bytes() == held[path.stem]
    assert len(names) == len({*names})
    return {*names}


def test_ctrl_c_ends_an_export_at_once_and_leaves_nothing_half_written(ten_thousand, tmp_path, signals_are_heard):
    # So many tars that most of them are still to be written when the signal comes, however late that is.
    words = ["export", ten_thousand.root, "webdataset", "out", "--shard-pictures", "50"]
    with subprocess.Popen([PROGRAM, *map(str, words)], cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while not [*tmp_path.glob(f"out/{STATE}/*.part")] and time.monotonic() < until:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    before = finished(tmp_path / "out", ".tar")
    assert len(before) < 200
    whole("webdataset", before, ten_thousand)
    assert not [*(tmp_path / "out").rglob("*.part")]
