"""Starters: written with all they need, and sound as they are."""

import json
import os
import pty
import subprocess

import jsonschema
import pytest
import yaml

from tests.program import PROGRAM

KINDS = ["quickstart", "dataset", "sweep", "nightly"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_starter_is_checked_planned_and_run_as_it_is_written(batchgen, tmp_path, kind):
    job = batchgen("init", kind, "--into", "new").stdout.strip()
    assert batchgen("check", job).returncode == 0
    planned = batchgen("plan", job).stdout
    assert "to pay: $" in planned
    assert "note:" not in planned
    done = batchgen("run", job, "--limit", "1", "--out", "out")
    assert done.returncode in {0, 3}, done.stderr
    assert len((tmp_path / "out/metadata.jsonl").read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_starter_is_what_the_printed_schema_describes(batchgen, tmp_path, kind):
    job = batchgen("init", kind).stdout.strip()
    schema = json.loads(batchgen("schema").stdout)
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load((tmp_path / job).read_text(encoding="utf-8")))


def test_a_file_of_a_starter_that_is_there_already_is_kept(batchgen, tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/icons.csv").write_text("mine")
    done = batchgen("init", "nightly")
    assert (done.returncode, done.stderr) == (
        2,
        "batchgen: prompts/icons.csv exists already; nothing was written\n",
    )
    assert not (tmp_path / "nightly.yaml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nightli"], "there is no starter 'nightli'; did you mean 'nightly'?"),
        (["video-wall"], "there are quickstart, dataset, sweep, nightly"),
        (["sweep", "--into", "/proc/nowhere"], "can't be written"),
    ],
)
def test_a_starter_that_can_t_be_written_says_why(batchgen, words, said):
    done = batchgen("init", *words)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.process
def test_on_a_terminal_a_long_mistake_goes_on_below_its_beginning(tmp_path):
    (tmp_path / "job.yaml").write_text("defaults: {model: m, size: big}\nprompt: a\n")
    terminal, inner = pty.openpty()
    environment = {**os.environ, "COLUMNS": "60"}
    done = subprocess.run(
        [PROGRAM, "check", "job.yaml"], cwd=tmp_path, env=environment, stderr=inner, timeout=60, check=False
    )
    os.close(inner)
    lines = os.read(terminal, 4096).decode().splitlines()
    os.close(terminal)
    assert done.returncode == 2
    assert lines == [
        "batchgen: job.yaml:1: size must be 'auto' or a text like",
        "          1024x1024 with sides from 1 to 16384, found 'big'",
    ]


def test_the_schema_beside_a_starter_is_the_one_its_first_line_names_and_a_second_starter_renews_it(batchgen, tmp_path):
    job = tmp_path / batchgen("init", "quickstart").stdout.strip()
    schema = tmp_path / job.read_text(encoding="utf-8").splitlines()[0].rpartition("$schema=")[2]
    assert schema.read_text(encoding="utf-8") == batchgen("schema").stdout
    schema.write_text("{}", encoding="utf-8")
    assert batchgen("init", "sweep").returncode == 0
    assert schema.read_text(encoding="utf-8") == batchgen("schema").stdout
