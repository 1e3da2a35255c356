"""Ctrl-C, terminals that go away, pauses, and clocks that jump."""

import json
import os
import signal
import subprocess
import time

import pytest

from batchgen.running.signals import ONE_WISH_S

# Longer than any connection is kept.
PAUSE_S = 60
SLOW = {"delay_s": 1.0, "harmless": True}
HANG = {"cut": "hang"}


def test_the_first_ctrl_c_sends_nothing_more_and_lands_what_is_in_flight(shop):
    shop.rules(SLOW)
    shop.write(40, concurrency=8)
    process = shop.start()
    shop.wait(lambda: len(shop.posts()) == 8, process)
    shop.injected += 1
    process.send_signal(signal.SIGINT)
    ended = shop.end(process)
    assert ended.code in {130, 3}
    assert len(shop.posts()) == 8
    assert shop.states() == {"stored": 8}
    shop.note_recorded()
    shop.rules()
    assert shop.run().code == 0
    assert len(shop.billing()) == 40


def test_two_signals_at_once_are_one_wish(shop):
    """As `timeout` and a terminal that closes send them: one to the program, one to its group."""
    shop.rules(SLOW)
    shop.write(40, concurrency=8)
    process = shop.start()
    shop.wait(lambda: len(shop.posts()) == 8, process)
    shop.injected += 1
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGHUP)
    shop.end(process)
    assert shop.states() == {"stored": 8}


def test_the_first_ctrl_c_of_a_run_that_is_stopping_anyway_lets_nothing_go(shop):
    shop.rules({"delay_s": 4.0, "harmless": True})
    shop.write(40, concurrency=8)
    process = shop.start("--deadline", "2s", "--json")
    shop.wait(lambda: len(shop.posts()) == 8, process)
    assert any(json.loads(line)["event"] == "stopping" for line in process.stdout)
    shop.injected += 1
    process.send_signal(signal.SIGINT)
    assert shop.end(process).code == 3
    assert shop.states() == {"stored": 8}


def test_the_second_ctrl_c_lets_go_at_once_and_lists_what_was_in_flight(shop):
    shop.rules(HANG)
    shop.write(40, concurrency=8)
    process = shop.start("--json")
    shop.wait(lambda: len(shop.posts()) == 8, process)
    shop.injected += 2
    process.send_signal(signal.SIGINT)
    # What comes sooner after the first was heard is the same wish.
    assert any(json.loads(line)["event"] == "stopping" for line in process.stdout)
    time.sleep(ONE_WISH_S)
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    ended = shop.end(process)
    assert time.monotonic() - asked < 20
    assert ended.code == 130
    assert shop.states() == {"in doubt": 8}
    assert len(shop.failures()) == 8


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_during_a_wait_ends_the_run_at_once(shop, number):
    shop.rules({"status": 429, "headers": {"retry-after": "60"}, "body": {"error": "Too many requests"}})
    shop.write(4)
    process = shop.start()
    shop.wait(lambda: len(shop.posts()) >= 4, process)
    time.sleep(0.3)
    shop.injected += 1
    process.send_signal(number)
    asked = time.monotonic()
    ended = shop.end(process)
    assert time.monotonic() - asked < 30
    assert ended.code in {130, 143}
    assert not shop.billing()


@pytest.mark.parametrize("at_s", [0.02, 0.1, 0.25, 0.5])
def test_a_signal_while_it_starts_leaves_no_trace_of_a_crash(shop, at_s):
    shop.write(4)
    process = shop.start()
    time.sleep(at_s)
    shop.injected += 1
    process.send_signal(signal.SIGTERM)
    assert shop.end(process).code in {130, 143, -signal.SIGTERM, 0}


@pytest.mark.slow
@pytest.mark.timeout(60 + PAUSE_S)
def test_a_pause_sends_nothing_twice(shop):
    shop.rules({"delay_s": 0.3, "harmless": True})
    shop.write(20, concurrency=8, retry={"deadline": f"{PAUSE_S + 20}s"})
    process = shop.start()
    shop.wait(lambda: len(shop.posts()) >= 8, process)
    shop.injected += 1
    process.send_signal(signal.SIGSTOP)
    time.sleep(PAUSE_S)
    process.send_signal(signal.SIGCONT)
    assert shop.end(process).code == 0
    assert len(shop.posts()) == 20


def test_a_pause_longer_than_the_deadline_still_takes_the_answers_that_came(shop):
    shop.rules({"delay_s": 0.5, "harmless": True})
    shop.write(4, retry={"deadline": "2s"})
    process = shop.start("--strict")
    shop.wait(lambda: len(shop.posts()) == 4, process)
    shop.injected += 1
    process.send_signal(signal.SIGSTOP)
    time.sleep(3)
    process.send_signal(signal.SIGCONT)
    ended = shop.end(process)
    assert ended.code == 0, ended.err
    assert len(shop.posts()) == len(shop.published()) == 4


# `sitecustomize` is Python's own way of running something first: the program itself stays as it is.
_JUMPING_CLOCK = """
import os, time
_time, _time_ns = time.time, time.time_ns
def _jump(): return JUMP if os.path.exists(FLAG) else 0
time.time = lambda: _time() + _jump()
time.time_ns = lambda: _time_ns() + _jump() * 1_000_000_000
"""


@pytest.mark.parametrize(
    "jump_s",
    [
        -86_400,
        86_400,
    ],
)
def test_a_clock_that_jumps_a_day_makes_no_negative_times_and_nothing_hangs(shop, jump_s, tmp_path):
    text = _JUMPING_CLOCK.replace("JUMP", str(jump_s)).replace("FLAG", repr(str(tmp_path / "jump")))
    (tmp_path / "sitecustomize.py").write_text(text, encoding="utf-8")
    shop.rules({"nth": [4, 6], "status": 503, "body": {"error": "overloaded"}}, {"delay_s": 0.4, "harmless": True})
    shop.write(20, concurrency=4)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    shop.injected += 1
    process = shop.start(environment={"PYTHONPATH": path})
    shop.wait(lambda: len(shop.posts()) >= 8, process)
    (tmp_path / "jump").touch()
    ended = shop.end(process)
    assert ended.code == 0, ended.err
    assert len(shop.billing()) == 20
    assert shop.rows("SELECT min(duration_ms) >= 0 FROM attempts") == [(1,)]
    assert shop.summary()["active_s"] >= 0
    assert shop.summary()["item_ms"]["p50"] >= 0
    # The ledger keeps the moments as the clock told them; what is derived from them makes no sense below zero.
    lines = (shop.out / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert min(json.loads(line)["total_ms"] for line in lines) >= 0


@pytest.mark.parametrize(
    "options",
    [
        ["--json"],
        [],
    ],
    ids=["json", "plain"],
)
def test_a_reader_that_goes_away_does_not_end_what_is_being_paid_for(shop, options):
    shop.rules({"delay_s": 0.1, "harmless": True})
    shop.write(20)
    reading, writing = os.pipe()
    process = shop.start(*options, stdout=writing)
    os.close(writing)
    os.read(reading, 1) if options else None
    os.close(reading)
    shop.injected += 1
    ended = shop.end(process)
    assert ended.code == 0, ended.err
    assert len(shop.billing()) == 20


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-", ">/dev/full", "2>/dev/full"])
def test_streams_that_are_closed_or_full_do_not_end_what_is_being_paid_for(shop, closed):
    shop.write(6)
    shop.injected += 1
    ended = shop.run(prefix=["sh", "-c", f'exec "$@" {closed}', "sh"])
    assert len(shop.billing()) == 6
    assert shop.states() == {"stored": 6}
    assert ended.code == 0, ended.err


def test_a_terminal_that_goes_away_drains_the_run(shop):
    shop.rules(SLOW)
    shop.write(30, concurrency=4)
    master, terminal = os.openpty()
    process = shop.start(stdout=terminal, stderr=terminal, stdin=terminal, start_new_session=True)
    os.close(terminal)
    shop.wait(lambda: len(shop.posts()) >= 4)
    shop.injected += 1
    os.close(master)
    process.send_signal(signal.SIGHUP)
    ended = shop.end(process)
    assert ended.code == 143
    assert len(shop.posts()) <= 8
    assert shop.states()["stored"] == len(shop.billing())


def test_nohup_runs_on_when_the_terminal_goes_away(shop):
    shop.rules({"delay_s": 0.2, "harmless": True})
    shop.write(12, concurrency=4)
    process = shop.start(prefix=["nohup"], stdin=subprocess.DEVNULL)
    shop.wait(lambda: len(shop.posts()) >= 2, process)
    shop.injected += 1
    process.send_signal(signal.SIGHUP)
    ended = shop.end(process)
    assert ended.code == 0, ended.err
    assert len(shop.billing()) == 12
