"""The promise on real prompts: thousands of requests, a kill in the middle, and the service's own books at the end."""

import json
import os
import signal
import sqlite3
import subprocess
import time
import urllib.request
from collections import Counter
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings
from tests.program import PROGRAM, run_here

PROMPTS = Path(__file__).parents[2] / "shared/data/PartiPrompts.tsv"
MODELS = ("black-forest-labs/FLUX-1-schnell", "black-forest-labs/FLUX-2-pro")


def mugs(folder):
    """150 prompts of a table of our own, as one of them might have been exported."""
    categories = ("Abstract", "Illustrations", "World Knowledge")
    lines = [f"a mug, number {number}\t{categories[number % 3]}" for number in range(150)]
    (folder / "rows.tsv").write_text("\n".join(["Prompt\tCategory", *lines, ""]), encoding="utf-8")
    return folder / "rows.tsv"


def parti(_):
    if not PROMPTS.exists():
        pytest.skip("the real prompt sets lie beside the checkout only where it is made")
    return PROMPTS


def manifest(folder, api_url, rows, prompt, **limits):
    """A sweep of two models that cost money over ``rows``."""
    path = folder / "job.yaml"
    job = {
        "provider": {"kind": "simulator", "base_url": api_url},
        "prompt": prompt,
        "rows": str(rows),
        "defaults": {"size": "64x64", "output_format": "webp"},
        "matrix": {"model": list(MODELS)},
        "limits": {"concurrency": 64, "budget_usd": 400, **limits},
    }
    path.write_text(json.dumps(job), encoding="utf-8")
    return path


def books(api_url):
    with urllib.request.urlopen(f"{api_url}/_simulator/billing", timeout=30) as answer:
        return json.load(answer)


def paid_by_key(billing):
    """How often the service billed each request, whatever attempt it was."""
    paid = Counter()
    for idempotency_key, counts in billing["idempotency_keys"].items():
        paid[idempotency_key.rpartition("-")[0]] += counts["billed"]
    return paid


def keys(folder, *states):
    with closing(sqlite3.connect(folder / ".batchgen/ledger.db")) as db:
        marks = ",".join("?" * len(states))
        rows = db.execute(f"SELECT key FROM requests WHERE state IN ({marks})", states).fetchall()
    return {key for (key,) in rows}


def wait_until(reached, process):
    deadline = time.monotonic() + 60
    while not reached():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.process
@pytest.mark.parametrize(
    ("table", "requests"), [(mugs, 300), pytest.param(parti, 3264, marks=pytest.mark.slow)], ids=["mugs", "parti"]
)
def test_pictures_survive_a_kill_and_no_recorded_answer_is_billed_twice(tmp_path, table, requests):
    rows = table(tmp_path)
    with embedded(Settings(latency_scale=0.1, rate_limits=False, balance_usd=10_000)) as service:
        job = manifest(tmp_path, service.api_url, rows, "{Prompt}")
        out = tmp_path / "out"
        command = [PROGRAM, "run", job, "--out", out, "--allow-outside"]

        first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: books(service.api_url)["billed"] > 0.4 * requests, first)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        recorded = keys(out, "answered", "stored")
        on_their_way = keys(out, "sent")
        assert 0.15 * requests < len(recorded) < requests

        again = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
        # Repeating all that was on its way would pass the risk cap: the rest is held, and listed.
        assert again.returncode == 4, again.stderr
        held = keys(out, "in doubt")
        assert held <= on_their_way
        assert f"{requests - len(held):,} requests stored, {len(held)} in doubt" in again.stderr
        asked = subprocess.run([*command, "--retry", "doubt"], capture_output=True, text=True, timeout=110, check=False)
        assert asked.returncode == 0, asked.stderr

        paid = paid_by_key(books(service.api_url))
        assert {key for key in recorded if paid[key] != 1} == set()
        assert {key for key, times in paid.items() if times > 1} <= on_their_way
        assert max(paid.values()) <= 2

        metadata = [json.loads(line) for line in (out / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
        assert len(metadata) == requests
        assert all((out / line["file_name"]).stat().st_size == line["bytes"] for line in metadata)
        assert {line["Category"] for line in metadata} >= {"Abstract", "Illustrations", "World Knowledge"}


def test_csv_summary_and_terminal_agree_with_the_service_s_books_to_the_micro_dollar(tmp_path):
    rows = tmp_path / "rows.csv"
    prompts = [f"a lighthouse, number {number}" for number in range(40)] + ["forbidden-by-simulator"] * 2
    qualities = ["low", "high"] * 21
    lines = [f'"{prompt}",{quality}' for prompt, quality in zip(prompts, qualities, strict=True)]
    rows.write_text("\n".join(["prompt,quality", *lines]), encoding="utf-8")
    faults = [{"kind": "error_200", "probability": 0.2}]
    settings = Settings(latency_scale=0.02, rate_limits=False)
    with embedded(settings) as service:
        body = json.dumps({"faults": faults}).encode()
        urllib.request.urlopen(f"{service.api_url}/_simulator/faults", data=body, timeout=30).close()
        job = manifest(tmp_path, service.api_url, "rows.csv", "{prompt}")
        done = run_here(tmp_path, "run", job, "--out", "out")
        assert done.returncode in {0, 1, 3}, done.stderr
        charged = books(service.api_url)["charged_microusd"]

    assert charged > 0
    summary = json.loads((tmp_path / "out/summary.json").read_text(encoding="utf-8"))
    table = pd.read_csv(tmp_path / "out/report.csv", dtype=str)
    from_csv = sum(round(float(amount) * 1_000_000) for amount in table["billed_usd"])
    assert summary["billed_microusd"] == charged
    assert from_csv == charged
    whole, micro = divmod(charged, 1_000_000)
    assert f"${whole}.{f'{micro:06d}'.rstrip('0').ljust(2, '0')}" in done.stderr


@pytest.mark.slow
@pytest.mark.process
def test_a_thousand_requests_at_once_are_a_thousand_in_flight_at_the_service(tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("\n".join(["n", *map(str, range(1000))]), encoding="utf-8")
    # Long enough that a busy machine has sent them all before the first is answered.
    with embedded(Settings(latency_s=4.0, rate_limits=False)) as service:
        job = manifest(tmp_path, service.api_url, "rows.csv", "number {n}", concurrency=1000, adaptive=False)
        command = [PROGRAM, "run", job, "--model", "test/test", "--out", tmp_path / "out"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
        assert done.returncode == 0, done.stderr
        assert books(service.api_url)["peak_in_flight"] == 1000
