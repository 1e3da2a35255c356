from functools import partial

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.provider import download
from batchgen.provider.credentials import redact
from batchgen.provider.download import MAX_REDIRECTS, NOBODY, fetch, own_host
from batchgen.provider.http import failures
from batchgen.provider.http.interface import EngineOptions
from batchgen.provider.http_client import HttpClient
from batchgen.provider.interface import DownloadFailed, Obstacle
from batchgen.provider.service_access import Access

from .conftest import KEY

pytestmark = pytest.mark.anyio

URL = "https://pictures.example/a.webp?signature=s3cret"
HERE = own_host("http://127.0.0.1:7000/v1")


async def get(answer, url=URL, *, own=NOBODY):
    """What ``fetch`` makes of an engine that answers each request with ``answer(request)``."""

    def handle(request):
        given = answer(request)
        if isinstance(given, Exception):
            raise given
        return given

    return await fetch(httpx.MockTransport(handle), url, own=own, redact=lambda text: redact(text, [KEY]))


async def refused(answer, url=URL, **options):
    with pytest.raises(DownloadFailed) as caught:
        await get(answer, url, **options)
    assert "s3cret" not in str(caught.value)
    return caught.value


async def test_whoever_asks_for_a_picture_is_named():
    # Together's storage answers 403 to a request without this header.
    seen = []
    await get(lambda request: seen.append(request) or httpx.Response(200, content=b"abc"))
    assert seen[0].headers["user-agent"].startswith("batchgen/")


async def test_a_picture_comes_with_its_media_type():
    found = await get(lambda _: httpx.Response(200, content=b"abc", headers={"content-type": "image/webp"}))
    assert (found.content, found.media_type) == (b"abc", "image/webp")


@pytest.mark.parametrize("location", ["https://other.example/{}", "/moved/{}", "//other.example/{}", "{}"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_three_redirects_are_followed_and_a_fourth_is_not(location, status):
    seen = []

    def redirecting(times):
        def answer(request):
            seen.append(request)
            if len(seen) <= times:
                return httpx.Response(status, headers={"location": location.format(len(seen))})
            return httpx.Response(200, content=b"abc")

        return answer

    assert (await get(redirecting(MAX_REDIRECTS))).content == b"abc"
    seen.clear()
    error = await refused(redirecting(MAX_REDIRECTS + 1))
    assert error.obstacle is Obstacle.GONE
    assert len(seen) == MAX_REDIRECTS + 1
    assert all(request.method == "GET" and "authorization" not in request.headers for request in seen)


@pytest.mark.parametrize(
    "url",
    [
        *["http://pictures.example/a", "file:///etc/passwd", "ftp://x/a", "data:image/png;base64,aGk=", "javascript:1"],
        *["", "a.webp", "https://", "https:///a", "https://[::1", "//x/a", "https://x:99999/a"],
        "https://x/\ud800",
    ],
)
async def test_only_a_whole_https_address_is_fetched(url):
    asked = []
    assert (await refused(asked.append, url)).obstacle is not Obstacle.PASSING
    redirect = httpx.Response(302, headers={"location": url.encode("utf-8", "replace")})
    if url and not url.startswith(("//", "a.webp")):
        assert (await refused(lambda _: redirect)).obstacle is not Obstacle.PASSING
    assert asked == []


async def test_plain_http_is_fetched_for_a_service_on_this_machine():
    found = await get(lambda _: httpx.Response(200, content=b"abc"), "http://127.0.0.1/a", own=HERE)
    assert found.content == b"abc"
    assert (await refused(lambda _: None, "file:///etc/passwd", own=HERE)).obstacle is Obstacle.LOCAL


@pytest.mark.parametrize(
    ("status", "obstacle"),
    [
        *[(status, Obstacle.GONE) for status in (401, 403, 404, 410)],
        *[(status, Obstacle.PASSING) for status in (304, 400, 408, 429, 500, 502, 503, 504, 522)],
    ],
)
async def test_a_status_says_how_long_its_picture_is_asked_for(status, obstacle):
    error = await refused(lambda _: httpx.Response(status))
    assert error.obstacle is obstacle
    assert str(status) in str(error)
    assert "pictures.example/a.webp" in str(error)


async def test_an_address_that_wants_a_key_is_told_that_it_gets_none():
    assert "no key is ever sent" in str(await refused(lambda _: httpx.Response(401)))


@pytest.mark.parametrize(
    ("failure", "obstacle"),
    [
        (failures.AddressRefused("private"), Obstacle.LOCAL),
        (failures.BodyTooLarge("large"), Obstacle.NEVER),
        (httpx.UnsupportedProtocol("x"), Obstacle.LOCAL),
        (httpx.LocalProtocolError("x"), Obstacle.NEVER),
        (failures.ConnectFailed("x"), Obstacle.PASSING),
        (failures.ReadFailed(""), Obstacle.PASSING),
        (failures.ReadTimedOut("x"), Obstacle.PASSING),
        (failures.AnswerBroken("x"), Obstacle.PASSING),
        (failures.AnswerUndecodable("x"), Obstacle.PASSING),
    ],
)
async def test_a_failure_on_the_way_says_whether_it_is_worth_another_try(failure, obstacle):
    error = await refused(lambda _: failure)
    assert error.obstacle is obstacle
    assert str(error).removeprefix("https://pictures.example/a.webp: ").strip()


async def test_no_message_holds_the_key_or_moves_a_cursor():
    url = f"https://x/{KEY.reveal()}/\x1b[2J"
    for answer in (httpx.Response(404), httpx.Response(500), failures.ReadFailed(KEY.reveal())):
        message = str(await refused(lambda _, answer=answer: answer, url))
        assert "canary" not in message
        assert message.isprintable()


@pytest.fixture
async def client(recorder):
    async with HttpClient(recorder.url, KEY, concurrency=2) as client:
        yield client


async def test_a_picture_on_another_port_of_this_machine_is_fetched_without_key_or_cookie(
    client, recorder, second_recorder
):
    recorder.answer("/a", 302, location=f"{second_recorder.url}/b", set_cookie="session=1")
    second_recorder.answer("/b", 200, b"abc")
    assert (await client.download(f"{recorder.url}/a")).content == b"abc"
    assert (await client.download(f"{recorder.url}/a")).content == b"abc"
    for server in (recorder, second_recorder):
        assert len(server.seen) == 2
        for _, _, headers, _ in server.seen:
            assert not {"authorization", "cookie", "x-api-key"} & headers.keys()


@pytest.mark.parametrize(
    "target",
    ["http://10.0.0.1/x", "http://192.168.1.1/x", "http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/x"],
)
async def test_a_redirect_to_a_private_address_is_not_followed(client, recorder, target):
    recorder.answer("/a", 302, location=target)
    with pytest.raises(DownloadFailed) as caught:
        await client.download(f"{recorder.url}/a")
    assert caught.value.obstacle is Obstacle.LOCAL


@pytest.mark.parametrize("base_url", ["https://api.example.com", "http://10.1.2.3:80", "http://0.0.0.0:1"])
async def test_a_service_elsewhere_can_not_point_to_this_machine(recorder, base_url):
    port = recorder.url.rpartition(":")[2]
    async with HttpClient(base_url, KEY, concurrency=1) as client:
        for url in (recorder.url, f"https://127.0.0.1:{port}", f"https://localhost:{port}", f"https://[::1]:{port}"):
            with pytest.raises(DownloadFailed) as caught:
                await client.download(f"{url}/a")
            assert caught.value.obstacle is Obstacle.LOCAL
    assert recorder.seen == []


@pytest.mark.parametrize("host", ["vm", "10.1.2.3"])
@pytest.mark.parametrize("url", ["http://{}/a", "http://{}:9000/a", "https://{}/a"])
async def test_links_to_the_host_of_a_plain_http_service_are_fetched(host, url):
    own = own_host(f"http://{host}:7120/v1")
    assert (await get(lambda _: httpx.Response(200, content=b"abc"), url.format(host), own=own)).content == b"abc"


@pytest.mark.parametrize("base_url", ["http://vm:7120/v1", "http://127.0.0.1:1", "https://other.example"])
async def test_plain_http_is_fetched_from_no_other_host(base_url):
    asked = []
    for url in ("http://other.example/a", "http://vm.example/a", "http://10.0.0.1/a"):
        assert (await refused(asked.append, url, own=own_host(base_url))).obstacle is Obstacle.LOCAL
    assert asked == []


async def test_the_key_goes_to_links_of_the_own_host_alone_if_the_user_says_so():
    seen = []

    def answer(request):
        seen.append((request.url.host, request.headers.get("authorization")))
        if len(seen) < 3:
            return httpx.Response(
                302, headers={"location": ["https://api.example/b", "https://cdn.example/c"][len(seen) - 1]}
            )
        return httpx.Response(200, content=b"abc")

    own = own_host("https://api.example/v1", [("authorization", "Bearer canary")])
    assert (await get(answer, "https://api.example/a", own=own)).content == b"abc"
    assert seen == [("api.example", "Bearer canary"), ("api.example", "Bearer canary"), ("cdn.example", None)]
    assert "canary" not in repr(own)


@pytest.mark.parametrize("asked_for", [False, True])
async def test_a_service_s_own_links_get_the_key_only_if_asked_for(recorder, asked_for):
    recorder.answer("/a", 200, b"abc")
    access = Access(key_to_own_host=asked_for)
    async with HttpClient(recorder.url, KEY, concurrency=1, access=access) as client:
        await client.download(f"{recorder.url}/a")
    assert ("authorization" in recorder.seen[0][2]) is asked_for


async def test_links_to_a_service_in_the_local_network_are_fetched_from_its_host_alone(recorder, monkeypatch):
    # A name that stands for an address of this network, as `http://vm:7120` in an office would.
    async def addresses(host, port):
        return ["127.0.0.1"]

    monkeypatch.setattr("batchgen.provider.http_client.EngineOptions", partial(EngineOptions, resolve=addresses))
    recorder.answer("/a", 200, b"abc")
    port = recorder.url.rpartition(":")[2]
    async with HttpClient("http://vm:1/v1", KEY, concurrency=1) as client:
        assert (await client.download(f"http://vm:{port}/a")).content == b"abc"
        for url in (f"http://other:{port}/a", f"https://other:{port}/a", f"https://vm:{port}/a"):
            with pytest.raises(DownloadFailed):
                await client.download(url)
    assert len(recorder.seen) == 1
    assert "authorization" not in recorder.seen[0][2]


# Links of one service, whose origins are checked once.

PLAIN_HOSTS = st.sampled_from(
    ["https://a.example", "https://xn--bcher-kva.example:8443", "http://127.0.0.1:80", "https://10.1.2.3"]
)


@given(PLAIN_HOSTS, st.text("abcZ019-._~/%:@!$&'()*+,;=?#[]| é\\\"<>{}^`2F", max_size=12))
def test_what_is_taken_unparsed_is_what_httpx_would_ask_for(origin, rest):
    plain = download._PLAIN.fullmatch(f"{origin}/{rest}")
    if plain is not None:
        asked = httpx.URL(f"{origin}/{rest}")
        assert plain[1] == origin
        assert asked.raw_path == plain[2].encode()
        assert httpx.Request("GET", asked).headers["host"] == httpx.Request("GET", f"{origin}/").headers["host"]


@pytest.mark.parametrize(
    "url",
    [
        "https://bucket.r2.example/a/b-1_2.webp",
        "https://s3.eu.example/9f/x.png?X-Amz-Date=20261128T120000Z&X-Amz-Credential=AK%2F20261128%2Fauto&sig=ab01",
        "http://127.0.0.1:54321/pictures/7.jpg",
    ],
)
def test_the_links_of_services_are_plain(url):
    assert download._PLAIN.fullmatch(url)


@pytest.mark.parametrize(
    "url",
    [
        *[
            "https://me:pw@a.example/x",
            "https://A.example/x",
            "https://a.example",
            "ftp://a.example/x",
            "https://a..b/x",
        ],
        *["https://a.example/x y", "https://a.example/../x", "https://a.example/a/./x", "https://a.example/x#part"],
        *["https://a.example/%zz", "https://a.example/ü", "https://[::1]/x", "https://a.example/x\r\ny: 1"],
    ],
)
def test_other_links_are_parsed(url):
    assert download._PLAIN.fullmatch(url) is None


async def test_two_links_to_one_host_are_fetched_with_one_check(recorder, monkeypatch):
    checked = []
    real = download._checked_host
    monkeypatch.setattr(download, "_checked_host", lambda url, *rest: checked.append(url) or real(url, *rest))
    recorder.answer("/a.webp", 200, b"abc", content_type="image/webp")
    recorder.answer("/b.webp?sig=1", 200, b"defg", content_type="image/webp")
    async with HttpClient(recorder.url, KEY, concurrency=1) as client:
        first = await client.download(f"{recorder.url}/a.webp")
        second = await client.download(f"{recorder.url}/b.webp?sig=1")
    assert (first.content, second.content) == (b"abc", b"defg")
    assert second.media_type.endswith("image/webp")
    assert checked == [recorder.url]
    for _, _, headers, _ in recorder.seen:
        assert headers["user-agent"].startswith("batchgen/")
        assert "authorization" not in headers


@pytest.mark.parametrize(("status", "obstacle"), [(404, Obstacle.GONE), (401, Obstacle.GONE), (500, Obstacle.PASSING)])
async def test_a_link_that_gives_no_picture_says_what_keeps_it_away(recorder, status, obstacle):
    recorder.answer("/a.webp?sig=s3cret", status, b"no")
    async with HttpClient(recorder.url, KEY, concurrency=1) as client:
        with pytest.raises(DownloadFailed, match=str(status) if status != 404 else "not there") as caught:
            await client.download(f"{recorder.url}/a.webp?sig=s3cret")
    assert caught.value.obstacle is obstacle
    assert "s3cret" not in str(caught.value)


async def test_a_link_that_redirects_is_followed(recorder):
    recorder.answer("/a.webp", 302, b"", location="/b.webp")
    recorder.answer("/b.webp", 200, b"abc")
    async with HttpClient(recorder.url, KEY, concurrency=1) as client:
        assert (await client.download(f"{recorder.url}/a.webp")).content == b"abc"


@pytest.mark.parametrize("link", ["http://pictures.example/a.webp", "https://pictures.example:99999/a.webp"])
async def test_a_link_that_may_not_be_fetched_is_refused_each_time(recorder, link):
    async with HttpClient(recorder.url, KEY, concurrency=1) as client:
        for _ in range(2):
            with pytest.raises(DownloadFailed, match="only https") as caught:
                await client.download(link)
            assert caught.value.obstacle is Obstacle.LOCAL
