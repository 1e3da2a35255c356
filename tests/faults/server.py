"""A service that fails as it is told to: raw asyncio, a process of its own, and books of its own.

    python -m tests.faults.server FOLDER

prints its ports as one line of JSON and ends when its standard input does. It knows nothing of the program under
test. A picture is billed when its whole request was received and taken; that line is in ``FOLDER/billing.jsonl``
before the first byte of an answer leaves. ``FOLDER/visits.jsonl`` has every request, also the free ones.

What it does is a script: a list of rules, the first that matches counts. A rule says when (``on``: post, get or
catalogue; ``model``, ``prompt`` (a word of it), ``nth`` request, ``tries`` of one request, ``within_s`` of the first
post, ``chance``, ``times``) and what: ``status``, ``headers``, ``body``, ``cost`` (raw JSON), ``picture``, ``pad``,
``hosted``, ``url``, ``redirect``, ``delay_s``, ``heartbeat_s``, ``cut`` and ``bill``; ``harmless`` rules are no faults.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import random
import re
import socket
import struct
import sys
import time
from collections import Counter
from pathlib import Path

from tests.faults import pictures

MODELS = {"shop/cheap": 0.01, "shop/other": 0.01, "shop/dear": 0.30, "shop/four": 0.04}
DRIP_S = 0.1


class Books:
    """Files that only grow: each line is whole or absent, whatever happens to this process."""

    def __init__(self, path):
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def add(self, **line):
        os.write(self._handle, json.dumps(line).encode() + b"\n")


class Script:
    """The rules in force, and how often each was followed."""

    def __init__(self, rules):
        self.rules = rules
        self.faults = 0
        self._followed = Counter()
        self._random = random.Random(7)
        self._posts = Counter()
        self._tries = Counter()
        self._first_post = None

    def rule(self, on, *, model="", prompt="", identity=""):
        self._posts[on] += 1
        self._tries[on, identity] += 1
        if on == "post" and self._first_post is None:
            self._first_post = time.monotonic()
        seen = {"model": model, "prompt": prompt, "nth": self._posts[on], "try": self._tries[on, identity]}
        for number, rule in enumerate(self.rules):
            if rule.get("on", "post") == on and self._matches(number, rule, seen):
                self._followed[number] += 1
                self.faults += not rule.get("harmless", False)
                return rule
        return {}

    def _matches(self, number, rule, seen):
        first, last = rule.get("nth", [0, float("inf")])
        since = time.monotonic() - self._first_post if self._first_post is not None else 0
        return (
            rule.get("model", seen["model"]) == seen["model"]
            and rule.get("prompt", "") in seen["prompt"]
            and first <= seen["nth"] <= last
            and seen["try"] in rule.get("tries", [seen["try"]])
            and since <= rule.get("within_s", float("inf"))
            and self._followed[number] < rule.get("times", float("inf"))
            and self._random.random() < rule.get("chance", 1)
        )


class Service:
    """The shop, its picture host, another host that pictures may point to, and a back door for the tests."""

    def __init__(self, folder):
        self.script = Script([])
        self.faults = 0
        self._billing = Books(folder / "billing.jsonl")
        self._visits = Books(folder / "visits.jsonl")
        self._made = {}
        self._number = 0
        self._ports = {}
        self._open = set()
        self._server = None

    async def run(self):
        rooms = {"shop": self._shop, "pictures": self._pictures, "elsewhere": self._elsewhere, "door": self._door}
        servers = {name: await self._listen(name, answer) for name, answer in rooms.items()}
        self._ports = {name: server.sockets[0].getsockname()[1] for name, server in servers.items()}
        self._server = servers["shop"]
        print(json.dumps(self._ports), flush=True)
        loop = asyncio.get_running_loop()
        end = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(end), sys.stdin)
        await end.read()

    async def _listen(self, name, answer, port=0):
        async def serve(reader, writer):
            if name == "elsewhere":
                self._visits.add(on="elsewhere, connected", time=time.time())
            if name == "shop":
                self._open.add(writer)
            try:
                while (request := await _read(reader)) is not None:
                    if not await answer(request, writer):
                        break
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                self._open.discard(writer)
                with contextlib.suppress(Exception):
                    writer.close()

        return await asyncio.start_server(serve, "127.0.0.1", port, limit=2**20, backlog=256)

    async def _door(self, request, writer):
        """Rules and outages, by the tests."""
        order = json.loads(request["body"] or b"{}")
        if "rules" in order:
            self.faults += self.script.faults
            self.script = Script(order["rules"])
        if order.get("outage") is True and self._server:
            self.faults += 1
            self._server.close()
            self._server = None
            for open_writer in list(self._open):
                _reset(open_writer)
        if order.get("outage") is False and self._server is None:
            self._server = await self._listen("shop", self._shop, self._ports["shop"])
        return await _answer(writer, json.dumps({"faults": self.faults + self.script.faults}).encode())

    async def _shop(self, request, writer):
        if request["method"] == "POST" and request["path"].startswith("/v1/openai/images/"):
            return await self._sell(request, writer)
        if request["path"].startswith("/v2/models"):
            rule = self.script.rule("catalogue")
            if rule:
                return await _deliver(writer, rule, _json_body(rule.get("body", {})))
            return await _answer(writer, json.dumps(_catalogue()).encode())
        if request["path"].startswith("/v1/credits"):
            return await _answer(writer, b'{"remaining_credits": "1000"}')
        return await _answer(writer, b"<html>Cannot GET</html>", status=404, kind="text/html")

    async def _sell(self, request, writer):
        model, prompt = _order(request)
        key = request["headers"].get("idempotency-key", "")
        rule = self.script.rule("post", model=model, prompt=prompt, identity=key)
        fails = rule.get("status", 200) >= 300 or "body" in rule
        billed = rule.get("bill", not fails)
        now = time.time()
        self._visits.add(on="post", key=key, model=model, prompt=prompt, billed=billed, time=now)
        answer = None
        if billed:
            self._number += 1
            answer = self._bought(self._number, rule, request, key=key, model=model, prompt=prompt, now=now)
        body = _json_body(rule["body"]) if "body" in rule else answer
        if body is None:
            body = b'{"error": {"message": "Internal error", "type": "server_error"}}'
        return await _deliver(writer, rule, body)

    def _bought(self, number, rule, request, *, key, model, prompt, now):
        picture = pictures.make(number, rule.get("picture", "png"), rule.get("pad", 0))
        price = MODELS.get(model, 0.01)
        cost = rule.get("cost", str(price))
        self._billing.add(
            id=number,
            key=key,
            model=model,
            prompt=prompt,
            digest=hashlib.sha256(request["body"]).hexdigest(),
            sha256=hashlib.sha256(picture).hexdigest(),
            price_microusd=rule.get("charge_microusd", round(price * 1_000_000)),
            time=now,
        )
        self._made[number] = (picture, rule.get("type", "image/png"))
        entry = {"url": self._url(number, rule)} if "url" in rule or rule.get("hosted") else None
        entry = entry or {"b64_json": base64.b64encode(picture).decode()}
        # The cost is written as it stands in the script: NaN and 1e999 have no place in Python's values.
        return f'{{"created": 1, "data": [{json.dumps(entry)}], "latency": 12, "cost": {cost}}}'.encode()

    def _url(self, number, rule):
        own = f"http://127.0.0.1:{self._ports['pictures']}/{number}"
        return rule.get("url", own).replace("PORT", str(self._ports["elsewhere"])).replace("NUMBER", str(number))

    async def _pictures(self, request, writer):
        number = int(re.sub(r"\D", "", request["path"]) or 0)
        rule = self.script.rule("get", identity=str(number))
        self._visits.add(on="get", number=number, headers=sorted(request["headers"]), time=time.time())
        if "redirect" in rule:
            to = f"http://127.0.0.1:{self._ports['elsewhere']}/{number}"
            headers = {"location": to, "set-cookie": "trace=1; Path=/"}
            return await _answer(writer, b"", status=302, headers=headers)
        content, kind = self._made.get(number, (b"gone", "text/plain"))
        return await _deliver(writer, {"type": kind, **rule}, content)

    async def _elsewhere(self, request, writer):
        self._visits.add(on="elsewhere", headers=sorted(request["headers"]), time=time.time())
        content, kind = self._made.get(int(re.sub(r"\D", "", request["path"]) or 0), (b"gone", "text/plain"))
        return await _answer(writer, content, kind=kind)


async def _read(reader):
    """The next whole request of a connection; ``None`` where there is none."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    line, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = line.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines if one)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return {"method": method, "path": path, "headers": headers, "body": body}


def _order(request):
    """Model and prompt, of JSON or of a form."""
    if request["headers"].get("content-type", "").startswith("application/json"):
        asked = json.loads(request["body"])
        return asked.get("model", ""), asked.get("prompt", "")
    fields = dict(re.findall(rb'name="(model|prompt)"\r\n(?:[^\r]+\r\n)*\r\n(.*?)\r\n', request["body"]))
    return fields.get(b"model", b"").decode(), fields.get(b"prompt", b"").decode()


def _json_body(body):
    return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else json.dumps(body).encode()


def _catalogue():
    return {
        name: {
            "output": ["image"],
            "inputs": {"image": True, "mask": True},
            "price": {"min": price, "average": price, "max": price},
        }
        for name, price in MODELS.items()
    }


async def _answer(writer, body, *, status=200, kind="application/json", headers=()):
    stated = {"content-type": kind, "content-length": str(len(body)), **dict(headers)}
    writer.write(_head(status, stated) + body)
    await writer.drain()
    return True


def _head(status, headers):
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _deliver(writer, rule, body):
    """Answers as the rule says; whether the connection can be used again."""
    status, kind = rule.get("status", 200), rule.get("type", "application/json")
    headers = {"content-type": kind, **rule.get("headers", {})}
    if "heartbeat_s" in rule:
        return await _heartbeats(writer, rule, body, headers)
    if "cut" in rule:
        await asyncio.sleep(rule.get("delay_s", 0))
        await _break(writer, rule["cut"], body, status, headers)
        return False
    await asyncio.sleep(rule.get("delay_s", 0))
    return await _answer(writer, body, status=status, kind=kind, headers=rule.get("headers", {}))


async def _heartbeats(writer, rule, body, headers):
    """Spaces while it works, as the real service sends, and the answer at the end."""
    writer.write(_head(rule.get("status", 200), {**headers, "transfer-encoding": "chunked"}))
    until = time.monotonic() + rule["delay_s"]
    while time.monotonic() < until:
        writer.write(b"1\r\n \r\n")
        await writer.drain()
        await asyncio.sleep(rule["heartbeat_s"])
    writer.write(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
    await writer.drain()
    return True


async def _break(writer, how, body, status, headers):
    half = body[: len(body) // 2]
    whole = _head(status, {**headers, "content-length": str(len(body))})
    chunked = _head(status, {**headers, "transfer-encoding": "chunked"})
    match how:
        case "reset":
            _reset(writer)
        case "close":
            pass
        case "reset in the head":
            await _send(writer, whole[:20])
            _reset(writer)
        case "reset in the body":
            await _send(writer, whole + half)
            _reset(writer)
        case "short":
            await _send(writer, whole + half)
        case "chunk cut":
            await _send(writer, chunked + f"{len(body):x}\r\n".encode() + half)
        case "no last chunk":
            await _send(writer, chunked + f"{len(half):x}\r\n".encode() + half + b"\r\n")
        case "hang":
            await asyncio.sleep(3600)
        case "hang in the body":
            await _send(writer, whole + half)
            await asyncio.sleep(3600)
        case "drip":
            await _send(writer, chunked)
            while True:
                await _send(writer, b"1\r\n{\r\n")
                await asyncio.sleep(DRIP_S)
        case "flood":
            await _send(writer, chunked)
            while True:
                await _send(writer, b"100000\r\n" + bytes(2**20) + b"\r\n")
        case "garbage":
            await _send(writer, b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        case "two lengths":
            await _send(
                writer, _head(status, {**headers, "content-length": f"{len(body)}\r\ncontent-length: 3"}) + body
            )
        case "header flood":
            await _send(writer, _head(status, {f"x-{number}": "y" * 1000 for number in range(300)}) + body)
        case "informational for ever":
            while True:
                await _send(writer, b"HTTP/1.1 102 Processing\r\n\r\n")
                await asyncio.sleep(DRIP_S)
        case _:
            raise ValueError(how)


async def _send(writer, content):
    writer.write(content)
    await writer.drain()
    # The reader is to see these bytes before it sees the end.
    await asyncio.sleep(0.02)


def _reset(writer):
    """Closes with a reset instead of an orderly end."""
    with contextlib.suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


if __name__ == "__main__":
    asyncio.run(Service(Path(sys.argv[1])).run())
