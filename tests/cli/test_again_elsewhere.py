"""Another picture of what is stored, where one plan is several folders, a program reads, or a shell completes."""

import csv
import json
from decimal import Decimal

import httpx
import pytest

from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings

JOB = """\
name: mugs
provider: {{kind: simulator, base_url: '{url}'}}
rows: [{{prompt: mug}}, {{prompt: tea}}, {{prompt: hat}}, {{prompt: fox}}]
defaults: {{model: openai/gpt-image-1-mini, size: 1024x1024, quality: low}}
output: {{path: "{{prompt}}"}}
"""
FOLDERS = ("outputs/mugs-0-of-2", "outputs/mugs-1-of-2")


@pytest.fixture
def service():
    with embedded(Settings(latency_s=0.01, rate_limits=False)) as endpoints:
        yield endpoints.api_url


@pytest.fixture
def job(tmp_path, service):
    (tmp_path / "job.yaml").write_text(JOB.format(url=service), encoding="utf-8")
    return "job.yaml"


@pytest.fixture
def owner(batchgen, job, tmp_path):
    """Both shards are bought; the one that has the request of the mug, which is row 1."""
    for index in range(2):
        assert batchgen("run", job, "--shard", f"{index}/2").returncode == 0
    has = [bool(list((tmp_path / folder / "images").glob("mug.*"))) for folder in FOLDERS]
    assert sorted(has) == [False, True]
    return has.index(True)


def billed(url):
    return httpx.get(f"{url}/_simulator/billing", trust_env=False).json()["billed"]


@pytest.mark.parametrize("word", ["mug", "row=1"])
def test_the_shard_that_has_the_request_buys_the_take_and_the_others_say_which_one_that_is(
    batchgen, job, owner, service, word
):
    other = 1 - owner
    for command in ("run", "plan"):
        refused = batchgen(command, job, "--shard", f"{other}/2", "--again", word)
        assert refused.returncode == 2
        assert f"nothing of it belongs to shard {other}/2; ask with --shard {owner}/2" in refused.stderr
    assert billed(service) == 4
    done = batchgen("run", job, "--shard", f"{owner}/2", "--again", word)
    assert done.returncode == 0, done.stderr
    assert "1 further take bought" in done.stderr
    assert billed(service) == 5


def test_folders_read_together_count_a_take_once_and_add_up_what_all_of_them_cost(
    batchgen, job, owner, service, tmp_path
):
    assert batchgen("run", job, "--shard", f"{owner}/2", "--again", "mug").returncode == 0
    done = batchgen("report", *FOLDERS, "--into", "both")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "both/report.csv").open(encoding="utf-8", newline="") as file:
        requests = list(csv.DictReader(file))
    assert [one["state"] for one in requests] == ["stored"] * 4
    assert sorted(int(one["attempts"]) for one in requests) == [1, 1, 1, 2]
    charged = httpx.get(f"{service}/_simulator/billing", trust_env=False).json()["charged_microusd"]
    assert sum(Decimal(one["billed_usd"]) for one in requests) * 1_000_000 == charged
    assert batchgen("verify", *FOLDERS, "--read-data").returncode == 0


def test_a_program_reads_what_another_take_costs(batchgen, job):
    assert batchgen("run", job).returncode == 0
    assert json.loads(batchgen("plan", job, "--json").stdout)["takes"] is None
    takes = json.loads(batchgen("plan", job, "--json", "--again", "mug", "--again", "row=2").stdout)["takes"]
    assert (takes["count"], takes["unpriced"]) == (2, [])
    assert 0 < takes["low_microusd"] <= takes["expected_microusd"] <= takes["high_microusd"]


def test_names_of_stored_pictures_are_offered(batchgen, job):
    def offered(*words):
        done = batchgen(_BATCHGEN_COMPLETE="complete_bash", COMP_WORDS=" ".join(words), COMP_CWORD=str(len(words) - 1))
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    assert offered("batchgen", "run", job, "--again", "images/m") == []
    assert batchgen("run", job).returncode == 0
    assert offered("batchgen", "run", job, "--again", "images/m") == ["images/mug.webp"]
    assert offered("batchgen", "choose", "outputs/mugs", "images/t") == ["images/tea.webp"]
