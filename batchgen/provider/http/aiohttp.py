"""The engine on asyncio: whole requests over single connections, parsed by aiohttp."""

import asyncio
import functools
import ssl

import httpx

from batchgen.provider.http.aiohttp_connection import AiohttpConnection
from batchgen.provider.http.engine_options import EngineOptions
from batchgen.provider.http.failures import CertificateInvalid, ConnectFailed, ConnectTimedOut, TransportFailure
from batchgen.provider.http.freelist import FreeList, Origin
from batchgen.provider.http.incoming import response
from batchgen.provider.http.outgoing import Outgoing, outgoing
from batchgen.provider.http.received import Received
from batchgen.provider.http.resolving import Resolver


class AiohttpEngine(httpx.AsyncBaseTransport):
    """The engine for asyncio, as :mod:`batchgen.provider.http.interface` promises it."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._resolver = Resolver(options)
        self._idle: FreeList[AiohttpConnection] = FreeList(options.idle_s)
        self._slots = asyncio.Semaphore(options.max_connections)
        self._in_use = 0
        self._sweep: asyncio.TimerHandle | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent = await outgoing(request, self._options)
        async with self._slots:
            self._in_use += 1
            try:
                answer = await self._answered(sent)
            finally:
                self._in_use -= 1
        return response(sent, answer)

    async def aclose(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        while (connection := self._idle.oldest()) is not None:
            connection.close()

    async def _answered(self, sent: Outgoing) -> Received:
        taken = self._idle.take(sent.origin)
        for dead in taken.dead:
            dead.close()
        if taken.connection is None:
            connection = await self._opened(sent.origin)
            answer = await connection.exchange(sent)
        else:
            connection = taken.connection
            answer = await self._tried(connection, sent, taken.idle_for_s)
        if connection.reusable:
            self._put(sent.origin, connection)
        else:
            connection.close()
        return answer

    def _put(self, origin: Origin, connection: AiohttpConnection) -> None:
        self._idle.put(origin, connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._options.idle_s, self._close_expired)

    def _close_expired(self) -> None:
        """Close expired connections: their sockets count against the process's limit of open files, as pictures do."""
        for connection in self._idle.expired():
            connection.close()
        self._sweep = None
        if len(self._idle):
            self._sweep = asyncio.get_running_loop().call_later(self._options.idle_s, self._close_expired)

    async def _tried(self, connection: AiohttpConnection, sent: Outgoing, idle_for_s: float) -> Received:
        """Exchange on a used connection, and note how long this origin keeps connections open."""
        try:
            answer = await connection.exchange(sent)
        except BaseException as error:
            if isinstance(error, TransportFailure) and not error.headers_received:
                self._idle.lost(sent.origin, idle_for_s)
            else:
                self._idle.unsettled(sent.origin)
            raise
        self._idle.answered(sent.origin)
        return answer

    async def _opened(self, origin: Origin) -> AiohttpConnection:
        """Return a connection to the first checked address that takes one, within one connect timeout."""
        if self._in_use + len(self._idle) > self._options.max_connections and (other := self._idle.oldest()):
            other.close()
        addresses = await self._resolver.addresses(origin)
        timeout_s = self._options.connect_timeout_s
        failure: OSError | None = None
        for address in addresses:
            try:
                async with asyncio.timeout(timeout_s / len(addresses)):
                    return await self._connected(origin, address)
            except ssl.SSLCertVerificationError as error:
                raise CertificateInvalid(f"{origin}: {error.verify_message}") from error
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise ConnectTimedOut(f"{origin}: no connection within {timeout_s:g} s") from failure
        raise ConnectFailed(f"{origin}: no connection ({failure})") from failure

    async def _connected(self, origin: Origin, address: str) -> AiohttpConnection:
        options = self._options
        secure = origin.scheme == "https"
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: AiohttpConnection(origin, options.max_header_bytes),
            address,
            origin.port,
            ssl=self._tls if secure else None,
            server_hostname=origin.host.strip("[]") if secure else None,
        )
        return connection

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._options.tls_context()
