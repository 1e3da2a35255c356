"""A run seen and steered from another terminal, and what the service says of it."""

import contextlib
import json
import subprocess
import time
import urllib.request

import pytest

from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings
from tests.cli.terminals import at_a_terminal, frames, screen
from tests.program import PROGRAM

pytestmark = pytest.mark.process


@pytest.fixture
def service():
    """A simulator of the test's own: its counts are looked at."""
    with embedded(Settings(latency_s=0.5, rate_limits=False, balance_usd=1000)) as endpoints:
        yield endpoints.api_url


def in_flight(service):
    with urllib.request.urlopen(f"{service.removesuffix('/v1')}/_simulator/health", timeout=10) as answer:
        return json.load(answer)["in_flight"]


def eventually(found, wanted, within_s=30.0):
    """Wait until ``wanted`` is true of what ``found`` returns; return it."""
    end = time.monotonic() + within_s
    while not wanted(seen := found()):
        assert time.monotonic() < end, f"it stayed {seen}"
        time.sleep(0.1)
    return seen


@contextlib.contextmanager
def going_on(folder, service, *words, rows, **limits):
    """A run of its own process, ended at the end of the block."""
    job = {
        "provider": {"kind": "simulator", "base_url": service},
        "rows": [{"prompt": f"p{number}"} for number in range(rows)],
        "defaults": {"size": "1024x1024"},
        "matrix": {"model": ["test/test", "openai/gpt-image-1"]},
        "limits": limits,
    }
    (folder / "job.yaml").write_text(json.dumps(job))
    run = subprocess.Popen(
        [PROGRAM, "run", "job.yaml", "--yes", "--out", "out", *words],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield run
    finally:
        run.kill()
        run.communicate()


@pytest.fixture
def state(batchgen):
    def state():
        done = batchgen("status", "out", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else {"models": []}

    return state


@pytest.mark.timeout(180)
def test_what_is_said_to_a_run_is_seen_at_the_service(batchgen, state, service, tmp_path):
    with going_on(tmp_path, service, rows=3000, concurrency=4, adaptive=False) as run:
        eventually(lambda: in_flight(service), lambda count: count == 4)
        told = batchgen("ctl", "out", "concurrency", "64")
        assert (told.returncode, told.stdout) == (0, "at most 64 requests under way in all lanes together\n")
        eventually(lambda: in_flight(service), lambda count: count > 40)
        assert batchgen("ctl", "out", "concurrency", "4").returncode == 0
        eventually(lambda: in_flight(service), lambda count: count <= 4)

        assert batchgen("ctl", "out", "pause", "openai/*").returncode == 0
        paused = eventually(state, lambda seen: [one["state"] for one in seen["models"]] == ["at work", "paused"])
        eventually(state, lambda seen: seen["models"][1]["in_flight"] == 0)
        assert paused["eta_s"] is None
        assert "paused" in [wait["reason"] for wait in paused["waits"]]
        assert batchgen("ctl", "out", "resume").returncode == 0
        eventually(state, lambda seen: seen["models"][1]["in_flight"] > 0)

        seen = state()
        assert [one["instruction"] for one in seen["control"]] == [
            "concurrency 64",
            "concurrency 4",
            "pause openai/*",
            "resume",
        ]
        assert all(one["accepted"] and one["user"] and one["at"] for one in seen["control"])
        text = batchgen("status", "out").stdout
        assert "planned, " in text
        assert ": concurrency 4: at most 4 requests" in text
        once = batchgen("watch", "out", "--once")
        assert once.returncode == 0
        assert "/6,000 done" in once.stdout

        assert batchgen("ctl", "out", "drain").returncode == 0
        assert run.wait(timeout=30) == 3
        assert b"stopped early: drained by" in run.stderr.read()
    assert not (tmp_path / "out/.batchgen/progress.json").exists()
    again = batchgen("watch", "out")
    assert "not running\nthe last run ended with exit code 3: drained by" in again.stdout


@pytest.mark.timeout(120)
def test_a_budget_is_raised_after_it_was_used_up(batchgen, state, service, tmp_path):
    with going_on(tmp_path, service, "--wait-for-budget", rows=6, concurrency=8, budget_usd=0.30) as run:
        short = eventually(state, lambda seen: "out of budget" in [one["state"] for one in seen["models"]])
        assert any("`batchgen ctl FOLDER budget USD` raises it" in wait["reason"] for wait in short["waits"])
        assert in_flight(service) == 0
        assert run.poll() is None
        told = batchgen("ctl", "out", "budget", "5")
        assert "the budget is $5.00" in told.stdout
        assert run.wait(timeout=30) == 0
    assert state()["share"] == 1


def test_a_folder_without_a_run_is_told_so(batchgen, bought, job):
    bought(job)
    done = batchgen("ctl", "outputs/job", "pause")
    assert done.returncode == 2
    assert "no run is going on here" in done.stderr.replace("\n          ", " ")
    assert not (job.parent / "outputs/job/.batchgen/control.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [(["puase"], "did you mean 'pause'?"), (["concurrency"], "concurrency N [MODEL]"), (["budget", "x"], "US dollars")],
)
def test_words_that_are_no_instruction_are_told_before_anything_is_written(batchgen, bought, job, words, said):
    bought(job)
    done = batchgen("ctl", "outputs/job", *words)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.timeout(120)
def test_another_terminal_shows_what_the_run_shows_until_the_run_ends(state, service, tmp_path):
    with going_on(tmp_path, service, rows=60, concurrency=6, adaptive=False) as run:
        eventually(state, lambda seen: len(seen["models"]) == 2)
        code, output = at_a_terminal(tmp_path, "watch", "out", "--every", "0.3")
        assert run.wait(timeout=30) == 0
    assert code == 0
    shown = frames(output)
    middle = [line for line in shown[len(shown) // 2] if line]
    assert middle[0].startswith("model ")
    assert middle[1].startswith("test/test ")
    assert middle[2].startswith("openai/gpt-image-1 ")
    assert "/120 · $" in middle[3]
    assert max(len(line) for frame in shown for line in frame) <= 80
    assert screen(output)[-2:] == ["out: not running", "the last run ended with exit code 0"]


def test_a_watch_in_a_pipe_writes_lines_that_no_terminal_is_needed_for(program, service, tmp_path, state):
    with going_on(tmp_path, service, rows=12, concurrency=4) as run:
        eventually(state, lambda seen: len(seen["models"]) == 2)
        done = program("watch", "out", "--every", "0.3")
        assert run.wait(timeout=30) == 0
    assert "\x1b" not in done.stdout
    assert "/24 done · $" in done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[-1] == "the last run ended with exit code 0"
