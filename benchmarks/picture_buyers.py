"""Those who buy pictures from one service: a hand-made floor, batchgen, and what thirty lines of a library do.

Each is a function that buys ``count`` pictures, ``concurrency`` at a time, into ``folder``. It tells ``at`` of the
moments "buying" and "after", so that its start and its end can be told from what each picture costs.
"""

import asyncio
import hashlib
import json
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pybase64
from picture_service import MODEL


@dataclass(frozen=True)
class Order:
    """What is to be bought, and how a buyer tells that it begins buying, and has bought."""

    port: int
    count: int
    concurrency: int
    folder: Path
    at: object

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.port}"

    def fields(self, number):
        return {"model": MODEL, "prompt": f"a mug on a table, number {number}", "size": "1024x1024"}


# The floor.


class _FloorConnection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def ask(self, wire):
        self.parts, self.left, self.answered = [], None, asyncio.get_running_loop().create_future()
        self.transport.write(wire)
        return self.answered

    def data_received(self, data):
        if self.left is None:
            head, _, data = data.partition(b"\r\n\r\n")
            place = head.find(b"Content-Length: ")
            self.left = int(head[place + 16 :]) if place > 0 else -1
        self.parts.append(data)
        if self.left >= 0:
            self.left -= len(data)
            if self.left == 0:
                self.answered.set_result(b"".join(self.parts))
        elif data.endswith(b"0\r\n\r\n"):
            # One chunk, and blanks before it.
            body = b"".join(self.parts)
            self.answered.set_result(body[body.index(b"{") : body.rindex(b"}") + 1])


class _Groups:
    """One thread that does what has gathered meanwhile, and then lets all who wait for it go on."""

    def __init__(self, work):
        self.work, self.gathered, self.busy = work, [], False
        self.loop, self.thread = asyncio.get_running_loop(), ThreadPoolExecutor(1)

    def do(self, one):
        done = self.loop.create_future()
        self.gathered.append((one, done))
        if not self.busy:
            self.busy = True
            self.loop.call_soon(self._start)
        return done

    def _start(self):
        group, self.gathered = self.gathered, []
        running = self.loop.run_in_executor(self.thread, self.work, [one for one, _ in group])
        running.add_done_callback(lambda made: self._ended(group, made))

    def _ended(self, group, made):
        made.result()
        for _, done in group:
            done.set_result(None)
        if self.gathered:
            self._start()
        else:
            self.busy = False


async def _floor(order, *, durable):
    loop, idle = asyncio.get_running_loop(), []
    db = sqlite3.connect(order.folder / "ledger.sqlite", check_same_thread=False, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
    db.execute("CREATE TABLE requests (id INTEGER PRIMARY KEY, state TEXT, body BLOB, file TEXT, sha256 TEXT)")
    (order.folder / "pictures").mkdir()
    pictures = os.open(order.folder / "pictures", os.O_RDONLY | os.O_DIRECTORY)

    def commit(group):
        if durable:
            os.fsync(pictures)
        db.execute("BEGIN")
        for statement, values in group:
            db.execute(statement, values)
        db.execute("COMMIT")

    def write(group):
        for file, content in group:
            handle = os.open(f".{file}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, dir_fd=pictures)
            os.write(handle, content)
            if durable:
                os.fsync(handle)
            os.close(handle)
            os.rename(f".{file}", file, src_dir_fd=pictures, dst_dir_fd=pictures)

    ledger, files = _Groups(commit), _Groups(write)
    host = f"Host: 127.0.0.1:{order.port}\r\n".encode()

    async def ask(wire):
        if idle:
            connection = idle.pop()
        else:
            connection = (await loop.create_connection(_FloorConnection, "127.0.0.1", order.port))[1]
        answer = await connection.ask(wire)
        idle.append(connection)
        return answer

    async def buy(number):
        if durable:
            await ledger.do(("INSERT INTO requests (id, state) VALUES (?, 'sent')", (number,)))
        body = msgspec.json.encode(order.fields(number))
        head = b"POST /v1/openai/images/generations HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n" % (host, len(body))
        answer = await ask(head + body)
        if durable:
            await ledger.do(("UPDATE requests SET state = 'answered', body = ? WHERE id = ?", (answer, number)))
        entry = msgspec.json.decode(answer)["data"][0]
        if "url" in entry:
            path = entry["url"].split("/", 3)[3].encode()
            content = await ask(b"GET /%s HTTP/1.1\r\n%s\r\n" % (path, host))
        else:
            content = pybase64.b64decode(entry["b64_json"], validate=True)
        file, sha256 = f"{number}.jpg", hashlib.sha256(content).hexdigest()
        await files.do((file, content))
        values = (number, "stored", file, sha256)
        await ledger.do(("REPLACE INTO requests (id, state, file, sha256) VALUES (?, ?, ?, ?)", values))

    order.at("buying")
    pending = iter(range(order.count))

    async def work():
        for number in pending:
            await buy(number)

    await asyncio.gather(*(work() for _ in range(order.concurrency)))
    order.at("after")


async def floor(order):
    await _floor(order, durable=False)


async def durable_floor(order):
    await _floor(order, durable=True)


# batchgen.


async def batchgen(order):
    """Our run as a program makes it."""
    await _run(order, _Listener(order).hear)


async def batchgen_command(order):
    """Our run as the command makes it, which has the process to itself."""
    from batchgen.cli.collector import collecting_seldom

    with collecting_seldom(_Listener(order).hear) as listen:
        await _run(order, listen)


class _Listener:
    def __init__(self, order):
        self.order, self.told = order, set()

    def hear(self, event):
        moment = {"Started": "buying", "FinalStep": "after"}.get(type(event).__name__)
        if moment and moment not in self.told:
            self.told.add(moment)
            self.order.at(moment)


async def _run(order, listen):
    from batchgen.commands.run import run_async
    from batchgen.running.options import Options

    os.environ["IMAGEROUTER_API_KEY"] = "none"
    job = {
        "provider": {"kind": "imagerouter", "base_url": order.base_url},
        "rows": [{"prompt": order.fields(number)["prompt"]} for number in range(order.count)],
        "defaults": {"model": MODEL, "size": "1024x1024"},
        "limits": {"concurrency": order.concurrency, "adaptive": False},
    }
    file = order.folder / "job.yaml"
    file.write_text(json.dumps(job))
    result = await run_async(file, folder=order.folder / "out", options=Options(confirmed=True), listen=listen)
    assert result.exit_code == 0, result.reason


# What a user would write instead.


async def _peer(order, buy):
    slots = asyncio.Semaphore(order.concurrency)

    async def one(number):
        async with slots:
            await buy(number)

    order.at("buying")
    await asyncio.gather(*(one(number) for number in range(order.count)))
    order.at("after")


def _keep(order, number, content):
    (order.folder / f"{number}.jpg").write_bytes(content)


async def aiohttp_semaphore(order):
    import aiohttp

    url = f"{order.base_url}/v1/openai/images/generations"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=order.concurrency)) as session:

        async def buy(number):
            async with session.post(url, json=order.fields(number), headers={"Authorization": "Bearer none"}) as answer:
                (entry,) = (await answer.json())["data"]
            if "url" in entry:
                async with session.get(entry["url"]) as answer:
                    content = await answer.read()
            else:
                content = pybase64.b64decode(entry["b64_json"])
            _keep(order, number, content)

        await _peer(order, buy)


async def httpx_semaphore(order):
    import httpx

    limits = httpx.Limits(max_connections=order.concurrency, max_keepalive_connections=order.concurrency)
    headers = {"Authorization": "Bearer none"}
    async with httpx.AsyncClient(limits=limits, timeout=120, trust_env=False) as client:

        async def buy(number):
            url = f"{order.base_url}/v1/openai/images/generations"
            (entry,) = (await client.post(url, json=order.fields(number), headers=headers)).json()["data"]
            content = (
                (await client.get(entry["url"])).content if "url" in entry else pybase64.b64decode(entry["b64_json"])
            )
            _keep(order, number, content)

        await _peer(order, buy)


async def openai_sdk(order):
    import httpx
    import openai

    limits = httpx.Limits(max_connections=order.concurrency, max_keepalive_connections=order.concurrency)
    async with (
        httpx.AsyncClient(limits=limits, timeout=120, trust_env=False) as client,
        openai.AsyncOpenAI(api_key="none", base_url=f"{order.base_url}/v1/openai", http_client=client) as sdk,
    ):

        async def buy(number):
            (entry,) = (await sdk.images.generate(**order.fields(number))).data
            content = (await client.get(entry.url)).content if entry.url else pybase64.b64decode(entry.b64_json)
            _keep(order, number, content)

        await _peer(order, buy)


BUYERS = {
    "floor": floor,
    "durable floor": durable_floor,
    "batchgen": batchgen,
    "batchgen, command": batchgen_command,
    "aiohttp + semaphore": aiohttp_semaphore,
    "httpx + semaphore": httpx_semaphore,
    "openai SDK + semaphore": openai_sdk,
}
# Those that cost so much that a tenth of the pictures shows it.
HEAVY = {"httpx + semaphore", "openai SDK + semaphore"}
