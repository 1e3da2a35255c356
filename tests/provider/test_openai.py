import base64
import json

import msgspec
import pytest

from batchgen.planning.inputs import Inputs
from batchgen.provider.interface import Answered, Verdict
from batchgen.provider.openai import OpenAI
from batchgen.request import WireType

from .conftest import KEY, bought

pytestmark = pytest.mark.anyio

GENERATION = b'{"created":1,"data":[{"b64_json":"aGk="}]}'


@pytest.fixture
async def service(shop):
    async with OpenAI(KEY, base_url=f"{shop.api_url}/v1", concurrency=4) as service:
        yield service


@pytest.fixture
async def recorded(recorder):
    for path in ("/images/edits", "/images/generations"):
        recorder.answer(path, 200, GENERATION)
    async with OpenAI(KEY, base_url=recorder.url, concurrency=4) as service:
        yield service


@pytest.fixture
def inputs(tmp_path, photo):
    (tmp_path / "a.png").write_bytes(photo)
    return Inputs(tmp_path)


async def test_a_generation_states_no_cost(service, order):
    answer = await bought(service, order(model="openai/gpt-image-1-mini"))
    (picture,) = answer.generation.pictures
    assert base64.b64decode(picture.base64)
    assert answer.generation.cost_microusd is None


async def test_a_hosted_picture_is_downloaded(service, order):
    answer = await bought(service, order(response_format="url"))
    (picture,) = answer.generation.pictures
    assert (await service.download(picture.url)).content


async def test_files_data_uris_and_a_mask_are_taken(service, order, inputs, photo):
    file = inputs.resolve("a.png")
    uri = inputs.resolve(f"data:image/png;base64,{base64.b64encode(photo).decode()}")
    for image in ((file,), (uri,), (file, uri), (file,) * 16):
        for mask in (None, file):
            answer = await bought(service, order(image=image, mask=mask))
            assert isinstance(answer, Answered), answer


async def test_one_picture_is_plain_and_several_are_a_list(recorded, recorder, order, inputs):
    file = inputs.resolve("a.png")
    await bought(recorded, order(image=(file,)))
    await bought(recorded, order(image=(file, file), mask=file))
    one, two = (body for *_, body in recorder.seen)
    assert (one.count(b'name="image"'), one.count(b'name="image[]"')) == (1, 0)
    assert (two.count(b'name="image"'), two.count(b'name="image[]"'), two.count(b'name="mask"')) == (0, 2, 1)


async def test_text_alone_is_json(recorded, recorder, order):
    await bought(recorded, order(size="512x512"))
    ((_, path, _, body),) = recorder.seen
    assert path == "/images/generations"
    assert json.loads(body) == {"model": "test/test", "prompt": "a fox", "size": "512x512"}


async def test_with_an_address_the_edit_is_json_and_its_files_are_data_uris(recorded, recorder, order, inputs, photo):
    file, url = inputs.resolve("a.png"), inputs.resolve("https://pictures.example/a.png")
    await bought(recorded, order(image=(url, file), mask=url))
    ((_, path, headers, body),) = recorder.seen
    assert (path, headers["content-type"]) == ("/images/edits", "application/json")
    uri = f"data:image/png;base64,{base64.b64encode(photo).decode()}"
    assert json.loads(body) == {
        "model": "test/test",
        "prompt": "a fox",
        "images": [{"image_url": "https://pictures.example/a.png"}, {"image_url": uri}],
        "mask": {"image_url": "https://pictures.example/a.png"},
    }


@pytest.mark.parametrize("edit", [False, True], ids=["JSON", "form"])
async def test_a_declared_type_is_a_number_in_json_and_text_in_a_form(recorded, recorder, order, inputs, edit):
    request = msgspec.structs.replace(
        order(image=(inputs.resolve("a.png"),) if edit else (), seed="18446744073709551615", scale="7.50", raw="true"),
        types={"seed": WireType.INTEGER, "scale": WireType.NUMBER, "raw": WireType.BOOLEAN},
    )
    await bought(recorded, request)
    ((_, _, _, body),) = recorder.seen
    if edit:
        assert b'name="seed"\r\n\r\n18446744073709551615\r\n' in body
        assert b'name="scale"\r\n\r\n7.50\r\n' in body
        assert b'name="raw"\r\n\r\ntrue\r\n' in body
    else:
        assert b'"seed":18446744073709551615,"scale":7.50,"raw":true' in body


async def test_what_can_not_be_sent_is_refused_before_anything_is_sent(recorded, recorder, order, inputs, tmp_path):
    file = inputs.resolve("a.png")
    failed = await bought(recorded, order(mask=file))
    assert (failed.verdict, failed.reason) == (Verdict.REFUSED, "invalid_request")
    (tmp_path / "a.png").unlink()
    failed = await bought(recorded, order(image=(file,)))
    assert (failed.verdict, failed.reason) == (Verdict.REFUSED, "input_gone")
    assert recorder.seen == []


async def test_a_refusal_comes_with_its_own_status(service, order):
    failed = await bought(service, order(prompt="forbidden-by-simulator"))
    assert (failed.verdict, failed.reason, failed.status) == (Verdict.REFUSED, "moderation", 400)
    failed = await bought(service, order(model="no/such"))
    assert (failed.verdict, failed.reason) == (Verdict.STOP_LANE, "model_unavailable")


async def test_the_models_have_no_price_and_the_balance_is_unknown(recorder):
    recorder.answer("/models", 200, b'{"data":[{"id":"gpt-image-1"},{"id":5},7,{}]}')
    async with OpenAI(KEY, base_url=recorder.url, concurrency=1) as service:
        catalogue = await service.catalogue()
        assert [(name, model.price) for name, model in catalogue.models.items()] == [("gpt-image-1", None)]
        assert await service.balance_microusd() is None
        for body in (b"[]", b"null", b'{"data":5}', b"<html>"):
            recorder.answer("/models", 200, body)
            assert await service.catalogue() is None
