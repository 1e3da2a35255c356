"""What one small POST costs: our two engines between the floor below them and the stock client above.

    python benchmarks/engines.py [--quick]

Everything runs interleaved in one process, against a server in another; figures are medians of CPU milliseconds of the
client process per POST, so read the ratios. All but the floor and pyreqwest pay for httpx's Request and Response.
Connections are warm except in the third table; stock httpx makes at most 1,000 POSTs, connecting included, and at
C=1000 only once. The last table counts POSTs left in doubt by a server that closes right after each answer. pyreqwest
joins in where it is installed.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import httpx
import trio
import uvloop
from yarl import URL

from batchgen.provider.http.aiohttp import AiohttpEngine
from batchgen.provider.http.engine_options import EngineOptions
from batchgen.provider.http.httpcore import HttpcoreEngine

HEADERS = {"Authorization": "Bearer none", "Content-Type": "application/json", "User-Agent": "batchgen"}
BODY = b'{"prompt":"a mug on a table, watercolor","model":"test/test","size":"1024x1024","quality":"low"}'
ANSWER = b'{"created":1764000000,"data":[{"url":"https://storage.example/a.webp"}],"cost":0.004}'
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER


class Server(asyncio.Protocol):
    """Answers each packet; the port it was called on says how late, and whether it closes afterwards."""

    def __init__(self, delay_s, closes):
        self.delay_s, self.closes = delay_s, closes

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, _data):
        if self.delay_s:
            asyncio.get_running_loop().call_later(self.delay_s, self.answer)
        else:
            self.answer()

    def answer(self):
        if self.transport.is_closing():
            return
        self.transport.write(REPLY)
        if self.closes:
            self.transport.close()


def serve(ports):
    async def main():
        loop, servers = asyncio.get_running_loop(), []
        for delay_s, closes in ((0, False), (1, False), (0.005, True)):
            make = lambda delay_s=delay_s, closes=closes: Server(delay_s, closes)  # noqa: E731
            servers.append(await loop.create_server(make, "127.0.0.1", 0, backlog=4096))
        ports.send([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.Event().wait()

    uvloop.run(main())


@dataclass(frozen=True)
class Client:
    """`opened` is a context manager giving a coroutine function that makes one POST."""

    name: str
    opened: Callable
    run: Callable = uvloop.run
    heavy: bool = False
    timed_late: bool = True


class FloorProtocol(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.answered.set_result(data)


@contextlib.asynccontextmanager
async def floor(port, _connections):
    loop, idle = asyncio.get_running_loop(), []
    wire = f"POST /v1/images HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode()
    wire += b"".join(f"{name}: {value}\r\n".encode() for name, value in HEADERS.items())
    wire += b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY

    async def post():
        protocol = idle.pop() if idle else (await loop.create_connection(FloorProtocol, "127.0.0.1", port))[1]
        protocol.answered = loop.create_future()
        protocol.transport.write(wire)
        data = await protocol.answered
        idle.append(protocol)
        return data.endswith(ANSWER)

    yield post
    for protocol in idle:
        protocol.transport.close()


def ours(engine):
    @contextlib.asynccontextmanager
    async def opened(port, connections):
        url = httpx.URL(f"http://127.0.0.1:{port}/v1/images")
        async with engine(EngineOptions(max_connections=connections)) as transport:

            async def post():
                request = httpx.Request("POST", url, headers=HEADERS, content=BODY)
                return (await transport.handle_async_request(request)).content == ANSWER

            yield post

    return opened


@contextlib.asynccontextmanager
async def aiohttp_session(port, connections):
    words = httpx.URL(f"http://127.0.0.1:{port}/v1/images")
    url, connector = URL(str(words)), aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def post():
            request = httpx.Request("POST", words, headers=HEADERS, content=BODY)
            sent = {"data": request.content, "headers": request.headers.multi_items(), "allow_redirects": False}
            async with session.request(request.method, url, **sent) as answer:
                body = await answer.read()
                return httpx.Response(answer.status, headers=list(answer.raw_headers), content=body).content == ANSWER

        yield post


@contextlib.asynccontextmanager
async def stock_httpx(port, connections):
    limits, url = (
        httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        f"http://127.0.0.1:{port}/v1/images",
    )
    async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:

        async def post():
            return (await client.post(url, content=BODY, headers=HEADERS)).content == ANSWER

        yield post


@contextlib.asynccontextmanager
async def pyreqwest(port, connections):
    from pyreqwest.client import ClientBuilder

    url = f"http://127.0.0.1:{port}/v1/images"
    async with ClientBuilder().max_connections(connections).error_for_status(False).build() as client:

        async def post():
            answer = await client.post(url).headers(HEADERS).body_bytes(BODY).build().send()
            return bytes(await answer.bytes()) == ANSWER

        yield post


def on_trio(main):
    async def call():
        return await main

    return trio.run(call)


CLIENTS = [
    Client("hand-made protocol, uvloop (floor)", floor),
    Client("our aiohttp engine, uvloop", ours(AiohttpEngine)),
    Client("our aiohttp engine, asyncio", ours(AiohttpEngine), asyncio.run),
    Client("aiohttp session under httpx types, uvloop", aiohttp_session, timed_late=False),
    Client("our httpcore engine, trio", ours(HttpcoreEngine), on_trio),
    Client("our httpcore engine, asyncio", ours(HttpcoreEngine), asyncio.run, timed_late=False),
    Client("stock httpx, asyncio", stock_httpx, asyncio.run, heavy=True, timed_late=False),
]
if importlib.util.find_spec("pyreqwest"):
    CLIENTS.append(Client("pyreqwest, uvloop", pyreqwest))


async def all_at_once(work, tasks):
    if asyncio_runs():
        await asyncio.gather(*(work() for _ in range(tasks)))
        return
    async with trio.open_nursery() as nursery:
        for _ in range(tasks):
            nursery.start_soon(work)


def asyncio_runs():
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@dataclass(frozen=True)
class Spent:
    cpu_ms: float
    wall_s: float
    failed: int


async def measured(client, port, tasks, posts, warm):
    failed = 0

    async def drive(count):
        pending = iter(range(count))

        async def work():
            nonlocal failed
            for _ in pending:
                try:
                    assert await post()
                except Exception:  # noqa: BLE001 - every client has a family of its own
                    failed += 1

        await all_at_once(work, tasks)

    async with client.opened(port, tasks) as post:
        if warm:
            await drive(warm)
            failed = 0
        wall, cpu = time.perf_counter(), time.process_time()
        await drive(posts)
        return Spent((time.process_time() - cpu) / posts * 1000, time.perf_counter() - wall, failed)


def table(title, header, rows):
    print(f"\n{title}\n")
    print("| " + " | ".join(header) + " |")
    print("| --- " * len(header) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def interleaved(clients, rounds, port, tasks, posts, warm):
    spent = {client.name: [] for client in clients}
    for number in range(rounds):
        for client in clients:
            # Seconds per hundred requests at a thousand connections: once, and fewer, shows enough.
            if not client.heavy:
                spent[client.name].append(client.run(measured(client, port, tasks, posts, warm)))
            elif tasks < 100 or number == 0:
                spent[client.name].append(client.run(measured(client, port, tasks, min(posts, 1000), 0)))
    return spent


def cost_table(title, spent, ideal_s=None):
    cpu = {name: statistics.median(one.cpu_ms for one in runs) for name, runs in spent.items()}
    base, top = next(iter(cpu.values())), cpu.get("stock httpx, asyncio")
    rows = []
    for name, runs in spent.items():
        row = [name, f"{cpu[name]:.3f}", f"{cpu[name] / base:.1f}", f"{top / cpu[name]:.1f}" if top else "-"]
        if ideal_s:
            row.append(f"{statistics.median(one.wall_s for one in runs) / ideal_s:.2f}")
        rows.append(row)
    table(title, ["client", "CPU ms", "times the floor", "below stock httpx"] + ["wall / ideal"] * bool(ideal_s), rows)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument(
        "--quick", action="store_true", help="one round, few requests: does it run, not what it costs"
    )
    quick = arguments.parse_args().quick
    rounds, scale = (1, 0.1) if quick else (5, 1)
    receiving, sending = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.Process(target=serve, args=(sending,), daemon=True)
    server.start()
    prompt, late, closing = receiving.recv()
    cost_table("C=50", interleaved(CLIENTS, rounds, prompt, 50, int(1500 * scale), 200))
    cost_table("C=1000", interleaved(CLIENTS, rounds, prompt, 1000, int(2000 * scale), 2000))
    light = [client for client in CLIENTS if client.timed_late]
    posts, ideal_s = (1000, 1) if quick else (4000, 4)
    cost_table(
        "C=1000, 1 s latency, connections not warmed", interleaved(light, min(rounds, 3), late, 1000, posts, 0), ideal_s
    )
    doubt = interleaved(CLIENTS[1:], rounds, closing, 16, 600, 0)
    rows = [[name, " ".join(str(one.failed) for one in runs)] for name, runs in doubt.items()]
    table(
        "Left in doubt of 600 POSTs, 16 at a time, by a server that closes after each answer (each round)",
        ["client", "in doubt"],
        rows,
    )
    server.terminate()


if __name__ == "__main__":
    main()
