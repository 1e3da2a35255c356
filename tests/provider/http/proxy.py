"""A real HTTP proxy on loopback, in a thread of its own: it tunnels, forwards, or refuses."""

import asyncio
import base64
import contextlib
import threading
from urllib.parse import urlsplit

TAKEN = "Basic " + base64.b64encode(b"ann:s3cret").decode()


class Proxy:
    """Takes names in ``.test`` for this machine; ``status`` refuses all, ``password`` all without :data:`TAKEN`."""

    def __init__(self, *, status=None, password=False):
        self.status, self.password = status, password
        self.tunnels, self.forwarded, self.heads = [], [], []

    def __enter__(self):
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self):
        self._loop, self._stop, self._tasks = asyncio.get_running_loop(), asyncio.Event(), set()
        self._writers = []
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
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
        self._writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._one(reader, writer)
        writer.close()

    async def _one(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        status = self.status
        if self.password and f"proxy-authorization: {TAKEN}".lower().encode() not in head.lower():
            status = 407
        if status is not None:
            writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno" % status)
            await writer.drain()
            return
        if method == "CONNECT":
            self.tunnels.append(target)
            host, _, port = target.rpartition(":")
            up_reader, up_writer = await asyncio.open_connection(_address(host), int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 loopback\r\n\r\n")
        else:
            self.forwarded.append(target)
            url = urlsplit(target)
            up_reader, up_writer = await asyncio.open_connection(_address(url.hostname), url.port or 80)
            up_writer.write(head.replace(target.encode(), (url.path or "/").encode(), 1))
        self._writers.append(up_writer)
        await asyncio.gather(_copied(reader, up_writer), _copied(up_reader, writer))


def _address(host):
    return "127.0.0.1" if host.endswith(".test") or host == "localhost" else host


async def _copied(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
