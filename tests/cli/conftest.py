"""The command line in this process, in a folder of the test's own; `program` is for tests of the process itself."""

import shutil
from functools import partial

import pytest

from tests.program import run_as_process, run_here

# A simulator that is started for each run; `shared` puts the session's in its place.
EMBEDDED = "{kind: simulator, simulator: {latency_s: 0.01}}"

MANIFEST = f"""\
provider: {EMBEDDED}
prompt: "{{subject}}, {{style}}"
rows:
  - {{subject: mug}}
  - {{subject: teapot}}
defaults: {{model: test/test, size: 64x64}}
matrix:
  style: [ink, oil]
"""


@pytest.fixture
def batchgen(tmp_path):
    """Run the program in the test's folder; return what came of it."""
    return partial(run_here, tmp_path)


@pytest.fixture
def program(tmp_path):
    """Run the program as a process of its own in the test's folder; return what came of it."""
    return partial(run_as_process, tmp_path)


@pytest.fixture
def shared(simulator):
    """Return the text of a manifest with the session's simulator for its own."""

    def shared(text):
        assert EMBEDDED in text
        return text.replace(EMBEDDED, f"{{kind: simulator, base_url: '{simulator}'}}")

    return shared


@pytest.fixture(scope="session")
def first_runs(tmp_path_factory):
    """Return the `outputs` that a first run of a manifest leaves; the program buys them once for all tests."""
    outputs = {}

    def of(job):
        asked = job.name, job.read_bytes()
        if asked not in outputs:
            folder = tmp_path_factory.mktemp("first-run")
            (folder / job.name).write_bytes(asked[1])
            done = run_here(folder, "run", job.name)
            assert done.returncode == 0, done.stderr
            outputs[asked] = folder / "outputs"
        return outputs[asked]

    return of


@pytest.fixture
def bought(tmp_path, first_runs):
    """Put the test's folder in the state after a first run of a manifest."""

    def bought(job):
        shutil.copytree(first_runs(job), tmp_path / "outputs", dirs_exist_ok=True)

    return bought


@pytest.fixture
def job(tmp_path, shared):
    """A manifest of four requests that cost nothing."""
    path = tmp_path / "job.yaml"
    path.write_text(shared(MANIFEST), encoding="utf-8")
    return path


@pytest.fixture
def own_job(tmp_path):
    """That manifest with a simulator of its own, whose books lie in the run folder."""
    path = tmp_path / "job.yaml"
    path.write_text(MANIFEST, encoding="utf-8")
    return path
