"""``batchgen restore`` as its user types it."""

import json

import pytest

NAMED = """\
provider: {kind: simulator, simulator: {latency_s: 0.01}}
prompt: "icon of {subject}"
rows:
  - {icon: mug, subject: a red mug}
  - {icon: tea, subject: a teapot}
defaults: {model: test/test, size: 64x64}
output: {path: "icons/{icon}"}
"""


@pytest.fixture
def pruned(batchgen, bought, shared, tmp_path):
    job = tmp_path / "icons.yaml"
    job.write_text(shared(NAMED), encoding="utf-8")
    bought(job)
    job.write_text(shared(NAMED).replace("  - {icon: tea, subject: a teapot}\n", ""), encoding="utf-8")
    assert batchgen("run", job, "--prune").returncode == 0
    return job


def labels(tmp_path):
    lines = (tmp_path / "outputs/icons/metadata.jsonl").read_text().splitlines()
    return [json.loads(line)["icon"] for line in lines]


def test_without_a_name_all_that_was_pruned_or_deleted_is_back(batchgen, pruned, tmp_path):
    done = batchgen("restore", "outputs/icons")
    assert (done.returncode, done.stderr) == (0, "1 file brought back\n")
    assert done.stdout == "outputs/icons/images/icons/tea.jpg\n"
    (tmp_path / "outputs/icons/images/icons/mug.jpg").unlink()
    assert batchgen("restore", "outputs/icons").stdout == "outputs/icons/images/icons/mug.jpg\n"
    assert sorted(labels(tmp_path)) == ["mug", "tea"]
    assert batchgen("restore", "outputs/icons").stderr == "0 files brought back\n"


TEA = ["icons/tea", "icons/tea.jpg", "images/icons/tea.jpg", "outputs/icons/images/icons/tea"]


@pytest.mark.parametrize("word", TEA)
def test_a_picture_is_back_in_its_place_and_in_the_lists(batchgen, pruned, tmp_path, word):
    assert labels(tmp_path) == ["mug"]
    done = batchgen("restore", "outputs/icons", word)
    assert (done.returncode, done.stdout) == (0, "outputs/icons/images/icons/tea.jpg\n")
    assert done.stderr == "1 file brought back\n"
    assert sorted(labels(tmp_path)) == ["mug", "tea"]
    assert batchgen("verify", "outputs/icons", "--read-data").returncode == 0


def test_a_deleted_file_comes_back_by_its_name_or_its_key_alone(batchgen, bought, shared, tmp_path):
    job = tmp_path / "icons.yaml"
    job.write_text(shared(NAMED), encoding="utf-8")
    bought(job)
    for icon in ("mug", "tea"):
        (tmp_path / f"outputs/icons/images/icons/{icon}.jpg").unlink()
        assert batchgen("restore", "outputs/icons", f"icons/{icon}").stderr == "1 file brought back\n"
    lines = map(json.loads, (tmp_path / "outputs/icons/metadata.jsonl").read_text().splitlines())
    keys = {line["icon"]: line["key"] for line in lines}
    (tmp_path / "outputs/icons/images/icons/tea.jpg").unlink()
    assert batchgen("restore", "outputs/icons", keys["mug"][:10]).returncode == 2
    assert batchgen("restore", "outputs/icons", keys["tea"][:10]).stderr == "1 file brought back\n"


def test_a_place_that_is_taken_is_said_and_ends_with_exit_code_2(batchgen, pruned, shared):
    pruned.write_text(shared(NAMED).replace("a teapot", "a samovar"), encoding="utf-8")
    assert batchgen("run", pruned).returncode == 0
    done = batchgen("restore", "outputs/icons", "icons/tea", "nonsense")
    assert done.returncode == 2
    assert "icons/tea: images/icons/tea has another picture now" in done.stderr
    assert "nonsense: nothing that was deleted or pruned is called so" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [[], ["icons/tea"]])
def test_a_folder_without_a_run_is_said_to_be_none(batchgen, tmp_path, words):
    done = batchgen("restore", tmp_path, *words)
    assert done.returncode == 2
    assert "is this a run folder?" in done.stderr


def test_status_tells_what_was_deleted_by_hand(batchgen, bought, shared, tmp_path):
    job = tmp_path / "icons.yaml"
    job.write_text(shared(NAMED), encoding="utf-8")
    bought(job)
    (tmp_path / "outputs/icons/images/icons/tea.jpg").unlink()
    assert "deleted by hand" not in batchgen("status", "outputs/icons").stdout
    assert "images/icons/tea.jpg was deleted by hand" in batchgen("run", job).stderr
    assert "1 file deleted by hand; `batchgen restore outputs/icons`" in batchgen("status", "outputs/icons").stdout


def test_status_tells_what_was_reused_from_what_was_sent(batchgen, pruned, shared, tmp_path):
    text = f"{shared(NAMED)}reuse: [outputs/icons]\n".replace(
        "- {icon: tea, subject: a teapot}", "- {icon: owl, subject: owl}"
    )
    (tmp_path / "again.yaml").write_text(text, encoding="utf-8")
    assert batchgen("run", tmp_path / "again.yaml").returncode == 0
    done = batchgen("status", "outputs/again")
    assert "  1 request sent so far, 1 reused (linked, $0); 2 planned, 100 % done\n" in done.stdout
    assert "    stored            2\n" in done.stdout
