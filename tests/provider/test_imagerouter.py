import base64
import io
import json

import pytest
from PIL import Image

from batchgen.planning.inputs import Inputs
from batchgen.provider.credentials import Secret
from batchgen.provider.imagerouter import ImageRouter
from batchgen.provider.interface import Answered, Verdict
from batchgen.request import Input

from .conftest import KEY, bought

pytestmark = pytest.mark.anyio

GENERATION = b'{"data":[{"url":"https://x/a"}],"cost":0.01}'
EDITS, GENERATIONS = "/v1/openai/images/edits", "/v1/openai/images/generations"


@pytest.fixture
async def service(shop):
    async with ImageRouter(KEY, base_url=shop.api_url, concurrency=4) as service:
        yield service


@pytest.fixture
async def recorded(recorder):
    """A provider that speaks to the recorder, which answers both endpoints."""
    recorder.answer(EDITS, 200, GENERATION)
    recorder.answer(GENERATIONS, 200, GENERATION)
    async with ImageRouter(KEY, base_url=recorder.url, concurrency=4) as service:
        yield service


@pytest.fixture
def inputs(tmp_path, photo):
    (tmp_path / "a.png").write_bytes(photo)
    return Inputs(tmp_path)


def data_uri(content):
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def picture_of(content):
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/openai", "/v1/openai/"])
async def test_the_address_may_be_written_as_other_clients_want_it(shop, order, path):
    async with ImageRouter(KEY, base_url=shop.api_url + path, concurrency=1) as service:
        assert service.base_url == shop.api_url
        assert isinstance(await bought(service, order()), Answered)


async def test_a_generation_is_hosted_priced_and_downloaded(service, shop, order):
    answer = await bought(
        service, order(model="openai/gpt-image-1-mini", size="1024x1024", quality="low", output_format="png")
    )
    (picture,) = answer.generation.pictures
    assert picture.url.startswith(shop.pictures_url)
    assert picture.revised_prompt is None
    assert answer.generation.cost_microusd > 0
    assert answer.generation.latency_ms >= 0
    found = await service.download(picture.url)
    assert found.media_type == "image/png"
    assert picture_of(found.content).size == (1024, 1024)


@pytest.mark.parametrize("response_format", ["url", "b64_json", "b64_ephemeral"])
async def test_every_way_of_delivery_gives_a_picture(service, order, response_format):
    answer = await bought(service, order(response_format=response_format))
    (picture,) = answer.generation.pictures
    assert (picture.url is None) == (response_format != "url")
    content = (await service.download(picture.url)).content if picture.url else base64.b64decode(picture.base64)
    # test/test gives JPEG whatever is asked.
    assert picture_of(content).format == "JPEG"


async def test_a_layered_model_gives_all_its_pictures(service, order):
    answer = await bought(service, order(model="qwen/qwen-image-layered"))
    assert len(answer.generation.pictures) > 1


async def test_files_addresses_data_uris_and_a_mask_are_taken(service, order, inputs, photo):
    file, uri, url = (inputs.resolve(source) for source in ("a.png", data_uri(photo), "https://pictures.example/a.png"))
    for image in ((file,), (uri,), (url,), (file, uri, url), (file,) * 16, (uri,) * 16):
        for mask in (None, file, uri):
            answer = await bought(service, order(image=image, mask=mask))
            assert isinstance(answer, Answered), answer


async def test_seventeen_inputs_are_refused_by_the_service(service, order, inputs):
    failed = await bought(service, order(image=(inputs.resolve("a.png"),) * 17))
    assert (failed.verdict, failed.status) == (Verdict.REFUSED, 400)


async def test_text_alone_is_json_at_the_generations_endpoint(recorded, recorder, order):
    await bought(recorded, order(prompt="ein Fuchs 🦊", size="512x512"))
    ((_, path, _, body),) = recorder.seen
    assert path == GENERATIONS
    assert json.loads(body) == {"model": "test/test", "prompt": "ein Fuchs 🦊", "size": "512x512"}


async def test_addresses_are_json_at_the_edits_endpoint(recorded, recorder, order, inputs):
    image = (inputs.resolve("https://pictures.example/a.png"),)
    await bought(recorded, order(image=image, mask=inputs.resolve("https://x.example/m.png")))
    ((_, path, _, body),) = recorder.seen
    assert path == EDITS
    assert json.loads(body) == {
        "model": "test/test",
        "prompt": "a fox",
        "image": ["https://pictures.example/a.png"],
        "mask": ["https://x.example/m.png"],
    }


async def test_a_file_makes_a_form_of_everything(recorded, recorder, order, inputs, photo):
    image = (inputs.resolve("a.png"), inputs.resolve("https://pictures.example/a.png"), inputs.resolve(data_uri(photo)))
    await bought(recorded, order(image=image, mask=inputs.resolve("a.png")))
    ((_, path, headers, body),) = recorder.seen
    assert path == EDITS
    assert headers["content-type"].startswith("multipart/form-data; boundary=")
    assert body.count(b'name="image[]"; filename=') == 2
    assert body.count(b'name="image[]"\r\n') == 1
    assert body.count(b'name="mask[]"; filename="mask.png"') == 1
    assert body.count(photo) == 3
    assert b'name="prompt"\r\n\r\na fox\r\n' in body


@pytest.mark.parametrize("content_bytes", [0, 40_000, 1_000_000])
async def test_a_data_uri_is_an_upload_however_small(recorded, recorder, order, photo, content_bytes):
    # The server of 2026-02 ignored one in JSON, and billed the edit as a picture made from words alone.
    uri = data_uri(photo + bytes(content_bytes))
    await bought(recorded, order(image=(Input("x", "d", "image/png", uri=uri),)))
    ((_, path, headers, body),) = recorder.seen
    assert (path, headers["content-type"].partition(";")[0]) == (EDITS, "multipart/form-data")
    assert body.count(b'name="image[]"; filename="image-1.png"') == 1


async def test_a_large_data_uri_is_taken_by_the_service(service, order, inputs, photo):
    image = (inputs.resolve(data_uri(photo + bytes(200_000))),)
    assert isinstance(await bought(service, order(image=image)), Answered)


async def test_an_input_that_is_gone_refuses_its_request_and_sends_nothing(recorded, recorder, order, inputs, tmp_path):
    image = (inputs.resolve("a.png"),)
    (tmp_path / "a.png").unlink()
    failed = await bought(recorded, order(image=image))
    assert (failed.verdict, failed.reason) == (Verdict.REFUSED, "input_gone")
    assert recorder.seen == []


async def test_an_input_that_changed_since_it_was_planned_is_not_sent_under_its_old_key(
    recorded, recorder, order, inputs, tmp_path
):
    image = (inputs.resolve("a.png"),)
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes() + b"more")
    failed = await bought(recorded, order(image=image))
    assert (failed.verdict, failed.reason) == (Verdict.REFUSED, "input_gone")
    assert "other bytes" in failed.message
    assert recorder.seen == []


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        ({"kind": "error_200"}, Verdict.OVERLOADED),
        ({"kind": "refuse"}, Verdict.REFUSED),
        ({"kind": "insufficient_credits"}, Verdict.STOP_RUN),
        ({"kind": "throttle", "retry_after": "3"}, Verdict.THROTTLED),
        ({"kind": "http_status", "status": 502, "html": True}, Verdict.DOUBT),
        ({"kind": "reset_before"}, Verdict.DOUBT),
        ({"kind": "reset_mid_body"}, Verdict.DOUBT),
        ({"kind": "truncate"}, Verdict.DOUBT),
        ({"kind": "bad_json"}, Verdict.DOUBT),
        ({"kind": "empty_data"}, Verdict.SPOILED),
    ],
)
async def test_what_goes_wrong_at_the_service_is_told_apart(service, shop, order, fault, verdict):
    shop.switch_on(fault)
    failed = await bought(service, order())
    assert failed.verdict is verdict
    assert "canary" not in failed.message
    assert failed.retry_after_s == (3 if fault["kind"] == "throttle" else None)


@pytest.mark.parametrize("literal", ["", "NaN", "-1", "true", '"free"', "1e999", "null"])
async def test_a_cost_that_makes_no_sense_leaves_the_picture(service, shop, order, literal):
    shop.switch_on({"kind": "wrong_cost", "literal": literal})
    answer = await bought(service, order())
    assert answer.generation.cost_microusd is None
    assert answer.generation.pictures


async def test_a_wrong_key_stops_the_run_and_is_not_shown(shop, order):
    wrong = Secret("canary" + "w" * 58)
    async with ImageRouter(wrong, base_url=shop.api_url, concurrency=1) as service:
        failed = await bought(service, order())
        assert (failed.verdict, failed.reason) == (Verdict.STOP_RUN, "key_rejected")
        assert "canary" not in failed.message
        assert await service.balance_microusd() is None


async def test_the_catalogue_has_prices_and_aliases(service):
    catalogue = await service.catalogue()
    model = catalogue.find("openai/gpt-image-1")
    assert (model.price.low_microusd, model.price.high_microusd) == (11_000, 300_000)
    assert model.sizes
    assert catalogue.find("test/test").price.high_microusd == 0


async def test_the_balance_is_the_accounts_in_micro_dollars(service):
    assert 0 < await service.balance_microusd() <= 100_000_000


@pytest.mark.parametrize("body", [b"[]", b"null", b"{}", b'{"remaining_credits":null}', b'{"remaining_credits":"?"}'])
async def test_a_balance_that_is_not_stated_is_unknown(recorder, body):
    recorder.answer("/v1/credits?by_api_key=true", 200, body)
    async with ImageRouter(KEY, base_url=recorder.url, concurrency=1) as service:
        assert await service.balance_microusd() is None
        assert await service.catalogue() is None
