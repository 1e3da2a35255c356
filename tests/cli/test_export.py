"""`batchgen export`: what is typed, what is said, and how it ends."""

import json
import sys

import pytest


@pytest.fixture
def outputs(bought, job, tmp_path):
    """A run folder with four pictures, at outputs/job."""
    bought(job)
    return tmp_path / "outputs/job"


def test_the_folder_goes_to_stdout_and_the_words_to_stderr(batchgen, outputs, tmp_path):
    done = batchgen("export", "outputs/job", "captions", "data/mugs", "--caption", "{subject}: {prompt}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "data/mugs\n"
    assert "4 pictures as captions" in done.stderr
    assert "--caption_extension .txt" in done.stderr
    assert "ETA" not in done.stderr
    texts = sorted(path.read_text() for path in (tmp_path / "data/mugs").glob("*.txt"))
    assert texts == ["mug: mug, ink\n", "mug: mug, oil\n", "teapot: teapot, ink\n", "teapot: teapot, oil\n"]


def test_json_is_one_object_with_all_counts(batchgen, outputs):
    words = ["export", "outputs/job", "webdataset", "tars", "--only", "style=ink", "--split", "test=30%", "--json"]
    done = batchgen(*words)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["pictures"], said["left_out"], said["kept"]) == (2, {"not asked for": 2}, 0)
    assert sum(said["splits"].values()) == 2
    assert json.loads(batchgen(*words).stdout)["written"] == 0


def test_several_folders_and_several_values_are_taken(batchgen, outputs, job):
    assert batchgen("run", job, "--out", "outputs/two", "--set", "style=clay").returncode == 0
    done = batchgen(
        "export",
        "outputs/job",
        "outputs/two",
        "imagefolder",
        "set",
        "--only",
        "style=ink,clay",
        "--only",
        "subject=mug",
    )
    assert done.returncode == 0, done.stderr
    assert "2 pictures as imagefolder" in done.stderr


def test_a_missing_picture_ends_with_one_and_its_name(batchgen, outputs):
    gone = min((outputs / ".batchgen/pictures").glob("*/*"))
    gone.unlink()
    done = batchgen("export", "outputs/job", "parquet", "table", "--format", "webp", "--size", "32x32")
    assert done.returncode == 1
    assert "3 pictures as parquet" in done.stderr
    assert "left out: 1 picture, missing or altered" in done.stderr
    assert gone.name in done.stderr


MISTAKES = [
    (["tarballs", "out"], "'tarballs' is no kind of export"),
    (["captons", "out"], "did you mean 'captions'"),
    (["captions", "out", "--without", "blurry"], "there is no such flag; one of other-size"),
    (["captions", "out", "--without", "near-duplicat"], "did you mean 'near-duplicate'"),
    (["captions", "out", "--split", "test"], "write a name and a percentage, such as --split test=5%"),
    (["captions", "out", "--split", "test=0.1"], "such as --split test=5%"),
    (["captions", "out", "--split", "my test=5%"], "such as --split test=5%"),
    (["captions", "out", "--split", "train=90%"], "train gets the rest"),
    (["captions", "out", "--split", "a=5%", "--split", "a=6%"], "given twice"),
    (["captions", "out", "--split", "a=60%", "--split", "b=40%"], "nothing is left for train"),
    (["captions", "out", "--only", "style"], "write --only NAME=VALUE"),
    (["captions", "out", "--only", "stile=ink"], "did you mean 'style'"),
    (["captions", "out", "--only", "style=chalk"], "nothing to export from 1 folder: 4 not asked for"),
    (["captions", "out", "--split", "a=5%", "--group-by", "subjekt"], "did you mean 'subject'"),
    (["captions", "out", "--caption", "{prompt"], "--caption: '{' at character 1 is never closed"),
    (["captions", "out", "--format", "gif"], "pictures are converted to jpeg, png, webp"),
    (["captions", "out", "--size", "512"], "write WIDTHxHEIGHT"),
    (["captions", "out", "--paths"], "--paths is of use only with parquet"),
    (["parquet", "out", "--paths", "--format", "png"], "--format and --size make new ones"),
    (["webdataset", "out", "--copy"], "--copy is of use only with captions and imagefolder"),
    (["captions", "outputs/job/out"], "lies in the run folder"),
    (["captions", "s3://bucket/out"], "the destination"),
    (["captions", "job.yaml"], "job.yaml: is no folder"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES)
def test_a_mistake_is_told_and_leaves_nothing(batchgen, outputs, tmp_path, words, said):
    done = batchgen("export", "outputs/job", *words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_run_folder_is_told(batchgen, tmp_path):
    done = batchgen("export", ".", "captions", "../out")
    assert done.returncode == 2
    assert "is this a run folder?" in done.stderr


def test_parquet_without_its_library_is_one_sentence_with_the_way(batchgen, outputs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = batchgen("export", "outputs/job", "parquet", "out")
    assert done.returncode == 2
    assert done.stderr == ("batchgen: exports as parquet need pyarrow: pip install 'batchgen-runner[export]'\n")
    assert not (tmp_path / "out").exists()
    assert batchgen("export", "outputs/job", "webdataset", "out").returncode == 0


def test_paths_are_a_table_of_where_the_pictures_lie(batchgen, outputs, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert batchgen("export", "outputs/job", "parquet", "table", "--paths").returncode == 0
    rows = parquet.read_table(tmp_path / "table/data/train-00000.parquet")["image"].to_pylist()
    held = {str(path) for path in (outputs / ".batchgen/pictures").glob("*/*")}
    assert {row["path"] for row in rows} == held
    assert {row["bytes"] for row in rows} == {None}


def test_progress_rate_and_time_left_are_drawn_on_a_terminal_alone(batchgen, outputs, monkeypatch):
    monkeypatch.setattr("batchgen.cli.export._is_terminal", lambda: True)
    done = batchgen("export", "outputs/job", "captions", "out")
    assert "100%" in done.stderr
    assert "4/4" in done.stderr
    assert "ETA" in done.stderr
