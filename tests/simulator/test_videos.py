"""Videos: real films, by the same road as pictures."""

import base64
import json
import shutil
import subprocess

import pytest

from batchgen.store.media.sniff import inspect

VIDEOS = "/v1/openai/videos/generations"
IMAGES = "/v1/openai/images/generations"


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
        ({"size": "333x201"}, "mp4", (332, 200), 5000),
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
@pytest.mark.parametrize("model", ["ir/test-video", "lightricks/ltx-2"])
def test_a_player_decodes_every_frame_without_a_complaint(shop, tmp_path, model):
    size = "1408x768" if model != "ir/test-video" else "250x130"
    _, fetched = film(shop, model=model, size=size)
    (tmp_path / "film").write_bytes(fetched.content)
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", tmp_path / "film", "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
