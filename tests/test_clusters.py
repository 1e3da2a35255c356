"""The commands of the page on clusters, typed into a real shell, and what it shows for schedulers."""

import os
import shutil
import subprocess

import pytest

from tests.documents import ROOT, blocks
from tests.program import PROGRAM

CLUSTERS = "docs/clusters.md"

pytestmark = pytest.mark.process


@pytest.fixture
def shell(tmp_path):
    """Run a line in a folder with the examples in it; return what came of it."""
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")

    def shell(line, **environment):
        return subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{PROGRAM.parent}:/usr/bin:/bin", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return shell


@pytest.mark.timeout(300)
def test_the_commands_of_the_page_work_one_after_the_other(shell, tmp_path):
    for _, text in blocks(CLUSTERS, "sh"):
        for line in text.splitlines():
            done = shell(line)
            assert done.returncode == 0, f"{line}: {done.stderr}"
    folders = sorted(path.name for path in (tmp_path / "outputs").iterdir())
    assert folders == [*(f"dataset-{index}-of-4" for index in range(4)), "together"]


def test_the_line_that_reuses_the_shards_is_the_one_that_a_refusal_names(shell, tmp_path):
    for index in range(4):
        assert shell(f"batchgen run jobs/dataset.yaml --shard {index}/4 --limit 1").returncode == 0
    ((_, line),) = blocks(CLUSTERS, "yaml")
    refused = shell("batchgen run jobs/dataset.yaml")
    assert (refused.returncode, line.strip().replace('"', "") in refused.stderr) == (2, True)
    job = tmp_path / "jobs/dataset.yaml"
    job.write_text(f"{job.read_text(encoding='utf-8')}\n{line}", encoding="utf-8")
    done = shell("batchgen run jobs/dataset.yaml")
    assert (done.returncode, "4 reused" in done.stderr) == (0, True), done.stderr
