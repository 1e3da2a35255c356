"""One plan, run as several processes with a part of it each: together they buy the plan, and nothing twice."""

import json
import sqlite3
import subprocess
from collections import Counter

import httpx
import pytest

from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings
from tests.program import PROGRAM

# Eight rows ask for what seven others ask too: equal requests are one purchase.
JOB = """\
name: mugs
provider: {{kind: simulator, base_url: '{url}'}}
rows: [{rows}]
defaults: {{model: openai/gpt-image-1-mini, size: 1024x1024, quality: low}}
{more}
"""
ROWS = ", ".join(f"{{prompt: mug {number % 33}}}" for number in range(40))


@pytest.fixture
def service():
    with embedded(Settings(latency_s=0.01, rate_limits=False)) as endpoints:
        yield endpoints.api_url


@pytest.fixture
def job(tmp_path, service):
    def job(more="", rows=ROWS):
        path = tmp_path / "job.yaml"
        path.write_text(JOB.format(url=service, rows=rows, more=more), encoding="utf-8")
        return path

    return job


def bill(url):
    return httpx.get(f"{url}/_simulator/billing", trust_env=False).json()


def ledger(folder):
    return sqlite3.connect(f"file:{folder}/.batchgen/ledger.db?mode=ro", uri=True)


def keys(folder, where="1"):
    return Counter(key for (key,) in ledger(folder).execute(f"SELECT key FROM requests WHERE {where}"))


@pytest.mark.process
def test_shards_in_parallel_buy_the_plan_and_nothing_twice(job, service, tmp_path):
    job("limits: {budget_usd: 5}")
    running = [
        subprocess.Popen(
            [PROGRAM, "run", "job.yaml", "--shard", f"{index}/4"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(4)
    ]
    for index, process in enumerate(running):
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, f"outputs/mugs-{index}-of-4\n"), err
    billed = bill(service)
    assert billed["billed"] == 33
    assert {one["billed"] for one in billed["bodies"].values()} == {1}
    folders = [tmp_path / f"outputs/mugs-{index}-of-4" for index in range(4)]
    bought = sum((keys(folder) for folder in folders), Counter())
    assert set(bought.values()) == {1}
    assert sum(len(list((folder / "images").rglob("*.*"))) for folder in folders) == 40
    summaries = [json.loads((folder / "summary.json").read_bytes()) for folder in folders]
    assert sum(one["billed_microusd"] for one in summaries) == billed["charged_microusd"]


def test_the_plans_of_the_shards_are_the_plan(batchgen, job):
    job()
    assert "mugs, shard 3/4: " in batchgen("plan", "job.yaml", "--shard", "3/4").stdout
    counts = [int(batchgen("check", "job.yaml", "--shard", f"{index}/4").stdout.split()[3]) for index in range(4)]
    assert sum(counts) == 40
    assert batchgen("check", "job.yaml").stdout == "job.yaml: no mistakes; 40 requests to 1 model\n"


def test_a_shard_without_requests_ends_well(batchgen, job, service):
    job(rows="{prompt: one mug}")
    done = [batchgen("run", "job.yaml", "--shard", f"{index}/3") for index in range(3)]
    assert [one.returncode for one in done] == [0, 0, 0], done[0].stderr
    assert bill(service)["billed"] == 1
    assert [batchgen("run", "job.yaml", "--shard", f"{index}/3").returncode for index in range(3)] == [0, 0, 0]
    assert bill(service)["billed"] == 1


def test_a_number_that_is_no_shard_sends_nothing(batchgen, job, service):
    job()
    done = batchgen("run", "job.yaml", "--shard", "4/4")
    assert (done.returncode, "the last of 4 is 3/4" in done.stderr) == (2, True)
    assert bill(service)["billed"] == 0


def test_each_shard_keeps_its_part_of_the_budget(batchgen, job, service):
    # Enough for some of each shard's requests, and for all of none.
    job("limits: {budget_usd: 0.43, concurrency: 2}")
    done = [batchgen("run", "job.yaml", "--shard", f"{index}/2") for index in range(2)]
    assert [one.returncode for one in done] == [3, 3]
    assert all("the budget of $0.215 is used up" in one.stderr for one in done)
    assert 0 < bill(service)["charged_microusd"] <= 430_000


def test_a_budget_of_the_night_is_divided_too(batchgen, job):
    job()
    done = batchgen("run", "job.yaml", "--shard", "0/2", "--night-budget", "0.43", "--concurrency", "2")
    assert done.returncode == 3
    assert "the night's budget of $0.215 is used up" in done.stderr


def test_a_folder_holds_one_part_of_a_plan(batchgen, job, service):
    job()
    assert batchgen("run", "job.yaml", "--shard", "0/2", "--out", "outputs/x").returncode == 0
    before = bill(service)["billed"]
    for other, said in (
        (("--shard", "1/2"), "outputs/x holds shard 0/2, and this is shard 1/2"),
        (("--shard", "0/3"), "outputs/x holds shard 0/2, and this is shard 0/3"),
        ((), "outputs/x holds shard 0/2, and this is the whole plan"),
    ):
        done = batchgen("run", "job.yaml", *other, "--out", "outputs/x")
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert batchgen("run", "job.yaml", "--out", "outputs/whole", "--limit", "1").returncode == 0
    done = batchgen("run", "job.yaml", "--shard", "0/2", "--out", "outputs/whole")
    assert (done.returncode, "outputs/whole holds a whole plan, and this is shard 0/2" in done.stderr) == (2, True)
    assert bill(service)["billed"] == before + 1
    assert batchgen("run", "job.yaml", "--shard", "0/2", "--out", "outputs/x").returncode == 0


def test_another_number_of_shards_is_refused_until_it_reuses_the_earlier_ones(batchgen, job, service, tmp_path):
    job()
    for index in range(2):
        assert batchgen("run", "job.yaml", "--shard", f"{index}/2").returncode == 0
    for other in (("--shard", "0/3"), ()):
        done = batchgen("run", "job.yaml", *other)
        assert done.returncode == 2
        assert "reuse: [outputs/mugs-*-of-2]" in done.stderr
        assert "a run would be refused" in " ".join(batchgen("plan", "job.yaml", *other).stdout.split())
    job("reuse: ['outputs/mugs-*-of-2']")
    for index in range(3):
        assert batchgen("run", "job.yaml", "--shard", f"{index}/3").returncode == 0
    assert bill(service)["billed"] == 33
    folders = [tmp_path / f"outputs/mugs-{index}-of-3" for index in range(3)]
    assert sum((keys(folder, "state = 'stored'") for folder in folders), Counter()).total() == 33
    job("reuse: ['outputs/mugs-*-of-2', 'outputs/mugs-*-of-3']")
    assert batchgen("run", "job.yaml").returncode == 0
    assert bill(service)["billed"] == 33


def test_what_belongs_to_another_shard_is_no_orphan(batchgen, job):
    job()
    for index in range(2):
        assert batchgen("run", "job.yaml", "--shard", f"{index}/2").returncode == 0
    assert "no longer in the manifest" not in batchgen("plan", "job.yaml", "--shard", "0/2").stdout
    job(rows=ROWS.replace("mug 7}", "mug 70}"))
    orphaned = [
        "no longer in the manifest" in " ".join(batchgen("plan", "job.yaml", "--shard", f"{index}/2").stdout.split())
        for index in range(2)
    ]
    assert sum(orphaned) == 1
    pruned = [batchgen("prune", "job.yaml", "--shard", f"{index}/2") for index in range(2)]
    assert [one.returncode for one in pruned] == [0, 0]


def test_prune_at_the_end_of_a_run_needs_the_whole_plan(batchgen, job, service):
    job()
    done = batchgen("run", "job.yaml", "--shard", "0/2", "--prune")
    assert (done.returncode, "batchgen prune JOB --shard 0/2" in done.stderr) == (2, True)
    assert bill(service)["billed"] == 0


def test_a_limit_is_each_shard_s_and_a_value_that_others_have_is_no_mistake(batchgen, job, service):
    job("prompt: '{subject}, {style}'\nmatrix: {style: [ink, oil]}", rows="{subject: mug}")
    done = [batchgen("run", "job.yaml", "--shard", f"{index}/4", "--only", "style=ink") for index in range(4)]
    assert [one.returncode for one in done] == [0] * 4
    assert bill(service)["billed"] == 1
    assert batchgen("run", "job.yaml", "--shard", "0/4", "--only", "style=inc").returncode == 2
    job(rows=ROWS)
    for index in range(2):
        assert batchgen("run", "job.yaml", "--shard", f"{index}/2", "--limit", "3").returncode == 0
    assert bill(service)["billed"] == 1 + 2 * 3


def test_a_request_is_explained_by_its_own_shard(batchgen, job):
    job()
    said = {index: batchgen("explain", "job.yaml", "1", "--shard", f"{index}/3") for index in range(3)}
    (own,) = (index for index, one in said.items() if one.returncode == 0)
    assert "row 1" in said[own].stdout
    for index in said.keys() - {own}:
        assert said[index].returncode == 2
        assert f"nothing of it belongs to shard {index}/3; ask with --shard {own}/3" in said[index].stderr


def test_a_pattern_that_matches_no_folder_is_a_mistake(batchgen, job, service):
    job("reuse: ['outputs/mugs-*-of-8']")
    done = batchgen("run", "job.yaml", "--shard", "0/2")
    assert (done.returncode, "reuse: outputs/mugs-*-of-8: no folder matches this pattern" in done.stderr) == (2, True)
    assert bill(service)["billed"] == 0
