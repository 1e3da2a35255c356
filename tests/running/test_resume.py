"""The promise, from outside: the real program in its own process against the real simulator in another.

The simulator's own books are the witness: what it billed, for which request, and how often.
"""

import contextlib
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from batchgen.running.signals import ONE_WISH_S
from batchgen.simulator.embedded import embedded
from batchgen.simulator.faults import Fault
from batchgen.simulator.settings import Settings
from batchgen.store.media.sniff import inspect

pytestmark = pytest.mark.usefixtures("signals_are_heard")

MODEL = "black-forest-labs/FLUX-1-schnell"
MOST_MICROUSD = 7_000
PROGRAM = Path(sys.executable).with_name("batchgen")


class Town:
    """A simulator, a run folder, and the program as a user starts it."""

    def __init__(self, root, endpoints):
        self.root = root
        self.endpoints = endpoints
        self.out = root / "out"
        self.ledger = self.out / ".batchgen" / "ledger.db"

    def write(self, requests, *, concurrency=16, **more):
        job = {
            "provider": {"kind": "simulator", "base_url": self.endpoints.api_url},
            "rows": [{"prompt": f"mug {number}"} for number in range(requests)],
            "defaults": {"model": MODEL, "size": "256x256"},
            "retry": {"risk_usd": 100},
            **more,
            "limits": {"concurrency": concurrency, "adaptive": False, **more.get("limits", {})},
        }
        (self.root / "job.yaml").write_text(json.dumps(job))
        return self

    def start(self, *options):
        return subprocess.Popen(
            [PROGRAM, "run", "job.yaml", "--out", "out", "--json", *options],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options, timeout=60):
        with self.start(*options) as process:
            out, err = process.communicate(timeout=timeout)
        assert "Traceback" not in err, err
        return process.returncode, out, err

    def billing(self):
        return httpx.get(f"{self.endpoints.api_url}/_simulator/billing", trust_env=False).json()

    def settled(self):
        """The books once nothing is under way any more: the service finishes and bills without us."""
        give_up = time.monotonic() + 10
        while (books := self.billing())["in_flight"] and time.monotonic() < give_up:
            time.sleep(0.02)
        return books

    def wait_for(self, condition, process=None):
        give_up = time.monotonic() + 20
        while not condition(self.billing()):
            assert time.monotonic() < give_up
            assert process is None or process.poll() is None, process.communicate()
            time.sleep(0.005)

    def billed_by_key(self):
        """How often each request was billed, after the simulator's own lines: their idempotency keys begin with it."""
        lines = map(json.loads, (self.root / "shop" / "billing.jsonl").read_text().splitlines())
        return Counter(line["idempotency_key"].split("-")[0] for line in lines if line.get("outcome") == "billed")

    def rows(self, statement):
        with contextlib.closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as db:
            return db.execute(statement).fetchall()

    def states(self):
        return Counter(state for (state,) in self.rows("SELECT state FROM requests"))

    def check(self):
        """No request was billed more often than the ledger says it was answered or may have been billed."""
        allowed = dict(
            self.rows(
                "SELECT r.key, sum(a.outcome IN ('billed', 'in doubt', 'sent')) FROM attempts a"
                " JOIN requests r ON r.id = a.request_id GROUP BY r.key"
            )
        )
        answered = dict(
            self.rows(
                "SELECT r.key, sum(a.outcome = 'billed') FROM attempts a"
                " JOIN requests r ON r.id = a.request_id GROUP BY r.key"
            )
        )
        for key, count in self.billed_by_key().items():
            assert count <= allowed[key]
            assert answered[key] <= 1
        for (original,) in self.rows("SELECT original FROM pictures"):
            inspect((self.out / ".batchgen/pictures" / original).read_bytes())
        for (file,) in self.rows("SELECT file FROM names WHERE state = 'made'"):
            inspect((self.out / file).read_bytes())


@pytest.fixture
def town(tmp_path):
    @contextlib.contextmanager
    def opened(**settings):
        settings = {"latency_s": 0.05, "rate_limits": False, **settings}
        with embedded(Settings(**settings), tmp_path / "shop") as endpoints:
            yield Town(tmp_path, endpoints)

    return opened


def killed_at_random(here, rounds, options=()):
    dice = random.Random(20_26)
    for _ in range(rounds):
        before = here.billing()["received"]
        process = here.start(*options)
        with process:
            more = dice.randint(1, 25)
            give_up = time.monotonic() + 60
            while here.billing()["received"] < before + more and process.poll() is None:
                assert time.monotonic() < give_up
                # The shop lives in this process: asked without a pause it has no time to serve.
                time.sleep(0.002)
            time.sleep(dice.random() * 0.08)
            process.kill()
            process.communicate()
        here.settled()
        here.check()


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_every_picture_is_there_and_none_was_paid_twice_unseen(town):
    with town() as here:
        here.write(120)
        killed_at_random(here, 10)
        for _ in range(3):
            code, _, err = here.run()
        books = here.settled()
        here.check()
        states = here.states()
        # A request that was on its way at two deaths is held: repeating it is for its user to say.
        assert states["stored"] + states["in doubt"] == 120
        assert code == (4 if states["in doubt"] else 0), err
        assert here.run("--retry", "doubt")[0] == 0
        books = here.settled()
        assert here.states() == {"stored": 120}
        assert len(list((here.out / "images").rglob("*.webp"))) == 120
        (doubts,) = here.rows("SELECT count(*) FROM attempts WHERE outcome = 'in doubt'")[0]
        assert 120 <= books["billed"] <= 120 + doubts
        assert here.run()[0] == 0
        assert here.billing() == books


@pytest.mark.slow
def test_strict_mode_never_lets_a_request_be_billed_twice_whatever_kills_it(town):
    with town() as here:
        here.write(120)
        killed_at_random(here, 4, ["--strict"])
        code, _, _ = here.run("--strict")
        here.settled()
        assert max(here.billed_by_key().values()) == 1
        states = here.states()
        assert code == (4 if states["in doubt"] else 0)
        assert states["stored"] + states["in doubt"] == 120


def read_up_to(event, process):
    """Reads what the program says until it says ``event``."""
    assert any(json.loads(line)["event"] == event for line in process.stdout)


def test_the_first_ctrl_c_lets_land_what_is_on_its_way(town):
    with town(latency_s=0.6) as here:
        here.write(60, concurrency=8)
        with here.start() as process:
            here.wait_for(lambda books: books["in_flight"] == 8, process)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        assert process.returncode == 130, err
        books = here.settled()
        assert books["accepted"] == books["billed"] == 8
        assert here.states() == {"stored": 8}
        assert json.loads(out.splitlines()[-1])["reason"] == "SIGINT"


def test_the_second_ctrl_c_lets_go_and_lists_what_may_have_been_billed(town):
    with town(latency_s=30.0) as here:
        here.write(60, concurrency=8)
        with here.start() as process:
            here.wait_for(lambda books: books["in_flight"] == 8, process)
            process.send_signal(signal.SIGINT)
            # What comes sooner after the first was heard is the same wish.
            read_up_to("stopping", process)
            time.sleep(ONE_WISH_S)
            process.send_signal(signal.SIGINT)
            # Well before the answers would come.
            out, err = process.communicate(timeout=20)
        assert process.returncode == 130, err
        assert here.states() == {"in doubt": 8}
        assert json.loads(out.splitlines()[-1])["states"] == {"in doubt": 8}
        assert sum(json.loads(line).get("state") == "in doubt" for line in out.splitlines()) == 8
        (maybe,) = here.rows("SELECT sum(maybe_microusd) FROM attempts")[0]
        assert maybe == 8 * MOST_MICROUSD


def test_a_signal_during_a_back_off_ends_the_run_at_once(town):
    busy = {"kind": "throttle", "retry_after": "60"}
    with town() as here:
        here.write(4)
        httpx.post(f"{here.endpoints.api_url}/_simulator/faults", json={"faults": [busy]}, trust_env=False)
        with here.start() as process:
            here.wait_for(lambda books: books["received"] >= 1, process)
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
        assert process.returncode == 143
        assert here.billing()["billed"] == 0


def test_a_budget_for_ten_of_fifty_bills_ten(town):
    price_usd = 0.04
    stated = Fault(kind="wrong_cost", literal=str(price_usd))
    with town(faults=(stated,)) as here:
        here.write(50, limits={"budget_usd": 10 * price_usd}, prices={MODEL: price_usd})
        code, out, err = here.run()
        assert code == 3, err
        assert json.loads(out.splitlines()[-1])["reason"].startswith("the budget of $0.40 is used up: ")
        assert here.settled()["accepted"] == 10
        assert here.run()[0] == 3
        assert here.settled()["accepted"] == 10


def test_a_second_process_on_the_same_folder_posts_nothing(town):
    with town(latency_s=1.0) as here:
        here.write(8, concurrency=8)
        with here.start() as first:
            here.wait_for(lambda books: books["in_flight"] == 8, first)
            # However long the second one takes to start, the first has not ended.
            first.send_signal(signal.SIGSTOP)
            code, _, err = here.run()
            assert code == 5
            assert f"process {first.pid}" in err
            assert here.billing()["received"] == 8
            first.kill()
            first.communicate()
        here.settled()
        assert here.run()[0] == 0
        here.check()


def test_two_hundred_at_once_are_two_hundred_at_once(town):
    with town(latency_s=1.0) as here:
        here.write(200, concurrency=200)
        assert here.run()[0] == 0
        assert here.billing()["peak_in_flight"] == 200


def test_a_ledger_overwritten_with_junk_is_left_alone_and_nothing_is_sent(town):
    with town() as here:
        here.write(4)
        assert here.run()[0] == 0
        junk = b"\x00junk" * 5000
        here.ledger.write_bytes(junk)
        received = here.billing()["received"]
        code, _, err = here.run()
        assert code == 6
        assert "backup" in err
        assert here.ledger.read_bytes() == junk
        assert here.billing()["received"] == received
