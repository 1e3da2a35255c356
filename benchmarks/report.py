"""What the files derived from a ledger of a million rows cost, beside the least that any reader of them could do.

    python benchmarks/report.py [--quick] [--folder FOLDER]

Seconds of CPU, and the peak of a process of its own. The floor, in the same run, is pandas reading four columns of the
same ledger. The ledger has four models, three axes and two columns of the user's; costs and times as services have
them; retries, refusals, answers in doubt; copies, misfits, and looks at all pictures, of which some show nothing.
``FOLDER`` is where the ledger goes, and is used again where it has one; default: a temporary one.
"""

import argparse
import hashlib
import importlib
import json
import os
import random
import resource
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from itertools import islice
from pathlib import Path

from batchgen.request import Kind, canonical_json, key_of
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.records import snapshot
from batchgen.store.ledger.schema import connect

GOAL_S = 5.0
ROUNDS = 5

_MODELS = {"maker/one": 40_000, "maker/two": 11_000, "other/three-fast": 3_000, "other/three-pro": 134_000}
_STYLES = ("ink", "photograph", "watercolour")
_SIZES = ("1024x1024", "1536x1024")
_START_MS = 1_772_366_400_000
_STATES = ("stored", "refused", "spoiled", "in doubt", "waiting")
_SHARES = (960, 15, 5, 10, 10)
_REASONS = {
    "refused": ("moderation", "the prompt was flagged: {}", 400),
    "spoiled": ("no picture", "the answer has no picture: {}", 200),
    "in doubt": ("deadline", "no answer within {} s", None),
    "waiting": ("throttled", "too many requests, try again in {} s", 429),
}


def build(folder, count):
    """A run folder with ``count`` requests, as many runs would have left it; its pictures themselves are not there."""
    folder.state.mkdir(parents=True)
    folder.images.mkdir()
    looks = folder.root / "compare" / "thumbs" / "looks.jsonl"
    looks.parent.mkdir(parents=True)
    with closing(connect(folder.ledger)) as db, looks.open("w", encoding="utf-8") as diary:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        db.execute("INSERT INTO facts VALUES ('simulated', '0')")
        for run in range(20):
            started_ms = _START_MS + run * 86_400_000
            db.execute(
                "INSERT INTO runs (started_ms, ended_ms, version, manifest, provider, base_url, planned,"
                " estimate_microusd, exit_code) VALUES (?, ?, '0', 'job.yaml', 'imagerouter', '', ?, 0, 0)",
                (started_ms, started_ms + 80_000_000, count),
            )
        rows = _rows(random.Random(7), count)
        while some := list(islice(rows, 10_000)):
            requests, attempts, pictures, names, seen = zip(*some, strict=True)
            db.executemany(_REQUEST, requests)
            db.executemany(_ATTEMPT, (one for several in attempts for one in several))
            db.executemany(_PICTURE, filter(None, pictures))
            db.executemany(_NAME, filter(None, names))
            diary.writelines(filter(None, seen))
        db.execute("COMMIT")


_REQUEST = (
    "INSERT INTO requests (id, key, state, position, row, repeat, provider, kind, model, canonical, columns, axes,"
    " stem, estimate_microusd, run_id, first_sent_ms, answered_ms, ended_ms, body, latency_ms, downloads, reason,"
    " message, status)"
    " VALUES (?, ?, ?, ?, ?, ?, 'imagerouter', 'image', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)"
)
_ATTEMPT = (
    "INSERT INTO attempts (request_id, run_id, ordinal, outcome, sent_ms, duration_ms, reserved_microusd,"
    " billed_microusd, maybe_microusd, estimated_microusd, status, reason, message)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_PICTURE = (
    "INSERT INTO pictures (request_id, ordinal, original, sha256, bytes, format, width, height)"
    " VALUES (?, 1, ?, ?, ?, ?, ?, ?)"
)
_NAME = "INSERT INTO names (file, request_id, ordinal, state, held, inode) VALUES (?, ?, 1, 'made', ?, ?)"


def _rows(dice, count):
    models = tuple(_MODELS)
    states = dice.choices(_STATES, _SHARES, k=count)
    for number, state in enumerate(states, 1):
        model = models[number % len(models)]
        style, size = _STYLES[number // 4 % 3], _SIZES[number // 12 % 2]
        subject = f"a stoneware mug number {number // 24} on a table of {dice.choice(('oak', 'slate', 'linen'))}"
        parameters = {
            "prompt": f"{subject}, {style}, soft light from the left, studio, 50 mm",
            "quality": "high",
            "size": size,
            "output_format": "webp",
        }
        canonical = canonical_json(provider="imagerouter", kind=Kind.IMAGE, model=model, parameters=parameters)
        key = key_of(canonical)
        run = 1 + number * 20 // (count + 1)
        sent_ms = _START_MS + (run - 1) * 86_400_000 + number % (count // 20 + 1) * 79_000_000 // (count // 20 + 1)
        took_ms = round(dice.lognormvariate(9, 0.5))
        stated = state != "in doubt"
        reason, message, status = _REASONS.get(state, (None, None, None))
        message = message and message.format(number % 50)
        axes = json.dumps({"model": model, "style": style, "size": size})
        columns = json.dumps({"subject": subject, "category": f"category {number % 40}"})
        answered_ms = sent_ms + took_ms if state in {"stored", "spoiled"} else None
        body = b'{"data": [{"url": "https://pictures.example/%s.webp"}], "cost": 0.04}' % key.encode()
        request = (
            *(number, key, state, number - 1, number // 24, 1, model, canonical.decode(), columns, axes),
            *(f"images/{number // 1000:05d}/{number:09d}-{key[:8]}", _MODELS[model], run, sent_ms, answered_ms),
            *(sent_ms + took_ms + 300, body if answered_ms else None, took_ms - 200 if answered_ms else None),
            *(reason, message, status),
        )
        cost = _MODELS[model] + number % 7 if answered_ms else 0
        estimated = cost if cost and number % 50 == 0 else 0
        retried = dice.random() < 0.06
        attempts = [
            (number, run, 1, "not billed", sent_ms, 400, cost, 0, 0, 0, 429, "throttled", "too many requests"),
        ] * retried
        money = (cost - estimated, 0 if stated else _MODELS[model], estimated)
        outcome = "billed" if cost else "not billed" if stated else "in doubt"
        ended = (status, reason, message)
        attempts.append((number, run, 1 + retried, outcome, sent_ms, took_ms, _MODELS[model], *money, *ended))
        if state != "stored":
            yield request, attempts, None, None, ""
            continue
        # One in two hundred has the bytes of the one before, one in a hundred another size than it was asked for.
        sha256 = hashlib.sha256(str(number - (number % 200 == 0)).encode()).hexdigest()
        wide, high = (1024, 1024) if number % 100 == 0 else map(int, size.split("x"))
        original = f"{key[:2]}/{key}-1.webp"
        name = (f"{request[10]}.webp", number, original, number)
        picture = (number, original, sha256, 200_000 + number % 9999, "webp", wide, high)
        look = {"sha256": sha256, "gradient": f"{dice.getrandbits(64):016x}", "tint": dice.randbytes(48).hex()}
        if number % 500 == 1:
            look["blank"] = True
        yield request, attempts, picture, name, json.dumps(look) + "\n"


def floor(folder):
    import pandas as pd

    columns = "SELECT model, state, latency_ms, estimate_microusd FROM requests"
    with closing(sqlite3.connect(f"{folder.ledger.absolute().as_uri()}?mode=ro", uri=True)) as db:
        pd.read_sql_query(columns, db)


def report_page(folder):
    """report.html and summary.json, flags and all: what `report` shows."""
    from batchgen.report.frame import read_frame
    from batchgen.report.html import page
    from batchgen.report.reading import read_report
    from batchgen.store.looks.flags import read_checks

    with snapshot(folder.ledger) as db:
        report = read_report(db, read_frame(db), folder, read_checks(db, folder))
    page(report)
    report.summary.to_json()


def look_for_new(folder):
    from batchgen.store.looks.update import look_at_new

    look_at_new(folder)


def table(folder):
    """report.csv, and what it needs."""
    from batchgen.report.csv import write_csv
    from batchgen.report.frame import read_frame
    from batchgen.store.looks.flags import Checks

    with snapshot(folder.ledger) as db:
        write_csv(db, read_frame(db), Checks(0, 0, {}, {}, {}, {}), folder.root / "report.csv")


def dataset(folder):
    from batchgen.store.dataset.metadata import write_dataset
    from batchgen.store.looks.flags import Checks

    write_dataset(folder, Checks(0, 0, {}, {}, {}, {}))


def ranking_costs(folder):
    from batchgen.compare.costs import read_costs

    with snapshot(folder.ledger) as db:
        read_costs(db, "model")


WORK = {
    "four columns into pandas (floor)": floor,
    "report.html and summary.json": report_page,
    "which pictures are new": look_for_new,
    "report.csv": table,
    "metadata.jsonl, failures.jsonl and card": dataset,
    "what each model costs, for a ranking": ranking_costs,
}


def measured(work, folder):
    """Seconds of CPU without those of the imports, and the peak in MB, of a process that does ``work`` alone."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        for name in ("pandas", "batchgen.compare.costs", "batchgen.report.html", "batchgen.store.looks.update"):
            importlib.import_module(name)
        before = time.process_time()
        work(folder)
        took = time.process_time() - before
        os.write(writing, f"{took} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}".encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    seconds, peak_mb = map(float, said.split())
    return seconds, peak_mb


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--quick", action="store_true")
    words.add_argument("--folder", type=Path, default=None)
    given = words.parse_args()
    rounds, count = (1, 20_000) if given.quick else (ROUNDS, 1_000_000)
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder((given.folder or Path(place)) / f"rows-{count}")
        if not folder.ledger.exists():
            build(folder, count)
        print(f"{count:,} requests, median of {rounds} rounds, interleaved")
        print("| work | CPU s | times the floor | peak MB |")
        print("| --- | --- | --- | --- |")
        found = [{name: measured(work, folder) for name, work in WORK.items()} for _ in range(rounds)]
        least = statistics.median(one[next(iter(WORK))][0] for one in found)
        for name in WORK:
            took, peak_mb = (statistics.median(one[name][place] for one in found) for place in (0, 1))
            missed = f" above the goal of {GOAL_S:g} s" if name.startswith("report.html") and took > GOAL_S else ""
            print(f"| {name} | {took:.2f} | {took / least:.1f} | {peak_mb:.0f} |{missed}")


if __name__ == "__main__":
    main()
