"""A service on loopback that answers as ImageRouter does, at some 30 µs a request, in a process of its own.

A post is answered by status and headers at once, heartbeats, and JSON in a chunk of its own; pictures are hosted beside
it, or are in the JSON as base64. Each picture has other bytes. It knows a catalogue, a balance, and what it has spent.
"""

import asyncio
import base64
import io
import itertools
import json
import multiprocessing
import time
from contextlib import contextmanager
from dataclasses import dataclass

MODEL = "maker/one"
_RATE = b"RateLimit-Policy: 6000;w=60\r\nRateLimit-Limit: 6000\r\nRateLimit-Remaining: 5990\r\nRateLimit-Reset: 60\r\n"
_CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + _RATE + b"Transfer-Encoding: chunked\r\n\r\n"
_CATALOGUE = {MODEL: {"output": ["image"], "price": {"min": 0.001, "average": 0.001, "max": 0.001}}}


@dataclass(frozen=True)
class Sold:
    """What a service sells: pictures of so many bytes, after ``latency_s``, hosted or as base64."""

    picture_bytes: int = 600
    base64: bool = False
    latency_s: float = 0.0
    heartbeat_s: float = 3.0


@contextmanager
def serving(kinds):
    """Run a service for each of ``kinds``; give the port of each."""
    receiving, sending = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.Process(target=_serve, args=(kinds, sending), daemon=True)
    server.start()
    try:
        yield dict(zip(kinds, receiving.recv(), strict=True))
    finally:
        server.terminate()
        server.join()


def _serve(kinds, ports):
    import uvloop

    async def main():
        loop, found = asyncio.get_running_loop(), []
        for sold in kinds:
            shop = _Shop(sold)
            server = await loop.create_server(lambda shop=shop: _Connection(shop), "127.0.0.1", 0, backlog=4096)
            shop.port = server.sockets[0].getsockname()[1]
            found.append(shop.port)
        ports.send(found)
        await asyncio.Event().wait()

    uvloop.run(main())


class _Shop:
    def __init__(self, sold):
        self.sold, self.port, self.number, self.requests = sold, 0, itertools.count(), 0
        self.before, self.after = _jpeg(sold.picture_bytes)

    def picture(self, number):
        """A JPEG with its number in a comment."""
        return self.before + b"%016d" % number + self.after

    def answer(self):
        number = next(self.number)
        if self.sold.base64:
            what = b'"b64_json":"%s"' % base64.b64encode(self.picture(number))
        else:
            what = b'"url":"http://127.0.0.1:%d/pictures/%d.jpg"' % (self.port, number)
        body = b'{"created":1764000000000,"data":[{%s}],"latency":1000,"cost":0.001}' % what
        return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)

    def found(self, path):
        if path.startswith(b"/pictures/"):
            return _plain(b"image/jpeg", self.picture(int(path[10:-4])))
        if path == b"/v2/models":
            return _plain(b"application/json", json.dumps(_CATALOGUE).encode())
        if path == b"/spent":
            spent = {"cpu_s": time.process_time(), "requests": self.requests}
            return _plain(b"application/json", json.dumps(spent).encode())
        return _plain(b"application/json", b'{"remaining_credits":1000000}')


class _Connection(asyncio.Protocol):
    def __init__(self, shop):
        self.shop, self.waiting = shop, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        data = self.waiting + data
        head, end, body = data.partition(b"\r\n\r\n")
        if not end or (head[:4] == b"POST" and len(body) < _length(head)):
            self.waiting = data
            return
        self.waiting = b""
        self.shop.requests += 1
        if head[:4] == b"POST":
            self.sell()
        else:
            self.transport.write(self.shop.found(head.split(b" ", 2)[1]))

    def sell(self):
        sold = self.shop.sold
        if not sold.latency_s:
            self.transport.write(_CHUNKED + self.shop.answer())
            return
        loop = asyncio.get_running_loop()
        self.transport.write(_CHUNKED)
        ends = loop.time() + sold.latency_s
        loop.call_later(min(sold.heartbeat_s, sold.latency_s), self.beat, ends)

    def beat(self, ends):
        if self.transport.is_closing():
            return
        sold, loop = self.shop.sold, asyncio.get_running_loop()
        left_s = ends - loop.time()
        if left_s <= 0.001:
            self.transport.write(self.shop.answer())
            return
        self.transport.write(b"1\r\n \r\n")
        loop.call_later(min(sold.heartbeat_s, left_s), self.beat, ends)


def _length(head):
    place = head.lower().find(b"content-length:")
    return int(head[place + 15 :].split(b"\r\n", 1)[0])


def _plain(media_type, body):
    return b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (media_type, len(body), body)


def _jpeg(size):
    """A JPEG of about ``size`` bytes in two halves, between which 16 bytes of a comment belong."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (8, 8), 128).save(file, "JPEG", quality=10)
    start, rest = file.getvalue()[:2], file.getvalue()[2:]
    filler = b""
    while len(filler) + len(start) + len(rest) + 20 < size - 4:
        part = min(65_000, size - len(filler) - len(start) - len(rest) - 24)
        filler += b"\xff\xfe" + (part + 2).to_bytes(2) + b"\x5a" * part
    return start + b"\xff\xfe" + (18).to_bytes(2), filler + rest
