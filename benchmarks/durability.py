"""What it costs that nothing is forgotten: the same runs with every sync, and with none.

    python benchmarks/durability.py [--quick] [--folder FOLDER]

A service in this process answers after so long, 200 requests at a time, with pictures of 100 kB. Runs with and without
syncs are interleaved; figures are medians. What is left out in the second kind is every fsync, and SQLite's own
(``synchronous = OFF``): only this benchmark can do so. ``FOLDER`` is on the disk to be measured; default: this one's.
"""

import argparse
import base64
import contextlib
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

import anyio

from batchgen.errors import ExitCode
from batchgen.manifest import load_manifest
from batchgen.planning.plan import make_plan
from batchgen.planning.prices import PriceBook
from batchgen.provider.interface import Answered
from batchgen.request import AnswerPicture, Generation, State
from batchgen.running.options import Options
from batchgen.running.setup import run_plan
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import ledger, schema

CONCURRENCY = 200
PICTURE_BYTES = 100_000
ROUNDS = 5
GOAL = 1.3

_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Service:
    """Sells pictures after ``latency_s``; each one's bytes are its own."""

    name = "simulator"
    base_url = "http://127.0.0.1"

    def __init__(self, latency_s):
        self.latency_s = latency_s

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        pass

    async def generate(self, request, *, idempotency_key):  # noqa: ARG002 - a provider's signature
        await anyio.sleep(self.latency_s)
        # A chunk that readers skip, before the end marker.
        filler = request.key.encode() * (PICTURE_BYTES // len(request.key))
        content = base64.b64encode(_PNG[:-12] + len(filler).to_bytes(4) + b"noTe" + filler + b"0000" + _PNG[-12:])
        return self.read(json.dumps({"data": [{"b64_json": content.decode()}], "cost": 0}).encode())

    def read(self, body):
        (entry,) = json.loads(body)["data"]
        return Answered(body, Generation((AnswerPicture(None, entry["b64_json"].encode()),), 0, 5))

    async def catalogue(self):
        return None

    async def balance_microusd(self):
        return None


@contextlib.contextmanager
def without_syncs():
    def connect(path):
        db = schema.connect(path)
        db.execute("PRAGMA synchronous = OFF")
        return db

    with mock.patch.object(os, "fsync"), mock.patch.object(ledger, "connect", connect):
        yield


async def once(place, latency_s, count):
    """The seconds that one run of ``count`` requests takes."""
    root = Path(tempfile.mkdtemp(dir=place))
    job = {
        "provider": "simulator",
        "rows": [{"prompt": f"mug {number}"} for number in range(count)],
        "defaults": {"model": "maker/one"},
        "prices": {"maker/one": 0},
        "limits": {"concurrency": CONCURRENCY, "adaptive": False},
    }
    (root / "job.yaml").write_text(json.dumps(job))
    manifest = load_manifest(root / "job.yaml")
    folder = RunFolder(root / "out")
    with folder.opened():
        started = time.perf_counter()
        async with Service(latency_s) as service:
            finished = await run_plan(
                make_plan(manifest),
                service,
                folder,
                PriceBook(manifest.prices, None),
                options=Options(confirmed=True),
                on_engine=[].append,
            )
        took_s = time.perf_counter() - started
    assert finished.exit_code is ExitCode.OK, finished.reason
    assert finished.result.ended[State.STORED] == count
    shutil.rmtree(root)
    return took_s


def measured(place, latency_s, count, rounds):
    durable, forgetful = [], []
    for _ in range(rounds):
        with without_syncs():
            forgetful.append(anyio.run(once, place, latency_s, count))
        durable.append(anyio.run(once, place, latency_s, count))
    return statistics.median(durable), statistics.median(forgetful)


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--quick", action="store_true")
    words.add_argument("--folder", type=Path, default=Path(__file__).parent)
    given = words.parse_args()
    rounds, count = (1, 400) if given.quick else (ROUNDS, 2000)
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        print(f"C={CONCURRENCY}, {count} requests, median of {rounds}")
        print("| answer after | ideal s | without syncs s | with all syncs s | ratio |")
        print("| --- | --- | --- | --- | --- |")
        for latency_s in (0.0, 1.0):
            durable, forgetful = measured(place, latency_s, count, rounds)
            ideal = latency_s * count / CONCURRENCY
            ratio = durable / forgetful
            print(
                f"| {latency_s:g} s | {ideal:.1f} | {forgetful:.2f} | {durable:.2f} | {ratio:.2f} |"
                f"{'' if ratio <= GOAL else f' above the goal of {GOAL}'}",
                flush=True,
            )


if __name__ == "__main__":
    main()
