"""The command line as a process of its own, in a folder of its own."""

import os
import subprocess
import sys
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


@pytest.fixture
def batchgen(tmp_path):
    """Runs the program in the test's folder; gives what came of it."""

    def run(*words, **environment):
        return subprocess.run(
            [PROGRAM, *map(str, words)],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "80", **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def job(tmp_path):
    """A manifest of four requests that cost nothing."""
    path = tmp_path / "job.yaml"
    path.write_text(MANIFEST, encoding="utf-8")
    return path
