"""The page served on a local address: it grows during a run, and saves votes at once.

The server listens on 127.0.0.1, which all accounts of a machine reach, or where its user says. It answers its own page
(:mod:`batchgen.compare.origin_check`) under the address that it told its user (:mod:`batchgen.compare.page_token`).
"""

from __future__ import annotations

import contextlib
import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from batchgen.compare.ledger_watch import LedgerWatch
from batchgen.compare.origin_check import HOST, authority, shown_host
from batchgen.compare.page_token import page_token
from batchgen.compare.routes import application
from batchgen.errors import UsageError
from batchgen.store.folder.run_folder import RunFolder


def serve(
    folder: RunFolder, *, host: str = HOST, port: int = 0, on_ready: Callable[[str, Path], None] = lambda *_: None
) -> None:
    """Serve the page of ``folder`` until SIGINT or SIGTERM; ``on_ready`` gets its URL once connections are accepted.

    Raises :class:`LedgerDamaged` if there is no ledger to read, :class:`UsageError` if ``host`` is no address of this
    machine, and ``OSError`` if the port is taken.
    """
    ledger = LedgerWatch(folder)
    ledger.look()
    with _listener(host, port) as listener, _watched(ledger):
        number = listener.getsockname()[1]
        token = page_token(folder.root)
        on_ready(f"http://{authority(shown_host(host), number)}/{token}/", folder.root)
        _PageServer(application(folder, ledger, number, token, host)).run([listener])


def _listener(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (socket.gaierror, UnicodeError) as error:
        raise UsageError(f"--host {host!r}: there is no such name or address ({error})") from error
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        raise UsageError(
            f"--host {host!r}: it is no address of this machine; 0.0.0.0 stands for all of them"
        ) from error


class _PageServer(uvicorn.Server):
    """A uvicorn server that ends silently on Ctrl-C, and does not wait for browsers that keep their connection."""

    def __init__(self, application: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level=logging.CRITICAL,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {name: signal.signal(name, self._stop) for name in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.handle_exit(number, frame)


@contextlib.contextmanager
def _watched(ledger: LedgerWatch) -> Iterator[None]:
    stop = threading.Event()
    watcher = threading.Thread(target=ledger.watch, args=(stop,), name="compare-watch")
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
