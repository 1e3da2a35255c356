"""Engines behind a real proxy, and over a socket of this machine."""

import asyncio
import contextlib
import threading

import httpx
import pytest

from batchgen.provider.http import failures
from batchgen.provider.http.addresses import AddressRule
from batchgen.provider.http.network_routes import Proxy as Way
from batchgen.provider.http.network_routes import Routes, UnixSocket

from .proxy import TAKEN, Proxy
from .server import Faults

pytestmark = pytest.mark.anyio


@pytest.fixture
def through():
    def through(proxy, *, authorization="", direct=()):
        way = Way("127.0.0.1", proxy.port, authorization)
        return Routes(http=way, https=way, direct=direct)

    return through


async def failure_of(engine, request):
    with pytest.raises(httpx.RequestError) as caught:
        await engine.handle_async_request(request)
    return caught.value


async def test_https_goes_through_a_tunnel_that_is_reused(opened, secure_faults, post, authority_file, through):
    with Proxy() as proxy:
        engine = opened(ca_files=(authority_file,), routes=through(proxy))
        for _ in range(3):
            response = await engine.handle_async_request(post(secure_faults.url("echo", host="localhost"), b"{}"))
            assert response.content == b"{}"
        await engine.aclose()
    assert proxy.tunnels == [f"localhost:{secure_faults.port}"]
    assert b"canary" not in b"".join(proxy.heads)
    assert secure_faults.received["echo"] == 3


async def test_a_server_behind_a_tunnel_still_proves_its_name(opened, secure_faults, post, authority_file, through):
    with Proxy() as proxy:
        engine = opened(ca_files=(authority_file,), routes=through(proxy))
        error = await failure_of(engine, post(secure_faults.url("ok", host="other.test")))
    assert isinstance(error, failures.CertificateInvalid)
    assert not secure_faults.received


async def test_plain_http_is_forwarded_and_the_proxy_finds_the_address(opened, faults, post, through):
    with Proxy() as proxy:
        # A name that only the proxy knows, and an address that this machine would refuse.
        engine = opened(routes=through(proxy), addresses=AddressRule.GLOBAL_ONLY)
        assert (await engine.handle_async_request(post(faults.url("ok", host="inside.test")))).status_code == 200
        await engine.aclose()
    assert proxy.forwarded == [f"http://inside.test:{faults.port}/ok"]
    assert faults.received["ok"] == 1


async def test_what_no_proxy_covers_never_meets_the_proxy(opened, faults, post, through):
    with Proxy() as proxy:
        engine = opened(routes=through(proxy, direct=("127.0.0.0/8",)))
        assert (await engine.handle_async_request(post(faults.url("ok")))).status_code == 200
    assert proxy.heads == []


@pytest.mark.parametrize("secure", [False, True], ids=["forwarded", "tunnelled"])
async def test_a_proxy_gets_its_password_and_the_server_never(
    opened, faults, secure_faults, post, authority_file, through, secure
):
    server = secure_faults if secure else faults
    with Proxy(password=True) as proxy:
        engine = opened(ca_files=(authority_file,), routes=through(proxy, authorization=TAKEN))
        url = server.url("ok", host="localhost")
        assert (await engine.handle_async_request(post(url))).status_code == 200
        await engine.aclose()
    assert server.received["ok"] == 1
    if secure:
        assert b"proxy-authorization" not in b"".join(server.heads).lower()


@pytest.mark.parametrize(("scheme", "status"), [("https", 407), ("https", 502), ("https", 403), ("http", 407)])
async def test_a_proxy_that_refuses_has_surely_sent_nothing(opened, faults, post, through, scheme, status):
    with Proxy(status=status) as proxy:
        error = await failure_of(opened(routes=through(proxy)), post(f"{scheme}://inside.test:{faults.port}/ok"))
    assert isinstance(error, failures.ProxyRefused | httpx.ConnectError)
    assert str(status) in str(error)
    assert failures.partial_of(error) is None
    assert not faults.received


async def test_a_forwarded_502_may_be_the_server_s_and_is_an_answer(opened, faults, post, through):
    with Proxy(status=502) as proxy:
        response = await opened(routes=through(proxy)).handle_async_request(
            post(f"http://inside.test:{faults.port}/ok")
        )
    assert response.status_code == 502


async def test_a_proxy_that_is_not_there_is_named(opened, post, through):
    with Proxy() as proxy:
        pass
    error = await failure_of(opened(routes=through(proxy)), post("https://inside.test/ok"))
    assert isinstance(error, httpx.ConnectError)
    assert f"the proxy 127.0.0.1:{proxy.port}: no connection" in str(error)


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nmore"])
async def test_what_is_no_proxy_gets_nothing_of_the_request(opened, post, said, tmp_path):
    taken = []

    async def connection(reader, writer):
        taken.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(said)
        await writer.drain()
        writer.close()

    with listening(connection) as port:
        engine = opened(routes=Routes(https=Way("127.0.0.1", port)))
        assert isinstance(await failure_of(engine, post("https://inside.test/ok")), failures.ProxyRefused)
    assert taken == [b"CONNECT inside.test:443 HTTP/1.1\r\nHost: inside.test:443\r\n\r\n"]


async def test_a_server_is_reached_over_its_socket(opened, post, tmp_path):
    path = str(tmp_path / "x.sock")
    with OverSocket(path) as faults:
        engine = opened(routes=Routes(sockets={"localhost": UnixSocket(path)}), addresses=AddressRule.GLOBAL_ONLY)
        for _ in range(3):
            assert (await engine.handle_async_request(post("http://localhost/v1-ok"))).status_code == 200
        error = await failure_of(engine, post("http://localhost/reset"))
        await engine.aclose()
    # Such a socket knows no reset: the request was sent, and what became of it is unknown.
    assert isinstance(error, failures.AnswerBroken)
    assert faults.received == {"v1-ok": 3, "reset": 1}


async def test_a_socket_that_is_not_there_is_named(opened, post, tmp_path):
    engine = opened(routes=Routes(sockets={"localhost": UnixSocket(str(tmp_path / "none.sock"))}))
    error = await failure_of(engine, post("http://localhost/ok"))
    assert isinstance(error, httpx.ConnectError)
    assert "none.sock: no connection" in str(error)


class OverSocket(Faults):
    """The server of faults on a socket in the file system."""

    def __init__(self, path):
        super().__init__()
        self._path = path

    async def v1_ok(self, exchange):
        return await self.ok(exchange)

    async def _serve(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._tasks, self._writers = set(), set()
        server = await asyncio.start_unix_server(self._connection, self._path)
        self._ready.set()
        await self._stop.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.contextmanager
def listening(connection):
    """A server in a thread that hands each connection to ``connection``; yields its port."""
    ready, ports = threading.Event(), []

    async def serve():
        server = await asyncio.start_server(connection, "127.0.0.1", 0)
        ports.append((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), asyncio.Event()))
        ready.set()
        await ports[0][2].wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    ready.wait()
    port, loop, stop = ports[0]
    yield port
    loop.call_soon_threadsafe(stop.set)
    thread.join()
