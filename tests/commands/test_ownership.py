"""A run folder belongs to the manifest that made it, wherever both are moved to."""

import io
import shutil
from functools import partial
from unittest import mock

import pytest

from tests.program import run_here

FLAGS = ("--model", "test/test", "--size", "64x64", "--provider", "simulator")


@pytest.fixture
def batchgen(tmp_path):
    return partial(run_here, tmp_path)


@pytest.fixture
def write(tmp_path):
    def write(name, *prompts):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        lines = [f"{prompt},{number}" for number, prompt in enumerate(prompts, 1)]
        path.write_text("\n".join(["prompt,id", *lines, ""]), encoding="utf-8")
        return path

    return write


@pytest.fixture
def run(batchgen):
    return lambda job, *more: batchgen("run", job, *FLAGS, *more)


def images(folder):
    return sorted(path.name for path in folder.rglob("images/**/*") if path.is_file())


def test_two_jobs_of_one_name_do_not_take_each_other_s_pictures_away(batchgen, run, write, tmp_path):
    write("a/prompts.csv", "a fox", "a mug")
    write("b/prompts.csv", "a whale", "a fox")
    assert run("a/prompts.csv", "--path", "{id}").returncode == 0
    before = images(tmp_path / "outputs")
    for command in ("run", "prune"):
        done = batchgen(command, "b/prompts.csv", *FLAGS, "--path", "{id}")
        assert done.returncode == 2
        assert "outputs/prompts holds the run of a/prompts.csv, and b/prompts.csv is another manifest" in done.stderr
    assert images(tmp_path / "outputs") == before
    planned = " ".join(batchgen("plan", "b/prompts.csv", *FLAGS).stdout.split())
    assert "note: a run would be refused: outputs/prompts holds the run of a/prompts.csv" in planned
    assert run("b/prompts.csv", "--out", "outputs/b").returncode == 0


def test_the_same_manifest_goes_on_by_another_path_and_when_all_of_it_is_edited(run, write, tmp_path):
    write("a/prompts.csv", "a fox")
    assert run("a/prompts.csv").returncode == 0
    write("a/prompts.csv", "a whale")
    (tmp_path / "link.csv").symlink_to("a/prompts.csv")
    for path in (tmp_path / "a/prompts.csv", "./a/../a/prompts.csv", "link.csv"):
        done = run(path, "--out", "outputs/prompts")
        assert done.returncode == 0
        assert "goes on as" not in done.stderr


def test_a_manifest_that_moved_goes_on_with_one_line_even_if_it_was_edited(run, write):
    before = write("a/prompts.csv", "a fox", "a mug")
    assert run("a/prompts.csv").returncode == 0
    before.unlink()
    write("b/prompts.csv", "a fox", "a whale", "a mug")
    done = run("b/prompts.csv")
    assert done.returncode == 0
    assert done.stderr.count("outputs/prompts: the run of a/prompts.csv goes on as that of b/prompts.csv") == 1
    assert "goes on as" not in run("b/prompts.csv").stderr


def test_a_manifest_with_nothing_in_common_is_another_one_even_if_the_first_is_gone(run, write, tmp_path):
    before = write("a/prompts.csv", "a fox")
    assert run("a/prompts.csv").returncode == 0
    before.unlink()
    write("b/prompts.csv", "a whale")
    assert run("b/prompts.csv").returncode == 2
    assert len(images(tmp_path / "outputs")) == 1


def test_a_project_that_is_copied_or_moved_with_its_run_folder_goes_on(batchgen, write, tmp_path):
    write("one/prompts.csv", "a fox")
    assert run_here(tmp_path / "one", "run", "prompts.csv", *FLAGS).returncode == 0
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    write("two/prompts.csv", "a whale")
    done = run_here(tmp_path / "two", "run", "prompts.csv", *FLAGS)
    assert done.returncode == 0
    assert "goes on as" not in done.stderr


def test_a_yaml_above_the_rows_that_were_run_alone_goes_on_with_one_line(batchgen, run, write, tmp_path):
    write("prompts.csv", "a fox", "a mug")
    assert run("prompts.csv").returncode == 0
    (tmp_path / "prompts.yaml").write_text("rows: prompts.csv\n", encoding="utf-8")
    done = run("prompts.yaml")
    assert done.returncode == 0
    assert "outputs/prompts: the run of prompts.csv goes on as that of prompts.yaml" in done.stderr
    write("other.csv", "a fox", "a mug")
    assert run("other.csv", "--name", "prompts").returncode == 2


def test_what_is_piped_in_has_no_path_and_is_known_by_what_it_asks_for(batchgen, tmp_path):
    def piped(text):
        stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
        with mock.patch("sys.stdin", stdin):
            return batchgen("run", "-", *FLAGS)

    assert piped("a fox\n").returncode == 0
    again = piped("a fox\na mug\n")
    assert again.returncode == 0
    assert "goes on as" not in again.stderr
    assert len(images(tmp_path / "outputs/stdin")) == 2
    assert piped("a whale\n").returncode == 2
    assert len(images(tmp_path / "outputs/stdin")) == 2
