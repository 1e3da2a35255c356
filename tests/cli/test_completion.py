"""What a shell offers: asked through the variables of completion, and once by the tab key of a real bash."""

import os
import pty
import re
import select
import shutil
import time

import pytest

from batchgen.provider.catalogue_cache import remember
from batchgen.provider.interface import Catalogue, Model
from tests.program import PROGRAM


@pytest.fixture
def offered(batchgen, tmp_path):
    """Return what bash is offered for the last word of a line, which it has divided at `=` and `:`."""

    def offered(line):
        words = re.findall(r"[=:]+|[^ =:]+", line) + ([""] if line.endswith(" ") else [])
        done = batchgen(
            _BATCHGEN_COMPLETE="complete_bash",
            COMP_WORDS=" ".join(words),
            COMP_CWORD=str(len(words) - 1),
        )
        assert done.returncode == 0
        assert done.stderr == ""
        return done.stdout.split("\n")[:-1] if done.stdout.strip() else []

    return offered


def test_names_of_axes_and_columns_then_values_are_offered(offered, job):
    assert offered("batchgen run job.yaml --only ") == ["style=", "model=", "subject="]
    assert offered("batchgen run job.yaml --only style=") == ["ink", "oil"]
    assert offered("batchgen run job.yaml --only style=o") == ["oil"]
    assert offered("batchgen run --only=style=i") == []
    assert offered("batchgen run job.yaml --only=subject=t") == ["teapot"]


def test_a_name_that_alone_fits_comes_with_its_values_so_that_no_blank_follows_it(offered, job):
    assert offered("batchgen run job.yaml --only sty") == ["style=ink", "style=oil"]


def test_parameters_variables_and_their_values_are_offered_to_set(offered, job):
    names = offered("batchgen run job.yaml --set ")
    assert {"quality=", "style=", "subject=", "seconds="} <= set(names)
    assert offered("batchgen plan job.yaml --set output_format=j") == ["jpeg", "jpg"]
    assert offered("batchgen plan job.yaml --quality m") == ["medium"]


def test_models_are_those_of_the_job_of_catalogues_fetched_before_and_of_the_simulator(offered, job):
    model = Model("acme/painter:free", "image", price=None)
    remember("https://acme.example/v1", Catalogue({model.id: model}))
    assert "test/test" in offered("batchgen run job.yaml --model ")
    assert offered("batchgen run job.yaml --model acme/") == ["acme/painter:free"]
    assert offered("batchgen run job.yaml --model acme/painter:f") == ["free"]
    assert "google/imagen-4" in offered("batchgen models google/")


def test_states_kinds_and_starters_are_offered(offered, job):
    assert offered("batchgen run job.yaml --retry ") == ["refused", "spoiled", "doubt", "missing"]
    assert offered("batchgen run job.yaml --provider s") == ["simulator"]
    assert offered("batchgen run job.yaml --meant br") == ["braces"]
    assert offered("batchgen init ") == ["quickstart", "dataset", "sweep", "nightly"]
    assert offered("batchgen export x parquet y --without near") == ["near-duplicate"]


def test_job_files_are_offered_at_any_depth_and_other_files_are_not(offered, job, tmp_path):
    (tmp_path / "jobs/deep").mkdir(parents=True)
    (tmp_path / "jobs/deep/mugs.csv").write_text("prompt\na\n")
    (tmp_path / "jobs/notes.md").write_text("")
    assert offered("batchgen run ") == ["job.yaml", "jobs/deep/mugs.csv"]
    assert offered("batchgen check jobs/d") == ["jobs/deep/mugs.csv"]


def test_run_folders_are_offered_and_what_is_in_them(offered, batchgen, job, tmp_path):
    assert batchgen("run", "job.yaml").returncode == 0
    (tmp_path / "outputs/empty").mkdir()
    assert offered("batchgen status ") == ["outputs/job"]
    assert offered("batchgen verify out") == ["outputs/job"]
    assert offered("batchgen run job.yaml --out outputs/") == ["outputs/job"]
    assert offered("batchgen rank outputs/job --axis ") == ["model", "style"]
    assert offered("batchgen export outputs/job ") == [
        "captions",
        "imagefolder",
        "parquet",
        "webdataset",
        "outputs/job",
    ]
    assert offered("batchgen export outputs/job par") == ["parquet"]
    assert offered("batchgen export outputs/job parquet new --only style=i") == ["ink"]
    assert offered("batchgen ctl outputs/job pa") == ["pause", "park"]
    gone = next(path for path in (tmp_path / "outputs/job/images").rglob("*.*"))
    gone.unlink()
    assert batchgen("run", "job.yaml").returncode == 0
    assert offered("batchgen restore outputs/job images/") == [gone.relative_to(tmp_path / "outputs/job").as_posix()]


@pytest.mark.parametrize(
    "line",
    [
        "batchgen run nowhere.yaml --only style=",
        "batchgen run broken.yaml --only style=",
        "batchgen rank nowhere --axis ",
        "batchgen ctl nowhere pause ",
        "batchgen export nowhere parquet x --only a=",
    ],
)
def test_what_can_t_be_read_is_not_offered_and_says_nothing(offered, tmp_path, line):
    (tmp_path / "broken.yaml").write_text("rows: [{")
    assert offered(line) == []


@pytest.mark.process
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_the_tab_key_of_a_real_bash_completes_a_value_behind_an_equals_sign(job, tmp_path):
    process, handle = pty.fork()
    if process == 0:  # pragma: no cover - the child is another program
        os.chdir(tmp_path)
        os.environ.update({"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "PS1": "ready> ", "TERM": "dumb"})
        os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
    try:
        _until(handle, "ready> ")
        script = "eval \"$(batchgen --show-completion bash)\"; printf 'loa'; printf 'ded\\n'\n"
        os.write(handle, script.encode())
        _until(handle, "loaded")
        os.write(handle, b"batchgen run job.yaml --only sty\t")
        _until(handle, "le=")
        os.write(handle, b"o\t")
        _until(handle, "il ")
    finally:
        os.write(handle, b"\x03\nexit\n")
        os.close(handle)
        os.waitpid(process, 0)


def _until(handle, wanted, timeout_s=60):
    said, end = "", time.monotonic() + timeout_s
    while wanted not in said:
        assert time.monotonic() < end, f"{wanted!r} does not come; so far: {said!r}"
        if select.select([handle], [], [], 1)[0]:
            said += os.read(handle, 65536).decode(errors="replace")
    return said
