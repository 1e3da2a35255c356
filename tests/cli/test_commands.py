import json
import subprocess
import sys

import pytest


def test_check_prints_every_mistake_with_its_line_and_sends_nothing(batchgen, job, tmp_path):
    job.write_text("promt: a\nprovider: simulatr\ndefaults: {size: 16:9}\nlimits: {concurrency: 0}\n")
    done = batchgen("check", job)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) >= 4
    assert all(line.startswith("batchgen: ") for line in lines)
    assert "did you mean 'prompt'" in done.stderr
    assert ":4" in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_plan_counts_by_axis_prices_what_is_new_and_leaves_no_folder(batchgen, job, tmp_path):
    done = batchgen("plan", job, "--model", "openai/gpt-image-1", "--model", "test/test", "--size", "1024x1024")
    assert done.returncode == 0, done.stderr
    assert "job: 8 requests" in done.stdout
    assert "model: openai/gpt-image-1 (4), test/test (4)" in done.stdout
    assert "8 new" in done.stdout
    assert "to pay: $0.668 expected" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not (tmp_path / "outputs").exists()


def test_plan_knows_what_is_done(batchgen, job):
    batchgen("run", job, "--limit", 3)
    assert "1 new, 3 done" in batchgen("plan", job).stdout


def test_status_tells_counts_and_money(batchgen, job):
    batchgen("run", job)
    done = batchgen("status", "outputs/job")
    assert done.returncode == 0
    assert "outputs/job: not running" in done.stdout
    assert "4 of 4 planned requests" in done.stdout


def test_report_rebuilds_what_was_deleted(batchgen, job, tmp_path):
    batchgen("run", job)
    derived = ["report.html", "report.csv", "summary.json", "metadata.jsonl"]
    before = {name: (tmp_path / "outputs/job" / name).read_bytes() for name in derived}
    for name in derived:
        (tmp_path / "outputs/job" / name).unlink()
    assert batchgen("report", "outputs/job").returncode == 0
    for name in ("report.csv", "metadata.jsonl", "summary.json"):
        assert (tmp_path / "outputs/job" / name).read_bytes() == before[name]


@pytest.mark.parametrize("command", ["status", "report"])
def test_a_folder_without_a_run_is_said_to_be_one(batchgen, tmp_path, command):
    done = batchgen(command, tmp_path)
    assert done.returncode == 6
    assert "is this a run folder?" in done.stderr
    assert "Traceback" not in done.stderr


def test_models_lists_prices_and_filters(batchgen):
    done = batchgen("models", "FLUX", "--provider", "simulator")
    assert done.returncode == 0, done.stderr
    assert "black-forest-labs/FLUX-1-schnell" in done.stdout.replace("\n", "")
    assert "gpt-image" not in done.stdout


def test_models_as_json_are_one_object_a_line(batchgen):
    done = batchgen("models", "gpt-image-1", "--provider", "simulator", "--json")
    names = [json.loads(line)["id"] for line in done.stdout.splitlines()]
    assert "openai/gpt-image-1" in names


def test_models_of_a_service_that_is_not_there_say_so(batchgen):
    done = batchgen("models", "--base-url", "http://127.0.0.1:9")
    assert done.returncode == 3
    assert "http://127.0.0.1:9" in done.stderr


@pytest.mark.parametrize("kind", ["quickstart", "dataset", "sweep"])
def test_init_writes_a_starter_that_plans_and_never_overwrites_one(batchgen, kind):
    done = batchgen("init", kind, "--into", "new")
    assert done.returncode == 0
    assert batchgen("check", done.stdout.strip()).returncode == 0
    again = batchgen("init", kind, "--into", "new")
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_an_unknown_command_is_answered_with_usage(batchgen):
    done = batchgen("rnu")
    assert done.returncode == 2
    assert "rnu" in done.stderr


@pytest.mark.parametrize("words", ["--help", "check JOB"])
def test_help_and_check_load_neither_pandas_nor_httpx(words, job):
    words = words.replace("JOB", str(job)).split()
    program = (
        "import sys\n"
        f"sys.argv = ['batchgen', *{words!r}]\n"
        "from batchgen.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as ending: assert not ending.code, ending.code\n"
        "heavy = {'pandas', 'httpx', 'aiohttp', 'rich', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
