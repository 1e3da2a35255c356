"""What every engine of ours is: httpx's transport, and below it an exchange of bytes without a request object.

Two request and two response objects of httpx cost a fifth of what a whole picture does. Whoever sends thousands of
requests to one address makes their head once (:class:`~batchgen.provider.http.outgoing.Prepared`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Self

import httpx

from batchgen.provider.http.engine_options import EngineOptions
from batchgen.provider.http.incoming import refuse_proxy, response
from batchgen.provider.http.outgoing import Outgoing, Prepared, outgoing
from batchgen.provider.http.received import Received
from batchgen.waiter import Waiter, new_waiter


class WholeExchange(httpx.AsyncBaseTransport, ABC):
    """An engine, as :mod:`batchgen.provider.http.interface` promises it, but for the connections."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._slots = Slots(options.max_connections)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent = await outgoing(request, self._options)
        return response(sent, await self.exchange(sent))

    async def prepared(self, request: httpx.Request) -> Prepared:
        """Return what requests share that differ from ``request`` in their bodies, targets or added headers."""
        return Prepared(await outgoing(request, self._options))

    async def exchange(self, sent: Outgoing) -> Received:
        """Return the answer as it came, not inflated. Raise as for a request of httpx."""
        async with self._slots:
            answer = await self._answered(sent)
        refuse_proxy(sent, answer)
        return answer

    @abstractmethod
    async def _answered(self, sent: Outgoing) -> Received:
        """Return the answer over a connection of its own, or over one that is free."""

    @property
    def _in_use(self) -> int:
        return self._slots.taken


class Slots:
    """So many at once. A semaphore, in whose place nobody waits while there is room, on either library."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._waiting: deque[Waiter] = deque()
        self.taken = 0

    async def __aenter__(self) -> Self:
        while self.taken >= self._count:
            await self._wait()
        self.taken += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.taken -= 1
        self._call_next()

    async def _wait(self) -> None:
        waiter = new_waiter()
        self._waiting.append(waiter)
        try:
            await waiter.wait()
        except BaseException:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            else:
                # It was called, and does not come.
                self._call_next()
            raise

    def _call_next(self) -> None:
        if self._waiting and self.taken < self._count:
            self._waiting.popleft().set()
