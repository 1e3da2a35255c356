"""The program called from Python: the same words and codes, and nothing of a call stays behind."""

import logging
import os
import signal
import sys
import threading
import warnings

import pytest

from batchgen.cli.main import main
from tests.program import run_here

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def state_of_the_process():
    return {
        "folder": os.getcwd(),  # noqa: PTH109 - as the process has it
        "environment": dict(os.environ),
        "handlers": [signal.getsignal(number) for number in SIGNALS],
        "wakeup": _wakeup_fd(),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "warnings": list(warnings.filters),
        "logging": (logging.root.level, list(logging.root.handlers)),
        "excepthook": (sys.excepthook, threading.excepthook, sys.unraisablehook),
    }


def _wakeup_fd():
    number = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(number)
    return number


@pytest.mark.parametrize("words", [["run", "job.yaml"], ["plan", "job.yaml"], ["run", "nowhere.yaml"], ["rnu"]])
def test_a_call_leaves_the_process_as_it_was(job, tmp_path, words):
    # Libraries add filters of their own when they are first imported.
    run_here(tmp_path, *words)
    before = state_of_the_process()
    run_here(tmp_path, *words)
    assert state_of_the_process() == before


def test_the_code_is_returned_and_not_raised(job, capsys):
    assert main(["check", str(job)]) == 0
    assert "4 requests to 1 model" in capsys.readouterr().out
    assert main(["check", f"{job}.bak"]) == 2
    assert main(["--help"]) == 0


def test_without_an_argument_the_words_are_those_of_the_command_line(job, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/batchgen", "check", str(job)])
    assert main() == 0
    assert "4 requests to 1 model" in capsys.readouterr().out


@pytest.mark.process
def test_a_run_in_this_process_says_and_leaves_what_one_in_a_process_of_its_own_does(batchgen, program, job, tmp_path):
    here, there = batchgen("run", job, "--out", "here"), program("run", job, "--out", "there")
    assert (here.returncode, here.stdout, there.stdout) == (there.returncode, "here\n", "there\n")
    *_, ended, dated = there.stderr.splitlines()
    assert here.stderr.splitlines()[-1].replace("here", "there") == ended
    assert here.dated.strip().partition(": ")[2] == dated.partition(": ")[2] == "4 bought, 0 kept, 0 failed"
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == sorted(
        path.name for path in (tmp_path / "there").iterdir()
    )


def test_the_usage_names_the_program_however_it_was_called(batchgen):
    assert batchgen("--help").stdout.startswith("Usage: batchgen ")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_a_shortage_of_the_machine_is_a_sentence_and_no_bug(batchgen, job, monkeypatch, error):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("batchgen.planning.plan.make_plan", fails)
    done = batchgen("check", job)
    assert done.returncode == 3
    assert "this machine" in done.stderr
    assert "bug" not in done.stderr
