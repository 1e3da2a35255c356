"""What exports cost: pictures and megabytes a second, seconds of CPU, and the peak of a process of its own.

    python benchmarks/export.py [--count N] [--kilobytes N] [--folder FOLDER]

Exports each kind once into a new folder and once more, when everything is there. Pictures are noise behind a sound PNG,
so that nothing compresses them. ``FOLDER`` is where the run folder and the exports go; default: a temporary one.
"""

import argparse
import hashlib
import io
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from contextlib import closing
from pathlib import Path

from PIL import Image

from batchgen.request import Kind, Request, canonical_json, key_of
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import transitions
from batchgen.store.ledger.schema import connect
from batchgen.store.ledger.transitions import Bill, StoredPicture
from batchgen.store.media.sniff import inspect

KINDS = {"captions": [], "imagefolder": [], "imagefolder, copies": ["--copy"], "parquet": [], "webdataset": []}


def build(folder, count, size):
    """A run folder with ``count`` stored pictures of about ``size`` bytes, four for each prompt."""
    folder.state.mkdir(parents=True)
    folder.images.mkdir()
    with closing(connect(folder.ledger)) as db:
        db.execute("PRAGMA synchronous = OFF")
        run_id = transitions.begin_run(
            db,
            now_ms=1,
            version="0",
            manifest="job.yaml",
            provider="openai",
            base_url="https://api.example",
            planned=count,
            estimate_microusd=0,
        )
        for number in range(count):
            _store(db, folder, run_id, number, _picture(number, size))


def _store(db, folder, run_id, number, content):
    parameters = {"prompt": f"a mug, number {number // 4}"}
    canonical = canonical_json(
        provider="openai", kind=Kind.IMAGE, model="maker/one", parameters=parameters, repeat=number % 4 + 1
    )
    request = Request(
        key=key_of(canonical),
        canonical=canonical,
        provider="openai",
        kind=Kind.IMAGE,
        model="maker/one",
        parameters=parameters,
        repeat=number % 4 + 1,
        index=number,
        row=number // 4,
        columns={"subject": f"mug {number // 4}"},
    )
    stem = f"images/00000/{number:09d}-{request.key[:8]}"
    ticket = transitions.intend(
        db, request=request, stem=stem, run_id=run_id, reserved_microusd=0, estimate_microusd=None, now_ms=number
    )
    transitions.answer(
        db,
        ticket=ticket,
        bill=Bill(40_000, 0, None),
        body=b"{}",
        kept=None,
        latency_ms=1,
        duration_ms=1,
        now_ms=number,
    )
    original = f"{request.key[:2]}/{request.key}-1.png"
    path = folder.pictures / original
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    picture = StoredPicture(original, hashlib.sha256(content).hexdigest(), len(content), inspect(content))
    transitions.store(db, request_id=ticket.request_id, pictures=[picture], downloads=0, now_ms=number)


def _picture(number, size):
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, number // 256 % 256, 90)).save(stream, "PNG")
    plain = stream.getvalue()
    body = b"noIs" + random.Random(number).randbytes(size)
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return plain[:33] + chunk + plain[33:]


def export(folder, words, destination):
    """Export in a process of its own; return what it said, and its seconds, CPU seconds and peak in megabytes."""
    program = (
        "import resource, sys; from batchgen.cli.main import main; code = main(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr); sys.exit(code)"
    )
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, "export", folder.root, *words[:1], destination, *words[1:], "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout), seconds, cpu_s, int(done.stderr.split()[-1]) / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--kilobytes", type=int, default=100)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = given.folder or Path(temporary)
        folder = RunFolder(place / "run")
        if not folder.exists:
            build(folder, given.count, given.kilobytes * 1000)
        print("| kind | pictures/s | MB/s | CPU ms a picture | peak MB | again, s | peak MB |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for kind, more in KINDS.items():
            words = [kind.partition(",")[0], *more]
            destination = place / kind.replace(", ", "-")
            said, seconds, cpu_s, peak = export(folder, words, destination)
            again, again_s, _, again_peak = export(folder, words, destination)
            assert again["written"] == 0
            count, size = said["pictures"], said["bytes"]
            print(
                f"| {kind} | {count / seconds:,.0f} | {size / seconds / 1e6:,.0f} | {cpu_s / count * 1e3:.2f} |"
                f" {peak:,.0f} | {again_s:.1f} | {again_peak:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
