"""A bug of ours ends in a report that can be sent as it is: enough to find it, and no secret."""

import platform

import pytest

from batchgen.cli.crash_report import ISSUES, crash_report
from batchgen.cli.shared_options import JobOptions
from batchgen.provider.credentials import find_key
from batchgen.version import __version__


def fail(message):
    raise RuntimeError(message)


def raised(message):
    try:
        fail(message)
    except RuntimeError as error:
        return error


@pytest.fixture
def broken(monkeypatch):
    """A program whose `check` breaks with this message."""

    def broken(message):
        monkeypatch.setattr(JobOptions, "read", lambda options, job: fail(message))

    return broken


def test_a_bug_ends_with_exit_code_70_its_traceback_and_where_to_report_it(batchgen, job, broken):
    broken("the moon is full")
    done = batchgen("check", job)
    assert (done.returncode, done.stdout) == (70, "")
    assert "Traceback (most recent call last)" in done.stderr
    assert "RuntimeError: the moon is full" in done.stderr
    assert f"batchgen {__version__}, Python {platform.python_version()}, " in done.stderr
    assert "anyio " in done.stderr
    assert ISSUES in done.stderr
    assert done.stderr.endswith(
        "batchgen: this is a bug in batchgen; what was bought is recorded, and running again resumes\n"
    )


@pytest.mark.parametrize("name", ["IMAGEROUTER_API_KEY", "AWS_SECRET", "MY_TOKEN", "BATCHGEN_WEBHOOK", "Db_Password"])
def test_what_a_variable_for_secrets_holds_is_taken_out(monkeypatch, name):
    monkeypatch.setenv(name, "canary-7f3a")
    assert "7f3a" not in crash_report(raised("no answer to canary-7f3a"))


def test_a_key_from_a_file_is_taken_out(tmp_path):
    (tmp_path / ".env").write_text("A_SERVICE=canary-from-a-file\n")
    find_key("A_SERVICE", tmp_path)
    assert "canary" not in crash_report(raised("no answer to canary-from-a-file"))


@pytest.mark.parametrize("header", ["Bearer canary7f3a", "bearer canary7f3a'", "Basic Y2FuYXJ5="])
def test_what_a_header_authorizes_with_is_taken_out(header):
    report = crash_report(raised(f"{{'Authorization': '{header}'}}"))
    assert "canary" not in report
    assert "Y2FuYXJ5" not in report


def test_errors_of_a_group_and_their_causes_are_all_in_it():
    group = ExceptionGroup("two tasks", [raised("first"), raised("second")])
    group.__cause__ = raised("because")
    report = crash_report(group)
    assert all(f"RuntimeError: {message}" in report for message in ("first", "second", "because"))
