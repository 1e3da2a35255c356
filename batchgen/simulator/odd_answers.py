"""A sold picture in another service's clothes: place, base64, address, frame, encoding and cost as a fault says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import anyio
import msgspec
import pybase64

from batchgen.simulator.answer_frames import ENCODINGS, FRAMES, JSON, Contents
from batchgen.simulator.answer_places import PLACES, Hosts, file_named, filled
from batchgen.simulator.connection import ServiceAnswer
from batchgen.simulator.dialects import Dialect, Generated
from batchgen.simulator.faults import Fault
from batchgen.simulator.service import SimulatedService
from batchgen.simulator.sold_pictures import SoldPicture
from batchgen.simulator.stated_costs import COSTS


class Wardrobe:
    """Makes odd answers of the pictures of one service."""

    def __init__(self, service: SimulatedService, dialect: Dialect) -> None:
        self._service = service
        self._dialect = dialect

    async def odd_answer(
        self, fault: Fault, usual: Generated, pictures: Sequence[SoldPicture], hosts: Hosts
    ) -> ServiceAnswer:
        """Return the answer that the fault makes of the ``usual`` one."""
        drawn = [await self._service.drawn(picture) for picture in pictures]
        files = [
            file_named(
                _name(picture), data, picture.drawing.media_type, hosts, base64_variant=fault.base64, link=fault.link
            )
            for picture, data in zip(pictures, drawn, strict=True)
        ]
        result = replace(usual, results=filled(_template(fault, usual), files))
        headers: dict[str, str] = {}
        if fault.cost_in:
            more, told = COSTS[fault.cost_in](_dollars(usual.cost))
            headers.update(told)
            result = replace(result, cost=None, more=more)
        kind, body = JSON, self._dialect.success(result)
        if fault.frame:
            kind, body = FRAMES[fault.frame](
                Contents(
                    body=body,
                    picture=drawn[0],
                    picture_b64=files[0].b64,
                    partial_b64=await self._partial(pictures[0]),
                    media_type=pictures[0].drawing.media_type,
                )
            )
        headers["Content-Type"] = kind
        if fault.encoding:
            said, encoded = ENCODINGS[fault.encoding]
            body = await anyio.to_thread.run_sync(encoded, body)
            if said:
                headers["Content-Encoding"] = said
        status = fault.status or (202 if fault.place == "job" else 200)
        return ServiceAnswer(status=status, headers=headers, body=body)

    async def _partial(self, picture: SoldPicture) -> str:
        """Return what a stream shows on the way: a whole picture, but another one than the one sold."""
        # As long as a seed is: a film has it in its comment.
        sketch = replace(picture.drawing, seed=hashlib.sha256(f"partial {picture.drawing.seed}".encode()).hexdigest())
        return pybase64.b64encode_as_string(await self._service.drawn(replace(picture, drawing=sketch)))


def _name(picture: SoldPicture) -> str:
    return f"{picture.id}.{picture.drawing.picture_format}"


def _template(fault: Fault, usual: Generated) -> Mapping[str, object]:
    if fault.place:
        return PLACES[fault.place]
    hosted = bool(fault.link) or (usual.order.response_format == "url" and not fault.base64)
    return {"data": [{"url": "$url"} if hosted else {"b64_json": "$b64"}]}


def _dollars(cost: msgspec.Raw | None) -> float:
    return float(msgspec.json.decode(cost)) if cost is not None else 0.0
