import base64
import io
import statistics
import time

import httpx
import pytest
from PIL import Image

from batchgen.simulator.offered_models import find_model
from batchgen.simulator.pricing import latency_s
from tests.simulator.conftest import GENERATIONS

MB = 1024 * 1024


def error(response):
    return response.json()["error"]


def test_a_generation_answers_with_milliseconds_a_url_and_its_cost(shop):
    before_ms = time.time() * 1000
    answer = shop.buy(model="google/imagen-4")
    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == ["created", "data", "latency", "cost"]
    assert before_ms - 1 <= body["created"] <= time.time() * 1000 + 1
    assert body["data"][0]["revised_prompt"] is None
    assert body["data"][0]["url"].startswith(shop.endpoints.pictures_url)
    assert body["cost"] == 0.037
    assert isinstance(body["latency"], int)


def test_test_test_costs_nothing(shop):
    assert shop.buy(model="test/test").json()["cost"] == 0


@pytest.mark.parametrize(
    ("fields", "cost"),
    [
        ({}, 0.167),
        ({"quality": "medium", "size": "1024x1024"}, 0.167),
        ({"quality": "low"}, 0.011),
    ],
)
def test_the_cost_follows_quality_and_size(shop, fields, cost):
    assert shop.buy(model="openai/gpt-image-1", **fields).json()["cost"] == cost


def test_higher_quality_and_larger_sizes_cost_more_but_never_above_the_maximum(shop):
    costs = [
        shop.buy(model="openai/gpt-image-1", quality=quality, size=size).json()["cost"]
        for quality, size in [("medium", "1024x1024"), ("high", "1024x1024"), ("high", "1536x1024")]
    ]
    assert costs == sorted(set(costs))
    assert costs[-1] <= 0.3
    assert all(round(cost * 10_000, 6).is_integer() for cost in costs)


@pytest.mark.parametrize("name", ["b64_json", "b64_ephemeral"])
def test_base64_is_given_when_asked_for(shop, name):
    entry = shop.buy(response_format=name).json()["data"][0]
    assert Image.open(io.BytesIO(base64.b64decode(entry["b64_json"]))).size == (1024, 1024)


def test_a_layered_model_gives_several_pictures(shop):
    assert len(shop.buy(model="qwen/qwen-image-layered").json()["data"]) == 3


def test_an_alias_buys_the_model_it_stands_for(shop):
    answer = shop.buy(model="google/gemini-2.5-flash-image")
    assert answer.json()["cost"] == shop.buy(model="google/gemini-2.5-flash").json()["cost"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "no/such"}, "model 'no/such' is not available"),
        ({"model": None}, "'model' is a required parameter"),
        ({"model": 3}, "'model' must be a string"),
        ({"prompt": ""}, "'prompt' is a required parameter"),
        ({"prompt": "x" * 20_001}, "too long"),
        ({"size": "huge"}, "Invalid size"),
        ({"size": "8x8"}, "Invalid size"),
        ({"size": "5000x5000"}, "Invalid size"),
        ({"size": "100x100", "model": "openai/gpt-image-1"}, "Invalid size"),
        ({"size": "2048x1024", "model": "black-forest-labs/FLUX-1-schnell:free"}, "free models"),
        ({"quality": "best"}, "Invalid quality"),
        ({"output_format": "tiff"}, "Invalid output_format"),
        ({"response_format": "bytes"}, "Invalid response_format"),
        ({"image": ["data:image/png;base64,AA=="] * 17}, "Too many images"),
        ({"image": "fox.png"}, "a file, a URL or a data URI"),
        ({"image": "data:image/png;base64,&&"}, "base64 is damaged"),
        ({"mask": ["data:,a", "data:,b"]}, "Too many masks"),
    ],
)
def test_a_wrong_parameter_is_a_400_that_names_it_and_costs_nothing(shop, fields, words):
    accepted = shop.billing()["accepted"]
    answer = shop.buy(**fields)
    assert answer.status_code == 400
    assert error(answer)["type"] == "invalid_request_error"
    assert words in error(answer)["message"]
    assert shop.billing()["accepted"] == accepted


def test_a_prompt_of_exactly_ten_thousand_characters_is_taken(shop):
    assert "data" in shop.buy("x" * 10_000).json()


def test_malformed_json_is_an_internal_error(shop):
    answer = shop.http.post(GENERATIONS, content=b'{"model": ', headers={"Content-Type": "application/json"})
    assert (answer.status_code, error(answer)["type"]) == (500, "internal_error")


def test_deeply_nested_json_is_an_internal_error(shop):
    answer = shop.http.post(GENERATIONS, content=b"[" * 90_000, headers={"Content-Type": "application/json"})
    assert (answer.status_code, error(answer)["type"]) == (500, "internal_error")


def test_json_above_100_kb_is_a_bare_500(shop):
    answer = shop.buy(image="data:image/png;base64," + "A" * 110_000)
    assert answer.status_code == 500
    assert answer.text == "Internal Server Error"


def test_an_upload_above_25_mb_is_a_400(shop):
    answer = shop.http.post(
        GENERATIONS, data={"model": "test/test", "prompt": "x"}, files={"image": ("a.png", b"0" * (25 * MB + 1))}
    )
    assert answer.status_code == 400
    assert "too large" in error(answer)["message"]


def test_too_many_uploads_are_a_400(shop):
    files = [("image[]", (f"{place}.png", b"x")) for place in range(17)]
    answer = shop.http.post(GENERATIONS, data={"model": "test/test", "prompt": "x"}, files=files)
    assert (answer.status_code, error(answer)["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("path", [GENERATIONS, "/v1/openai/images/edits"])
@pytest.mark.parametrize("name", ["image", "image[]"])
def test_an_uploaded_picture_is_seen_on_the_edit(shop, photo, path, name):
    answer = shop.http.post(
        path, data={"model": "test/test", "prompt": f"edit {name}", "size": "256x256"}, files={name: ("a.png", photo)}
    )
    assert has_red(shop.picture(answer))


def test_a_data_uri_is_seen_on_the_edit_in_json_and_in_a_form(shop, photo):
    uri = "data:image/png;base64," + base64.b64encode(photo).decode()
    assert has_red(shop.picture(shop.buy("json", image=[uri], size="256x256")))
    form = shop.http.post(GENERATIONS, data={"model": "test/test", "prompt": "form", "image": uri})
    assert has_red(shop.picture(form))


def test_a_hosted_picture_can_be_edited_by_its_url(shop):
    first = shop.buy("first", size="256x256")
    url = first.json()["data"][0]["url"]
    edit = shop.picture(shop.buy("second", size="256x256", image=url))
    plain = shop.picture(shop.buy("second", size="256x256", image="http://192.0.2.1/never-asked.png"))
    assert edit.tobytes() != plain.tobytes()


def test_bytes_that_are_no_picture_are_left_out_of_the_edit(shop):
    answer = shop.http.post(
        GENERATIONS, data={"model": "test/test", "prompt": "odd"}, files={"image": ("a.png", b"no picture")}
    )
    assert shop.picture(answer).size == (1024, 1024)


def test_the_same_edit_as_form_and_as_json_is_the_same_body(shop, photo):
    uri = "data:image/png;base64," + base64.b64encode(photo).decode()
    bodies = len(shop.billing()["bodies"])
    shop.buy("twice", image=uri)
    shop.http.post(GENERATIONS, data={"model": "test/test", "prompt": "twice"}, files={"image": ("a.png", photo)})
    assert len(shop.billing()["bodies"]) == bodies + 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "google/imagen-4", "image": "data:,x"}, "This model does not support image inputs"),
        (
            {"model": "openai/gpt-image-1", "image": "data:,x", "mask": "data:,x"},
            "Mask editing is not supported for this model",
        ),
        ({"prompt": "a Forbidden-by-Simulator thing"}, "flagged"),
    ],
)
def test_what_a_model_will_not_do_is_an_error_with_status_200_that_is_refunded(shop, fields, words):
    before = shop.billing()
    answer = shop.buy(**{"prompt": "x", **fields})
    after = shop.billing()
    assert answer.status_code == 200
    assert words in error(answer)["message"]
    assert "cost" not in answer.json()
    assert after["refunded"] == before["refunded"] + 1
    assert after["available_microusd"] == before["available_microusd"]


def test_a_mask_is_taken_where_the_model_takes_one(shop, photo):
    answer = shop.http.post(
        "/v1/openai/images/edits",
        data={"model": "black-forest-labs/FLUX-1-schnell", "prompt": "mask"},
        files={"image": ("a.png", photo), "mask[]": ("m.png", photo)},
    )
    assert "data" in answer.json()


def test_headers_come_at_once_and_a_space_beats_until_the_answer_is_there(start):
    with start(latency_s=0.5, heartbeat_s=0.1) as shop:
        began = time.monotonic()
        with shop.http.stream("POST", GENERATIONS, json={"model": "test/test", "prompt": "x"}) as answer:
            headers_s = time.monotonic() - began
            chunks = list(answer.iter_raw())
        assert answer.status_code == 200
        assert headers_s < 0.45
        assert time.monotonic() - began >= 0.5
        assert chunks[:-1] == [b" "] * (len(chunks) - 1)
        assert len(chunks) >= 4
        assert chunks[-1].startswith(b'{"created"')


def test_every_model_takes_its_own_time_scaled(start):
    with start(latency_s=None, latency_scale=0.01) as shop:
        quick, slow = (shop.buy("same", model=name).json()["latency"] for name in ("test/test", "gpt-image-1"))
    assert 100 <= slow <= 2_000
    assert quick < slow


def test_the_same_request_takes_the_same_time_and_the_median_is_the_models():
    model = find_model("gpt-image-1")
    draws = [latency_s(model, 0, "body", nth) for nth in range(500)]
    assert draws == [latency_s(model, 0, "body", nth) for nth in range(500)]
    assert draws != [latency_s(model, 1, "body", nth) for nth in range(500)]
    assert 26 < statistics.median(draws) < 30


def test_videos_are_made_in_one_dialect_only(shop):
    assert shop.http.post("/v1/videos/generations", json={}).status_code == 404


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer"}, {"Authorization": "Basic simulator"}, {"Authorization": "Bearer short"}]
)
def test_no_key_or_a_wrong_one_is_a_401(shop, header):
    answer = httpx.post(
        shop.endpoints.api_url + GENERATIONS,
        json={"model": "test/test", "prompt": "x"},
        headers=header,
        trust_env=False,
    )
    assert (answer.status_code, error(answer)["type"]) == (401, "unauthorized")


def test_any_key_of_64_characters_is_taken_unless_one_is_required(shop, start):
    shop_key = {"Authorization": "Bearer " + "k" * 64}
    body = {"model": "test/test", "prompt": "x"}
    assert shop.http.post(GENERATIONS, json=body, headers=shop_key).status_code == 200
    with start(required_key="only-this") as strict:
        assert strict.http.post(GENERATIONS, json=body, headers=shop_key).status_code == 401
        assert strict.http.post(GENERATIONS, json=body).status_code == 401
        only = {"Authorization": "Bearer only-this"}
        assert strict.http.post(GENERATIONS, json=body, headers=only).status_code == 200


def has_red(picture):
    return any(
        red > 200 and green < 60 and blue < 60
        for _, (red, green, blue) in picture.convert("RGB").getcolors(picture.width * picture.height)
    )
