"""One answer on its connection, which can be spoiled: resets, cuts and silence.

HTTP servers protect clients from bad answers, so ``Protocol`` hands the transport to the application.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAnswer:
    """Everything that is sent for a request."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class ConnectionMemory:
    """The last answer on a connection, as long as a fault wants it."""

    answer: ServiceAnswer | None = None


class Protocol(H11Protocol):
    """uvicorn's protocol, whose requests carry their transport in ``scope["state"]``."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "transport": transport, "memory": ConnectionMemory()}
        super().connection_made(transport)


class AnswerConnection:
    """Writes one answer. Writing to a client that has closed its connection does nothing."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._transport: asyncio.Transport = scope["state"]["transport"]
        self.memory: ConnectionMemory = scope["state"]["memory"]
        self._receive = receive
        self._send = send
        self._started = False

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send status and headers, once."""
        if self._started:
            return
        self._started = True
        raw = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes) -> None:
        """Send the last part of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    def spill(self, data: bytes) -> None:
        """Send bytes that belong to no answer, past everything that knows HTTP."""
        self._transport.write(data)

    async def reset(self) -> None:
        """End the connection with a TCP reset."""
        fileno = self._transport.get_extra_info("socket").fileno()
        if fileno >= 0:
            with socket.socket(fileno=os.dup(fileno)) as same:
                same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
        await self.gone()

    async def cut(self) -> None:
        """Send what is written and close, whatever the stated length."""
        self._transport.close()
        await self.gone()

    async def gone(self) -> None:
        """Wait until the client has closed the connection."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def gone_within(self, seconds: float) -> bool:
        """Return whether the client closes the connection within so many seconds."""
        with anyio.move_on_after(seconds):
            await self.gone()
            return True
        return False
