"""``--again`` and ``batchgen choose`` as their user types them."""

import json
import sqlite3
from contextlib import closing

import pytest

NAMED = """\
provider: {kind: simulator, simulator: {latency_s: 0.01}}
prompt: "icon of {subject}"
rows:
  - {icon: mug, subject: a red mug}
  - {icon: tea, subject: a teapot}
defaults: {model: openai/gpt-image-1-mini, quality: low, size: 1024x1024}
output: {path: "icons/{icon}"}
"""
OUT = "outputs/icons"


@pytest.fixture
def icons(bought, shared, tmp_path):
    job = tmp_path / "icons.yaml"
    job.write_text(shared(NAMED), encoding="utf-8")
    bought(job)
    return job


def line(tmp_path, icon="mug"):
    lines = map(json.loads, (tmp_path / OUT / "metadata.jsonl").read_text().splitlines())
    return next(one for one in lines if one["icon"] == icon)


def test_a_plan_prices_another_take_and_sends_nothing(batchgen, icons, tmp_path):
    before = (tmp_path / OUT / ".batchgen/ledger.db").read_bytes()
    done = batchgen("plan", icons, "--again", "icons/mug", "--again", "row=2")
    assert done.returncode == 0
    assert "another take of 2 stored requests: $0.102 expected, $0.01 at least, $0.40 at" in done.stdout
    assert "to pay: $0.00 expected" in done.stdout
    assert batchgen("run", icons, "--again", "icons/mug", "--dry-run").stdout.count("another take of 1 stored") == 1
    assert (tmp_path / OUT / ".batchgen/ledger.db").read_bytes() == before


def test_it_is_bought_listed_and_chosen(batchgen, icons, tmp_path):
    first = line(tmp_path)
    done = batchgen("run", icons, "--again", "images/icons/mug.png")
    assert done.returncode == 0, done.stderr
    assert "done: 2 requests stored, 1 further take bought" in done.stderr
    second = line(tmp_path)
    assert second["sha256"] != first["sha256"]
    assert (second["take_shown"], second["takes_bought"]) == (2, 2)
    assert second["cost_usd"] == pytest.approx(2 * first["cost_usd"])
    assert (line(tmp_path, "tea")["take_shown"], line(tmp_path, "tea")["takes_bought"]) == (1, 1)
    listed = batchgen("choose", OUT, "icons/mug").stdout.splitlines()
    assert [one.partition(":")[0] for one in listed] == ["take 1", "take 2 (shown)"]
    chosen = batchgen("choose", OUT, "icons/mug", "1")
    assert chosen.stdout == f"{OUT}/images/icons/mug.webp\n"
    assert chosen.stderr == "images/icons/mug.webp shows take 1 of 2\n"
    assert line(tmp_path)["sha256"] == first["sha256"]
    assert batchgen("choose", OUT, "icons/mug", "1").stderr == "images/icons/mug.webp shows already take 1 of 2\n"
    assert batchgen("run", icons, "--prune").returncode == 0
    assert line(tmp_path)["sha256"] == first["sha256"]
    assert batchgen("verify", OUT, "--read-data").returncode == 0


def test_explain_and_status_tell_of_takes(batchgen, icons):
    assert "take 1" not in batchgen("explain", icons, "1").stdout
    assert batchgen("run", icons, "--again", "row=1").returncode == 0
    explained = batchgen("explain", icons, "1").stdout
    assert "    take 1: $0.0" in explained
    assert "    take 2 (shown): $0.0" in explained
    assert "1 request has other takes than the one shown" in batchgen("status", OUT).stdout
    said = json.loads(batchgen("status", OUT, "--json").stdout)
    assert (said["requests_with_takes"], said["open_takes"]) == (1, 0)


def test_restore_and_verify_know_the_takes(batchgen, icons, tmp_path):
    assert batchgen("run", icons, "--again", "row=1").returncode == 0
    shown = line(tmp_path)["sha256"]
    (tmp_path / OUT / "images/icons/mug.webp").unlink()
    assert batchgen("run", icons).returncode == 0
    assert batchgen("restore", OUT, "icons/mug").returncode == 0
    assert line(tmp_path)["sha256"] == shown
    with closing(sqlite3.connect(tmp_path / OUT / ".batchgen/ledger.db")) as db:
        ((other,),) = db.execute("SELECT original FROM other_takes").fetchall()
    (tmp_path / OUT / ".batchgen/pictures" / other).unlink()
    found = batchgen("verify", OUT)
    assert found.returncode == 1
    assert "it was take 1, which no name shows" in found.stdout
    refused = batchgen("choose", OUT, "icons/mug", "1")
    assert refused.returncode == 2
    assert "take 1 can't be shown" in refused.stderr
    assert line(tmp_path)["sha256"] == shown


WRONG = {
    ("run", "icons.yaml", "--again", "icons/mugg"): "did you mean 'icons/mug'?",
    ("run", "icons.yaml", "--again", "1"): "did you mean 'row=1'?",
    ("run", "icons.yaml", "--out", "outputs/new", "--again", "mug"): "there is nothing in outputs/new yet",
    ("plan", "icons.yaml", "--again", "row=9"): "there is no row 9 that makes a request; rows reach up to 2",
    ("plan", "icons.yaml", "--out", "outputs/new", "--again", "mug"): "there is nothing in outputs/new yet",
    ("choose", OUT, "icons/mug", "2"): "there is no take 2; there is 1 (shown); `batchgen run JOB --again icons/mug",
    ("choose", OUT, "icons/mugg", "1"): "did you mean 'icons/mug'?",
    ("choose", "outputs/icon", "mug"): "there is no such folder (did you mean 'icons'?)",
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_what_means_nothing_ends_with_exit_code_2_and_says_what_is_meant(batchgen, icons, tmp_path, words):
    before = (tmp_path / OUT / "metadata.jsonl").read_bytes()
    done = batchgen(*words)
    assert done.returncode == 2
    assert WRONG[words] in " ".join(done.stderr.split())
    assert not (tmp_path / "outputs/new").exists()
    assert (tmp_path / OUT / "metadata.jsonl").read_bytes() == before
