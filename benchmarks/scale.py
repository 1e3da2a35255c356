"""What a request costs this machine: what the arithmetic of a million, of ten and of a hundred million is made of.

    python benchmarks/scale.py [--quick] [--count N] [--folder FOLDER] [run] [start] [together]

``run``: one process and four shards, against one simulated service in a process of its own: CPU and memory of the
client from the manifest to the report, bytes on disk by kind. ``start``: a plan of rows in a CSV, read whole and as one
shard of sixteen, each in a process of its own. ``together``: four ledgers read as one, and the report of them.
``FOLDER`` is where the files go; default: a temporary one.
"""

import argparse
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import httpx
from report import build

from batchgen.manifest import Shard
from batchgen.request import number_of
from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings
from batchgen.store.folder.run_folder import RunFolder

PARTS = 4

# What a process of its own does and prints about itself: wall seconds, CPU seconds, peak in MB.
_MEASURED = """
import json, resource, sys, time
from pathlib import Path
{setup}
start, cpu = time.perf_counter(), time.process_time()
{work}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([time.perf_counter() - start, time.process_time() - cpu, peak / 1024]))
"""


def rows(path, count):
    with path.open("w", encoding="utf-8") as stream:
        stream.write("prompt\n")
        stream.writelines(f"a stoneware mug number {number} on a table of oak\n" for number in range(count))


def bought(folder, count, shards):
    """Buy ``count`` pictures in so many processes; return CPU ms and wall ms a request, peak MB, and the folders."""
    with embedded(Settings(latency_s=0.2, rate_limits=False, balance_usd=1_000_000)) as service:
        job = folder / "job.yaml"
        job.write_text(
            f"rows: rows.csv\nprovider: {{kind: simulator, base_url: '{service.api_url}'}}\n"
            "defaults: {model: test/test, size: 1024x1024}\nlimits: {concurrency: 64}\n",
            encoding="utf-8",
        )
        started = time.perf_counter()
        running = [subprocess.Popen(*_run_of(job, shard), **_PIPED) for shard in _shards(shards)]
        said = [process.communicate()[0] for process in running]
        wall_s = time.perf_counter() - started
        assert not any(process.returncode for process in running)
        billed = httpx.get(f"{service.api_url}/_simulator/billing", trust_env=False).json()
    assert billed["billed"] == count
    assert {one["billed"] for one in billed["bodies"].values()} == {1}
    measured = [json.loads(text.splitlines()[-1]) for text in said]
    cpu_s, peak_mb = sum(one[1] for one in measured), max(one[2] for one in measured)
    return 1_000 * cpu_s / count, 1_000 * wall_s / count, peak_mb, list((folder / "outputs").iterdir())


_PIPED = {"stdout": subprocess.PIPE, "text": True}


def _shards(count):
    return [None] if count == 1 else [f"{index}/{count}" for index in range(count)]


def _run_of(job, shard):
    """Return the command of a run whose own CPU is measured, without that of the workers that look at pictures."""
    setup = (
        "import os\nfrom batchgen import load_manifest, run\nfrom batchgen.manifest import Overrides\n"
        f"os.chdir({str(job.parent)!r})\nmanifest = load_manifest('job.yaml', overrides=Overrides(shard={shard!r}))"
    )
    return ([sys.executable, "-c", _MEASURED.format(setup=setup, work="run(manifest)")],)


def on_disk(folders, count):
    """Return the bytes a request takes, by what they are, and the files; a name is a link and takes no bytes."""
    found = Counter()
    seen = set()
    for folder in folders:
        for path in folder.rglob("*"):
            stat = path.lstat()
            kind = _kind(path.relative_to(folder).as_posix())
            if path.is_dir():
                found["folders"] += 1
            elif stat.st_ino not in seen:
                seen.add(stat.st_ino)
                found[kind] += stat.st_size
                found["files"] += 1
    return {kind: amount / count for kind, amount in found.items()}


def _kind(file):
    if file.startswith((".batchgen/pictures", "images")):
        return "pictures"
    if file.startswith(".batchgen/ledger"):
        return "ledger"
    if file.startswith("compare"):
        return "thumbnails"
    return file if file in {"metadata.jsonl", "dataset.parquet", "report.csv"} else "other"


def run(place, count):
    print(f"\n{count:,} requests answered after 0.2 s, 64 at a time in each process")
    print("| processes | CPU ms a request | wall ms a request | peak MB each |\n| --- | --- | --- | --- |")
    for shards in (1, PARTS):
        folder = place / f"run-{shards}"
        folder.mkdir()
        rows(folder / "rows.csv", count)
        cpu_ms, wall_ms, peak_mb, folders = bought(folder, count, shards)
        print(f"| {shards} | {cpu_ms:.2f} | {wall_ms:.2f} | {peak_mb:.0f} |")
        if shards == 1:
            taken = on_disk(folders, count)
    print("\n| on disk | a request |\n| --- | --- |")
    for kind, amount in sorted(taken.items(), key=lambda one: -one[1]):
        print(f"| {kind} | {amount:,.3f} |" if kind in {"files", "folders"} else f"| {kind} | {amount:,.0f} bytes |")


def in_a_process(setup, work):
    text = _MEASURED.format(setup=setup, work=work)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def start(place, count):
    path = place / "rows.csv"
    rows(path, count)
    print(f"\na plan of {count:,} rows in a CSV of {path.stat().st_size / 1e6:,.0f} MB")
    print("| read as | wall s | CPU s | peak MB |\n| --- | --- | --- | --- |")
    for told, shard in (("the whole", None), ("shard 0/16", "0/16")):
        overrides = f"Overrides(shard={shard!r}, parameters={{'model': ('test/test',)}})"
        setup = (
            "from batchgen.manifest import Overrides, load_manifest\nfrom batchgen.planning.plan import make_plan\n"
            f"manifest = load_manifest({str(path)!r}, overrides={overrides})"
        )
        wall_s, cpu_s, peak_mb = in_a_process(setup, "make_plan(manifest).outline")
        print(f"| {told} | {wall_s:.1f} | {cpu_s:.1f} | {peak_mb:.0f} |")
    path.unlink()


def part_of(folder, shard):
    part = RunFolder(folder.root.with_name(f"part-{shard.index}"))
    shutil.copytree(folder.root, part.root)
    with closing(sqlite3.connect(part.ledger, isolation_level=None)) as db:
        db.create_function("is_other", 1, lambda key: not shard.has(number_of(key)), deterministic=True)
        db.executescript(
            "PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; BEGIN;"
            "CREATE TEMP TABLE others AS SELECT id FROM requests WHERE is_other(key);"
            "DELETE FROM attempts WHERE request_id IN others; DELETE FROM pictures WHERE request_id IN others;"
            "DELETE FROM names WHERE request_id IN others; DELETE FROM requests WHERE id IN others; COMMIT; VACUUM"
        )
    return part


def together(place, count):
    folder = RunFolder(place / "whole")
    build(folder, count)
    parts = [part_of(folder, Shard(index, PARTS)) for index in range(PARTS)]
    bytes_each = folder.ledger.stat().st_size / count
    print(f"\n{count:,} requests in {PARTS} ledgers, {bytes_each:,.0f} bytes a request")
    print("| work | wall s | CPU s | peak MB |\n| --- | --- | --- | --- |")
    paths = [str(part.root) for part in parts]
    opened = f"from batchgen.commands.together import read_together\npaths = [Path(one) for one in {paths!r}]"
    reads = "from batchgen.report import reported\nfrom batchgen.store.folder.run_folder import RunFolder"
    for told, setup, work in (
        ("four ledgers into one", opened, "with read_together(paths): pass"),
        ("the report of four", f"{opened}\n{reads}", "with read_together(paths) as joined: reported(joined)"),
        ("the report of one", reads, f"reported(RunFolder(Path({str(folder.root)!r})))"),
    ):
        wall_s, cpu_s, peak_mb = in_a_process(setup, work)
        print(f"| {told} | {wall_s:.1f} | {cpu_s:.1f} | {peak_mb:.0f} |")


PARTS_OF_IT = {"run": (run, 4_000, 200), "start": (start, 1_000_000, 20_000), "together": (together, 400_000, 5_000)}


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("parts", nargs="*", choices=[[], *PARTS_OF_IT])
    words.add_argument("--quick", action="store_true")
    words.add_argument("--count", type=int, default=None, help="requests, instead of each part's own number")
    words.add_argument("--folder", type=Path, default=None)
    given = words.parse_args()
    for name in given.parts or PARTS_OF_IT:
        measure, count, quick = PARTS_OF_IT[name]
        with tempfile.TemporaryDirectory(dir=given.folder) as place:
            measure(Path(place), given.count or (quick if given.quick else count))


if __name__ == "__main__":
    main()
