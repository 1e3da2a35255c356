"""A raw server that misbehaves on demand, in a thread of its own, and counts what it received whole.

The path of a request names the misbehaviour; everything it can do is a method of `Faults` called after the path.
"""

import asyncio
import contextlib
import gzip
import socket
import struct
import threading
from collections import Counter
from urllib.parse import parse_qs, urlsplit

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Exchange:
    """One connection's streams, with the request that was just read from it."""

    def __init__(self, reader, writer, head):
        self.reader, self.writer, self.head = reader, writer, head
        line = head.split(b"\r\n", 1)[0].decode()
        self.method, target, _ = line.split(" ")
        self.path = urlsplit(target).path.strip("/")
        self.query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}

    @property
    def length(self):
        for line in self.head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return int(line.split(b":")[1])
        return 0

    def reset(self):
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Faults:
    def __init__(self, ssl_context=None, host="127.0.0.1"):
        self._ssl_context, self._host = ssl_context, host
        self.received = Counter()
        self.heads = []
        self.connections = 0
        self.open_now = 0
        self.most_open = 0
        self.peer_gone = threading.Event()
        self.arrived = threading.Event()
        self._gate = 0

    def __enter__(self):
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def url(self, path, host=None):
        scheme = "https" if self._ssl_context else "http"
        return f"{scheme}://{host or self._host}:{self.port}/{path}"

    async def _serve(self):
        self._loop, self._stop, self._gate_moved = asyncio.get_running_loop(), asyncio.Event(), asyncio.Condition()
        self._tasks, self._writers = set(), set()
        server = await asyncio.start_server(self._connection, self._host, 0, ssl=self._ssl_context, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self._writers.add(writer)
        self.connections += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._one(reader, writer):
                pass
        self.open_now -= 1
        self._tasks.discard(asyncio.current_task())
        writer.close()
        if self._ssl_context is None:
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self.peer_gone.set()

    async def _one(self, reader, writer):
        exchange = Exchange(reader, writer, await reader.readuntil(b"\r\n\r\n"))
        fault = getattr(self, exchange.path.replace("-", "_"))
        if exchange.path.startswith("unread"):
            return await fault(exchange)
        exchange.body = await reader.readexactly(exchange.length)
        self.received[exchange.path] += 1
        self.heads.append(exchange.head)
        self.arrived.set()
        return await fault(exchange)

    # Well behaved.

    async def ok(self, exchange):
        exchange.writer.write(OK)
        return True

    async def echo(self, exchange):
        exchange.writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(exchange.body) + exchange.body)
        return True

    async def chunked(self, exchange):
        exchange.writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n")
        return True

    async def until_close(self, exchange):
        exchange.writer.write(HEAD + b"Connection: close\r\n\r\n{}")
        return False

    async def hints(self, exchange):
        exchange.writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)
        return True

    async def gate(self, exchange):
        """Answers nobody until `n` have come, counted from the start."""
        self._gate += 1
        async with self._gate_moved:
            self._gate_moved.notify_all()
            await self._gate_moved.wait_for(lambda: self._gate >= int(exchange.query["n"]))
        exchange.writer.write(OK)
        return True

    async def heartbeat(self, exchange):
        exchange.writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(6):
            exchange.writer.write(b"1\r\n \r\n")
            await asyncio.sleep(0.1)
        exchange.writer.write(b"2\r\n{}\r\n0\r\n\r\n")
        return True

    async def gzipped(self, exchange):
        body = gzip.compress(b"x" * int(exchange.query.get("size", 100)))
        exchange.writer.write(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return True

    async def not_gzip(self, exchange):
        exchange.writer.write(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}")
        return True

    async def redirect(self, exchange):
        location = self.url("ok").encode()
        exchange.writer.write(b"HTTP/1.1 307 Moved\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")
        return True

    # Closing.

    async def closing(self, exchange):
        """Answers without a word about closing, then closes."""
        exchange.writer.write(OK)
        return False

    async def reset(self, exchange):
        exchange.reset()
        return False

    async def reset_amid_body(self, exchange):
        exchange.writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
        await exchange.writer.drain()
        await asyncio.sleep(0.1)  # what is unread when a reset arrives is lost, headers included
        exchange.reset()
        return False

    async def close(self, exchange):
        return False

    async def short_body(self, exchange):
        exchange.writer.write(HEAD + b"Content-Length: 100\r\n\r\n{}")
        return False

    async def cut_chunk(self, exchange):
        exchange.writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\n{")
        return False

    async def half_headers(self, exchange):
        exchange.writer.write(HEAD)
        return False

    # Not HTTP, too much, or nothing at all.

    async def garbage(self, exchange):
        exchange.writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        return False

    async def two_lengths(self, exchange):
        exchange.writer.write(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")
        return False

    async def header_flood(self, exchange):
        exchange.writer.write(HEAD)
        while True:
            exchange.writer.write(b"X-Flood: " + b"a" * 1000 + b"\r\n")
            await exchange.writer.drain()

    async def endless_header(self, exchange):
        exchange.writer.write(HEAD + b"X-Flood: ")
        while True:
            exchange.writer.write(b"a" * 1000)
            await exchange.writer.drain()

    async def endless_body(self, exchange):
        exchange.writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        self.body_bytes_taken = 0
        while True:
            exchange.writer.write(chunk)
            await exchange.writer.drain()
            self.body_bytes_taken += 0x10000

    async def silence(self, exchange):
        await exchange.reader.read()
        return False

    async def silence_amid_body(self, exchange):
        exchange.writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
        await exchange.reader.read()
        return False

    # Called before the body is read.

    async def unread_reset(self, exchange):
        exchange.reset()
        return False

    async def unread_silence(self, exchange):
        exchange.reader._transport.pause_reading()
        await self._stop.wait()
        return False

    async def unread_refusal(self, exchange):
        exchange.writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")
        await exchange.writer.drain()
        await exchange.reader.readexactly(exchange.length)
        return False


class Slamming(Faults):
    """Closes each connection as soon as it is opened."""

    async def _connection(self, reader, writer):
        writer.transport.abort()
