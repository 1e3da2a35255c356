"""One plan, run as several processes with a part of it each: together they buy the plan, and nothing twice."""

import json
import shutil
import sqlite3
import subprocess
from collections import Counter

import httpx
import pytest

from batchgen.compare.page_columns import GONE
from batchgen.money import dollars
from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings
from tests.program import PROGRAM, run_here

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


@pytest.fixture(scope="module")
def bought_once(tmp_path_factory):
    """A folder in which four shards of a plan were bought, and what the service charged for them."""
    folder = tmp_path_factory.mktemp("four")
    with embedded(Settings(latency_s=0.01, rate_limits=False)) as endpoints:
        matrix = "prompt: '{prompt}'\nmatrix: {model: [openai/gpt-image-1-mini, test/test]}"
        (folder / "job.yaml").write_text(JOB.format(url=endpoints.api_url, rows=ROWS, more=matrix), encoding="utf-8")
        for index in range(4):
            assert run_here(folder, "run", "job.yaml", "--shard", f"{index}/4").returncode == 0
        return folder, bill(endpoints.api_url)["charged_microusd"]


@pytest.fixture
def four(bought_once, tmp_path):
    """The run folders of four shards of a plan, all bought."""
    shutil.copytree(bought_once[0], tmp_path, dirs_exist_ok=True)
    return [f"outputs/mugs-{index}-of-4" for index in range(4)]


@pytest.fixture
def charged_microusd(bought_once):
    return bought_once[1]


def called(script, name):
    """Return what a script of the page gives to a function."""
    (line,) = (line for line in script.read_text(encoding="utf-8").splitlines() if line.startswith(f"{name}("))
    return json.loads(line.removeprefix(f"{name}(").removesuffix(");"))


def test_status_adds_up_folders_and_names_missing_shards(batchgen, four, charged_microusd):
    said = batchgen("status", *four).stdout
    together = said[said.index("4 folders together: 0 running") :]
    assert "  80 planned\n" in together
    assert f"    stored    {66:>9,}\n" in together
    assert f"billed {dollars(charged_microusd)}" in together
    assert "missing" not in together
    assert "1 shard of 4 is missing here: 2/4" in batchgen("status", four[0], four[1], four[3]).stdout
    lines = batchgen("status", "--json", *four).stdout.splitlines()
    assert [json.loads(line)["folder"] for line in lines] == four


def test_verify_looks_into_each_folder(batchgen, four, tmp_path):
    done = batchgen("verify", *four, "--read-data")
    assert (done.returncode, done.stderr.count("no difference")) == (0, 4)
    next((tmp_path / four[2] / ".batchgen/pictures").glob("*/*")).unlink()
    done = batchgen("verify", *four)
    assert (done.returncode, done.stderr.count("no difference"), "1 missing" in done.stderr) == (1, 3, True)
    lines = batchgen("verify", "--json", *four).stdout.splitlines()
    assert [json.loads(line)["counts"]["missing"] for line in lines] == [0, 0, 1, 0]


def test_one_report_is_of_all_folders(batchgen, four, charged_microusd, tmp_path):
    done = batchgen("report", *four, "--into", "outputs/together")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "outputs/together/summary.json").read_bytes())
    assert (summary["requests"], summary["pictures"]) == (66, 66)
    assert summary["billed_microusd"] == charged_microusd
    assert {one["model"]: one["pictures"] for one in summary["models"]} == {
        "openai/gpt-image-1-mini": 33,
        "test/test": 33,
    }
    done = batchgen("report", *four[1:])
    assert (done.returncode, "1 shard of 4 is missing here: 0/4" in done.stderr) == (0, True)
    for words, said in (
        (("report", *four, "--sheet", "pdf"), "--sheet makes contact sheets of one folder"),
        (("report", four[0], "--into", "x"), "--into is for several folders"),
        (("report", *four, "--into", four[0]), "is a run folder"),
        (("compare", *four), "with --into FOLDER all are read as one"),
        (("compare", *four, "--serve"), "--serve shows one folder"),
    ):
        done = batchgen(*words)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_pictures_of_all_folders_are_compared_on_one_page(batchgen, four, tmp_path):
    done = batchgen("compare", *four, "--into", "outputs/together")
    assert (done.returncode, "66 cells" in done.stderr) == (0, True), done.stderr
    page = tmp_path / "outputs/together"
    shown = called(page / "compare/details-00000.js", "table.details")
    assert len({(page / file).resolve() for file in shown["file"]}) == 66
    assert all((page / file).is_file() for file in shown["file"])
    assert len(list((page / "compare/thumbs").glob("*/*.webp"))) == len(set(shown["sha256"]))
    flags = called(page / "compare/rows-00000.js", "table.rows")["flags"]
    assert (len(flags), [one for one in flags if one & GONE]) == (66, [])


def test_votes_of_all_folders_are_ranked_together(batchgen, four, tmp_path):
    for number, folder in enumerate(four):
        votes = [
            json.dumps(
                {
                    "v": 1,
                    "ts": 1_772_366_400_000 + second,
                    "voter": "v",
                    "axis": "model",
                    "item": json.dumps({"prompt": f"mug {number}{second}", "repeat": "1"}),
                    "a": "openai/gpt-image-1-mini",
                    "b": "test/test",
                    "winner": "a",
                }
            )
            for second in range(3)
        ]
        (tmp_path / folder / "votes.jsonl").write_text("\n".join(votes) + "\n", encoding="utf-8")
    done = batchgen("rank", *four, "--json")
    assert done.returncode == 0, done.stderr
    ranking = json.loads(done.stdout)
    assert sum(one["wins"] for one in ranking["rated"]) == 12
    assert not (tmp_path / four[0] / "ranking.json").exists()
    assert "outputs/mugs-0-of-4 and 3 other folders by model" in batchgen("rank", *four).stdout


def test_an_export_of_all_folders_has_each_picture_once(batchgen, four, tmp_path):
    done = batchgen("export", *four, "captions", "data")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "data").rglob("*.txt"))) == 80
