"""What it costs to hold the names of a large folder against its ledger when nothing changed.

    python benchmarks/view.py [--quick] [--folder FOLDER]

A ledger of a million pictures, a thousand names a folder as opaque names have it, each an empty file of its own inode.
The floor lists the same folders and keeps nothing. Figures are CPU and wall seconds of one pass, best of three.
"""

import argparse
import os
import tempfile
import time
from contextlib import closing
from pathlib import Path

from batchgen.running.relink import look
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import names, schema
from batchgen.store.ledger.reader import Reader

NAMES = 1_000_000
A_FOLDER = 1_000
GOAL_S = 2.0


def build(folder, count):
    rows = []
    folder.images.mkdir(parents=True)
    folder.state.mkdir()
    for number in range(count):
        if not number % A_FOLDER:
            shard = folder.images / f"{number // A_FOLDER:05d}"
            shard.mkdir()
        key = f"{number:032x}"
        file = shard / f"{number:09d}-{key[:8]}.png"
        file.touch()
        rows.append((f"images/{shard.name}/{file.name}", number, f"{key[:2]}/{key}-1.png", file.stat().st_ino))
    with closing(schema.connect(folder.ledger)) as db, db:
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO names (file, request_id, ordinal, state, held, inode) VALUES (?, ?, 1, 'made', ?, ?)", rows
        )
        db.execute("COMMIT")


def listed(folder):
    for shard in os.scandir(folder.images):
        with os.scandir(shard) as entries:
            for entry in entries:
                entry.inode()


def passed(folder):
    with closing(Reader(folder.ledger)) as reader:
        looked = look(folder, reader)
        assert not looked.news, looked
        assert not looked.strangers
        assert not names.unsettled(reader.db)


def best(work, folder):
    found = []
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        work(folder)
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(found)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="a hundredth of it: does it run; its figures mean little")
    options.add_argument("--folder", type=Path, help="a folder on the disk to be measured")
    wanted = options.parse_args()
    count = NAMES // 100 if wanted.quick else NAMES
    with tempfile.TemporaryDirectory(dir=wanted.folder) as root:
        folder = RunFolder(Path(root) / "million")
        build(folder, count)
        floor_s, floor_cpu_s = best(listed, folder)
        pass_s, pass_cpu_s = best(passed, folder)
    print(f"| {count:,} names | wall s | CPU s | times the floor |\n| --- | --- | --- | --- |")
    print(f"| listing the folders (floor) | {floor_s:.2f} | {floor_cpu_s:.2f} | 1.0 |")
    print(f"| one pass where nothing changed | {pass_s:.2f} | {pass_cpu_s:.2f} | {pass_cpu_s / floor_cpu_s:.1f} |")
    print(f"goal: {GOAL_S} s a pass on a machine of its own")


if __name__ == "__main__":
    main()
