"""The generation endpoints: an admitted request is generated, settled and answered, picture or video."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Literal

import anyio
import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from batchgen.simulator.connection import AnswerConnection
from batchgen.simulator.delivery import deliver, keeps_silent
from batchgen.simulator.dialects import Dialect, Generated
from batchgen.simulator.door import Admission, Door
from batchgen.simulator.faults import Fault
from batchgen.simulator.mishaps import NO_PICTURE, turned_away_by
from batchgen.simulator.orders import Order
from batchgen.simulator.pricing import latency_s
from batchgen.simulator.problems import TurnedAway, UnreadableBody
from batchgen.simulator.sales import Sale
from batchgen.simulator.service import SimulatedService
from batchgen.simulator.sold_pictures import SoldPicture

# The headers of the service's server (Node); it closes a connection that is idle for longer.
_HEADERS = {"Content-Type": "application/json; charset=utf-8", "Keep-Alive": "timeout=5"}
_PAGE = b"<html><head><title>%d</title></head><body><h1>Error %d</h1><p>The web server had a problem.</p></body></html>"


class GenerationsEndpoint:
    """``POST …/images/generations``, ``…/images/edits`` or ``…/videos/generations`` as an ASGI app, in one dialect."""

    def __init__(self, service: SimulatedService, dialect: Dialect, makes: Literal["image", "video"] = "image") -> None:
        self._service = service
        self._dialect = dialect
        self._door = Door(service, dialect, makes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._service.received += 1
        connection = AnswerConnection(scope, receive, send)
        headers = dict(_HEADERS)
        try:
            admission = await self._door.admit(Request(scope, receive), headers)
        except TurnedAway as away:
            await self._turn_away(connection, away, headers)
        except UnreadableBody:
            await connection.start(500, {**headers, "Content-Type": "text/plain"})
            await connection.end(b"Internal Server Error")
        else:
            await self._fulfil(admission, connection, headers)

    async def _turn_away(self, connection: AnswerConnection, away: TurnedAway, headers: Mapping[str, str]) -> None:
        if away.page:
            await connection.start(away.status, {**headers, **away.headers, "Content-Type": "text/html"})
            await connection.end(_PAGE % (away.status, away.status))
        else:
            await connection.start(away.status, {**headers, **away.headers})
            await connection.end(self._dialect.turned_away(away))

    async def _fulfil(self, admission: Admission, connection: AnswerConnection, headers: Mapping[str, str]) -> None:
        """Generate, settle and answer, even if the client closes the connection."""
        accepted_s = anyio.current_time()
        at_once = self._dialect.answers_at_once and not keeps_silent(admission.fault)
        if at_once:
            await connection.start(200, headers)
        pictures: tuple[SoldPicture, ...] = ()
        if admission.sale is not None:
            await self._generate(admission.sale, accepted_s, connection if at_once else None)
            pictures = self._service.sales.settle(admission.sale)
        if admission.fault is not None and (away := turned_away_by(admission.fault)) is not None:
            await self._turn_away(connection, away, headers)
            return
        status, body = await self._answer(admission, pictures, accepted_s)
        await deliver(connection, status, headers, body, admission.fault)

    async def _generate(self, sale: Sale, accepted_s: float, heart: AnswerConnection | None) -> None:
        """Wait as long as the model takes; send spaces as heartbeats, if there is a ``heart``."""
        for given in (*sale.order.inputs, *([sale.order.mask] if sale.order.mask else [])):
            await self._service.keep_card(given)
        end_s = accepted_s + self._latency_s(sale)
        while (left_s := end_s - anyio.current_time()) > 0:
            if heart is None or left_s <= self._service.settings.heartbeat_s:
                await anyio.sleep(left_s)
            else:
                await anyio.sleep(self._service.settings.heartbeat_s)
                await heart.write(b" ")

    def _latency_s(self, sale: Sale) -> float:
        settings = self._service.settings
        if settings.latency_s is not None:
            return settings.latency_s
        return latency_s(sale.order.model, settings.seed, sale.order.body_sha256, sale.nth) * settings.latency_scale

    async def _answer(
        self, admission: Admission, pictures: tuple[SoldPicture, ...], accepted_s: float
    ) -> tuple[int, bytes]:
        """Return status and body; the status counts only if it was not sent already."""
        if admission.sale is None or admission.failure is not None:
            assert admission.failure is not None
            return self._dialect.failure(admission.failure)
        fault = admission.fault
        if fault is not None and fault.kind == "bad_json":
            return 200, fault.literal.encode() or b'{"created": 17, "data": [{"url": "http'
        empty = fault is not None and fault.kind == "empty_data"
        result = Generated(
            order=admission.order,
            entries=[] if empty else [await self._entry(picture, admission.order) for picture in pictures],
            latency_ms=round((anyio.current_time() - accepted_s) * 1000),
            cost=_stated_cost(admission.sale, fault),
        )
        return 200, self._dialect.success(result)

    async def _entry(self, picture: SoldPicture, order: Order) -> dict[str, Any]:
        if order.response_format == "url":
            extension = picture.drawing.picture_format
            return {"url": f"{self._service.pictures_url}/{picture.id}.{extension}", "revised_prompt": None}
        fault = self._service.faults.striking(frozenset({"not_an_image"}), picture.model, picture.id)
        data = NO_PICTURE if fault else await self._service.drawn(picture)
        return {"b64_json": base64.b64encode(data).decode(), "revised_prompt": None}


def _stated_cost(sale: Sale, fault: Fault | None) -> msgspec.Raw | None:
    if fault is not None and fault.kind == "wrong_cost":
        return msgspec.Raw(fault.literal.encode()) if fault.literal else None
    cost_usd = sale.cost_microusd / 1_000_000
    return msgspec.Raw(msgspec.json.encode(cost_usd or 0))
