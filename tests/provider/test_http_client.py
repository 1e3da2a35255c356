import json
from base64 import b64encode
from urllib.parse import quote

import pytest

from batchgen.errors import UsageError
from batchgen.provider.credentials import Secret
from batchgen.provider.http_client import Body, HttpClient, checked_base_url
from batchgen.provider.interface import Verdict
from batchgen.provider.service_access import Access

from .conftest import KEY

GENERATION = b'{"data":[{"url":"https://x/a"}],"cost":0.01}'
BODY = Body(b"{}", "application/json")


@pytest.mark.parametrize(
    ("stated", "checked"),
    [
        ("https://api.imagerouter.io", "https://api.imagerouter.io"),
        ("https://api.imagerouter.io/", "https://api.imagerouter.io"),
        ("http://127.0.0.1:8080/v1//", "http://127.0.0.1:8080/v1"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_a_base_url_is_kept_without_its_last_slash(stated, checked):
    assert checked_base_url(stated) == checked


@pytest.mark.parametrize(
    "stated",
    [
        *["", "api.imagerouter.io", "ftp://x", "https://", "//x", "https://x?a=1", "https://x#a", "http://[::1"],
        *[
            "https://a b",
            "https://x\n.example",
            "https://x:port",
            "https://x:99999",
            "https://exa\x00mple",
            "file:///x",
        ],
    ],
)
def test_what_no_key_should_be_sent_to_is_no_base_url(stated):
    with pytest.raises(UsageError, match="base_url"):
        checked_base_url(stated)


@pytest.mark.parametrize("stated", ["https://me:canary@x", "ftp://me:canary@x", "https://me:canary@[x", "me:canary@x"])
def test_a_password_in_a_base_url_is_refused_without_showing_it(stated):
    with pytest.raises(UsageError) as caught:
        checked_base_url(stated)
    assert "canary" not in str(caught.value)


@pytest.mark.anyio
async def test_a_post_carries_the_key_its_own_length_and_an_idempotency_key(recorder):
    recorder.answer("/pay", 200, GENERATION)
    async with HttpClient(recorder.url, KEY, concurrency=1) as client:
        arrival = await client.post("/pay", BODY, idempotency_key="i-1")
    assert (arrival.status, arrival.body, arrival.cut) == (200, GENERATION, None)
    ((method, path, headers, body),) = recorder.seen
    assert (method, path, body) == ("POST", "/pay", b"{}")
    assert headers["authorization"] == f"Bearer {KEY.reveal()}"
    assert headers["idempotency-key"] == "i-1"
    assert headers["content-type"] == "application/json"
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("batchgen/")


@pytest.mark.anyio
async def test_without_a_key_none_is_sent(recorder):
    recorder.answer("/pay", 200, GENERATION)
    async with HttpClient(recorder.url, None, concurrency=1) as client:
        await client.post("/pay", BODY, idempotency_key="i-1")
    assert "authorization" not in recorder.seen[0][2]


@pytest.mark.anyio
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_post_is_never_sent_on(recorder, second_recorder, status):
    recorder.answer("/pay", status, location=f"{second_recorder.url}/pay")
    async with HttpClient(recorder.url, KEY, concurrency=1) as client:
        arrival = await client.post("/pay", BODY, idempotency_key="i-1")
    assert (arrival.status, arrival.header("location")) == (status, f"{second_recorder.url}/pay")
    assert (len(recorder.seen), second_recorder.seen) == (1, [])


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500, 503])
async def test_a_service_that_repeats_the_key_does_not_bring_it_into_what_is_kept(recorder, status):
    forms = (KEY.reveal(), quote(KEY.reveal(), safe=""), b64encode(b"user:" + KEY.reveal().encode()).decode())
    said = json.dumps({"error": {"message": "wrong: " + " ".join(forms)}})
    recorder.answer("/pay", status, said.encode(), location=f"https://x/{KEY.reveal()}")
    async with HttpClient(recorder.url, KEY, concurrency=1) as client:
        arrival = await client.post("/pay", BODY, idempotency_key="i-1")
    kept = arrival.at_rest()
    assert json.loads(arrival.body)["error"]["message"].startswith("wrong: ")
    assert b"canary" not in kept
    assert b"kkkk" not in kept
    assert b64encode(b"kkkkkkkkk") not in kept


@pytest.mark.anyio
async def test_a_closed_port_is_a_passing_failure_to_connect(recorder):
    async with HttpClient("http://127.0.0.1:1", KEY, concurrency=1) as client:
        failed = await client.post("/pay", BODY, idempotency_key="i-1")
    assert (failed.verdict, failed.reason) == (Verdict.PASSING, "connect")


@pytest.mark.anyio
async def test_a_look_up_that_fails_in_any_way_is_none(recorder):
    hostile = (b"", b"<html>", b"\xff", b'"\xff"', b"9" * 5000, b"[" * 100_000, b"NaN")
    async with HttpClient(recorder.url, KEY, concurrency=1) as client:
        for body in hostile:
            recorder.answer("/models", 200, body)
            assert await client.get_json("/models") is None
        recorder.answer("/models", 500, b"{}")
        assert await client.get_json("/models") is None
        recorder.answer("/models", 200, b'{"a":[1]}')
        assert await client.get_json("/models") == {"a": [1]}
    async with HttpClient("http://127.0.0.1:1", KEY, concurrency=1) as client:
        assert await client.get_json("/models") is None


@pytest.mark.anyio
async def test_every_request_carries_the_headers_and_the_query_that_were_asked_for(recorder):
    recorder.answer("/pay?api-version=2026-05", 200, GENERATION)
    secret = Secret("canary-of-a-header")
    plain, query = (("X-Team", "art"), ("User-Agent", "mine")), "api-version=2026-05"
    access = Access(plain, (("api-key", secret),), (secret,), query)
    async with HttpClient(recorder.url, KEY, concurrency=1, access=access) as client:
        assert (await client.post("/pay", BODY, idempotency_key="i-1")).status == 200
        await client.get_json("/models?a=1")
        assert client.redact("canary-of-a-header") == "********"
    assert [path for _, path, _, _ in recorder.seen] == ["/pay?api-version=2026-05", "/models?a=1&api-version=2026-05"]
    for _, _, headers, _ in recorder.seen:
        assert (headers["x-team"], headers["user-agent"]) == ("art", "mine")
        assert headers["api-key"] == "canary-of-a-header"
        assert headers["authorization"] == f"Bearer {KEY.reveal()}"


@pytest.mark.anyio
async def test_a_header_named_authorization_takes_the_place_of_the_key_s(recorder):
    recorder.answer("/pay", 200, GENERATION)
    access = Access(secret_headers=(("Authorization", Secret("Key canary")),))
    async with HttpClient(recorder.url, KEY, concurrency=1, access=access) as client:
        await client.post("/pay", BODY, idempotency_key="i-1")
    assert recorder.seen[0][2]["authorization"] == "Key canary"


@pytest.mark.anyio
async def test_a_key_in_clear_is_not_sent_to_a_name_that_moved_to_a_public_address():
    async with HttpClient("http://1.1.1.1:9", KEY, concurrency=1) as client:
        failed = await client.post("/pay", BODY, idempotency_key="i-1")
    assert (failed.verdict, failed.reason) == (Verdict.STOP_RUN, "address_refused")
    assert "loopback or private" in failed.message
