"""How much a run says: with `--quiet`, with `--verbose`, and to whom."""

import re

import pytest

JOB = """\
provider: {kind: simulator, simulator: {latency_s: 0.01, faults: [{kind: throttle, first: 1}]}}
prompt: "{subject}"
rows: [{subject: mug}, {subject: teapot}, {subject: forbidden-by-simulator}]
defaults: {model: test/test, size: 64x64}
"""


@pytest.fixture
def mixed(tmp_path):
    """A job of two pictures and a refusal, on a service that throttles once."""
    (tmp_path / "mixed.yaml").write_text(JOB, encoding="utf-8")
    return "mixed.yaml"


@pytest.mark.parametrize("option", ["-q", "--quiet"])
def test_a_quiet_run_leaves_its_folder_on_stdout_and_the_dated_line_on_stderr(batchgen, mixed, option):
    done = batchgen("run", mixed, option)
    assert done.returncode == 1
    assert done.stdout == "outputs/mixed\n"
    assert done.stderr == ""
    assert "mixed: 2 bought, 0 kept, 1 failed; exit code 1" in done.dated


def test_a_quiet_run_still_tells_of_mistakes_and_of_what_is_odd(batchgen, mixed, tmp_path):
    odd = tmp_path / "odd.yaml"
    odd.write_text(f"{JOB}exclude: [{{model: 'nobody/*'}}]\n", encoding="utf-8")
    assert "nobody/*" in batchgen("run", "odd.yaml", "-q").stderr
    odd.write_text(f"{JOB}repeat: 0\n", encoding="utf-8")
    done = batchgen("run", "odd.yaml", "-q")
    assert done.returncode == 2
    assert "odd.yaml:5" in done.stderr


@pytest.mark.parametrize("option", ["-v", "--verbose"])
def test_a_verbose_run_has_a_line_for_each_request_that_ends_or_is_tried_again(batchgen, mixed, option):
    said = batchgen("run", mixed, option).stderr
    stored = re.findall(r"^[0-9a-f]{8} test/test stored images/\S+$", said, re.MULTILINE)
    assert len(stored) == 2
    assert re.search(r"^[0-9a-f]{8} test/test refused: \S.*$", said, re.MULTILINE)
    assert len(re.findall(r"^[0-9a-f]{8} test/test again in \d+ s: \S.*$", said, re.MULTILINE)) == 1
    assert "done: 2 requests stored, 1 refused" in said


def test_a_run_as_ever_has_none_of_these_lines(batchgen, mixed):
    said = batchgen("run", mixed).stderr
    assert "again in" not in said
    assert "test/test stored" not in said
