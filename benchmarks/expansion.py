"""What a plan of a million requests costs before the first one is sent: expanded anew, and resumed when all is done.

    python benchmarks/expansion.py [--quick] [--folder FOLDER]

Microseconds of CPU per request, beside a floor in the same run: canonical JSON and digest of texts that are there
already, nothing else. Memory is by how much a process of its own grows. The resumed run has a ledger with every request
but the last one stored, and a service that notes when it is first asked. ``FOLDER`` is where the files go; default: a
temporary one.
"""

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

import anyio
import msgspec

from batchgen.manifest import flat, load_manifest
from batchgen.planning.plan import Plan, make_plan
from batchgen.planning.prices import PriceBook
from batchgen.provider.interface import Failed, Verdict
from batchgen.running.setup import Options, run_plan
from batchgen.store.folder.plan_cache import keep_memo, memo_in
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.row_metadata import record_described
from batchgen.store.ledger.schema import connect

GOAL_US = 3.0
GOAL_MB = 60
GOAL_RESUME_S = 3.0
ROUNDS = 5

JOBS = {
    "rows of a CSV, one model": (1, {"defaults": {"model": "maker/one", "size": "1024x1024"}}),
    "rows x 2 models x 2 qualities": (
        4,
        {
            "defaults": {"size": "1024x1024"},
            "matrix": {"model": ["maker/one", "maker/two"], "quality": ["low", "high"]},
        },
    ),
    "rows x repeat 4": (4, {"defaults": {"model": "maker/one", "size": "1024x1024"}, "repeat": 4}),
    "rows, named by a template": (
        1,
        {"defaults": {"model": "maker/one"}, "output": {"path": "{mood}/{row}"}},
    ),
}


def write_job(folder, count, each, more):
    with (folder / "rows.csv").open("w", encoding="utf-8") as rows:
        rows.write("subject,mood,place\n")
        rows.writelines(f"a mug number {number} on a table,calm,kitchen\n" for number in range(count // each))
    job = {"provider": "simulator", "prompt": "{subject}, {mood}, studio light", "rows": "rows.csv", **more}
    (folder / "job.yaml").write_text(json.dumps(job), encoding="utf-8")
    return load_manifest(folder / "job.yaml")


def cpu_us(work, count):
    gc.collect()
    before = time.process_time()
    work()
    return (time.process_time() - before) / count * 1e6


def floor(count):
    encode = msgspec.json.Encoder().encode
    head = b'{"kind":"image","model":"maker/one","parameters":{"prompt":'
    tail = b',"size":"1024x1024"},"provider":"simulator","repeat":1,"version":1}'
    for number in range(count):
        prompt = f"a mug number {number} on a table, calm, studio light"
        blake2b(head + encode(prompt) + tail, digest_size=16).hexdigest()


def drained(plan):
    for _ in plan:
        pass


GROWTH = """
import resource, sys
from batchgen.manifest import load_manifest
from batchgen.planning.plan import make_plan
manifest = load_manifest(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in make_plan(manifest):
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def growth_mb(job):
    """By how much a process of its own grows that surveys and expands, as a run does."""
    done = subprocess.run([sys.executable, "-c", GROWTH, str(job)], check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024


def expansion(folder, count, rounds):
    print(f"{count:,} requests, median of {rounds}")
    print("| plan | survey µs | expansion µs | times the floor | first request after ms | grown by MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, (each, more) in JOBS.items():
        manifest = write_job(folder, count, each, more)
        floors, surveys, expansions = [], [], []
        for _ in range(rounds):
            plan = Plan(manifest)
            floors.append(cpu_us(lambda: floor(count), count))
            surveys.append(cpu_us(lambda plan=plan: plan.survey, count))
            expansions.append(cpu_us(lambda plan=plan: drained(plan), count))
        started = time.perf_counter()
        next(iter(Plan(manifest)))
        first_ms = (time.perf_counter() - started) * 1e3
        grown = growth_mb(folder / "job.yaml")
        took = statistics.median(expansions)
        missed = "" if took <= GOAL_US and grown <= GOAL_MB else f" above {GOAL_US:g} µs or {GOAL_MB} MB"
        print(
            f"| {name} | {statistics.median(surveys):.2f} | {took:.2f} | {took / statistics.median(floors):.1f} |"
            f" {first_ms:.1f} | {grown:.1f} |{missed}",
            flush=True,
        )


def now():
    """The clock and the CPU of this process, in seconds: the machine may be shared."""
    return time.perf_counter(), time.process_time()


class Service:
    """Notes when it is first asked, and refuses."""

    name = "simulator"
    base_url = "http://127.0.0.1"

    def __init__(self):
        self.first_asked: tuple[float, float] | None = None

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        pass

    async def generate(self, request, *, idempotency_key):  # noqa: ARG002 - a provider's signature
        self.first_asked = self.first_asked or now()
        return Failed(Verdict.REFUSED, "refused", "no more today")

    async def catalogue(self):
        return None

    async def balance_microusd(self):
        return None


def store_all_but_the_last(folder, plan, count):
    """A ledger as a run would have left it, written in bulk, and what it kept of its plan."""
    keep_memo(folder, plan.memo())
    with closing(connect(folder.ledger)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        db.execute("INSERT INTO facts VALUES ('simulated', '1')")
        record_described(db, plan.fingerprint)
        db.execute(
            "INSERT INTO runs (started_ms, version, manifest, provider, base_url, planned, estimate_microusd)"
            " VALUES (0, '0', 'job.yaml', 'simulator', '', ?, 0)",
            (count,),
        )
        for request in plan:
            if request.index == count - 1:
                break
            db.execute(
                "INSERT INTO requests (id, key, state, position, row, repeat, provider, kind, model, canonical,"
                " columns, axes, stem, run_id, first_sent_ms, answered_ms, ended_ms, body)"
                " VALUES (?, ?, 'stored', ?, ?, ?, 'simulator', 'image', ?, ?, ?, '{}', ?, 1, 0, 0, 0, ?)",
                (
                    request.index + 1,
                    request.key,
                    request.index,
                    request.row,
                    request.repeat,
                    request.model,
                    request.canonical.decode(),
                    json.dumps(request.columns),
                    plan.stem(request),
                    b'{"data": [{"url": "https://pictures.example/a.webp"}], "cost": 0.04}',
                ),
            )
            db.execute(
                "INSERT INTO attempts (request_id, run_id, ordinal, outcome, sent_ms, duration_ms, reserved_microusd,"
                " billed_microusd) VALUES (?, 1, 1, 'billed', 0, 1000, 40000, 40000)",
                (request.index + 1,),
            )
        db.execute("COMMIT")


async def resumed_s(manifest, folder):
    service = Service()
    started = now()
    async with service:
        plan = await anyio.to_thread.run_sync(lambda: make_plan(manifest, memo=memo_in(folder)))
        surveyed = now()
        await run_plan(
            plan,
            service,
            folder,
            PriceBook({"maker/one": flat(40_000)}, None),
            options=Options(confirmed=True),
            on_engine=[].append,
        )
    return [
        tuple(then - at for then, at in zip(moment, started, strict=True))
        for moment in (surveyed, service.first_asked, now())
    ]


def resume(folder, count):
    manifest = write_job(folder, count, *JOBS["rows of a CSV, one model"])
    run_folder = RunFolder(folder / "out")
    with run_folder.opened():
        store_all_but_the_last(run_folder, make_plan(manifest), count)
        moments = anyio.run(resumed_s, manifest, run_folder)
    print(f"\nresumed with {count - 1:,} of {count:,} requests stored, seconds since the start")
    print("| until | wall | CPU |")
    print("| --- | --- | --- |")
    for name, (wall_s, cpu_s) in zip(("surveyed", "first request", "ended"), moments, strict=True):
        missed = f" above the goal of {GOAL_RESUME_S:g}" if name == "first request" and cpu_s > GOAL_RESUME_S else ""
        print(f"| {name} | {wall_s:.2f} | {cpu_s:.2f} |{missed}")


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--quick", action="store_true")
    words.add_argument("--folder", type=Path, default=None)
    given = words.parse_args()
    rounds, count = (1, 20_000) if given.quick else (ROUNDS, 1_000_000)
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        expansion(Path(place), count, rounds)
        resume(Path(place), count)


if __name__ == "__main__":
    main()
