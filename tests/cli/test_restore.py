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
def pruned(batchgen, bought, tmp_path):
    job = tmp_path / "icons.yaml"
    job.write_text(NAMED, encoding="utf-8")
    bought(job)
    job.write_text(NAMED.replace("  - {icon: tea, subject: a teapot}\n", ""), encoding="utf-8")
    assert batchgen("run", job, "--prune").returncode == 0
    return job


def labels(tmp_path):
    lines = (tmp_path / "outputs/icons/metadata.jsonl").read_text().splitlines()
    return [json.loads(line)["icon"] for line in lines]


def test_without_a_name_the_trash_is_listed_in_80_columns(batchgen, pruned):
    done = batchgen("restore", "outputs/icons")
    (line,) = done.stdout.splitlines()
    key, *_, name = line.partition(' "')[0].split()
    assert (name, line.endswith('"icon of a teapot"'), len(line) <= 80) == ("images/icons/tea.jpg", True, True)
    assert f"`batchgen restore outputs/icons {key}`" in done.stderr
    assert done.returncode == 0


def test_a_picture_is_back_in_its_place_and_in_the_lists(batchgen, pruned, tmp_path):
    assert labels(tmp_path) == ["mug"]
    done = batchgen("restore", "outputs/icons", "icons/tea")
    assert (done.returncode, done.stdout) == (0, "outputs/icons/images/icons/tea.jpg\n")
    assert done.stderr == "1 request's picture is back; a run with --prune moves it again unless asked for\n"
    assert sorted(labels(tmp_path)) == ["mug", "tea"]
    assert not (tmp_path / "outputs/icons/trash").exists()
    assert batchgen("verify", "outputs/icons", "--read-data").returncode == 0
    assert batchgen("restore", "outputs/icons").stderr == "outputs/icons: nothing is in the trash\n"


def test_a_place_that_is_taken_is_said_and_ends_with_exit_code_2(batchgen, pruned, tmp_path):
    pruned.write_text(NAMED.replace("a teapot", "a samovar"), encoding="utf-8")
    assert batchgen("run", pruned).returncode == 0
    done = batchgen("restore", "outputs/icons", "icons/tea", "nonsense")
    assert done.returncode == 2
    assert "images/icons/tea.jpg is taken by request" in done.stderr
    assert '"icon of a samovar"' in done.stderr
    assert "nonsense: nothing in the trash is called so" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [[], ["icons/tea"]])
def test_a_folder_without_a_run_is_said_to_be_none(batchgen, tmp_path, words):
    done = batchgen("restore", tmp_path, *words)
    assert done.returncode == 2
    assert "is this a run folder?" in done.stderr


def test_status_tells_what_the_trash_takes_up(batchgen, pruned, tmp_path):
    (file,) = (tmp_path / "outputs/icons/trash").rglob("*.jpg")
    done = batchgen("status", "outputs/icons")
    assert "  1 request sent so far; 1 planned\n" in done.stdout
    size = file.stat().st_size
    said = f"{size} bytes" if size < 1000 else f"{size / 1000:.1f} kB"
    assert f"  in the trash: 1 picture, {said}, outputs/icons/trash\n" in done.stdout
    file.unlink()
    assert "trash" not in batchgen("status", "outputs/icons").stdout


def test_status_tells_what_was_reused_from_what_was_sent(batchgen, pruned, tmp_path):
    text = f"{NAMED}reuse: [outputs/icons]\n".replace("- {icon: tea, subject: a teapot}", "- {icon: owl, subject: owl}")
    (tmp_path / "again.yaml").write_text(text, encoding="utf-8")
    assert batchgen("run", tmp_path / "again.yaml").returncode == 0
    done = batchgen("status", "outputs/again")
    assert "  1 request sent so far, 1 reused (linked, $0); 2 planned\n" in done.stdout
    assert "    stored            2\n" in done.stdout
