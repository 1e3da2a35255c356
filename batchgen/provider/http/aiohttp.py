"""The engine on asyncio: whole requests over single connections of our own."""

import asyncio
import functools
import socket
import ssl
from collections.abc import Sequence
from functools import partial

from batchgen.provider.http.aiohttp_connection import AiohttpConnection
from batchgen.provider.http.engine_options import EngineOptions
from batchgen.provider.http.failures import CertificateInvalid, ConnectFailed, ConnectTimedOut, TransportFailure
from batchgen.provider.http.freelist import FreeList, Origin
from batchgen.provider.http.network_routes import Proxy, UnixSocket
from batchgen.provider.http.outgoing import Outgoing
from batchgen.provider.http.racing import first_connected
from batchgen.provider.http.received import Received
from batchgen.provider.http.resolving import Resolver, resolver_of_proxies
from batchgen.provider.http.tunnel import open_tunnel
from batchgen.provider.http.whole_exchange import WholeExchange

_TUNNEL_READ_BYTES = 4096


class AiohttpEngine(WholeExchange):
    """The engine for asyncio, as :mod:`batchgen.provider.http.interface` promises it."""

    def __init__(self, options: EngineOptions) -> None:
        super().__init__(options)
        self._resolver, self._proxy_resolver = Resolver(options), resolver_of_proxies(options)
        self._idle: FreeList[AiohttpConnection] = FreeList(options.idle_s)
        self._sweep: asyncio.TimerHandle | None = None

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
        """Return a connection to a server, by the way that leads there, within one connect timeout."""
        if self._in_use + len(self._idle) > self._options.max_connections and (other := self._idle.oldest()):
            other.close()
        route = self._options.routes.to(origin)
        if isinstance(route, UnixSocket):
            return await self._over_socket(origin, route)
        peer = Origin("http", route.host, route.port) if route else origin
        addresses = await (self._proxy_resolver if route else self._resolver).addresses(peer)
        return await self._first_of(addresses, origin, route)

    async def _first_of(self, addresses: Sequence[str], origin: Origin, proxy: Proxy | None) -> AiohttpConnection:
        """Return a connection to the first address that takes one, and on which the handshakes go well."""
        peer, timeout_s, left = proxy or origin, self._options.connect_timeout_s, list(addresses)
        failure: OSError | None = None
        while left:
            try:
                async with asyncio.timeout(timeout_s * len(left) / len(addresses)):
                    address, made = await first_connected(left, partial(_socket_to, peer.port), _close)
            except OSError as error:
                failure = error
                break
            left.remove(address)
            try:
                async with asyncio.timeout(timeout_s / len(addresses)):
                    return await self._connected(origin, made, proxy)
            except ssl.SSLCertVerificationError as error:
                raise CertificateInvalid(f"{origin}: {error.verify_message}") from error
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise ConnectTimedOut(f"{peer}: no connection within {timeout_s:g} s") from failure
        raise ConnectFailed(f"{peer}: no connection ({failure})") from failure

    async def _over_socket(self, origin: Origin, way: UnixSocket) -> AiohttpConnection:
        timeout_s = self._options.connect_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await self._connected(origin, await _connected_socket(socket.AF_UNIX, way.path), None)
        except ssl.SSLCertVerificationError as error:
            raise CertificateInvalid(f"{origin}: {error.verify_message}") from error
        except TimeoutError as error:
            raise ConnectTimedOut(f"{way}: no connection within {timeout_s:g} s") from error
        except OSError as error:
            raise ConnectFailed(f"{way}: no connection ({error})") from error

    async def _connected(self, origin: Origin, made: socket.socket, proxy: Proxy | None) -> AiohttpConnection:
        """Return the connection over a socket that is connected already, after the handshakes it needs."""
        loop = asyncio.get_running_loop()
        secure = origin.scheme == "https"
        if secure and proxy is not None:
            send, receive = partial(loop.sock_sendall, made), partial(loop.sock_recv, made, _TUNNEL_READ_BYTES)
            try:
                await open_tunnel(origin, proxy, send, receive)
            except BaseException:
                made.close()
                raise
        # From here on the loop owns the socket, and closes it if the handshake fails or is cancelled.
        _, connection = await loop.create_connection(
            lambda: AiohttpConnection(origin, self._options.max_header_bytes),
            sock=made,
            ssl=self._tls if secure else None,
            server_hostname=origin.host.strip("[]") if secure else None,
        )
        return connection

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._options.tls_context()


async def _socket_to(port: int, address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = await _connected_socket(family, (address, port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


async def _connected_socket(family: socket.AddressFamily, address: str | tuple[str, int]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.settimeout(0)
    try:
        await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made


async def _close(made: socket.socket) -> None:
    made.close()
