"""Every shape that can be switched on: the picture in it is whole, and the bill is the real service's."""

import base64
import gzip
import io
import json
import re
import socket
import zlib
from urllib.parse import urljoin

import httpx
import pytest
from PIL import Image

from batchgen.simulator.answer_frames import ENCODINGS, FRAMES
from batchgen.simulator.answer_places import BASE64, LINKS, PLACES
from batchgen.simulator.error_answers import ERRORS
from batchgen.simulator.faults import Fault
from batchgen.simulator.stated_costs import COSTS
from tests.simulator.conftest import GENERATIONS

PAID = "google/imagen-4"
TOKENS = "openai/gpt-image-1"
OPENAI = "/v1/images/generations"
FILM, FILMS = "ir/test-video", "/v1/openai/videos/generations"


def strings(value):
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from strings(one)
    elif isinstance(value, str):
        yield value


def decoded(text):
    plain = re.sub(r"\s", "", text.rpartition(",")[2]).replace("-", "+").replace("_", "/")
    return base64.b64decode(plain + "=" * (-len(plain) % 4))


def is_whole(data):
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            return picture.width > 1
    except (OSError, SyntaxError):
        return False


def whole_pictures(value):
    found = [
        httpx.get(text, trust_env=False).content if text.startswith("http://127") else decoded(text)
        for text in strings(value)
        if text.startswith("http://127") or len(text) > 1000
    ]
    return [data for data in found if is_whole(data)]


def until_it_breaks(parts):
    seen = b""
    try:
        for part in parts:
            seen += part
    except httpx.RemoteProtocolError:
        return seen
    pytest.fail("the answer came to an orderly end")


def raw_answer(shop, **fields):
    with shop.http.stream("POST", GENERATIONS, json={"model": PAID, "prompt": "x", **fields}) as answer:
        return answer, b"".join(answer.iter_raw())


@pytest.fixture
def odd(shop):
    """Buys one picture with an odd answer switched on, and checks that it is billed once."""

    def buy(*, path=GENERATIONS, **fault):
        shop.switch_on({"kind": "odd_answer", **fault})
        before = shop.billing()
        answer = shop.buy("odd", model=PAID, path=path)
        after = shop.billing()
        assert after["billed"] == before["billed"] + 1
        assert after["charged_microusd"] == before["charged_microusd"] + 37_000
        return answer

    return buy


@pytest.mark.parametrize("path", [GENERATIONS, OPENAI])
@pytest.mark.parametrize("place", sorted({*PLACES} - {"job"}))
def test_a_picture_lies_whole_in_every_place(odd, place, path):
    answer = odd(place=place, path=path)
    assert answer.status_code == 200
    assert len(whole_pictures(answer.json())) == 1


def test_a_job_is_a_202_with_an_address_that_has_the_picture_later(odd, shop):
    answer = odd(place="job")
    assert answer.status_code == 202
    assert len(whole_pictures(shop.http.get(answer.json()["status_url"]).json())) == 1


@pytest.mark.parametrize("variant", sorted(BASE64))
def test_base64_is_written_in_every_way(odd, variant):
    (text,) = (text for text in strings(odd(base64=variant).json()) if len(text) > 1000)
    assert is_whole(decoded(text))
    assert ("\n" in text) == (variant == "lines")


@pytest.mark.parametrize("base", ["", "/v1/openai", "/v1/openai/", "/v1/openai/images/generations"])
@pytest.mark.parametrize("link", sorted({*LINKS}))
def test_a_link_leads_to_the_picture_whatever_it_is_joined_with(odd, shop, link, base):
    address = urljoin(shop.endpoints.api_url + base, odd(link=link).json()["data"][0]["url"])
    assert is_whole(httpx.get(address, trust_env=False).content)


@pytest.mark.parametrize("name", sorted({*FRAMES} - {"picture", "picture_as_json", "sse", "sse_partials_only"}))
def test_a_frame_holds_the_whole_answer(odd, name):
    text = odd(frame=name, base64="unpadded").text
    (found,) = re.findall(r'"b64_json":"([^"]+)"', text)
    assert is_whole(decoded(found))


@pytest.mark.parametrize("name", ["picture", "picture_as_json"])
def test_the_picture_can_be_the_body(odd, name):
    answer = odd(frame=name)
    assert is_whole(answer.content)
    assert (answer.headers["content-type"] == "image/webp") == (name == "picture")


def test_a_stream_shows_other_pictures_before_the_one_that_was_bought(odd):
    *partials, last = re.findall(r'"b64_json":"([^"]+)"', odd(frame="sse").text)
    assert len(partials) == 2
    assert last not in partials
    assert is_whole(decoded(last))
    assert "completed" not in odd(frame="sse_partials_only").text


UNPACKED = {
    "gzip": gzip.decompress,
    "gzip_unsaid": gzip.decompress,
    "gzip_twice": lambda data: gzip.decompress(gzip.decompress(data)),
    "deflate": zlib.decompress,
    "raw_deflate": lambda data: zlib.decompress(data, wbits=-15),
    "bom": lambda data: data.decode("utf-8-sig").encode(),
    "utf16": lambda data: data.decode("utf-16").encode(),
    "utf16_be": lambda data: data.decode("utf-16").encode(),
    "latin1": lambda data: data.decode("latin-1").encode(),
}


@pytest.mark.parametrize("name", sorted(UNPACKED))
def test_an_encoding_is_said_and_can_be_undone(shop, name):
    shop.switch_on({"kind": "odd_answer", "encoding": name, "place": "images_b64"})
    answer, body = raw_answer(shop)
    assert answer.headers.get("content-encoding", "") == ENCODINGS[name][0]
    assert len(whole_pictures(json.loads(UNPACKED[name](body)))) == 1
    with pytest.raises(ValueError):
        json.loads(body.decode())


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072, 131_073, 300_000])
def test_brotli_and_zstandard_are_what_their_readers_read(size):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    brotli = pytest.importorskip("brotli")
    zstandard = pytest.importorskip("zstandard")
    assert brotli.decompress(ENCODINGS["br"][1](body)) == body
    assert zstandard.decompress(ENCODINGS["zstd"][1](body)) == body


@pytest.mark.parametrize("transfer", ["no_last_chunk", "length_too_long"])
def test_a_length_that_is_missed_comes_after_the_whole_body(shop, transfer):
    shop.switch_on({"kind": "odd_answer", "transfer": transfer, "base64": "unpadded"})
    with shop.http.stream("POST", GENERATIONS, json={"model": PAID, "prompt": "x"}) as answer:
        seen = until_it_breaks(answer.iter_raw())
    assert len(whole_pictures(json.loads(seen))) == 1


def test_chunks_may_have_extensions_and_trailers(odd):
    assert len(whole_pictures(odd(transfer="trailers").json())) == 1


def test_a_length_that_is_too_short_leaves_bytes_on_the_connection(shop):
    shop.switch_on({"kind": "odd_answer", "transfer": "length_too_short", "base64": "unpadded"})
    url = httpx.URL(shop.endpoints.api_url)
    question = json.dumps({"model": PAID, "prompt": "x"}).encode()
    head = (
        f"POST {GENERATIONS} HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nAuthorization: Bearer simulator\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(question)}\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port), timeout=10) as connection:
        connection.sendall(head.encode() + question)
        answer = b""
        while not answer.endswith(b"\n" * 1000):
            answer += connection.recv(65536)
    headers, _, body = answer.partition(b"\r\n\r\n")
    stated = int(re.search(rb"content-length: (\d+)", headers)[1])
    assert len(whole_pictures(json.loads(body[:stated]))) == 1
    assert body[stated:] == b"\n" * 1000


@pytest.mark.parametrize("status", [201, 202, 400, 500, 502])
def test_a_picture_comes_with_any_status(odd, status):
    answer = odd(status=status)
    assert answer.status_code == status
    assert len(whole_pictures(answer.json())) == 1


@pytest.mark.parametrize("place", ["", "images", "artifacts", "candidates", "choices", "data_strings"])
def test_several_pictures_come_for_the_price_of_one(odd, place):
    assert len({*whole_pictures(odd(place=place, pictures=3).json())}) == 3


def test_shapes_can_be_worn_on_top_of_each_other(shop):
    shop.switch_on(
        {"kind": "odd_answer", "place": "output", "link": "relative", "frame": "sse_data", "encoding": "gzip"}
    )
    _, body = raw_answer(shop)
    assert re.search(rb'data: .*"output":\["/pictures/', gzip.decompress(body))


@pytest.mark.parametrize("path", [GENERATIONS, OPENAI])
def test_a_cost_is_stated_elsewhere_and_is_what_is_charged(odd, path):
    assert odd(cost_in="litellm_header", path=path).headers["x-litellm-response-cost"] == "0.037"
    assert odd(cost_in="usage_cost", path=path).json()["usage"]["cost"] == 0.037
    assert odd(cost_in="text", path=path).json()["cost"] == "0.037"
    assert odd(cost_in="object", path=path).json()["cost"]["total"] == 0.037
    assert odd(cost_in="extra", path=path).json()["x_cost"] == {"usd": 0.037}
    assert "cost" not in odd(cost_in="nowhere", path=path).json()
    assert len(COSTS) == 6


@pytest.mark.parametrize(
    ("quality", "size", "output"), [("low", "1024x1024", 272), ("high", "1536x1024", 6208), ("auto", "1024x1536", 1584)]
)
def test_openai_bills_gpt_image_by_the_tokens_it_states(shop, quality, size, output):
    before = shop.billing()["charged_microusd"]
    used = shop.buy("a" * 40, model=TOKENS, quality=quality, size=size, path=OPENAI).json()["usage"]
    assert used["output_tokens"] == output
    assert used["total_tokens"] == output + 10
    assert shop.billing()["charged_microusd"] == before + 40 * output + 5 * 10


def test_the_tokens_of_a_frame_are_stated_in_it(shop):
    shop.switch_on({"kind": "odd_answer", "frame": "sse"})
    assert '"usage":{"input_tokens":' in shop.buy("tokens", model=TOKENS, path=OPENAI).text


@pytest.mark.parametrize("path", [GENERATIONS, OPENAI])
@pytest.mark.parametrize("error", sorted(ERRORS))
def test_an_error_of_somebody_else_is_billed_as_it_is_there(shop, error, path):
    shop.switch_on({"kind": "error_answer", "error": error})
    before = shop.billing()["charged_microusd"]
    answer = shop.http.post(path, json={"model": PAID, "prompt": error}, follow_redirects=False)
    assert answer.status_code == ERRORS[error].status
    assert shop.billing()["charged_microusd"] - before == (37_000 if ERRORS[error].billed else 0)
    assert "$" not in answer.text.replace("$5", "")
    if ERRORS[error].content_type.startswith("application/json") and answer.content:
        assert answer.json() is not None


@pytest.mark.parametrize("billed", [True, False])
def test_whether_an_error_was_billed_can_be_said(shop, billed):
    shop.switch_on({"kind": "error_answer", "error": "litellm_502", "billed": billed, "status": 500})
    before = shop.billing()["billed"]
    assert shop.buy(model=PAID).status_code == 500
    assert shop.billing()["billed"] - before == billed


def test_an_error_states_the_cost_that_was_charged_and_the_wait_that_was_asked_for(shop):
    shop.switch_on({"kind": "error_answer", "error": "imagerouter_billed"})
    assert shop.buy(model=PAID).json()["cost"] == 0.037
    shop.switch_on({"kind": "error_answer", "error": "throttle_words", "retry_after": "3"})
    assert "try again in 3s." in shop.buy(model=PAID).json()["error"]["message"]
    shop.switch_on({"kind": "error_answer", "error": "throttle_ms", "retry_after": "0.7"})
    assert shop.buy(model=PAID).headers["retry-after-ms"] == "700"


def test_a_repeated_answer_is_that_of_another_request_on_the_same_connection_and_billed(shop):
    shop.switch_on({"kind": "repeat_answer", "every": 2})
    before = shop.billing()["billed"]
    answers = [shop.buy(f"repeated {n}", model=PAID, response_format="b64_json").content for n in range(4)]
    assert answers[0] == answers[1]
    assert answers[2] == answers[3] != answers[0]
    assert shop.billing()["billed"] == before + 4


def test_a_repeated_answer_is_never_that_of_another_connection(start):
    with start(faults=({"kind": "repeat_answer"},)) as shop:
        first = shop.buy("first", model=PAID).content
        headers = dict(shop.http.headers)
        with httpx.Client(base_url=shop.endpoints.api_url, headers=headers, trust_env=False) as other:
            assert other.post(GENERATIONS, json={"model": PAID, "prompt": "second"}).content != first


def test_a_supplier_runs_dry_while_the_customer_has_money(start):
    with start(faults=({"kind": "supplier_dry", "model": "google/*", "deposit_usd": 0.1},)) as shop:
        answers = [shop.buy(f"dry {n}", model=PAID).json() for n in range(4)]
        assert ["error" in answer for answer in answers] == [False, False, True, True]
        assert answers[2]["error"]["type"] == "insufficientCredits"
        assert shop.http.get("/v1/credits").json()["remaining_credits"] == "99.9260"
        assert "error" not in shop.buy("others go on").json()
        assert shop.buy("dry", model=PAID, path=OPENAI).status_code == 402
        assert shop.billing()["billed"] == 3


def test_a_fault_may_wait_for_its_first_n_requests(shop):
    shop.switch_on({"kind": "error_answer", "error": "credits_xai", "after": 2, "first": 1})
    assert [shop.buy(f"after {n}").status_code for n in range(4)] == [200, 200, 403, 200]


def test_a_fault_may_strike_repeats_alone(shop):
    shop.switch_on({"kind": "error_answer", "error": "conflict", "repeats": True})
    assert [shop.buy(prompt).status_code for prompt in ("once", "twice", "twice", "other")] == [200, 200, 409, 200]


def test_a_film_can_be_dressed_too(shop):
    shop.switch_on({"kind": "odd_answer", "frame": "sse", "place": "outputs"})
    *partials, last = re.findall(r'"b64_json":"([^"]+)"', shop.buy(model=FILM, path=FILMS).text)
    assert {decoded(one)[4:8] for one in (*partials, last)} == {b"ftyp"}
    assert last not in partials


def test_a_link_can_be_late(shop):
    address = shop.buy("late", model=PAID).json()["data"][0]["url"]
    shop.switch_on({"kind": "download_late", "late_s": 0.3})
    assert httpx.get(address, trust_env=False).status_code == 404
    shop.switch_on({"kind": "download_late", "late_s": 0.0})
    assert is_whole(httpx.get(address, trust_env=False).content)


def test_a_link_can_want_the_key_or_have_another_type(shop):
    address = shop.buy("link", model=PAID).json()["data"][0]["url"]
    shop.switch_on({"kind": "download_key"})
    assert httpx.get(address, trust_env=False).status_code == 401
    assert is_whole(httpx.get(address, trust_env=False, headers={"Authorization": "Bearer simulator"}).content)
    shop.switch_on({"kind": "download_type", "content_type": "text/html"})
    answer = httpx.get(address, trust_env=False)
    assert answer.headers["content-type"] == "text/html"
    assert is_whole(answer.content)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "odd_answer", "place": "elsewhere"}, "unknown place 'elsewhere'; known are images, "),
        ({"kind": "error_answer", "error": "nobodys"}, "unknown error 'nobodys'; known are "),
        ({"kind": "error_answer"}, "needs an error"),
    ],
)
def test_a_shape_that_nobody_has_is_refused_with_those_there_are(shop, fault, words):
    with pytest.raises(ValueError, match=words):
        Fault(**fault)
    answer = shop.http.post("/_simulator/faults", json={"faults": [fault]})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
