"""Whole programs on disks that give in."""

import json
import resource
import subprocess
from collections import Counter

import pytest

from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings
from tests.program import PROGRAM
from tests.store.disks import fill, small_disk

MANY = """\
provider: {kind: simulator, base_url: "API_URL"}
prompt: "{subject}"
rows: [SUBJECTS]
defaults: {model: test/test, size: 64x64}
limits: {concurrency: 8, adaptive: false}
"""


@pytest.fixture
def books(job, tmp_path):
    """A service whose own books are on another disk, and a job for it; gives how often each request was billed."""
    with embedded(Settings(latency_s=0.02, rate_limits=False), tmp_path / "shop") as service:
        subjects = ", ".join(f"{{subject: mug {number}}}" for number in range(60))
        job.write_text(MANY.replace("SUBJECTS", subjects).replace("API_URL", service.api_url))

        def billed():
            lines = map(json.loads, (tmp_path / "shop/billing.jsonl").read_text().splitlines())
            return Counter(line["idempotency_key"].split("-")[0] for line in lines if line.get("outcome") == "billed")

        yield billed


def test_a_limit_on_file_sizes_ends_the_run_with_3_and_nothing_is_paid_twice(program, books, job, tmp_path):
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    done = subprocess.run(
        [PROGRAM, "run", str(job), "--strict"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=limited,
    )
    assert done.returncode == 3, done.stderr
    assert "batchgen verify" in done.stderr
    assert "Traceback" not in done.stderr
    folder = tmp_path / "outputs/job"
    first = books()
    assert 0 < len(first) < 60
    done = program("run", job, "--strict")
    # One that was committed as sent in the very last moment may be held as in doubt.
    assert done.returncode in {0, 4}, done.stderr
    assert max(books().values()) == 1
    assert len(list((folder / "images").rglob("*.jpg"))) >= len(first)


def test_a_disk_that_fills_up_ends_the_run_with_3_and_a_larger_one_goes_on(program, books, job, tmp_path):
    with small_disk(tmp_path / "disk", "16m") as disk:
        out = disk / "out"
        assert program("run", job, "--limit", 1, "--out", out, BATCHGEN_MIN_FREE_MB="0").returncode == 0
        filler = fill(disk, leave=1_200_000)
        done = program("run", job, "--out", out, BATCHGEN_MIN_FREE_MB="0")
        assert done.returncode == 3, done.stderr
        assert "full" in done.stderr
        assert "Traceback" not in done.stderr
        filler.unlink()
        done = program("run", job, "--out", out, BATCHGEN_MIN_FREE_MB="0")
        assert done.returncode == 0, done.stderr
        assert max(books().values()) == 1
        assert len(list((out / "images").rglob("*.jpg"))) == 60
        assert program("verify", out, "--read-data").returncode == 0
