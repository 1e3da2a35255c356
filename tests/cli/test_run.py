import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

from tests.program import PROGRAM


def test_a_first_run_stores_everything_and_names_the_folder_on_stdout(batchgen, job, tmp_path):
    done = batchgen("run", job)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "outputs/job\n"
    assert "4 stored" in done.stderr
    assert len(list((tmp_path / "outputs/job/images").rglob("*.jpg"))) == 4


def test_a_second_run_buys_nothing_and_says_so_in_one_line(batchgen, own_job, tmp_path):
    batchgen("run", own_job)
    books = tmp_path / "outputs/job/.batchgen/simulator/billing.jsonl"
    before = books.read_bytes()
    done = batchgen("run", own_job)
    assert done.returncode == 0
    assert done.stderr == "nothing to buy: 4 requests stored in outputs/job\n"
    assert books.read_bytes() == before


def test_more_repeats_buy_only_the_additional_pictures(batchgen, bought, own_job, tmp_path):
    bought(own_job)
    done = batchgen("run", own_job, "--repeat", 2)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "outputs/job/.batchgen/simulator/billing.jsonl").read_text().splitlines()
    assert len(lines) == 8


def test_refusals_end_with_exit_code_1_and_are_listed(batchgen, job, tmp_path):
    job.write_text(job.read_text().replace("mug", "forbidden-by-simulator"))
    done = batchgen("run", job)
    assert done.returncode == 1
    assert done.stderr.endswith(
        "done: 2 requests stored, 2 refused; see outputs/job/report.html\n"
        "outputs/job/failures.jsonl lists what is not stored; --retry refused sends it again\n"
    )
    failures = [json.loads(line) for line in (tmp_path / "outputs/job/failures.jsonl").read_text().splitlines()]
    assert [failure["state"] for failure in failures] == ["refused", "refused"]
    assert all(failure["class"] == "moderation" for failure in failures)


def test_a_refused_request_is_sent_again_only_when_asked(batchgen, own_job, tmp_path):
    own_job.write_text(own_job.read_text().replace("mug", "forbidden-by-simulator"))
    books = tmp_path / "outputs/job/.batchgen/simulator/billing.jsonl"
    batchgen("run", own_job)
    before = books.read_bytes()
    again = batchgen("run", own_job)
    assert again.returncode == 1
    assert again.stderr.endswith(
        " in outputs/job\noutputs/job/failures.jsonl lists what is not stored; --retry refused sends it again\n"
    )
    assert books.read_bytes() == before
    batchgen("run", own_job, "--retry", "refused")
    assert len(books.read_bytes()) > len(before)


def test_json_events_end_with_the_exit_code_and_every_line_is_json(batchgen, job):
    done = batchgen("run", job, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events].count("ended") == 4
    assert events[0]["event"] == "started"
    assert all(event["at"] for event in events)
    last = events[-1]
    assert last.pop("at") >= events[-2]["at"]
    assert last.pop("text").endswith(" job: 4 bought, 0 kept, 0 failed")
    assert last == {
        "event": "finished",
        "folder": "outputs/job",
        "exit_code": 0,
        "reason": None,
        "states": {"stored": 4},
        "equal": 0,
        "orphans": 0,
        "pruned": 0,
        "withdrawn": 0,
        "bought": 4,
        "kept": 0,
        "reused": 0,
        "renamed": 0,
        "restored": 0,
        "failed": 0,
        "left": 0,
        "missing": 0,
        "success_rate": 1.0,
        "billed_microusd": 0,
        "billed_usd": 0.0,
        "maybe_billed_microusd": 0,
        "maybe_billed_usd": 0.0,
        "estimated_microusd": 0,
        "estimated_usd": 0.0,
    }


@pytest.mark.process
def test_a_reader_that_goes_away_does_not_end_the_run(batchgen, job, tmp_path):
    command = f"{PROGRAM} run {job} --json | head -1"
    subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, timeout=60, check=True)
    assert "nothing to buy" in batchgen("run", job).stderr


def test_limit_sends_so_many_and_no_more(batchgen, job, tmp_path):
    assert batchgen("run", job, "--limit", 3).returncode == 0
    assert len(list((tmp_path / "outputs/job/images").rglob("*.jpg"))) == 3


def test_only_sends_what_has_that_value(batchgen, job, tmp_path):
    assert batchgen("run", job, "--only", "style=oil", "--only", "subject=mug").returncode == 0
    (line,) = (tmp_path / "outputs/job/metadata.jsonl").read_text().splitlines()
    assert json.loads(line)["prompt"] == "mug, oil"
    assert batchgen("run", job, "--only", "prompt=mug, ink").returncode == 0
    assert len((tmp_path / "outputs/job/metadata.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stlye=oil"], "no request has an axis, a parameter or a column 'stlye'; did you mean 'style'?"),
        (["colour=red"], "there are model, repeat, style, "),
        (["style=oli"], "no request has that value; did you mean 'oil'?"),
        (["style=photograph"], "there are 'ink', 'oil'"),
        (["style=oil", "prompt=mug, ink"], "no request has all of style=oil, prompt=mug, ink"),
        (["style=oil", "style=ink"], "'style' is 'oil' already"),
    ],
)
def test_only_what_nothing_has_is_a_mistake_and_no_quiet_night(batchgen, job, tmp_path, words, said):
    done = batchgen("run", job, *(word for value in words for word in ("--only", value)))
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("out", ["s3://bucket/prefix", "file:///tmp/x"])
def test_a_run_folder_elsewhere_is_refused_and_no_folder_of_that_name_is_made(batchgen, job, tmp_path, out):
    done = batchgen("run", job, "--out", out)
    assert done.returncode == 2
    assert "must be a folder on this machine" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [job.name]


def test_equal_rows_are_bought_once_and_counted(batchgen, job, tmp_path):
    job.write_text(job.read_text().replace("teapot", "mug"))
    done = batchgen("run", job)
    assert "2 requests stored, 2 equal to another one" in done.stderr
    assert len(list((tmp_path / "outputs/job/.batchgen/pictures").glob("*/*.jpg"))) == 2
    # Every row has a name and a line.
    assert len(list((tmp_path / "outputs/job/images").rglob("*.jpg"))) == 4
    assert len((tmp_path / "outputs/job/metadata.jsonl").read_text().splitlines()) == 4


@pytest.mark.process
def test_a_terminal_sees_a_bar_with_money_that_fits_80_columns(own_job, tmp_path):
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [PROGRAM, "run", str(own_job)],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=writing,
    )
    os.close(writing)
    seen = b""
    while True:
        try:
            chunk = os.read(reading, 65536)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
    assert process.wait(60) == 0
    text = seen.decode()
    assert "simulated: no real money is spent" in text
    assert "4/4" in text
    assert "$0.00" in text
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text))
    assert max(map(len, lines)) <= 80


def test_without_a_key_the_message_names_the_variable_and_nothing_is_made(batchgen, own_job, tmp_path):
    done = batchgen("run", own_job, "--provider", "imagerouter")
    assert done.returncode == 2
    assert "IMAGEROUTER_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_play_money_and_real_money_are_refused_in_one_folder(batchgen, bought, own_job, tmp_path):
    bought(own_job)
    environment = {"IMAGEROUTER_API_KEY": "x" * 64, "IMAGEROUTER_BASE_URL": "http://127.0.0.1:9"}
    done = batchgen("run", own_job, "--provider", "imagerouter", **environment)
    assert done.returncode == 2
    assert "folder of their own" in done.stderr


def test_an_expensive_run_wants_to_be_confirmed(batchgen, job):
    job.write_text(job.read_text().replace("test/test", "openai/gpt-image-1").replace("64x64", "1024x1024"))
    done = batchgen("run", job, "--repeat", 100)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert "$66.80" in done.stderr


def test_mistakes_on_the_command_line_end_with_exit_code_2(batchgen, job):
    for words in (["--retry", "refuse"], ["--only", "style"], ["--limit", "0"], ["--nonsense"], ["--budget", "lots"]):
        done = batchgen("run", job, *words)
        assert done.returncode == 2, words
        assert "Traceback" not in done.stderr
    assert "did you mean 'refused'?" in batchgen("run", job, "--retry", "refuse").stderr


def test_a_canary_is_no_larger_than_the_limit(batchgen, job, tmp_path):
    done = batchgen("run", job, "--canary", 3, "--limit", 2)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "outputs/job/images").rglob("*.jpg"))) == 2
