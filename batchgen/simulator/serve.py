"""Serving both applications on sockets until stopped."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import uvicorn
from starlette.applications import Starlette

from batchgen.simulator import applications
from batchgen.simulator.connection import Protocol
from batchgen.simulator.endpoints import Endpoints
from batchgen.simulator.service import open_service
from batchgen.simulator.settings import Settings
from batchgen.simulator.state_folder import Ports, held, last_ports, remember_ports

# A thousand clients may connect in the same instant; the kernel caps this at net.core.somaxconn.
_BACKLOG = 4096


def serve(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    pictures_port: int = 0,
    state: Path | None = None,
    on_ready: Callable[[Endpoints], None] = lambda _: None,
    until: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, or until ``until`` (which may block, in a thread of its own) returns.

    Port 0 means the port of the last server on the same ``state`` folder if it is free, else any. ``on_ready`` is
    called when connections are accepted. Requests still open at the end are settled as if they had just been done.
    Raise ``OSError`` for a port that can't be had and ``FolderTaken`` for a folder in use.
    """
    with held(state), contextlib.ExitStack() as stack:
        last = last_ports(state)
        api_socket = stack.enter_context(_listening(host, port, last.api))
        pictures_socket = stack.enter_context(_listening(host, pictures_port, last.pictures))
        remember_ports(state, Ports(_port(api_socket), _port(pictures_socket)))
        endpoints = Endpoints(_url(host, api_socket), _url(host, pictures_socket))
        service = open_service(settings, endpoints.pictures_url, state)
        stack.callback(service.close)
        servers = (
            (_BareServer(applications.api(service)), api_socket),
            (_BareServer(applications.pictures(service)), pictures_socket),
        )
        on_ready(endpoints)
        use_uvloop = importlib.util.find_spec("uvloop") is not None
        anyio.run(_serve_all, servers, until, service.sales.settle_all, backend_options={"use_uvloop": use_uvloop})


async def _serve_all(
    servers: tuple[tuple[_BareServer, socket.socket], ...],
    until: Callable[[], None] | None,
    settle_all: Callable[[], None],
) -> None:
    stop = anyio.Event()
    logging.getLogger("uvicorn.error").disabled = False
    with _stopping_on_signals(stop):
        async with anyio.create_task_group() as tasks:
            for server, listener in servers:
                tasks.start_soon(server.serve, [listener])
            if until is not None:
                _stop_after(until, stop)
            await stop.wait()
            settle_all()
            for server, _ in servers:
                server.hang_up()
            tasks.cancel_scope.cancel()


class _BareServer(uvicorn.Server):
    """uvicorn without its own signal handlers, which two servers in one loop would set in turn."""

    def __init__(self, application: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level=logging.ERROR,
                access_log=False,
                server_header=False,
                backlog=_BACKLOG,
                timeout_keep_alive=5,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def hang_up(self) -> None:
        """Stop listening and abort every connection; uvicorn's log of that is suppressed."""
        logging.getLogger("uvicorn.error").disabled = True
        for listener in self.servers if self.started else ():
            listener.close()
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()


@contextlib.contextmanager
def _stopping_on_signals(stop: anyio.Event) -> Iterator[None]:
    """Set ``stop`` on SIGINT and SIGTERM; outside the main thread, which alone may handle signals, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    heard = [name for name in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(name) is not signal.SIG_IGN]
    for name in heard:
        loop.add_signal_handler(name, stop.set)
    try:
        yield
    finally:
        for name in heard:
            loop.remove_signal_handler(name)


def _stop_after(until: Callable[[], None], stop: anyio.Event) -> None:
    """Set ``stop`` after ``until``, in a daemon thread: a blocked read must not keep the process from ending."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        until()
        with contextlib.suppress(RuntimeError):  # the loop may be closed by then
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait, daemon=True, name="simulator-until").start()


def _listening(host: str, port: int, last: int) -> socket.socket:
    if port == 0 and last:
        with contextlib.suppress(OSError):
            return _bound(host, last)
    return _bound(host, port)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def _url(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{_port(listener)}"
