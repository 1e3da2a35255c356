import json
import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest

from batchgen.simulator.embedded import SimulatorFailed, embedded
from batchgen.simulator.serve import serve
from batchgen.simulator.settings import Settings

HOLDER = """
import os, sys
from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings
with embedded(Settings()) as endpoints:
    print(endpoints.api_url, flush=True)
    sys.stdin.read()
"""


def is_up(url):
    try:
        return httpx.get(f"{url}/_simulator/health", trust_env=False).status_code == 200
    except httpx.ConnectError:
        return False


def test_it_is_up_inside_the_block_and_gone_after_it():
    with embedded(Settings()) as endpoints:
        assert is_up(endpoints.api_url)
    assert not is_up(endpoints.api_url)


def test_it_ends_with_a_parent_that_was_killed():
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        url = holder.stdout.readline().decode().strip()
        assert is_up(url)
        holder.kill()
        holder.wait()
        end = time.monotonic() + 5
        while is_up(url):
            assert time.monotonic() < end


def test_ctrl_c_does_not_end_it():
    process = subprocess.Popen(
        [sys.executable, "-m", "batchgen.simulator", "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        url = json.loads(process.stdout.readline())["api_url"]
        os.kill(process.pid, signal.SIGINT)
        assert is_up(url)
        process.stdin.close()
        assert process.wait(10) == 0


def test_sigterm_ends_it_orderly():
    command = [sys.executable, "-m", "batchgen.simulator", "--settings", '{"latency_s": 0}']
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert is_up(json.loads(process.stdout.readline())["api_url"])
        process.terminate()
        assert process.wait(10) == 0


def test_a_simulator_that_fails_says_its_last_words(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(SimulatorFailed, match="can't start"), embedded(Settings(), blocked):
        pytest.fail("it started")


def test_a_simulator_that_is_late_is_given_up(tmp_path):
    with embedded(Settings(), tmp_path), pytest.raises(SimulatorFailed, match=r"not ready after 0\.5 s"):  # noqa: SIM117
        with embedded(Settings(), tmp_path, timeout_s=0.5):
            pytest.fail("two on one folder")


def test_it_can_be_served_in_a_thread_until_told_to_stop(tmp_path):
    ready, stop, met = threading.Event(), threading.Event(), []

    def on_ready(endpoints):
        met.append(endpoints)
        ready.set()

    thread = threading.Thread(
        target=serve, args=(Settings(),), kwargs={"state": tmp_path, "on_ready": on_ready, "until": stop.wait}
    )
    thread.start()
    assert ready.wait(10)
    assert is_up(met[0].api_url)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
