"""Every command once as a process of its own: what only a process has is its start, its exit code and its pipes."""

import signal
import subprocess
import sys

import pytest
from PIL import Image

from batchgen.cli.app import app
from batchgen.testing.loopback import Reply, loopback
from tests.program import PROGRAM

# The words of each command; the exit code; what stands in its output. "KEY" is a request in doubt.
COMMANDS = {
    "check": (["job.yaml"], 0, "job.yaml: no mistakes; 4 requests to 1 model"),
    "plan": (["job.yaml"], 0, "4 done"),
    "explain": (["job.yaml", "1"], 0, "done: it is stored"),
    "status": (["outputs/job"], 0, "4 requests sent so far; 4 planned"),
    "watch": (["outputs/job"], 0, "the last run ended with exit code 0"),
    "ctl": (["outputs/job", "pause"], 2, ""),
    "report": (["outputs/job"], 0, "4 requests, 4 stored"),
    "compare": (["outputs/job"], 0, "outputs/job/compare.html"),
    "rank": (["outputs/job"], 0, "0 votes"),
    "verify": (["outputs/job", "--json"], 0, '"pictures"'),
    "export": (["outputs/job", "captions", "dataset"], 0, "dataset"),
    "prune": (["job.yaml"], 0, ""),
    "restore": (["outputs/job"], 0, ""),
    "adopt": (["outputs/job", "ffff", "found.png"], 2, ""),
    "init": (["sweep", "--into", "new"], 0, "new/sweep.yaml"),
    "schema": ([], 0, '"$schema"'),
    "choose": (["outputs/job", "nothing"], 2, ""),
    "share": (["outputs/job", "page.html"], 0, "page.html"),
    "open": (["outputs/job"], 0, "report.html"),
}
LONG = {"run", "simulate", "models", "doctor"}


def test_no_command_is_forgotten():
    assert {command.name for command in app.registered_commands} == COMMANDS.keys() | LONG


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_ends_with_its_code_and_prints_its_result(program, bought, job, tmp_path, command):
    bought(job)
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "found.png")
    words, code, said = COMMANDS[command]
    done = program(command, *words)
    assert done.returncode == code, done.stderr
    assert said in done.stdout
    assert "Traceback" not in done.stderr


def test_a_run_buys_with_a_simulator_of_its_own(program, own_job, tmp_path):
    done = program("run", own_job)
    assert (done.returncode, done.stdout) == (0, "outputs/job\n")
    assert len(list((tmp_path / "outputs/job/images").rglob("*.jpg"))) == 4


def test_models_are_listed(program):
    with loopback() as service:
        service.reply = lambda _: Reply(body=b'[{"id": "maker/one", "output": ["image"], "price": null}]')
        done = program("models", "--base-url", service.url)
    assert done.returncode == 0, done.stderr
    assert "maker/one" in done.stdout


@pytest.mark.usefixtures("signals_are_heard")
def test_the_simulator_serves_until_ctrl_c():
    with subprocess.Popen([PROGRAM, "simulate"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            told = [process.stderr.readline() for _ in range(3)]
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert url.startswith("http://127.0.0.1:")
    assert f"simulated service at {url}" in told[0]
    assert process.returncode in {0, 130}, said
    assert "Traceback" not in said


@pytest.mark.parametrize("words", [["--version"], ["check", "nowhere.yaml"]])
def test_the_package_is_a_program_too(program, tmp_path, words):
    module = subprocess.run(
        [sys.executable, "-m", "batchgen", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    script = program(*words)
    assert (module.returncode, module.stdout, module.stderr) == (script.returncode, script.stdout, script.stderr)
