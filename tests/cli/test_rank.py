import itertools
import json

import pytest
from rich.cells import cell_len

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
def sweep(bought, shared, tmp_path):
    """A run folder of two models and three prompts, from the program itself."""
    job = tmp_path / "sweep.yaml"
    job.write_text(shared(MANIFEST) % ", ".join(MODELS), encoding="utf-8")
    bought(job)
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


def test_with_one_model_there_is_nothing_to_compare(batchgen, shared, tmp_path):
    (tmp_path / "one.yaml").write_text(shared(MANIFEST) % MODELS[0], encoding="utf-8")
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
    assert "24 votes by 24 voters on 3 prompts, 6 ties, 1 both bad, 1 skipped" in " ".join(done.stdout.split())
    header, _, *table = done.stdout.splitlines()[2:7]
    assert header.split() == ["rank", "rating", "95", "%", "votes", "wins", "a", "picture", "p50", "a", "win"]
    # The names don't fit beside the numbers.
    assert table[::2] == ["black-forest-labs/FLUX-1-schnell", "test/test"]
    assert table[1].split()[0] == "1–2"
    assert table[1].count("$0.00") == 2
    assert "Voted on fewer than 8 prompts" in done.stdout
    assert "Too early to choose: votes on 5 more prompts are needed at least." in done.stdout


@pytest.mark.parametrize("columns", [40, 80])
def test_names_however_long_or_wide_leave_the_columns_in_line(batchgen, sweep, columns):
    names = ["m", "模型" * 12, "x" * 150]
    cast = [
        line(f"prompt {n}", "a" if (n + place) % 3 else "b", a=a, b=b, ts=n)
        for n in range(12)
        for place, (a, b) in enumerate(itertools.combinations(names, 2))
    ]
    write(sweep / "votes.jsonl", *cast)
    done = batchgen("rank", "outputs/sweep", COLUMNS=str(columns))
    lines = done.stdout.splitlines()
    rule = next(place for place, one in enumerate(lines) if set(one) == {"─"})
    if len(lines[rule]) <= columns:
        assert max(map(cell_len, lines)) <= columns
    rows = [one for one in lines[rule + 1 :] if one.endswith("  –")]
    assert {cell_len(one) for one in rows} == {len(lines[rule])}
    assert len(rows) == 3


def test_what_never_lost_has_an_open_end_in_the_table_and_in_json(batchgen, sweep):
    write(sweep / "votes.jsonl", *(line(f"prompt {n}") for n in range(20)))
    said = batchgen("rank", "outputs/sweep").stdout
    assert f"{MODELS[0]}\n   1" in said or f"   1  {MODELS[0]}" in said
    assert "≥ 1" in said
    assert "≤ " in said
    first, last = json.loads(batchgen("rank", "outputs/sweep", "--json").stdout)["rated"]
    assert first["low"] > 1000 > last["high"]
    assert (first["high"], last["low"]) == (None, None)


def test_it_says_in_a_sentence_which_to_buy(batchgen, sweep):
    write(sweep / "votes.jsonl", *(line(f"prompt {n}", "a" if n % 10 else "b", ts=n) for n in range(40)))
    said = " ".join(batchgen("rank", "outputs/sweep").stdout.split())
    sentence = f"{MODELS[0]} is the best, and costs "
    assert sentence in said
    assert json.loads((sweep / "ranking.json").read_text())["verdict"].startswith(sentence)


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
        done.stdout.index("kind = animal: 1 vote by 1 voter on 1 prompt"),
    )
    assert kitchen < animal
    assert "1 votes are on items" not in done.stdout
    assert "the folder doesn't know the kind of 1 vote" in done.stdout.lower()


def test_names_the_folder_does_not_know_are_ranked_and_named(batchgen, sweep):
    write(sweep / "votes.jsonl", line("a mug", a="zebra\u001b[31m"))
    done = batchgen("rank", "outputs/sweep")
    assert done.returncode == 0
    assert "Voted on, but not in this folder: zebra\\x1b[31m." in done.stdout
    assert "No vote yet that says which is better: test/test." in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "knid"], "did you mean 'kind'?"),
        (["--by", "model"], "this is the ranked axis"),
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


def test_an_axis_that_the_folder_does_not_have_is_a_mistake_before_anybody_voted_too(batchgen, sweep):
    done = batchgen("rank", "outputs/sweep", "--axis", "modle")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--axis modle: no such axis or column; did you mean 'model'?" in done.stderr


def test_a_folder_without_a_run_is_said_to_be_one(batchgen, tmp_path):
    done = batchgen("rank", tmp_path)
    assert done.returncode == 2
    assert "is this a run folder?" in done.stderr


def test_a_place_that_takes_no_file_hinders_no_ranking(batchgen, sweep):
    write(sweep / "votes.jsonl", line("a mug"))
    (sweep / "ranking.json").mkdir()
    done = batchgen("rank", "outputs/sweep")
    assert done.returncode == 0
    assert "1 vote by 1 voter on 1 prompt" in done.stdout
    assert "ranking.json: not written" in done.stderr
