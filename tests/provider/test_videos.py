"""Videos travel as pictures do, to an endpoint of their own."""

import hashlib
import json

import msgspec
import pytest

from batchgen.provider.http.engine_options import EngineOptions
from batchgen.provider.imagerouter import ImageRouter
from batchgen.provider.interface import Answered, Failed, Verdict
from batchgen.provider.openai import OpenAI
from batchgen.request import Input, Kind
from batchgen.store.media.sniff import inspect
from tests.provider.conftest import KEY

from .conftest import bought

pytestmark = pytest.mark.anyio

VIDEOS = "/v1/openai/videos/generations"


@pytest.fixture
def film(order):
    """A request for a film; takes what ``order`` takes."""

    def film(**given):
        return msgspec.structs.replace(order(**{"model": "ir/test-video", "size": "64x64", **given}), kind=Kind.VIDEO)

    return film


async def test_a_film_is_bought_and_fetched(shop, film):
    async with ImageRouter(KEY, base_url=shop.api_url, concurrency=2) as provider:
        answer = await bought(provider, film(seconds="5"))
        assert isinstance(answer, Answered)
        content = (await provider.download(answer.generation.pictures[0].url)).content
    assert inspect(content).duration_ms == 5000


async def test_words_and_addresses_go_as_json_and_files_as_a_form(recorder, film, photo, tmp_path):
    recorder.answer(VIDEOS, body=b'{"data": [{"url": "https://a.example/film.mp4"}], "cost": 0.4}')
    (tmp_path / "a.png").write_bytes(photo)
    address = Input("a", "url:a", uri="https://a.example/first.png")
    file = Input("a", f"sha256:{hashlib.sha256(photo).hexdigest()}", media_type="image/png", path=tmp_path / "a.png")
    for image in ((), (address,), (file,)):
        # A connection each: the recorder gives one answer to all, which is a repeated one on the same connection.
        async with ImageRouter(KEY, base_url=recorder.url, concurrency=2) as provider:
            answer = await bought(provider, film(seconds="8", image=image))
            assert isinstance(answer, Answered)
    plain, with_address, with_file = recorder.seen
    assert {path for _, path, _, _ in recorder.seen} == {VIDEOS}
    assert json.loads(plain[3])["seconds"] == "8"
    assert json.loads(with_address[3])["image"] == ["https://a.example/first.png"]
    assert with_file[2]["content-type"].startswith("multipart/form-data")
    assert photo in with_file[3]
    assert b'name="seconds"\r\n\r\n8\r\n' in with_file[3]


async def test_a_service_that_makes_no_films_is_not_asked(recorder, film):
    async with OpenAI(KEY, base_url=recorder.url, concurrency=2) as provider:
        answer = await bought(provider, film())
    assert isinstance(answer, Failed)
    assert answer.verdict is Verdict.REFUSED
    assert recorder.seen == []


async def test_a_film_may_be_larger_than_what_an_engine_reads_unless_told(recorder):
    content = bytes(80 << 20)
    assert len(content) > EngineOptions().max_body_bytes
    recorder.answer("/film.mp4", body=content)
    async with ImageRouter(KEY, base_url=recorder.url, concurrency=2) as provider:
        assert (await provider.download(f"{recorder.url}/film.mp4")).content == content
