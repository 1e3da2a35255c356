"""Whole histories of a run folder, made up by Hypothesis: runs, deaths, outages, full disks and edits in any order.

``FAULT_HISTORIES=200`` makes up that many, anew each time; the default is the same few for every day.
"""

import os
import random
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.faults.disks import Disk
from tests.faults.shop import Shop, table

HISTORIES = int(os.environ.get("FAULT_HISTORIES", "5"))
SUMS = []


class Histories(RuleBasedStateMachine):
    """One run folder, and everything that may happen to it."""

    @initialize(strict=st.booleans())
    def open(self, strict):
        self.folder = Path(tempfile.mkdtemp(prefix="histories-"))
        self.shop = Shop(self.folder / "shop")
        self.shop.out.mkdir()
        self.disk = Disk(self.shop.out)
        self.options = ["--strict"] if strict else []
        self.shop.rules(
            {"prompt": "mug 1", "pad": 100_000, "delay_s": 0.05, "harmless": True},
            {"prompt": "mug 2", "hosted": True, "harmless": True},
            {"prompt": "mug 3", "times": 2, "cut": "reset"},
            {"prompt": "mug 4", "times": 2, "status": 503, "body": {"error": "overloaded"}},
            {"delay_s": 0.05, "harmless": True},
        )
        self.numbers = list(range(12))
        self.next = 12
        self.out_of_order = False
        self._write()

    def _write(self):
        rows = [{"prompt": f"mug {number}"} for number in self.numbers]
        self.shop.write(rows, concurrency=6, prices={"shop/cheap": 0.01}, retry={"risk_usd": 0.5, "deadline": "5s"})

    @rule(count=st.integers(1, 6))
    def add_rows(self, count):
        self.numbers += range(self.next, self.next + count)
        self.next += count
        self._write()

    @rule(seed=st.integers(0, 9))
    def remove_and_reorder_rows(self, seed):
        random.Random(seed).shuffle(self.numbers)
        if len(self.numbers) > 3:
            self.numbers.pop()
        self._write()

    @rule()
    def outage_begins_or_ends(self):
        self.out_of_order = not self.out_of_order
        self.shop.outage(self.out_of_order)

    @rule()
    def run_to_the_end(self):
        if self.out_of_order:
            return
        ended = self.shop.run(*self.options)
        assert ended.code in {0, 4}, ended.err
        self.shop.note_recorded()

    @rule(posts=st.integers(0, 12))
    def run_and_kill(self, posts):
        process = self.shop.start(*self.options)
        if self.out_of_order:
            self.shop.wait(lambda: (self.shop.out / ".batchgen/ledger.db").exists() or process.poll() is not None)
        else:
            self.shop.wait_for_posts(len(self.shop.posts()) + posts, process)
        self.shop.kill(process)

    @rule()
    def run_and_lose_the_service(self):
        if self.out_of_order:
            return
        process = self.shop.start(*self.options)
        self.shop.wait_for_posts(len(self.shop.posts()) + 1, process)
        self.shop.outage(True)
        self.shop.outage(False)
        assert self.shop.end(process).code in {0, 4}

    @rule(room_bytes=st.integers(10_000, 600_000), marked=st.booleans())
    def run_and_fill_the_disk(self, room_bytes, marked):
        if self.out_of_order or not self.disk.mounted:
            return
        # Without the mark below which nothing is sent, the disk is filled to its last byte.
        mark = {} if marked else {"BATCHGEN_MIN_FREE_MB": "0"}
        process = self.shop.start(*self.options, environment={"TMPDIR": str(self.folder), **mark})
        self.shop.wait_for_posts(len(self.shop.posts()) + 1, process)
        self.disk.shrink(room_bytes)
        self.shop.injected += 1
        ended = self.shop.end(process)
        assert ended.code in {0, 3, 4}, ended.err
        self.shop.note_recorded()
        self.disk.grow()

    @invariant()
    def nothing_recorded_is_bought_again(self):
        if hasattr(self, "shop"):
            self.shop._assert_purchases()
            self.shop._assert_listed()

    def teardown(self):
        if not hasattr(self, "shop"):
            return
        try:
            self.shop.outage(False)
            self.shop.run(*self.options)
            self.shop.assert_invariants()
            SUMS.append(asdict(self.shop.sums()))
        finally:
            self.shop.close()
            self.disk.close()
            shutil.rmtree(self.folder)


@pytest.mark.slow
@pytest.mark.timeout(60 + 30 * HISTORIES)
def test_no_history_makes_a_recorded_answer_be_bought_again(record_property):
    SUMS.clear()
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=8,
            deadline=None,
            database=None,
            derandomize="FAULT_HISTORIES" not in os.environ,
            # Smaller histories of the same kind would each take seconds to find.
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )
    record_property("faults", table(SUMS))
