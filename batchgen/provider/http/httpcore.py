"""The engine on trio, and on asyncio with pure Python only: single httpcore connections, no pool."""

import functools
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import httpcore
import httpx

from batchgen.provider.http.arriving_body import ArrivingBody
from batchgen.provider.http.async_library import on_asyncio
from batchgen.provider.http.engine_options import EngineOptions
from batchgen.provider.http.failures import (
    AnswerBroken,
    BodyTooLarge,
    CertificateInvalid,
    ConnectFailed,
    ConnectTimedOut,
    ReadFailed,
    ReadTimedOut,
    TransportFailure,
    WriteFailed,
    WriteTimedOut,
)
from batchgen.provider.http.freelist import FreeList, Origin
from batchgen.provider.http.network_routes import Proxy, UnixSocket
from batchgen.provider.http.outgoing import Outgoing
from batchgen.provider.http.racing import first_connected
from batchgen.provider.http.received import Received
from batchgen.provider.http.repeat_check import RepeatCheck
from batchgen.provider.http.resolving import Resolver, resolver_of_proxies
from batchgen.provider.http.tunnel import open_tunnel
from batchgen.provider.http.whole_exchange import WholeExchange

_TUNNEL_READ_BYTES = 4096


@dataclass(slots=True)
class Phase:
    """The progress of one exchange, by httpcore's trace, and what has arrived of its answer."""

    body: ArrivingBody
    sent: bool = False
    begun: bool = False
    answer: httpcore.Response | None = None

    def partial(self) -> Received | None:
        """Return what has arrived, if at least the headers have."""
        if self.answer is None:
            return Received(0, [], b"") if self.begun else None
        return Received(self.answer.status, list(self.answer.headers), self.body.content())

    async def trace(self, event: str, _info: dict[str, Any]) -> None:
        """Note an event of httpcore."""
        if event == "http11.send_request_body.complete":
            self.sent = True
        elif event == "http11.receive_response_headers.complete":
            self.begun = True


class WholeBody:
    """A body in one piece; not a generator, of which trio warns if a failed request abandons it."""

    def __init__(self, body: bytes) -> None:
        self._rest = [body]

    def __aiter__(self) -> "WholeBody":
        return self

    async def __anext__(self) -> bytes:
        if not self._rest:
            raise StopAsyncIteration
        return self._rest.pop()


class Connection(httpcore.AsyncHTTP11Connection):
    """One connection, with our cap on headers instead of httpcore's."""

    def __init__(self, origin: httpcore.Origin, stream: httpcore.AsyncNetworkStream, max_header_bytes: int) -> None:
        self.MAX_INCOMPLETE_EVENT_SIZE = max_header_bytes
        self.noticed = RepeatCheck()
        super().__init__(origin, stream)

    def is_alive(self) -> bool:
        """Return whether the connection is idle and the peer has not closed it."""
        # httpcore checks here whether the idle socket is readable, as it is once the peer has closed.
        return self.is_idle() and not self.has_expired()


class HttpcoreEngine(WholeExchange):
    """The engine for trio, as :mod:`batchgen.provider.http.interface` promises it."""

    def __init__(self, options: EngineOptions) -> None:
        super().__init__(options)
        self._resolver, self._proxy_resolver = Resolver(options), resolver_of_proxies(options)
        self._idle: FreeList[Connection] = FreeList(options.idle_s)

    async def aclose(self) -> None:
        while (connection := self._idle.oldest()) is not None:
            await connection.aclose()

    async def _answered(self, sent: Outgoing) -> Received:
        taken = self._idle.take(sent.origin)
        for dead in taken.dead:
            await _closed(dead)
        if taken.connection is None:
            connection = await self._opened(sent.origin)
            answer = await self._exchanged(connection, sent)
        else:
            connection = taken.connection
            answer = await self._tried(connection, sent, taken.idle_for_s)
        if connection.is_idle():
            self._idle.put(sent.origin, connection)
        return answer

    async def _tried(self, connection: Connection, sent: Outgoing, idle_for_s: float) -> Received:
        """Exchange on a used connection, and note how long this origin keeps connections open."""
        try:
            answer = await self._exchanged(connection, sent)
        except BaseException as error:
            if isinstance(error, TransportFailure) and not error.headers_received:
                self._idle.lost(sent.origin, idle_for_s)
            else:
                self._idle.unsettled(sent.origin)
            raise
        self._idle.answered(sent.origin)
        return answer

    async def _exchanged(self, connection: Connection, sent: Outgoing) -> Received:
        phase = Phase(ArrivingBody(sent.sink))
        try:
            phase.answer = await connection.handle_async_request(_request(sent, phase))
            phase.body.begin(phase.answer.status, list(phase.answer.headers))
            await self._read(connection, phase.answer, sent, phase)
        except BaseException as error:
            await _closed(connection)
            if isinstance(error, _TRANSLATED):
                raise _translated(error, sent, phase) from error
            raise
        received = Received(phase.answer.status, list(phase.answer.headers), phase.body.content())
        return connection.noticed(sent, received)

    async def _read(self, connection: Connection, answer: httpcore.Response, sent: Outgoing, phase: Phase) -> None:
        received, cap = 0, sent.max_body_bytes
        try:
            async for part in answer.aiter_stream():
                received += len(part)
                if received > cap:
                    # httpcore's nested generators end by themselves on a closed socket; trio warns of abandoned ones.
                    await connection.aclose()
                else:
                    phase.body.add(part)
        except _TRANSLATED:
            if received <= cap:
                raise
        if received > cap:
            text = f"{sent.origin}: the answer passes {cap} bytes, not read further"
            raise BodyTooLarge(text, partial=phase.partial())
        await answer.aclose()

    async def _opened(self, origin: Origin) -> Connection:
        """Return a connection to a server, by the way that leads there, within one connect timeout."""
        if self._in_use + len(self._idle) > self._options.max_connections and (other := self._idle.oldest()):
            await _closed(other)
        route = self._options.routes.to(origin)
        if isinstance(route, UnixSocket):
            return await self._over_socket(origin, route)
        peer = Origin("http", route.host, route.port) if route else origin
        addresses = await (self._proxy_resolver if route else self._resolver).addresses(peer)
        return await self._first_of(addresses, origin, route)

    async def _first_of(self, addresses: Sequence[str], origin: Origin, proxy: Proxy | None) -> Connection:
        """Return a connection to the first address that takes one, and on which the handshakes go well."""
        peer, timeout_s, left = proxy or origin, self._options.connect_timeout_s, list(addresses)
        failure: Exception | None = None
        while left:
            try:
                with anyio.fail_after(timeout_s * len(left) / len(addresses)):
                    address, stream = await first_connected(left, partial(self._stream_to, peer.port), _close)
            except (*_UNCONNECTED, TimeoutError) as error:
                failure = error
                break
            left.remove(address)
            try:
                return await self._connected(origin, stream, proxy, timeout_s / len(addresses))
            except _UNCONNECTED as error:
                failure = error
                if (untrusted := _certificate_error(error)) is not None:
                    raise CertificateInvalid(f"{origin}: {untrusted.verify_message}") from error
        if isinstance(failure, httpcore.TimeoutException | TimeoutError):
            raise ConnectTimedOut(f"{peer}: no connection within {timeout_s:g} s") from failure
        raise ConnectFailed(f"{peer}: no connection ({failure})") from failure

    async def _over_socket(self, origin: Origin, way: UnixSocket) -> Connection:
        timeout_s = self._options.connect_timeout_s
        try:
            stream = await self._network.connect_unix_socket(way.path, timeout=timeout_s)
            return await self._connected(origin, stream, None, timeout_s)
        except httpcore.ConnectTimeout as error:
            raise ConnectTimedOut(f"{way}: no connection within {timeout_s:g} s") from error
        except (httpcore.ConnectError, OSError) as error:
            if (untrusted := _certificate_error(error)) is not None:
                raise CertificateInvalid(f"{origin}: {untrusted.verify_message}") from error
            raise ConnectFailed(f"{way}: no connection ({error})") from error

    async def _stream_to(self, port: int, address: str) -> httpcore.AsyncNetworkStream:
        return await self._network.connect_tcp(address, port)

    async def _connected(
        self, origin: Origin, stream: httpcore.AsyncNetworkStream, proxy: Proxy | None, timeout_s: float
    ) -> Connection:
        """Return the connection over a stream that is connected already, after the handshakes it needs."""
        if origin.scheme == "https":
            try:
                if proxy is not None:
                    send = partial(stream.write, timeout=timeout_s)
                    await open_tunnel(origin, proxy, send, partial(stream.read, _TUNNEL_READ_BYTES, timeout=timeout_s))
                stream = await stream.start_tls(self._tls, server_hostname=origin.host.strip("[]"), timeout=timeout_s)
            except BaseException:
                # httpcore closes after a failed handshake, though not after a cancelled one.
                await _close(stream)
                raise
        return Connection(_httpcore_origin(origin), stream, self._options.max_header_bytes)

    @functools.cached_property
    def _network(self) -> httpcore.AsyncNetworkBackend:
        return httpcore.AnyIOBackend() if on_asyncio() else httpcore.TrioBackend()

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._options.tls_context()


_TRANSLATED = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.RemoteProtocolError,
    httpcore.LocalProtocolError,
)


_UNCONNECTED = (httpcore.NetworkError, httpcore.TimeoutException)


def _translated(error: Exception, sent: Outgoing, phase: Phase) -> httpx.TransportError:
    """Return our exception for httpcore's: not valid HTTP, not sent completely, silence or loss, a broken answer."""
    origin = sent.origin
    if isinstance(error, httpcore.LocalProtocolError):
        # h11 quotes the header's value, which may be a key.
        return httpx.LocalProtocolError(f"{origin}: a header or the request line is not valid HTTP; nothing was sent")
    if not phase.sent and not phase.begun:
        if isinstance(error, httpcore.TimeoutException):
            return WriteTimedOut(f"{origin}: took no byte of the request for {sent.read_timeout_s:g} s")
        return WriteFailed(f"{origin}: closed before the request was sent completely ({_reason(error)})")
    if isinstance(error, httpcore.TimeoutException):
        return ReadTimedOut(f"{origin}: sent no byte for {sent.read_timeout_s:g} s", partial=phase.partial())
    if isinstance(error, httpcore.NetworkError):
        return ReadFailed(f"{origin}: lost after the request was sent ({_reason(error)})", partial=phase.partial())
    part = "amid the answer" if phase.begun else "before the headers of an answer"
    return AnswerBroken(f"{origin}: closed or not an HTTP answer, {part}", partial=phase.partial())


def _reason(error: Exception) -> str:
    cause = error.__cause__
    while cause is not None and cause.__cause__ is not None:
        cause = cause.__cause__
    return str(cause or error) or type(cause or error).__name__


def _certificate_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


def _request(sent: Outgoing, phase: Phase) -> httpcore.Request:
    url = httpcore.URL(
        scheme=sent.origin.scheme.encode(),
        host=sent.origin.host.encode(),
        port=sent.origin.port,
        target=sent.target,
    )
    timeout = {"read": sent.read_timeout_s, "write": sent.read_timeout_s}
    extensions = {"timeout": timeout, "trace": phase.trace}
    return httpcore.Request(sent.method, url, headers=sent.headers, content=WholeBody(sent.body), extensions=extensions)


def _httpcore_origin(origin: Origin) -> httpcore.Origin:
    return httpcore.Origin(origin.scheme.encode(), origin.host.encode(), origin.port)


async def _closed(connection: Connection) -> None:
    # The socket is closed even if the caller is cancelled.
    with anyio.CancelScope(shield=True):
        await connection.aclose()


async def _close(stream: httpcore.AsyncNetworkStream) -> None:
    with anyio.CancelScope(shield=True):
        await stream.aclose()
