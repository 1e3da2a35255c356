"""What a whole run costs a picture: ours between a hand-made floor and what people would use instead.

    python benchmarks/runs.py                       # every cell and buyer, some twenty minutes
    python benchmarks/runs.py --cell tiny-200 --buyer floor --buyer batchgen --rounds 3
    python benchmarks/runs.py --against ../before   # another checkout's batchgen takes part, as "batchgen before"
    python benchmarks/runs.py --gate                # fails if a picture has become much dearer

Each buys from one service on loopback, in a process of its own; the rounds are shuffled, figures are medians. CPU is
in milliseconds a picture. "Buying" lasts from the first request to the last picture stored, and is the buyer's own
process; the processes of lowest priority in which ours looks at pictures, meanwhile and later, count in "after".
"""

import argparse
import asyncio
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from picture_buyers import BUYERS, HEAVY, Order
from picture_service import Sold, serving

HERE = Path(__file__).parent
BEFORE = "batchgen before"
# What ours may cost, in times the floor of the same rounds, before the gate fails: it is 14 to 15 today.
GATE = 20.0
TICK_S = 0.005


@dataclass(frozen=True)
class Cell:
    """One kind of run."""

    sold: Sold
    concurrency: int
    count: int


CELLS = {
    "tiny-50": Cell(Sold(), 50, 3000),
    "tiny-200": Cell(Sold(), 200, 3000),
    "tiny-1000": Cell(Sold(), 1000, 3000),
    "tiny-1000-1s": Cell(Sold(latency_s=1, heartbeat_s=0.4), 1000, 4000),
    "100kB-50": Cell(Sold(picture_bytes=100_000), 50, 1500),
    "100kB-b64-50": Cell(Sold(picture_bytes=100_000, base64=True), 50, 1500),
    "1.5MB-50": Cell(Sold(picture_bytes=1_500_000), 50, 300),
    "1.5MB-b64-50": Cell(Sold(picture_bytes=1_500_000, base64=True), 50, 300),
}


# One buyer, in a process of its own.


@dataclass
class Meter:
    """CPU and time at each moment, and the longest gap of the loop between the first request and the last picture."""

    moments: dict = field(default_factory=dict)
    gap_s: float = 0.0

    def at(self, moment):
        self.moments[moment] = (_cpu_s(resource.RUSAGE_SELF), time.perf_counter())
        if moment == "buying":
            self.last = time.perf_counter()
            asyncio.get_running_loop().call_later(TICK_S, self.tick)

    def tick(self):
        now = time.perf_counter()
        if "after" not in self.moments:
            self.gap_s, self.last = max(self.gap_s, now - self.last - TICK_S), now
            asyncio.get_running_loop().call_later(TICK_S, self.tick)

    def spent(self, count):
        cpu = {name: moment[0] for name, moment in self.moments.items()}
        return {
            "before": (cpu["buying"] - cpu["start"]) / count * 1000,
            "buying": (cpu["after"] - cpu["buying"]) / count * 1000,
            "after": (cpu["end"] - cpu["after"] + _cpu_s(resource.RUSAGE_CHILDREN)) / count * 1000,
            "wall_s": self.moments["after"][1] - self.moments["buying"][1],
            "gap_ms": self.gap_s * 1000,
            "peak_mb": _peak_mb(),
        }


def _cpu_s(whose):
    return sum(resource.getrusage(whose)[:2])


def _peak_mb():
    # Not ru_maxrss, which a process inherits from the one that started it.
    with Path("/proc/self/status").open() as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def buy(given):
    import uvloop

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    meter = Meter()
    order = Order(given["port"], given["count"], given["concurrency"], Path(given["folder"]), meter.at)
    meter.at("start")

    uvloop.run(BUYERS[given["buyer"]](order))
    meter.at("end")
    print(json.dumps(meter.spent(given["count"])))


# All of them, round by round.


@dataclass(frozen=True)
class Setting:
    place: Path
    before: Path | None


def measured(buyer, cell, port, setting):
    """What one buyer spends in a process of its own."""
    folder = Path(tempfile.mkdtemp(dir=setting.place))
    count = min(cell.count, max(3 * cell.concurrency, cell.count // 10)) if buyer in HEAVY else cell.count
    named = "batchgen" if buyer == BEFORE else buyer
    given = {"buyer": named, "port": port, "count": count, "concurrency": cell.concurrency, "folder": str(folder)}
    checkout = setting.before if buyer == BEFORE else HERE.parent
    environment = os.environ | {"PYTHONPATH": str(checkout), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, str(Path(__file__)), "--one", json.dumps(given)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    shutil.rmtree(folder)
    if ended.returncode:
        sys.exit(f"{buyer}: {ended.stderr[-2000:]}")
    return json.loads(ended.stdout.splitlines()[-1])


def compared(cell, buyers, rounds, port, setting):
    """What each buyer spends in each round; every round in an order of its own."""
    spent = {buyer: [] for buyer in buyers}
    for _ in range(rounds):
        for buyer in random.sample(buyers, len(buyers)):
            spent[buyer].append(measured(buyer, cell, port, setting))
    return spent


def median(runs, figure):
    return statistics.median(run[figure] for run in runs)


def show(name, cell, spent, rounds):
    ideal_s = cell.sold.latency_s * cell.count / cell.concurrency
    wall = "wall / ideal" if ideal_s else "wall s"
    header = ["buyer", "buying", "range", "times the floor", "before", "after", wall, "longest gap ms", "peak MB"]
    print(f"\n### {name}: {cell.count:,} pictures, C={cell.concurrency}, {rounds} rounds\n")
    print("| " + " | ".join(header) + " |")
    print("| --- " * len(header) + "|")
    for buyer, runs in spent.items():
        costs = sorted(run["buying"] for run in runs)
        base = f"{median(runs, 'buying') / median(spent['floor'], 'buying'):.1f}" if "floor" in spent else "-"
        # A buyer of fewer pictures has a shorter ideal, and no wall time to compare.
        took = "-" if buyer in HEAVY else f"{median(runs, 'wall_s') / (ideal_s or 1):.2f}"
        row = [buyer, f"{median(runs, 'buying'):.3f}", f"{costs[0]:.3f}-{costs[-1]:.3f}", base]
        row += [f"{median(runs, 'before'):.3f}", f"{median(runs, 'after'):.3f}", took]
        row += [f"{median(runs, 'gap_ms'):.0f}", f"{median(runs, 'peak_mb'):.0f}"]
        print("| " + " | ".join(row) + " |", flush=True)


def service_us(port):
    """The microseconds of CPU that the service has spent on each request."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/spent") as answer:
        told = json.load(answer)
    return told["cpu_s"] / told["requests"] * 1e6


def gate(setting):
    """Fail if a tiny picture costs more than ``GATE`` times the floor of the same rounds."""
    cell = Cell(Sold(), 50, 1000)
    with serving([cell.sold]) as ports:
        spent = compared(cell, ["floor", "batchgen"], 5, ports[cell.sold], setting)
    show("gate", cell, spent, 5)
    times = median(spent["batchgen"], "buying") / median(spent["floor"], "buying")
    if times > GATE:
        sys.exit(f"\na picture costs {times:.1f} times the floor; at most {GATE:g} are allowed")


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--cell", action="append", choices=CELLS)
    words.add_argument("--buyer", action="append", choices=[*BUYERS, BEFORE])
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--count", type=int, help="pictures, instead of each cell's own number")
    words.add_argument("--against", type=Path, metavar="CHECKOUT")
    words.add_argument("--folder", type=Path, help="on the disk to write to; by default the fastest, /dev/shm")
    words.add_argument("--gate", action="store_true")
    words.add_argument("--one", help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.one:
        buy(json.loads(given.one))
        return
    memory = Path("/dev/shm")
    buyers = given.buyer or [*BUYERS, *([BEFORE] if given.against else [])]
    cells = {name: CELLS[name] for name in given.cell or CELLS}
    with tempfile.TemporaryDirectory(dir=given.folder or (memory if memory.is_dir() else None)) as place:
        setting = Setting(Path(place), given.against and given.against.resolve())
        if given.gate:
            gate(setting)
            return
        # A service for each cell, one after the other: what one of them spends is told apart.
        for name, cell in cells.items():
            counted = Cell(cell.sold, cell.concurrency, given.count or cell.count)
            with serving([cell.sold]) as ports:
                spent = compared(counted, buyers, given.rounds, ports[cell.sold], setting)
                show(name, counted, spent, given.rounds)
                print(f"\nthe service: {service_us(ports[cell.sold]):.0f} µs of CPU a request", flush=True)


if __name__ == "__main__":
    main()
