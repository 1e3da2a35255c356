"""The line that says how far a large plan was read, and the runs that need no reading."""

import io
import sys

import pytest

from batchgen.cli import plan_reading
from batchgen.cli.plan_reading import reading_plan

MILLION = """\
provider: simulator
prompt: "{a} {b}"
defaults: {model: openai/gpt-image-1}
matrix: {a: {from: 1, to: 1000}, b: {from: 1, to: 1000}}
"""


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(plan_reading, "time", made)
    return made


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_who_waits_two_seconds_sees_the_count_and_nothing_of_it_stays(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with reading_plan() as watch:
        clock.now = 1.9
        watch(1_000)
        assert sys.stderr.getvalue() == ""
        clock.now = 2.1
        watch(412_000)
        assert sys.stderr.getvalue().endswith("reading the plan: 412,000 requests so far")
    assert sys.stderr.getvalue().endswith("\r\x1b[K")


def test_a_log_file_has_no_such_line():
    with reading_plan() as watch:
        assert watch is None


def test_a_million_combinations_are_checked_priced_and_refused_by_their_count(batchgen, tmp_path):
    (tmp_path / "million.yaml").write_text(MILLION, encoding="utf-8")
    done = batchgen("check", "million.yaml")
    assert done.stdout == "million.yaml: no mistakes; 1,000,000 requests to 1 model\n"
    done = batchgen("plan", "million.yaml")
    assert "1,000,000 new" in done.stdout
    assert "to pay: $167,000.00 expected, $11,000.00 at least, $300,000.00 at most" in done.stdout
    done = batchgen("run", "million.yaml")
    assert done.returncode == 2
    assert "1,000,000 requests are more than the 10,000 of an unconfirmed run" in done.stderr
    assert not (tmp_path / "outputs").exists()
