import json

import pytest

MODELS = ("test/test", "black-forest-labs/FLUX-1-schnell")
MANIFEST = """\
provider: {kind: simulator, simulator: {latency_s: 0.01}}
rows:
  - {prompt: a mug, kind: kitchen}
  - {prompt: a kettle, kind: kitchen}
  - {prompt: an owl, kind: animal}
defaults: {size: 64x64}
matrix: {model: [%s]}
"""


@pytest.fixture
def sweep(batchgen, tmp_path):
    """A run folder of two models and three prompts, from the program itself."""
    (tmp_path / "sweep.yaml").write_text(MANIFEST % ", ".join(MODELS), encoding="utf-8")
    assert batchgen("run", "sweep.yaml").returncode == 0
    return tmp_path / "outputs/sweep"


def line(prompt, winner="a", *, voter="ann", ts=1, a=MODELS[0], b=MODELS[1], **more):
    item = json.dumps({"prompt": prompt, "repeat": "1"}, separators=(",", ":"))
    return {"item": item, "a": a, "b": b, "winner": winner, "voter": voter, "ts": ts, **more}


def write(path, *lines):
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in lines), encoding="utf-8")
    return path


def test_without_votes_it_says_how_to_vote(batchgen, sweep):
    done = batchgen("rank", "outputs/sweep")
    assert done.returncode == 0
    assert "0 votes" in done.stdout
    assert "batchgen compare outputs/sweep --serve" in done.stdout
    assert not (sweep / "ranking.json").exists()


def test_with_one_model_there_is_nothing_to_compare(batchgen, tmp_path):
    (tmp_path / "one.yaml").write_text(MANIFEST % MODELS[0], encoding="utf-8")
    batchgen("run", "one.yaml")
    done = batchgen("rank", "outputs/one")
    assert done.returncode == 0
    assert "nothing to compare" in done.stdout


def test_the_table_fits_80_columns_and_has_ratings_prices_and_doubts(batchgen, sweep):
    prompts = ("a mug", "a kettle", "an owl")
    lines = [line(prompts[n % 3], "b" if n % 4 else "tie", ts=n, voter=f"v{n}") for n in range(24)]
    write(sweep / "votes.jsonl", *lines, line("a mug", "both_bad"), line("an owl", "skip"))
    done = batchgen("rank", "outputs/sweep")
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "24 votes on 3 prompts, 6 ties, 1 both bad, 1 skipped" in " ".join(done.stdout.split())
    header, _, first = done.stdout.splitlines()[1:4]
    assert header.split() == ["rank", "model", "rating", "95", "%", "votes", "wins", "picture", "a", "win", "time"]
    assert first.strip().startswith("1–2  black-forest-labs/")
    assert first.count("$0.00") == 2
    assert "Voted on fewer than 8 prompts" in done.stdout
    assert "Nothing is better for less" in done.stdout


def test_exports_of_several_voters_are_merged_and_bad_lines_named(batchgen, sweep, tmp_path):
    write(sweep / "votes.jsonl", line("a mug"))
    write(tmp_path / "ann.jsonl", line("a mug"), "not a vote", line("a kettle"))
    write(
        tmp_path / "ben.jsonl", line("a mug", voter="ben"), line("an owl", voter="ben"), line("a mug", ts=7, undo=True)
    )
    done = batchgen("rank", "outputs/sweep", "--votes", "ann.jsonl", "--votes", "ben.jsonl", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["votes"] == 4
    assert "ann.jsonl:2: JSON is malformed" in done.stderr
    assert "1 vote was repeated" in done.stderr
    assert json.loads((sweep / "ranking.json").read_text()) == json.loads(done.stdout)


def test_each_value_of_a_column_has_a_ranking(batchgen, sweep):
    write(sweep / "votes.jsonl", line("a mug"), line("a kettle"), line("an owl", "b"), line("elsewhere"))
    done = batchgen("rank", "outputs/sweep", "--by", "kind")
    assert done.returncode == 0, done.stderr
    kitchen, animal = (
        done.stdout.index("kind = kitchen: 2 votes"),
        done.stdout.index("kind = animal: 1 vote on 1 prompt"),
    )
    assert kitchen < animal
    assert "1 votes are on items" not in done.stdout
    assert "of 1 vote the folder doesn't know the kind" in done.stdout.lower()


def test_names_the_folder_does_not_know_are_ranked_and_named(batchgen, sweep):
    write(sweep / "votes.jsonl", line("a mug", a="zebra\u001b[31m"))
    done = batchgen("rank", "outputs/sweep")
    assert done.returncode == 0
    assert "Voted on, but not in this folder: zebra\\x1b[31m." in done.stdout
    assert "Not voted on yet: test/test." in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "knid"], "did you mean 'kind'?"),
        (["--by", "model"], "that is what is ranked"),
        (["--axis", "modle"], "did you mean 'model'?"),
        (["--votes", "nowhere.jsonl"], "nowhere.jsonl: can't be read"),
    ],
)
def test_what_is_not_there_is_a_mistake_and_nothing_is_written(batchgen, sweep, words, said):
    write(sweep / "votes.jsonl", line("a mug"))
    done = batchgen("rank", "outputs/sweep", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not (sweep / "ranking.json").exists()


def test_a_folder_without_a_run_is_said_to_be_one(batchgen, tmp_path):
    done = batchgen("rank", tmp_path)
    assert done.returncode == 6
    assert "is this a run folder?" in done.stderr


def test_a_place_that_takes_no_file_hinders_no_ranking(batchgen, sweep):
    write(sweep / "votes.jsonl", line("a mug"))
    (sweep / "ranking.json").mkdir()
    done = batchgen("rank", "outputs/sweep")
    assert done.returncode == 0
    assert "1 vote on 1 prompt" in done.stdout
    assert "ranking.json: not written" in done.stderr
