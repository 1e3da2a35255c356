"""The Python interface in a real Jupyter kernel, whose event loop is running while a cell is."""

import shutil

import pytest

from batchgen import open_run
from batchgen.request import State
from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings
from tests.documents import ROOT, blocks
from tests.notebook.kernels import kernel

JOB = """\
provider: {kind: simulator, base_url: "SIMULATOR"}
prompt: "mug {number}"
rows: [{number: 1}, {number: 2}, {number: 3}, {number: 4}, {number: 5}, {number: 6}, {number: 7}, {number: 8}]
defaults: {model: test/test, size: 64x64}
limits: {concurrency: 2, adaptive: false}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copytree(ROOT / "jobs", folder / "jobs")
    with embedded(Settings(latency_s=0.6, rate_limits=False)) as endpoints:
        (folder / "job.yaml").write_text(JOB.replace("SIMULATOR", endpoints.api_url), encoding="utf-8")
        yield folder


@pytest.fixture(scope="module")
def notebook(place):
    with kernel(place) as started:
        yield started


def test_the_readme_s_program_runs_in_a_cell(notebook, place):
    ((_, program),) = blocks("README.md", "python")
    text, _ = notebook.run(program)
    assert "0 0.3138" in text
    assert len(list((place / "outputs/from-python/images").rglob("*.webp"))) == 12


def test_a_forecast_is_made_in_a_cell(notebook):
    text, _ = notebook.run("from batchgen import forecast; print(forecast('job.yaml').new)")
    assert text == "8\n"


def test_an_interrupted_cell_lets_what_is_under_way_land_and_sends_nothing_more(notebook, place):
    interrupted = []

    def interrupt(line):
        if not interrupted and line == "Progress":
            interrupted.append(line)
            notebook.interrupt()

    text, _ = notebook.run(
        "from batchgen import run\n"
        "tell = lambda event: print(type(event).__name__, flush=True)\n"
        "result = run('job.yaml', folder='stopped', listen=tell)\n"
        "print(int(result.exit_code), result.reason)",
        on_line=interrupt,
    )
    assert "130 SIGINT" in text
    assert "Stopping" in text
    states = [record.state for record in open_run(place / "stopped").records()]
    # Nothing was abandoned, so nothing is in doubt; what was held back before it was sent waits for the next run.
    assert set(states) <= {State.STORED, State.WAITING}
    assert states.count(State.STORED) < 8
    text, _ = notebook.run("print(int(run('job.yaml', folder='stopped').exit_code))")
    assert text == "0\n"
    assert [record.state for record in open_run(place / "stopped").records()] == [State.STORED] * 8


def test_a_run_that_is_awaited_stops_softly_too_if_it_is_told_to_hear_signals(notebook, place):
    interrupted = []

    def interrupt(line):
        if not interrupted and line == "Progress":
            interrupted.append(line)
            notebook.interrupt()

    text, _ = notebook.run(
        "from batchgen import run_async\n"
        "result = await run_async('job.yaml', folder='awaited', listen=tell, signals=True)\n"
        "print(int(result.exit_code), result.reason)",
        on_line=interrupt,
    )
    assert "130 SIGINT" in text
    assert {record.state for record in open_run(place / "awaited").records()} <= {State.STORED, State.WAITING}


def test_a_cell_that_is_interrupted_after_a_run_is_interrupted_as_ever(notebook):
    with pytest.raises(AssertionError, match="KeyboardInterrupt"):
        notebook.run(
            "import time\nprint('Started', flush=True)\ntime.sleep(30)",
            on_line=lambda line: notebook.interrupt(),
        )
