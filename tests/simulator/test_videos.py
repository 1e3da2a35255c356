"""Videos: real films, by the same road as pictures."""

import base64
import json
import shutil
import subprocess

import pytest

from batchgen.simulator import films
from batchgen.simulator.drawing import Drawing
from batchgen.simulator.offered_models import MODELS
from batchgen.store.media.sniff import NotAPicture, inspect
from tests.browser import browser, shared_page, until, visit

__all__ = ["browser", "shared_page", "visit"]

VIDEOS = "/v1/openai/videos/generations"
IMAGES = "/v1/openai/images/generations"
OFFERED = sorted({(seconds, model.always) for model in MODELS for seconds in model.seconds})


def drawn(seconds, kind, size=(1280, 720), seed="0" * 64):
    return films.film(Drawing("a fox", "", *size, kind, seed, seconds))


def film(shop, **fields):
    answer = shop.buy(path=VIDEOS, **{"model": "ir/test-video", "size": "320x180", **fields})
    assert answer.status_code == 200, answer.text
    return answer, shop.fetch(answer)


@pytest.mark.parametrize(
    ("fields", "name", "size", "duration_ms"),
    [
        ({}, "mp4", (320, 180), 5000),
        ({"seconds": "auto"}, "mp4", (320, 180), 5000),
        ({"model": "openai/sora-2", "size": "720x1280", "seconds": 8}, "mp4", (720, 1280), 8000),
        ({"model": "lightricks/ltx-2", "size": "1408x768", "seconds": "2.5"}, "webm", (1408, 768), 2500),
        ({"size": "333x201"}, "mp4", (333, 201), 5000),
    ],
)
def test_a_video_is_a_whole_film_as_long_and_as_large_as_was_asked(shop, fields, name, size, duration_ms):
    answer, fetched = film(shop, **fields)
    found = inspect(fetched.content)
    assert (found.name, (found.width, found.height), found.duration_ms) == (name, size, duration_ms)
    assert fetched.headers["content-type"] == f"video/{name}"
    assert answer.json()["data"][0]["url"].endswith(f".{name}")


def test_the_same_purchase_gives_the_same_film_and_another_one_another(start, tmp_path):
    with start() as shop:
        (_, first), (_, second) = film(shop), film(shop)
        _, other = film(shop, prompt="a bear")
    with start() as shop:
        _, again = film(shop)
    assert first.content == again.content
    assert len({first.content, second.content, other.content}) == 3


@pytest.mark.parametrize(("seconds", "kind"), OFFERED)
def test_there_is_a_clip_of_every_length_on_offer_for_every_size_and_purchase(seconds, kind):
    for size in ((16, 16), (720, 1280), (4096, 4096)):
        found = inspect(drawn(seconds, kind, size))
        assert (found.name, (found.width, found.height), found.duration_ms) == (kind, size, 1000 * seconds)
    assert drawn(seconds, kind, seed="1" * 64) != drawn(seconds, kind)


def test_no_clip_is_left_over():
    clips = {path.name for path in films._CLIPS.iterdir()}
    assert clips == {"README.md", *(f"{seconds:g}.{kind}" for seconds, kind in OFFERED)}


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_a_film_cut_anywhere_is_seen_to_be(kind):
    content = drawn(5, kind)
    for length in range(1, len(content)):
        with pytest.raises(NotAPicture):
            inspect(content[:length])


def test_a_browser_finds_every_film_as_long_and_of_the_shape_that_was_asked(visit, tmp_path):
    for seconds, kind in OFFERED:
        (tmp_path / f"{seconds:g}.{kind}").write_bytes(drawn(seconds, kind, (1408, 768)))
    tags = (f"<video src='{seconds:g}.{kind}' data-seconds={seconds}></video>" for seconds, kind in OFFERED)
    (tmp_path / "page.html").write_text("<!doctype html><title>films</title>" + "".join(tags), encoding="utf-8")
    page = visit((tmp_path / "page.html").as_uri(), wait="video")
    until(page, "[...document.querySelectorAll('video')].every((film) => film.readyState > 1)")
    lengths, shapes = page.evaluate("""() => {
        const films = [...document.querySelectorAll('video')];
        return [films.map((film) => [film.duration, Number(film.dataset.seconds)]),
                films.map((film) => film.videoWidth / film.videoHeight)];
    }""")
    assert [found for found, _ in lengths] == pytest.approx([asked for _, asked in lengths], abs=0.001)
    assert shapes == pytest.approx([1408 / 768] * len(OFFERED), rel=0.01)


@pytest.mark.parametrize(("seconds", "kind"), [(4, "mp4"), (1.2, "webm")])
def test_a_browser_plays_a_film_to_its_end(visit, tmp_path, seconds, kind):
    (tmp_path / f"film.{kind}").write_bytes(drawn(seconds, kind))
    (tmp_path / "page.html").write_text(f"<!doctype html><title>film</title><video muted autoplay src='film.{kind}'>")
    page = visit((tmp_path / "page.html").as_uri(), wait="video")
    until(page, "document.querySelector('video').ended")
    assert page.evaluate("document.querySelector('video').currentTime") == pytest.approx(seconds, abs=0.05)


def test_a_film_comes_in_base64_where_that_is_asked_for(shop):
    answer = shop.buy(path=VIDEOS, model="ir/test-video", size="64x64", response_format="b64_ephemeral")
    assert inspect(base64.b64decode(answer.json()["data"][0]["b64_json"])).name == "mp4"


def test_an_upload_is_taken_as_a_form(shop, photo):
    form = {"model": "ir/test-video", "prompt": "a fox", "seconds": "5", "size": "64x64"}
    answer = shop.http.post(VIDEOS, data=form, files=[("image[]", ("a.png", photo, "image/png"))])
    assert inspect(shop.fetch(answer).content).duration_ms == 5000


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        (IMAGES, {"model": "ir/test-video"}, "makes videos"),
        (VIDEOS, {"model": "test/test"}, "makes images"),
        (VIDEOS, {"model": "openai/sora-2", "seconds": 5}, "takes 4, 8, 12"),
        (VIDEOS, {"model": "openai/sora-2", "seconds": "many"}, "Invalid seconds 'many'"),
        (VIDEOS, {"model": "openai/sora-2", "image": ["https://example.com/a.png"] * 7}, "at most 6"),
    ],
)
def test_what_is_wrong_with_a_video_is_said_at_the_door(shop, path, fields, words):
    answer = shop.buy(path=path, **fields)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_a_video_costs_by_its_length_between_least_and_most(start):
    with start() as shop:
        costs = [
            shop.buy(path=VIDEOS, model="openai/sora-2", size="720x1280", seconds=seconds).json()["cost"]
            for seconds in (4, 8, 12)
        ]
        assert costs == [0.4, 0.8, 1.2]
        assert shop.billing()["charged_microusd"] == 2_400_000


def test_heartbeats_come_before_a_video_too(start):
    with start(latency_s=0.3, heartbeat_s=0.05) as shop:
        answer = shop.buy(path=VIDEOS, model="ir/test-video", size="64x64")
    assert answer.content.startswith(b"  ")
    assert json.loads(answer.content)["data"]


def test_videos_have_a_rate_limit_of_their_own(start):
    with start(rate_limits=True, balance_usd=13.0) as shop:
        answers = [shop.buy(path=VIDEOS, model="ir/test-video", size="64x64") for _ in range(6)]
    assert {answer.headers["ratelimit-limit"] for answer in answers} == {"2"}
    assert 429 in {answer.status_code for answer in answers}


def test_a_file_can_be_cut_though_its_answer_is_whole(start):
    with start(faults=({"kind": "cut_file"},)) as shop:
        _, fetched = film(shop)
    assert len(fetched.content) == int(fetched.headers["content-length"])
    with pytest.raises(Exception, match="ends too early"):
        inspect(fetched.content)


def test_the_catalogue_lists_videos_with_their_lengths(shop):
    listed = shop.http.get("/v2/models").json()
    assert listed["ir/test-video"]["output"] == ["video"]
    assert listed["openai/sora-2"]["inputs"]["seconds"] == [4, 8, 12]
    assert set(shop.http.get("/v2/models", params={"outputType": "video"}).json()) < set(listed)
    assert "seconds" not in listed["test/test"]["inputs"]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize(("seconds", "kind"), OFFERED)
def test_a_player_decodes_every_frame_without_a_complaint(tmp_path, seconds, kind):
    (tmp_path / "film").write_bytes(drawn(seconds, kind, (250, 130)))
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", tmp_path / "film", "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
