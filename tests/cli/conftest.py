"""The command line as a process of its own, in a folder of its own."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("batchgen")

MANIFEST = """\
provider: {kind: simulator, simulator: {latency_s: 0.01}}
prompt: "{subject}, {style}"
rows:
  - {subject: mug}
  - {subject: teapot}
defaults: {model: test/test, size: 64x64}
matrix:
  style: [ink, oil]
"""


def started(folder, *words, **environment):
    """Runs the program in ``folder``; gives what came of it."""
    return subprocess.run(
        [PROGRAM, *map(str, words)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "80", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def batchgen(tmp_path):
    """Runs the program in the test's folder; gives what came of it."""
    return partial(started, tmp_path)


@pytest.fixture(scope="session")
def first_runs(tmp_path_factory):
    """Gives the `outputs` that a first run of a manifest leaves; the program buys them once for all tests."""
    outputs = {}

    def of(job):
        asked = job.name, job.read_bytes()
        if asked not in outputs:
            folder = tmp_path_factory.mktemp("first-run")
            (folder / job.name).write_bytes(asked[1])
            done = started(folder, "run", job.name)
            assert done.returncode == 0, done.stderr
            outputs[asked] = folder / "outputs"
        return outputs[asked]

    return of


@pytest.fixture
def bought(tmp_path, first_runs):
    """Puts the test's folder in the state after a first run of a manifest."""

    def bought(job):
        shutil.copytree(first_runs(job), tmp_path / "outputs", dirs_exist_ok=True)

    return bought


@pytest.fixture
def job(tmp_path):
    """A manifest of four requests that cost nothing."""
    path = tmp_path / "job.yaml"
    path.write_text(MANIFEST, encoding="utf-8")
    return path
