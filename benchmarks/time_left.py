"""The time left that a run shows, against the truth: a fast model and a throttled one, on the simulator.

    python benchmarks/time_left.py                 # some four minutes
    python benchmarks/time_left.py --rows 600      # some ten

Each line is a tenth of the run: what was done, what was shown, what was true, and the one by the other.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from batchgen import run
from batchgen.cli.progress_text import span, summary
from batchgen.running.events import Progress, Started

FAST, SLOW = "black-forest-labs/FLUX-1-schnell", "openai/gpt-image-1-mini"


def job(rows, every):
    faults = [{"kind": "throttle", "model": SLOW, "every": every}]
    return {
        "provider": {
            "kind": "simulator",
            "simulator": {"latency_scale": 0.25, "rate_limits": False, "balance_usd": 10_000, "faults": faults},
        },
        "rows": [{"prompt": f"picture {number}"} for number in range(rows)],
        "defaults": {"size": "1024x1024"},
        "matrix": {"model": [FAST, SLOW]},
        "limits": {"concurrency": 24, "budget_usd": 1000},
    }


def measured(rows, every):
    """The time and the progress of every tick of a run."""
    seen = []

    def hear(event):
        if isinstance(event, Started | Progress):
            seen.append((time.monotonic(), event))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.yaml"
        path.write_text(json.dumps(job(rows, every)), encoding="utf-8")
        result = run(path, folder=Path(folder) / "out", listen=hear)
    assert result.exit_code == 0, result.reason
    began = next(at for at, event in seen if isinstance(event, Started))
    return [(at - began, event) for at, event in seen if isinstance(event, Progress)]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=240)
    options.add_argument("--every", type=int, default=9, help="each nth answer of the slow model is a 429")
    given = options.parse_args()
    seen = measured(given.rows, given.every)
    end_s = next(at for at, event in seen if sum(event.ended.values()) == event.total)
    print(f"{2 * given.rows} requests in {end_s:.0f} s")
    print(f"{'of the run':>10} {'done':>9} {'shown':>9} {'true':>9} {'shown/true':>10}")
    worst = 1.0
    for tenth in range(1, 10):
        at, event = min(seen, key=lambda one: abs(one[0] - end_s * tenth / 10))
        left_s = end_s - at
        shown = "-" if event.eta_s is None else span(event.eta_s)
        ratio = None if event.eta_s is None else event.eta_s / left_s
        done = sum(event.ended.values())
        print(f"{10 * tenth:>9}% {done:>9} {shown:>9} {span(left_s):>9} {'-' if ratio is None else f'{ratio:.2f}':>10}")
        if tenth >= 2:
            worst = max(worst, 99.0 if ratio is None else max(ratio, 1 / ratio if ratio else 99.0))
            print(f"           {summary(event)}", file=sys.stderr)
    print(f"from 20 % on, at most {worst:.2f} times off")


if __name__ == "__main__":
    main()
