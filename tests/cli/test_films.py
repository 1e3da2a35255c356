"""Videos from the manifest to the dataset, by the program as a user starts it."""

import json

import pytest
from datasets import Video, load_dataset

from batchgen import load_manifest, plan
from batchgen.request import Kind
from batchgen.store.ledger.records import snapshot
from batchgen.store.media.sniff import inspect
from tests.documents import blocks

FILMS = """\
provider: {kind: simulator, simulator: {latency_s: 0.01}}
prompt: "{subject}, slow pan"
rows: [{subject: mug}, {subject: teapot}]
defaults: {model: openai/sora-2, size: 720x1280}
matrix: {seconds: [4, 8]}
"""


@pytest.fixture
def text(shared):
    return shared(FILMS)


@pytest.fixture
def films(tmp_path, text):
    path = tmp_path / "films.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def lines_of(folder, name="metadata.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_a_sweep_of_films_is_stored_priced_and_reported(batchgen, films, tmp_path):
    done = batchgen("run", films)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "outputs/films"
    for line in lines_of(folder):
        found = inspect((folder / line["file_name"]).read_bytes())
        assert (line["format"], line["width"], line["height"]) == ("mp4", 720, 1280)
        assert line["duration_ms"] == found.duration_ms == 1000 * int(line["seconds"])
        assert line["cost_usd"] == pytest.approx(0.1 * int(line["seconds"]))
    assert "4 films" in done.stderr
    assert "$0.60 a film, $0.10 a second" in done.stderr
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["pictures"], summary["films"], summary["billed_per_second_usd"]) == (4, 4, 0.1)
    page = (folder / "report.html").read_text()
    assert "a second" in page
    assert "films a minute" in page
    assert batchgen("run", films).stderr == "nothing to buy: 4 requests stored in outputs/films\n"
    assert batchgen("verify", "outputs/films", "--read-data").returncode == 0


def test_a_lost_ledger_knows_its_films_again_also_without_a_manifest_that_asks_for_them(
    batchgen, bought, films, text, tmp_path
):
    bought(films)
    folder = tmp_path / "outputs/films"
    for path in (folder / ".batchgen").glob("ledger.db*"):
        path.unlink()
    films.write_text(text.replace("[4, 8]", "[8]"))
    assert "made anew: 4 requests stored" in batchgen("run", films).stderr
    films.write_text(text)
    assert batchgen("run", films).stderr == "nothing to buy: 4 requests stored in outputs/films\n"
    with snapshot(folder / ".batchgen/ledger.db") as db:
        assert db.execute("SELECT kind, count(*) FROM requests GROUP BY kind").fetchall() == [("video", 4)]
    assert sorted(line["duration_ms"] for line in lines_of(folder)) == [4000, 4000, 8000, 8000]


def test_the_manifest_of_the_documentation_is_sound(tmp_path):
    (text,) = (text for _, text in blocks("docs/manifest.md", "yaml") if "slow pan" in text)
    (tmp_path / "pans.yaml").write_text(text)
    made = list(plan(load_manifest(tmp_path / "pans.yaml")))
    assert [request.parameters["seconds"] for request in made] == ["4", "8"] * 2
    assert {request.kind for request in made} == {Kind.VIDEO}


def test_a_folder_of_films_loads_as_a_dataset_of_videos(bought, films, tmp_path):
    bought(films)
    found = load_dataset(str(tmp_path / "outputs/films"), split="train", cache_dir=str(tmp_path / "cache"))
    assert isinstance(found.features["video"], Video)
    rows = found.cast_column("video", Video(decode=False))
    assert [row["video"]["path"].endswith(".mp4") for row in rows] == [True] * 4
    assert sorted(rows["duration_ms"]) == [4000, 4000, 8000, 8000]


def test_films_and_pictures_of_one_sweep_lie_side_by_side_each_by_its_endpoint(batchgen, films, text, tmp_path):
    films.write_text(
        text.replace("model: openai/sora-2, size: 720x1280", "size: auto").replace(
            "matrix: {seconds: [4, 8]}", "matrix: {model: [test/test, ir/test-video, lightricks/ltx-2]}"
        )
    )
    done = batchgen("run", films)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "outputs/films"
    assert sorted(line["format"] for line in lines_of(folder)) == ["jpeg", "jpeg", "mp4", "mp4", "webm", "webm"]
    card = (folder / "README.md").read_text()
    assert "2 pictures and 4 films" in card
    assert "Pick one sort by `format`" in card
    assert "finds no film in a `.webm` file" in card


def test_a_film_that_was_cut_is_never_published_as_a_good_one(batchgen, films, tmp_path):
    films.write_text(FILMS.replace("latency_s: 0.01", "latency_s: 0.01, faults: [{kind: cut_file, first: 1}]"))
    done = batchgen("run", films)
    assert done.returncode == 1
    (failure,) = lines_of(tmp_path / "outputs/films", "failures.jsonl")
    assert (failure["state"], failure["class"]) == ("spoiled", "not_a_picture")
    assert "a film (mp4)" in failure["message"]
    assert "ends too early" in failure["message"]
    assert failure["billed_usd"] > 0
    assert len(list((tmp_path / "outputs/films/images").rglob("*.mp4"))) == 3


def test_a_length_that_a_model_does_not_make_is_told_before_anything_is_sent(batchgen, films, text, tmp_path):
    films.write_text(text.replace("[4, 8]", "[5]"))
    done = batchgen("run", films)
    assert done.returncode == 2
    assert "makes no film of 5 seconds; it takes 4, 8, 12" in done.stderr


def test_reuse_is_counted_apart_in_plan_and_report(batchgen, bought, films, tmp_path):
    films.write_text(FILMS)
    bought(films)
    again = tmp_path / "again.yaml"
    again.write_text(FILMS.replace("{subject: teapot}", "{subject: kettle}") + "reuse: [outputs/films]\n")
    planned = batchgen("plan", again)
    assert "2 new, 2 reused from other folders" in planned.stdout, planned.stderr
    done = batchgen("run", again)
    assert done.returncode == 0, done.stderr
    assert "batchgen: 2 requests reused from outputs/films: linked, and not bought again" in done.stderr
    assert "4 stored, 2 reused" in done.stderr
    assert "0 retries" in done.stderr
    summary = json.loads((tmp_path / "outputs/again/summary.json").read_text())
    assert (summary["reused"], summary["billed_usd"], summary["retries"]) == (2, 1.2, 0)
    books = (tmp_path / "outputs/again/.batchgen/simulator/billing.jsonl").read_text().splitlines()
    assert len(books) == 2


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_folder_to_reuse_that_is_not_there_is_named(batchgen, films, text, command):
    films.write_text(text + "reuse: [outputs/last-wek]\n")
    done = batchgen(command, films)
    assert done.returncode == 2
    assert "reuse: outputs/last-wek: " in done.stderr
    assert "is this a run folder?" in done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("kind: vidoe\n", "kind must be 'image' or 'video', found 'vidoe'"),
        ("reuse: outputs/films\n", "reuse must be a list"),
        ("reuse: [s3://bucket/films]\n", "reuse must name run folders such as outputs/mugs"),
    ],
)
def test_mistakes_are_told_with_their_line(batchgen, films, text, line, said):
    films.write_text(text + line)
    done = batchgen("check", films)
    assert done.returncode == 2
    assert f"films.yaml:6: {said}" in done.stderr


def test_openai_s_endpoints_make_no_videos(batchgen, films):
    films.write_text(FILMS.replace("{kind: simulator, simulator: {latency_s: 0.01}}", "openai") + "kind: video\n")
    done = batchgen("check", films)
    assert done.returncode == 2
    assert "kind: video is not for the provider openai" in done.stderr


def test_long_films_are_confirmed_at_the_price_of_their_length(batchgen, tmp_path):
    job = "provider: simulator\nprompt: a fox\nrepeat: 50\n"
    job += "defaults: {model: openai/sora-2, size: 1280x720, seconds: 12}\n"
    (tmp_path / "job.yaml").write_text(job, encoding="utf-8")
    done = batchgen("run", "job.yaml")
    assert done.returncode == 2
    assert "about $60.00 is more than the $50.00 of an unconfirmed run" in done.stderr
    assert "to pay: $60.00 expected, $60.00 at least, $60.00 at most" in batchgen("plan", "job.yaml").stdout
    assert "to pay: $20.00 expected" in batchgen("plan", "job.yaml", "--set", "seconds=4").stdout
    assert not (tmp_path / "outputs").exists()
