"""The official client of OpenAI as a customer, in both dialects."""

import base64
import io
import time

import httpx
import openai
import pytest
from PIL import Image


@pytest.fixture(params=["/v1", "/v1/openai"])
def client(request, shop):
    base_url = shop.endpoints.api_url + request.param
    with openai.OpenAI(base_url=base_url, api_key="simulator", max_retries=0) as client:
        yield client


@pytest.fixture
def strict(shop):
    """A client of the dialect that is OpenAI's own."""
    with openai.OpenAI(base_url=f"{shop.endpoints.api_url}/v1", api_key="simulator", max_retries=0) as client:
        yield client


def pixels(entry):
    data = base64.b64decode(entry.b64_json) if entry.b64_json else httpx.get(entry.url, trust_env=False).content
    return Image.open(io.BytesIO(data)).size


def test_it_generates(client):
    answer = client.images.generate(model="gpt-image-1", prompt="a fox", size="1536x1024", quality="low")
    assert pixels(answer.data[0]) == (1536, 1024)


def test_it_edits(client, photo):
    answer = client.images.edit(model="gpt-image-1", prompt="bluer", image=[("a.png", photo), ("b.png", photo)])
    assert pixels(answer.data[0]) == (1024, 1024)


def test_it_edits_with_a_mask(client, photo):
    answer = client.images.edit(model="test/test", prompt="bluer", image=("a.png", photo), mask=("m.png", photo))
    assert pixels(answer.data[0]) == (1024, 1024)


def test_openai_counts_seconds_and_states_no_cost_but_tokens(strict):
    answer = strict.images.generate(model="gpt-image-1", prompt="a fox")
    assert abs(answer.created - time.time()) < 60
    assert answer.data[0].b64_json
    assert not {"cost", "latency"} & set(answer.model_dump())
    assert answer.usage.output_tokens == 1056


def test_openai_gives_a_url_for_other_models_and_when_asked(strict):
    assert strict.images.generate(model="google/imagen-4", prompt="x").data[0].url
    assert strict.images.generate(model="gpt-image-1", prompt="x", response_format="url").data[0].url


def test_openai_gives_up_to_ten_pictures_and_bills_each(strict, shop):
    before = shop.billing()["charged_microusd"]
    answer = strict.images.generate(model="google/imagen-4", prompt="many", n=10)
    assert len({entry.url for entry in answer.data}) == 10
    assert shop.billing()["charged_microusd"] == before + 370_000
    with pytest.raises(openai.BadRequestError):
        strict.images.generate(model="google/imagen-4", prompt="many", n=11)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "error_200"}, openai.InternalServerError),
        ({"kind": "refuse"}, openai.BadRequestError),
        ({"kind": "insufficient_credits"}, openai.RateLimitError),
        ({"kind": "throttle"}, openai.RateLimitError),
        ({"kind": "http_status", "status": 403}, openai.PermissionDeniedError),
    ],
)
def test_openai_fails_with_a_real_status(strict, shop, fault, error):
    shop.switch_on(fault)
    with pytest.raises(error) as raised:
        strict.images.generate(model="gpt-image-1", prompt="x")
    assert {"message", "type", "param", "code"} == set(raised.value.body)


def test_openai_refuses_a_wrong_key(shop):
    url = f"{shop.endpoints.api_url}/v1"
    with (
        openai.OpenAI(base_url=url, api_key="wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as raised,
    ):
        client.images.generate(model="gpt-image-1", prompt="x")
    assert raised.value.code == "invalid_api_key"


def test_openai_has_no_100_kb_limit(strict, shop):
    uri = "data:image/png;base64," + "A" * 200_000
    assert shop.buy(path="/v1/images/edits", image=uri).status_code == 200


def test_openai_words_its_limits_its_own_way(start):
    with start(rate_limits=True) as shop:
        headers = shop.buy(path="/v1/images/generations").headers
        assert headers["x-ratelimit-limit-requests"] == "100"
        assert headers["x-ratelimit-reset-requests"] == "1s"
