"""The routes of the local server: the page, new rows, pictures, and votes.

Only pictures that the ledger knows are served. A vote is on disk before the page gets its answer.
"""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from batchgen.compare import vote, vote_log, votes
from batchgen.compare.ledger_watch import LedgerWatch
from batchgen.compare.origin_check import HOST, SELF, OriginCheck
from batchgen.compare.page_columns import batch, details
from batchgen.compare.writing import VOTES, about_json, page_file, page_html, results_of, script
from batchgen.errors import UsageError
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.inputs.copies import INPUTS, is_copy
from batchgen.store.looks.thumbnails import FOLDER, inside
from batchgen.store.pictures.original_files import OriginalFiles

# A vote is small and comes from this machine: a client that takes longer only holds the connection.
_VOTE_DEADLINE_S = 10.0

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

# A picture that is opened by itself is a document of this origin: no script in an SVG may run.
_PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def application(folder: RunFolder, ledger: LedgerWatch, port: int, token: str, host: str = HOST) -> ASGIApp:
    """Return the application with all routes below ``/token/``, behind the checks of token, host and origin."""
    return OriginCheck(_routes(folder, ledger), port, token, host)


def _routes(folder: RunFolder, ledger: LedgerWatch) -> Starlette:
    originals = OriginalFiles(folder)

    async def page(_: Request) -> Response:
        return Response(page_html(connect=SELF), media_type="text/html")

    async def nothing(_: Request) -> Response:
        return Response(status_code=204)

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name == "data.js":
            facts = about_json(ledger.about, stamp="", live=True, total=0, chunk=1)
            return Response(script("table.begin", facts, []), media_type="text/javascript")
        try:
            return Response(page_file(name), media_type=_PAGE_TYPES[Path(name).suffix])
        except FileNotFoundError:
            return PlainTextResponse("not found", 404)

    async def rows(request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not after.isdecimal() or len(after) > 15:
            return PlainTextResponse("after must be a whole number", 400)
        return await anyio.to_thread.run_sync(_rows, ledger, int(after))

    async def picture(request: Request) -> Response:
        file = f"images/{request.path_params['file']}"
        shot, path = ledger.shot(file), inside(folder.root, file)
        if shot is None or path is None:
            return PlainTextResponse("not found", 404)
        headers = {"Content-Security-Policy": _PICTURE_POLICY, "Cache-Control": "no-cache"}
        media = _TYPES.get(shot.format, "application/octet-stream")
        if path.is_file():
            return FileResponse(path, media_type=media, headers=headers)
        # A picture in a bucket has no name on this disk.
        content = await anyio.to_thread.run_sync(originals.read, shot) if originals.address else None
        if content is None:
            return PlainTextResponse(originals.problem or "not found", 404)
        return Response(content, media_type=media, headers=headers)

    async def edited(request: Request) -> Response:
        file = f"{INPUTS}/{request.path_params['name']}"
        path = inside(folder.root, file)
        if not is_copy(file) or path is None or path.is_symlink() or not path.is_file():
            return PlainTextResponse("not found", 404)
        # Copies are named by their digests and never change.
        return FileResponse(path, headers={"Cache-Control": "max-age=31536000, immutable"})

    async def thumbnail(request: Request) -> Response:
        path = inside(folder.root, f"{FOLDER}/{request.path_params['file']}")
        if path is None or path.suffix != ".webp" or not path.is_file():
            return PlainTextResponse("not found", 404)
        # Thumbnails are named by the digest of their picture and never change.
        return FileResponse(path, media_type="image/webp", headers={"Cache-Control": "max-age=31536000, immutable"})

    async def cast(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return PlainTextResponse("a vote must be JSON", 415)
        try:
            with anyio.fail_after(_VOTE_DEADLINE_S):
                body = await _read(request, vote.LINE_BYTES)
        except TimeoutError:
            return PlainTextResponse("the vote came too slowly", 408)
        if body is None:
            return PlainTextResponse("the vote is too long", 413)
        try:
            await anyio.to_thread.run_sync(vote_log.append, folder.root, body)
        except vote.BadVote as error:
            return PlainTextResponse(str(error), 422)
        return Response(status_code=204)

    async def standing(_: Request) -> Response:
        return await anyio.to_thread.run_sync(_votes, folder)

    async def results(_: Request) -> Response:
        return await anyio.to_thread.run_sync(_results, folder)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/favicon.ico", nothing),
            Route("/compare/{name}", asset),
            Route("/rows", rows),
            Route("/results", results),
            Route("/votes", standing, methods=["GET"]),
            Route("/votes", cast, methods=["POST"]),
            Route("/images/{file:path}", picture),
            Route(f"/{INPUTS}/{{name}}", edited),
            Route(f"/{FOLDER}/{{file:path}}", thumbnail),
        ]
    )


async def _read(request: Request, most_bytes: int) -> bytes | None:
    """Return the body; ``None`` if it is longer than ``most_bytes``."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            return None
    return body


def _votes(folder: RunFolder) -> Response:
    try:
        found = votes.read(folder.root).votes
    except UsageError as error:
        return PlainTextResponse(str(error), 422)
    return Response(msgspec.json.encode(found[-VOTES:]), media_type="application/json")


def _results(folder: RunFolder) -> Response:
    try:
        found = results_of(folder, votes.read(folder.root))
    except UsageError as error:
        return PlainTextResponse(str(error), 422)
    return Response(msgspec.json.encode(found), media_type="application/json")


def _rows(ledger: LedgerWatch, after: int) -> Response:
    change = ledger.since(after)
    said = {
        "after": change.rows.after,
        "more": change.rows.more,
        "about": about_json(change.about),
        "gone": change.rows.gone,
        "rows": batch(change.rows.rows),
        "details": details(change.rows.rows),
    }
    return Response(msgspec.json.encode(said), media_type="application/json")
