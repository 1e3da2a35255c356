"""The page on a local address: it grows while a run goes on, and saves votes at once.

It listens on 127.0.0.1 and answers nobody else's pages: a name that was rebound to this machine fails the check of the
host (CWE-350), another site's page that of the origin (CWE-352). Only pictures the ledger knows are served.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import anyio.to_thread
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from batchgen.compare import votes
from batchgen.compare.columns import batch, details
from batchgen.compare.growing import Growth
from batchgen.compare.writing import POLICY, about_json, page_file, page_html, script
from batchgen.store.folder import RunFolder
from batchgen.store.thumbnails import FOLDER, inside

HOST = "127.0.0.1"

_SELF = "'self'"

_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "tiff": "image/tiff",
    "avif": "image/avif",
    "svg": "image/svg+xml",
    "mp4": "video/mp4",
    "webm": "video/webm",
}
_PAGE_TYPES = {".js": "text/javascript", ".css": "text/css"}

# A picture that is opened by itself is a document of this address: nothing in it (SVG) may run.
_PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def serve(folder: RunFolder, *, port: int = 0, on_ready: Callable[[str, Path], None] = lambda *_: None) -> None:
    """Serves the page of ``folder`` until SIGINT or SIGTERM; ``on_ready`` gets its URL once connections are accepted.

    Raises :class:`LedgerDamaged` where there is no ledger to read, and ``OSError`` for a port that is not to be had.
    """
    growth = Growth(folder)
    growth.look()
    with socket.create_server((HOST, port)) as listener, _watched(growth):
        number = listener.getsockname()[1]
        on_ready(f"http://{HOST}:{number}/", folder.root)
        _Server(application(folder, growth, number)).run([listener])


def application(folder: RunFolder, growth: Growth, port: int) -> ASGIApp:
    """The page, its rows, its pictures and its votes, behind the checks of host and origin."""
    return _Guard(_routes(folder, growth), port)


def _routes(folder: RunFolder, growth: Growth) -> Starlette:
    async def page(_: Request) -> Response:
        return Response(page_html(connect=_SELF), media_type="text/html")

    async def nothing(_: Request) -> Response:
        return Response(status_code=204)

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name == "data.js":
            facts = about_json(growth.since(0).about, stamp="", live=True, total=0, chunk=1)
            return Response(script("table.begin", facts, []), media_type="text/javascript")
        try:
            return Response(page_file(name), media_type=_PAGE_TYPES[Path(name).suffix])
        except FileNotFoundError:
            return PlainTextResponse("not found", 404)

    async def rows(request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not after.isdecimal() or len(after) > 15:
            return PlainTextResponse("after: a whole number", 400)
        return await anyio.to_thread.run_sync(_rows, growth, int(after))

    async def picture(request: Request) -> Response:
        file = f"images/{request.path_params['file']}"
        shot, path = growth.shot(file), inside(folder.root, file)
        if shot is None or path is None or not path.is_file():
            return PlainTextResponse("not found", 404)
        headers = {"Content-Security-Policy": _PICTURE_POLICY, "Cache-Control": "no-cache"}
        return FileResponse(path, media_type=_TYPES.get(shot.format, "application/octet-stream"), headers=headers)

    async def thumbnail(request: Request) -> Response:
        path = inside(folder.root, f"{FOLDER}/{request.path_params['file']}")
        if path is None or path.suffix != ".webp" or not path.is_file():
            return PlainTextResponse("not found", 404)
        # Named by its content's digest: it never changes.
        return FileResponse(path, media_type="image/webp", headers={"Cache-Control": "max-age=31536000, immutable"})

    async def cast(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return PlainTextResponse("a vote is JSON", 415)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > votes.LINE_BYTES:
                return PlainTextResponse("too long for a vote", 413)
        try:
            await anyio.to_thread.run_sync(votes.append, folder.root, body)
        except votes.BadVote as error:
            return PlainTextResponse(str(error), 422)
        return Response(status_code=204)

    async def standing(_: Request) -> Response:
        found = await anyio.to_thread.run_sync(votes.read, folder.root)
        return Response(msgspec.json.encode(found.votes), media_type="application/json")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/favicon.ico", nothing),
            Route("/compare/{name}", asset),
            Route("/rows", rows),
            Route("/votes", standing, methods=["GET"]),
            Route("/votes", cast, methods=["POST"]),
            Route("/images/{file:path}", picture),
            Route(f"/{FOLDER}/{{file:path}}", thumbnail),
        ]
    )


def _rows(growth: Growth, after: int) -> Response:
    change = growth.since(after)
    said = {
        "after": change.after,
        "more": change.more,
        "about": about_json(change.about),
        "rows": batch(change.rows),
        "details": details(change.rows),
    }
    return Response(msgspec.json.encode(said), media_type="application/json")


class _Guard:
    """Turns away what another site's page could send, and says of every answer what may be done with it."""

    _HEADERS = (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-frame-options", b"DENY"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
    )
    _POLICY = (b"content-security-policy", f"{POLICY.format(connect=_SELF)}; frame-ancestors 'none'".encode())

    def __init__(self, application: ASGIApp, port: int) -> None:
        self._application = application
        self._hosts = frozenset(f"{name}:{port}" for name in (HOST, "localhost"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in message["headers"]}
                more = [pair for pair in (*self._HEADERS, self._POLICY) if pair[0] not in names]
                fresh = [] if b"cache-control" in names else [(b"cache-control", b"no-store")]
                message["headers"] = [*message["headers"], *more, *fresh]
            await send(message)

        application = self._application if self._is_ours(Request(scope)) else _FORBIDDEN
        await application(scope, receive, send_guarded)

    def _is_ours(self, request: Request) -> bool:
        """Whether the request is for this address, and comes from its own page or from the address bar."""
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if host not in self._hosts or (origin is not None and origin != f"http://{host}"):
            return False
        # A link on another page may lead here; its scripts and pictures may take nothing from here.
        if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return request.url.path == "/" and request.headers.get("sec-fetch-mode") == "navigate"
        # Every browser names the origin of a post, so what comes without one is no browser's.
        return request.method in {"GET", "HEAD"} or origin is not None


_FORBIDDEN = PlainTextResponse("this page is for its own address only", 403)


class _Server(uvicorn.Server):
    """uvicorn that ends without a complaint on Ctrl-C, and waits for no browser that holds its connection."""

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
def _watched(growth: Growth) -> Iterator[None]:
    stop = threading.Event()
    watcher = threading.Thread(target=growth.watch, args=(stop,), name="compare-watch")
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
