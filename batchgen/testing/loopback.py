"""A service on this machine that answers as configured, wrongly too, and keeps every request."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal


@dataclass(frozen=True, slots=True)
class Arrived:
    """One request as received; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer. ``how`` spoils it: ``half`` of the promised body, ``nothing``, or ``never``."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    how: Literal["whole", "half", "nothing", "never"] = "whole"


class Loopback:
    """One running service. ``reply`` may be replaced at any time; ``arrived`` is set by every request."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[Arrived] = []
        self.reply: Callable[[Arrived], Reply] = lambda _: Reply(404)
        self.arrived = threading.Event()
        self.ended = threading.Event()

    @property
    def posts(self) -> list[Arrived]:
        """The requests that are no look-ups."""
        return [one for one in self.seen if one.method not in {"GET", "HEAD"}]


@contextlib.contextmanager
def loopback() -> Iterator[Loopback]:
    """Run a service on a free port while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    service = Loopback(f"http://127.0.0.1:{server.server_address[1]}")
    server.service = service  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        service.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def closed_address() -> str:
    """Return the address of a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        service: Loopback = self.server.service  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        arrived = Arrived(self.command, self.path, headers, body)
        service.seen.append(arrived)
        service.arrived.set()
        reply = service.reply(arrived)
        if reply.how == "never":
            service.ended.wait()
        if reply.how in {"never", "nothing"}:
            self._hang_up()
            return
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if reply.how == "half" else reply.body)
        if reply.how == "half":
            self._hang_up()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the names that it looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it has
        """Log nothing."""

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
            self.connection.shutdown(socket.SHUT_RDWR)
