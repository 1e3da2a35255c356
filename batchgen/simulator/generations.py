"""The generation endpoints: an admitted request is generated, settled and answered, picture or video."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import anyio
import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from batchgen.simulator.answer_places import Hosts
from batchgen.simulator.connection import AnswerConnection, ServiceAnswer
from batchgen.simulator.delivery import deliver, keeps_silent
from batchgen.simulator.dialects import Dialect, Generated
from batchgen.simulator.door import Admission, Door
from batchgen.simulator.faults import Fault
from batchgen.simulator.mishaps import NO_PICTURE, turned_away_by
from batchgen.simulator.odd_answers import Wardrobe
from batchgen.simulator.orders import Order
from batchgen.simulator.pricing import latency_s
from batchgen.simulator.problems import TurnedAway, UnreadableBody
from batchgen.simulator.sales import Sale
from batchgen.simulator.service import SimulatedService
from batchgen.simulator.sold_pictures import SoldPicture

# The headers of the service's server (Node); it closes a connection that is idle for longer.
_HEADERS = {"Content-Type": "application/json; charset=utf-8", "Keep-Alive": "timeout=5"}


class GenerationsEndpoint:
    """``POST …/images/generations``, ``…/images/edits`` or ``…/videos/generations`` as an ASGI app, in one dialect."""

    def __init__(self, service: SimulatedService, dialect: Dialect, makes: Literal["image", "video"] = "image") -> None:
        self._service = service
        self._dialect = dialect
        self._door = Door(service, dialect, makes)
        self._wardrobe = Wardrobe(service, dialect)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._service.received += 1
        connection = AnswerConnection(scope, receive, send)
        headers = dict(_HEADERS)
        try:
            request = Request(scope, receive)
            admission = await self._door.admit(request, headers)
        except TurnedAway as away:
            await self._turn_away(connection, away, headers)
        except UnreadableBody:
            await connection.start(500, {**headers, "Content-Type": "text/plain"})
            await connection.end(b"Internal Server Error")
        else:
            await self._fulfil(admission, connection, headers, request.headers.get("host", ""))

    async def _turn_away(self, connection: AnswerConnection, away: TurnedAway, headers: Mapping[str, str]) -> None:
        more, body = away.raw or ({}, self._dialect.turned_away(away))
        await connection.start(away.status, {**headers, **away.headers, **more})
        await connection.end(body)

    async def _fulfil(
        self, admission: Admission, connection: AnswerConnection, headers: Mapping[str, str], host: str
    ) -> None:
        """Generate, settle and answer, even if the client closes the connection."""
        accepted_s = anyio.current_time()
        at_once = self._dialect.answers_at_once and not keeps_silent(admission.fault)
        if at_once:
            await connection.start(200, headers)
        pictures: tuple[SoldPicture, ...] = ()
        if admission.sale is not None:
            await self._generate(admission.sale, accepted_s, connection if at_once else None)
            pictures = self._service.sales.settle(admission.sale)
        if admission.fault is not None and (away := _error_of(admission, admission.fault)) is not None:
            await self._turn_away(connection, away, headers)
            return
        answer = self._repeated(connection, admission.fault, await self._answer(admission, pictures, accepted_s, host))
        await deliver(connection, answer.status, {**headers, **answer.headers}, answer.body, admission.fault)

    def _repeated(self, connection: AnswerConnection, fault: Fault | None, answer: ServiceAnswer) -> ServiceAnswer:
        """Return the last answer on this connection if the fault wants it, else this one, which is the last one now."""
        if not self._service.faults.has("repeat_answer"):
            return answer
        before = connection.memory.answer
        if fault is not None and fault.kind == "repeat_answer" and before is not None:
            return before
        connection.memory.answer = answer
        return answer

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
        self, admission: Admission, pictures: tuple[SoldPicture, ...], accepted_s: float, host: str
    ) -> ServiceAnswer:
        """Return what is sent; status and headers count only if none were sent already."""
        if admission.sale is None or admission.failure is not None:
            assert admission.failure is not None
            status, body = self._dialect.failure(admission.failure)
            return ServiceAnswer(status=status, body=body)
        fault = admission.fault
        if fault is not None and fault.kind == "bad_json":
            return ServiceAnswer(status=200, body=fault.literal.encode() or b'{"created": 17, "data": [{"url": "http')
        usual = Generated(
            order=admission.order,
            results={},
            latency_ms=round((anyio.current_time() - accepted_s) * 1000),
            cost=_stated_cost(admission.sale, fault),
        )
        if fault is not None and fault.kind == "odd_answer":
            hosts = Hosts(pictures_url=self._service.pictures_url, api_url=f"http://{host}")
            return await self._wardrobe.odd_answer(fault, usual, pictures, hosts)
        empty = fault is not None and fault.kind == "empty_data"
        entries = [] if empty else [await self._entry(picture, admission.order) for picture in pictures]
        return ServiceAnswer(status=200, body=self._dialect.success(replace(usual, results={"data": entries})))

    async def _entry(self, picture: SoldPicture, order: Order) -> dict[str, Any]:
        if order.response_format == "url":
            extension = picture.drawing.picture_format
            return {"url": f"{self._service.pictures_url}/{picture.id}.{extension}", "revised_prompt": None}
        fault = self._service.faults.striking(frozenset({"not_an_image"}), picture.model, picture.id)
        data = NO_PICTURE if fault else await self._service.drawn(picture)
        return {"b64_json": base64.b64encode(data).decode(), "revised_prompt": None}


def _error_of(admission: Admission, fault: Fault) -> TurnedAway | None:
    cost_microusd = admission.sale.cost_microusd if admission.sale is not None else 0
    return turned_away_by(fault, admission.order, cost_microusd / 1_000_000)


def _stated_cost(sale: Sale, fault: Fault | None) -> msgspec.Raw | None:
    if fault is not None and fault.kind == "wrong_cost":
        return msgspec.Raw(fault.literal.encode()) if fault.literal else None
    cost_usd = sale.cost_microusd / 1_000_000
    return msgspec.Raw(msgspec.json.encode(cost_usd or 0))
