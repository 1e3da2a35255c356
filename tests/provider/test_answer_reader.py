import base64
import gzip
import hashlib
import importlib.util
import io
import json
import urllib.parse
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from batchgen.provider.answer_reader import read_answer
from batchgen.provider.arrival import Arrival
from batchgen.request import AnswerPicture
from batchgen.store.media.inline_pictures import content_of

BASE_URL = "http://127.0.0.1:7120/v1"
URL = "https://storage.example/results/a.webp"


def drawn(form, colour="teal"):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, form)
    return buffer.getvalue()


MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isommp42" + b"\0\0\0\x10mdat" + b"filmfilm" + b"\0\0\0\x08moov"
PICTURES = [*(drawn(form) for form in ("PNG", "JPEG", "WEBP", "GIF")), MP4]
PNG, OTHER = drawn("PNG"), drawn("PNG", "red")


def text_of(content):
    return base64.b64encode(content).decode()


def read(body, status=200, content_type="application/json", sent=(), cut=None, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    stated = [("content-type", content_type), *((name.replace("_", "-"), value) for name, value in headers.items())]
    return read_answer(Arrival(status, tuple(stated), content, cut), base_url=BASE_URL, sent=sent)


def contents(reading):
    return [content_of(picture) for picture in reading.pictures]


def urls(reading):
    return [picture.url for picture in reading.pictures]


FORMS = {
    "plain": text_of,
    "in lines": lambda content: base64.encodebytes(content).decode(),
    "unpadded": lambda content: text_of(content).rstrip("="),
    "url-safe": lambda content: base64.urlsafe_b64encode(content).decode(),
    "data URI": lambda content: "data:image/png;base64," + text_of(content),
    "data URI with a name": lambda content: "data:image/png;name=a.png;charset=utf-8;base64," + text_of(content),
    "data URI percent-encoded": lambda content: (
        "data:image/png;base64," + urllib.parse.quote(text_of(content), safe="")
    ),
    "data URI without base64": lambda content: "data:image/png," + urllib.parse.quote(content),
}
PLACES = {
    "data": lambda text: {"created": 1, "data": [{"b64_json": text}]},
    "data as an object": lambda text: {"data": {"b64_json": text}},
    "data.url": lambda text: {"data": [{"url": text}]},
    "data as texts": lambda text: {"data": [text]},
    "images": lambda text: {"images": [text], "seed": 1},
    "image_url": lambda text: {"data": [{"image_url": {"url": text}}]},
    "output": lambda text: {"id": "x", "status": "succeeded", "output": text},
    "artifacts": lambda text: {"artifacts": [{"base64": text, "finishReason": "SUCCESS"}]},
    "predictions": lambda text: {"predictions": [{"bytesBase64Encoded": text, "mimeType": "image/png"}]},
    "candidates": lambda text: {
        "candidates": [{"content": {"parts": [{"text": "x"}, {"inlineData": {"data": text}}]}}]
    },
    "chat": lambda text: {"choices": [{"message": {"content": "", "images": [{"image_url": {"url": text}}]}}]},
    "responses": lambda text: {"output": [{"type": "image_generation_call", "result": text}]},
    "result": lambda text: {"result": {"image": text}, "success": True, "errors": []},
    "imageBase64Data": lambda text: {"data": [{"taskType": "imageInference", "imageBase64Data": text}]},
    "numbered": lambda text: {"outputs": {"9": {"images": [{"data": text}]}}},
    "JSON as text": lambda text: {"data": {"resultJson": json.dumps({"resultUrls": [text]})}},
}
FRAMES = {
    "JSON": lambda text: text,
    "heartbeats": lambda text: "  \n \n" + text + "\n\n",
    "list": lambda text: f"[{text}]",
    "a NUL behind": lambda text: text + "\0",
    "more JSON behind": lambda text: text + '{"usage": 1}',
    "lines": lambda text: '{"status": "generating"}\n' + text + '\n{"usage": 1}\n',
    "words behind": lambda text: text + "\nConnection closed",
    "events": lambda text: f": keep-alive\n\ndata: {text}\n\ndata: [DONE]\n\n",
    "events with CRLF": lambda text: f"event: done\r\ndata: {text}\r\n\r\n",
    "events with CR": lambda text: f"id: 1\rdata: {text}\r\r",
    "an event without an end": lambda text: f"data: {text}",
    "an event of several lines": lambda text: "".join(f"data: {line}\n" for line in pretty(text)) + "\n",
}


def pretty(text):
    return json.dumps(json.loads(text), indent=1).split("\n")


CHARSETS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "latin-1"]


def raw_deflate(body):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


ENCODINGS = {
    "identity": lambda body: body,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "gzip, gzip": lambda body: gzip.compress(gzip.compress(body)),
    "deflate, gzip": lambda body: gzip.compress(zlib.compress(body)),
}
if importlib.util.find_spec("brotli"):
    import brotli

    ENCODINGS["br"] = brotli.compress
    ENCODINGS["br, gzip"] = lambda body: gzip.compress(brotli.compress(body))
if importlib.util.find_spec("backports") and importlib.util.find_spec("backports.zstd"):
    from backports import zstd

    ENCODINGS["zstd"] = zstd.compress


def named(options):
    return st.sampled_from(sorted(options))


@given(
    st.sampled_from(PICTURES), named(FORMS), named(PLACES), named(FRAMES), named(ENCODINGS), st.sampled_from(CHARSETS)
)
def test_a_picture_is_found_byte_for_byte_whatever_it_is_wrapped_in(picture, form, place, frame, encoding, charset):
    stated = {"note": "café", **PLACES[place](FORMS[form](picture))}
    text = FRAMES[frame](json.dumps(stated, ensure_ascii=False))
    body = ENCODINGS[encoding](text.encode(charset))
    content_type = "text/event-stream" if "event" in frame else "application/json"
    assert contents(read(body, content_type=content_type, content_encoding=encoding)) == [picture]
    assert contents(read(body, 500, content_type=content_type, content_encoding=encoding)) == [picture]


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name in {"gzip", "deflate", "zstd", "gzip, gzip"}])
def test_a_coding_whose_header_was_lost_shows_in_the_first_bytes(encoding):
    body = ENCODINGS[encoding](json.dumps({"data": [{"b64_json": text_of(PNG)}]}).encode())
    assert contents(read(body)) == [PNG]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "unheard-of"])
def test_a_header_that_states_a_coding_which_is_undone_already_costs_no_picture(encoding):
    body = {"images": [text_of(PNG)]}
    assert contents(read(body, content_encoding=encoding)) == [PNG]


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_may_be_the_whole_body(picture):
    assert contents(read(picture, content_type="image/png")) == [picture]
    assert contents(read(b" \n \n" + picture)) == [picture]
    assert contents(read(gzip.compress(picture))) == [picture]
    assert contents(read(text_of(picture).encode(), content_type="text/plain")) == [picture]
    assert contents(read(("data:image/png;base64," + text_of(picture)).encode())) == [picture]


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_without_its_end_is_none(picture):
    half = picture[: len(picture) * 2 // 3]
    assert read(half, cut="the connection was lost").pictures == ()
    assert read(half).pictures == ()
    assert read({"images": [text_of(half)]}).pictures == ()


def test_a_cut_body_is_read_only_if_its_json_is_whole():
    body = json.dumps({"data": [{"b64_json": text_of(PNG)}], "cost": 0.04}).encode()
    assert contents(read(body, cut="no last chunk")) == [PNG]
    assert read(body[:-1], cut="no last chunk").pictures == ()
    assert contents(read(gzip.compress(body)[:-8], cut="no last chunk", content_encoding="gzip")) == [PNG]


def test_a_picture_may_be_a_part_of_a_form_and_never_the_input_that_it_repeats():
    parts = b'--x\r\nContent-Disposition: form-data; name="input"\r\n\r\n%b\r\n' % OTHER
    parts += b'--x\r\nContent-Disposition: form-data; name="image"\r\nContent-Type: image/png\r\n\r\n%b\r\n' % PNG
    parts += b'--x\r\nContent-Type: application/json\r\n\r\n{"cost": 0.04}\r\n--x--\r\n'
    reading = read(parts, content_type='multipart/mixed; boundary="x"')
    assert contents(reading) == [PNG]
    assert bytes(reading.fields["cost"]) == b"0.04"


@pytest.mark.parametrize(
    ("stated", "url"),
    [
        (URL, URL),
        ("http://other.example/signed?x=1&y=2", "http://other.example/signed?x=1&y=2"),
        ("/img/a", "http://127.0.0.1:7120/img/a"),
        ("img/a.png", "http://127.0.0.1:7120/img/a.png"),
        ("img/a.WEBP?x=1", "http://127.0.0.1:7120/img/a.WEBP?x=1"),
        ("//cdn.example/a.png", "http://cdn.example/a.png"),
        ("https://cdn.example/a b é.png", "https://cdn.example/a b é.png"),
    ],
)
@pytest.mark.parametrize(
    "place", ["data.url", "data as texts", "images", "image_url", "output", "chat", "JSON as text"]
)
def test_an_address_is_joined_with_the_base_url_and_counts_in_a_success_only(stated, url, place):
    body = PLACES[place](stated)
    assert urls(read(body)) == [url]
    assert read(body, 500).pictures == ()
    assert read(body, 404).pictures == ()


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"url": "nothing"}]},
        {"data": [{"url": "ftp://host/a.png"}]},
        {"data": [{"url": "gs://bucket/a.png"}]},
        {"data": [{"b64_json": text_of(drawn("JPEG"))[:-20]}]},
        {"data": [{"b64_json": "aGk="}]},
        {"data": [{"thumbnail_url": URL, "logo": URL, "status_url": URL}]},
        {"data": [{"file_name": "a.png", "content_type": "image/png", "image_id": "a.png"}]},
        {"error": {"message": "no", "url": URL, "image": text_of(PNG)}},
        {"error": "see the documentation", "url": "https://service.example/errors"},
        {"success": False, "message": "no", "url": "https://service.example/errors"},
        {"message": "see https://service.example/docs", "documentation_url": URL},
        {"url": "https://service.example/docs/errors.html"},
        {"choices": [{"message": {"content": "See [the docs](https://service.example/a.png) on it."}}]},
        {"status": "processing", "output": [URL], "urls": {"get": "https://service.example/tasks/1"}},
        {"type": "image_generation.partial_image", "b64_json": text_of(PNG), "partial_image_b64": text_of(PNG)},
        {"preview": text_of(PNG), "data": [{"mask": text_of(PNG)}]},
    ],
)
def test_what_is_no_result_is_not_taken_for_one(body):
    assert read(body).pictures == ()


ECHO = [URL, text_of(PNG), "data:image/png;base64," + text_of(PNG)]


@pytest.mark.parametrize("text", ECHO)
@pytest.mark.parametrize(
    "key", ["input", "input_image", "request", "prompt", "detail", "parameters", "init_image", "seed"]
)
def test_what_stands_under_the_name_of_a_question_is_no_result(key, text):
    for value in (text, [text], {"image": text}, {"data": [{"url": text}]}):
        assert read({key: value}).pictures == ()
        assert read({"data": [{key: value}]}).pictures == ()
    assert read({"messages": [], "output": [{"role": "user", "content": [{"image_url": text}]}]}).pictures == ()


@pytest.mark.parametrize("text", ECHO)
@pytest.mark.parametrize("place", PLACES)
def test_what_was_sent_is_no_result_wherever_it_stands(place, text):
    sent = [f"sha256:{hashlib.sha256(PNG).hexdigest()}", f"url:{URL}"]
    assert read(PLACES[place](text), sent=sent).pictures == ()
    assert contents(read(PLACES[place](text_of(OTHER)), sent=sent)) == [OTHER]
    assert read(PNG, sent=sent).pictures == ()


def events(*stated):
    return "".join(f"event: {one.get('type', '')}\ndata: {json.dumps(one)}\n\n" for one in stated).encode()


def test_the_last_whole_picture_of_a_stream_counts_with_the_fields_of_its_event():
    body = events(
        {"type": "image_generation.partial_image", "b64_json": text_of(OTHER), "partial_image_index": 0},
        {"type": "image_generation.completed", "b64_json": text_of(PNG), "usage": {"total_tokens": 7}},
    )
    reading = read(body, content_type="text/event-stream")
    assert contents(reading) == [PNG]
    assert msgspec.json.decode(reading.fields["usage"]) == {"total_tokens": 7}
    assert contents(read(events({"images": [text_of(OTHER)]}, {"images": [text_of(PNG)]}, {"usage": 1}))) == [PNG]


def test_a_stream_without_a_last_picture_gives_none():
    body = events({"type": "image_generation.partial_image", "b64_json": text_of(PNG)}, {"error": {"message": "no"}})
    reading = read(body, content_type="text/event-stream")
    assert reading.pictures == ()
    assert bytes(reading.fields["error"]) == b'{"message": "no"}'


def test_all_pictures_that_a_stream_calls_done_are_kept():
    done = "image_generation.completed"
    body = events({"type": done, "b64_json": text_of(PNG)}, {"type": done, "b64_json": text_of(OTHER)})
    assert contents(read(body)) == [PNG, OTHER]


def test_json_behind_the_answer_adds_only_what_the_answer_does_not_say():
    good = json.dumps({"images": [text_of(PNG)], "cost": 0.04}).encode()
    reading = read(good + json.dumps({"images": [text_of(OTHER)], "cost": 9, "usage": 1}).encode())
    assert contents(reading) == [PNG]
    assert (bytes(reading.fields["cost"]), bytes(reading.fields["usage"])) == (b"0.04", b"1")


def test_a_picture_in_two_forms_counts_once_and_inline():
    assert read({"data": [{"url": URL, "b64_json": text_of(PNG)}]}).pictures == (
        AnswerPicture(None, text_of(PNG).encode()),
    )
    two = read({"images": [{"url": URL, "image": text_of(PNG)}, {"url": f"{URL}?2"}, {"b64": text_of(PNG)}]})
    assert [one.url for one in two.pictures] == [None, f"{URL}?2"]


def test_pictures_come_in_the_order_of_the_document_with_their_own_prompts():
    body = {
        "images": [
            {"url": f"{URL}?1", "revised_prompt": "one"},
            {"b64": text_of(PNG)},
            {"image": {"url": f"{URL}?2"}, "revised_prompt": "two"},
            {"url": f"{URL}?1"},
        ]
    }
    found = [(one.url, one.base64 is not None, one.revised_prompt) for one in read(body).pictures]
    assert found == [(f"{URL}?1", False, "one"), (None, True, None), (f"{URL}?2", False, "two")]


@pytest.mark.parametrize("link", [URL, "data:image/png;base64," + text_of(PNG)])
def test_a_picture_that_a_chat_shows_is_a_result(link):
    body = {"choices": [{"message": {"content": f'Here it is:\n\n![a [fox]]({link} "a fox")\n'}}]}
    (picture,) = read(body).pictures
    assert picture.url == URL or content_of(picture) == PNG


@pytest.mark.parametrize(
    ("status", "body", "headers", "job"),
    [
        (202, {"id": "task-1", "status": "queued", "status_url": "https://x/task/1"}, {}, "https://x/task/1"),
        (200, {"id": "a", "polling_url": "https://x/poll?id=a"}, {}, "https://x/poll?id=a"),
        (
            201,
            {"status": "starting", "urls": {"get": "https://x/p/1", "cancel": "https://x/p/1/c"}},
            {},
            "https://x/p/1",
        ),
        (200, {"name": "models/veo/operations/7"}, {}, "models/veo/operations/7"),
        (202, b"", {"operation_location": "https://x/operations/7"}, "https://x/operations/7"),
        (200, {"code": 0, "data": {"task_id": "t7", "task_status": "submitted"}}, {}, "t7"),
        (202, {"status_url": "/task/1"}, {}, "http://127.0.0.1:7120/task/1"),
        (200, {"id": "a", "status": "failed", "urls": {"get": "https://x/p/1"}}, {}, None),
        (200, {"id": "a", "status": "succeeded", "output": []}, {}, None),
        (500, {"status_url": "https://x/task/1"}, {}, None),
        (200, {"created": 1, "id": "a", "data": []}, {}, None),
    ],
)
def test_a_job_that_was_accepted_is_told_by_its_address_or_name(status, body, headers, job):
    reading = read(body, status, **headers)
    assert (reading.pictures, reading.job) == ((), job)


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one]])
def test_the_fields_of_the_answer_are_kept_as_they_are(wrap):
    reading = read(wrap({"images": [text_of(PNG)], "cost": 0.0401, "latency": 1234}))
    assert (bytes(reading.fields["cost"]), bytes(reading.fields["latency"])) == (b"0.0401", b"1234")
    assert reading.is_json


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"data":' * 50_000,
        b'{"data":[' + b"{}," * 2_000_000 + b"{}]}",
        b'{"data":[' + b'"/9j/",' * 300_000 + b'""]}',
        b'{"content":"' + b"![" * 1_000_000 + b'"}',
        b'{"content":"' + b"![](" * 500_000 + b'"}',
        b"data:\n" * 400_000,
        b"data: {}\n\n" * 200_000,
        b"{}" * 500_000,
        gzip.compress(b"") * 10_000,
        gzip.compress(b"\0" * (8 << 20)),
    ],
)
def test_a_body_made_to_keep_a_reader_busy_gives_nothing(body):
    assert read(body).pictures == ()


def test_no_more_pictures_are_taken_than_an_answer_may_have():
    assert len(read({"images": [f"{URL}?{number}" for number in range(1000)]}).pictures) == 64


KEYS = st.sampled_from(
    ["data", "images", "url", "b64_json", "content", "type", "status", "name", "error", "output", "9"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_characters="/."))
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner))


@given(st.binary(max_size=300) | JSON, st.sampled_from([200, 202, 400, 500]), named(ENCODINGS))
def test_nothing_is_found_in_nonsense_and_nothing_raises(body, status, encoding):
    assert read(body, status, content_encoding=encoding).pictures == ()
    assert read(body, status, content_type="text/event-stream").pictures == ()
    assert read(body, status, content_type="multipart/mixed; boundary=a").pictures == ()
