"""The storage host: hosted pictures and films, drawn on request."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from batchgen.simulator.connection import AnswerConnection
from batchgen.simulator.faults import DOWNLOAD_KINDS
from batchgen.simulator.mishaps import NO_PICTURE
from batchgen.simulator.service import SimulatedService


class DownloadsEndpoint:
    """``GET …/<id>.<ext>`` as an ASGI application. It needs the URL only, no key."""

    def __init__(self, service: SimulatedService) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = AnswerConnection(scope, receive, send)
        picture = self._service.pictures.find(scope["path"].rpartition("/")[2].partition(".")[0])
        if picture is None:
            await _answer(connection, 404, "text/plain", b"Not found")
            return
        attempt = self._service.attempts[picture.id]
        self._service.attempts[picture.id] += 1
        kind = picture.drawing.media_type
        fault = self._service.faults.striking(DOWNLOAD_KINDS, picture.model, picture.id, attempt)
        match fault.kind if fault else None:
            case "download_status" if fault:
                await _answer(connection, fault.status or 500, "text/plain", b"Simulated failure")
            case "download_late" if fault and self._service.asked_for_s(picture.id) < fault.late_s:
                await _answer(connection, fault.status or 404, "text/plain", b"Not yet")
            case "download_key" if not Request(scope).headers.get("authorization"):
                await _answer(connection, 401, "application/json", b'{"detail":"Not authenticated"}')
            case "download_type" if fault:
                await _answer(connection, 200, fault.content_type, await self._service.drawn(picture))
            case "not_an_image":
                await _answer(connection, 200, kind, NO_PICTURE)
            case "download_truncate":
                data = await self._service.drawn(picture)
                await connection.start(200, {"Content-Type": kind, "Content-Length": str(len(data))})
                await connection.write(data[: len(data) // 2])
                await connection.cut()
            case "cut_file":
                data = await self._service.drawn(picture)
                await _answer(connection, 200, kind, data[: len(data) // 2])
            case _:
                await _answer(connection, 200, kind, await self._service.drawn(picture))


async def _answer(connection: AnswerConnection, status: int, kind: str, data: bytes) -> None:
    await connection.start(status, {"Content-Type": kind, "Content-Length": str(len(data))})
    await connection.end(data)
