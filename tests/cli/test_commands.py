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


def test_status_tells_counts_and_money(batchgen, bought, job):
    bought(job)
    done = batchgen("status", "outputs/job")
    assert done.returncode == 0
    assert "outputs/job: not running" in done.stdout
    assert "4 requests sent so far; 4 planned" in done.stdout
    assert "priced by answer; " in done.stdout
    assert "s as the service states" in done.stdout
    assert "trash" not in done.stdout


def test_plan_tells_of_a_price_list_its_age_and_what_goes_before_it(batchgen, tmp_path):
    job = tmp_path / "listed.yaml"
    job.write_text(
        "provider: {kind: openai, base_url: 'http://127.0.0.1:9/v1'}\nprompt: a\n"
        "defaults: {size: 1024x1024, quality: high}\nmatrix: {model: [gpt-image-1.5, my/own]}\nprices: {my/own: 0}\n"
    )
    done = batchgen("plan", job)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "gpt-image-1.5: priced by OpenAI's price list as of 2026-11-28" in said
    assert "`prices:` in the job file goes before it" in said
    assert "my/own 1 1 $0.00 $0.00 $0.00 manifest" in said


def test_report_rebuilds_what_was_deleted(batchgen, bought, job, tmp_path):
    bought(job)
    derived = ["report.html", "report.csv", "summary.json", "metadata.jsonl"]
    before = {name: (tmp_path / "outputs/job" / name).read_bytes() for name in derived}
    for name in derived:
        (tmp_path / "outputs/job" / name).unlink()
    assert batchgen("report", "outputs/job").returncode == 0
    for name in ("report.csv", "metadata.jsonl", "summary.json"):
        assert (tmp_path / "outputs/job" / name).read_bytes() == before[name]


def test_a_report_that_can_t_be_written_is_said_without_a_traceback(batchgen, bought, job, tmp_path):
    bought(job)
    (tmp_path / "outputs/job/report.csv").unlink()
    (tmp_path / "outputs/job/report.csv").mkdir()
    done = batchgen("report", "outputs/job")
    assert done.returncode == 3
    assert done.stderr == "batchgen: outputs/job: the report can't be written: Is a directory\n"


def test_plan_folds_only_names_of_models_that_are_too_long_for_their_column(batchgen, job):
    shown = batchgen("plan", job).stdout
    assert ["test/test", "4", "4"] in [line.split()[:3] for line in shown.splitlines()]
    long = batchgen("plan", job, "--model", "openai/gpt-image-1-mini", "--size", "1024x1024").stdout
    assert "openai/gpt-image-1-m" in long
    assert max(map(len, long.splitlines())) <= 80


def test_explain_tells_the_requests_of_a_row_apart_and_says_that_there_are_more(batchgen, job):
    style = ",".join(f"style {number}" for number in range(21))
    shown = batchgen("explain", job, "1", "--set", f"style={style}")
    assert "  style=style 0\n" in shown.stdout
    assert "  style=style 19\n" in shown.stdout
    assert "style 20" not in shown.stdout
    assert shown.stderr == "batchgen: row 1 makes more than these 20 requests; name another one by its key\n"
    assert batchgen("explain", job, "1").stderr == ""


@pytest.mark.parametrize("command", ["status", "report"])
def test_a_folder_without_a_run_is_said_to_be_one(batchgen, tmp_path, command):
    done = batchgen(command, tmp_path)
    assert done.returncode == 2
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


@pytest.mark.process
@pytest.mark.parametrize("words", ["--help", "check JOB"])
def test_help_and_check_load_neither_pandas_nor_httpx(words, job):
    words = words.replace("JOB", str(job)).split()
    program = (
        "import sys\n"
        "from batchgen.cli.main import main\n"
        f"assert main({words!r}) == 0\n"
        "heavy = {'pandas', 'httpx', 'aiohttp', 'rich', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
