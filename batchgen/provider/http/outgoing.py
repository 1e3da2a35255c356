"""An httpx request as it is sent: whole, with its true length, and asking for an uncompressed answer."""

import re
from dataclasses import dataclass, field, replace

import httpx

from batchgen.provider.http.arriving_body import Sink
from batchgen.provider.http.engine_options import EngineOptions
from batchgen.provider.http.freelist import Origin
from batchgen.provider.http.network_routes import Proxy

_PORTS = {"http": 80, "https": 443}
# These headers are set here: the length is counted, and a whole body needs no chunks.
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_BREAKS = re.compile(rb"[\s\0]")
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as bytes, with the limits of its exchange."""

    origin: Origin
    method: str
    target: bytes
    # The head holds the key, so neither is to show in a traceback that prints locals.
    head: bytes = field(repr=False)
    headers: list[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(repr=False)
    read_timeout_s: float | None
    max_body_bytes: int
    accepted_codings: bytes
    # The proxy that forwards it as it stands; one that tunnels never sees it.
    forwarder: Proxy | None = None
    # What keeps the answer while it arrives.
    sink: Sink | None = field(default=None, repr=False)


class Prepared:
    """What the requests to one address share, made once."""

    def __init__(self, first: Outgoing) -> None:
        kept = [header for header in first.headers if header[0].lower() not in _FRAMING]
        self.first = replace(first, headers=kept, body=b"")
        _, self._rest = _head(first.origin, first.method, first.target, kept).split(first.target, 1)
        self._rest = self._rest.removesuffix(b"\r\n")

    def post(self, body: bytes, headers: list[tuple[bytes, bytes]], *, sink: Sink | None = None) -> Outgoing:
        """Return a post of ``body`` with further ``headers``. Raise httpx.LocalProtocolError as :func:`outgoing`."""
        return self._sent(self.first.target, body, [*headers, (b"Content-Length", b"%d" % len(body))], sink)

    def get(self, target: bytes, *, sink: Sink | None = None) -> Outgoing:
        """Return a get of another ``target`` of the same origin."""
        return self._sent(target, b"", [], sink)

    def _sent(self, target: bytes, body: bytes, headers: list[tuple[bytes, bytes]], sink: Sink | None) -> Outgoing:
        first = self.first
        own = b"".join([b"%s: %s\r\n" % header for header in headers])
        ends = len(headers)
        if own.count(b"\n") != ends or own.count(b"\r") != ends or b"\0" in own or _BREAKS.search(target):
            raise httpx.LocalProtocolError(f"{first.origin}: a header contains a line break or a NUL; nothing was sent")
        return Outgoing(
            first.origin,
            first.method,
            target,
            b"%s %s%s%s\r\n" % (first.method.encode("ascii"), target, self._rest, own),
            first.headers + headers,
            body,
            first.read_timeout_s,
            first.max_body_bytes,
            first.accepted_codings,
            first.forwarder,
            sink,
        )


async def outgoing(request: httpx.Request, options: EngineOptions) -> Outgoing:
    """Return the request with its body read.

    Raise httpx.UnsupportedProtocol or httpx.LocalProtocolError for what cannot be sent as HTTP/1.1.
    """
    try:
        body = request.content
    except httpx.RequestNotRead:
        body = await request.aread()
    url = request.url
    if url.scheme not in _PORTS or not url.host:
        raise httpx.UnsupportedProtocol(
            f"{url.scheme or 'no scheme'}: only http:// and https:// addresses can be called"
        )
    origin = Origin(url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme])
    # One pass over the raw pairs: each look-up by name in httpx decodes and copies all of them.
    headers, accepted = [], b""
    for name, value in request.headers.raw:
        lowered = name.lower()
        if lowered == b"accept-encoding":
            accepted = value.lower()
        if lowered not in _FRAMING:
            headers.append((name, value))
    if not accepted:
        headers.append((b"Accept-Encoding", b"identity"))
    if body or request.method not in _BODILESS:
        headers.append((b"Content-Length", b"%d" % len(body)))
    route = options.routes.to(origin)
    forwarder = route if isinstance(route, Proxy) and url.scheme == "http" else None
    target = url.raw_path
    if forwarder is not None:
        target = b"http://" + url.netloc + target
        if forwarder.authorization:
            headers.append((b"Proxy-Authorization", forwarder.authorization.encode("ascii")))
    return Outgoing(
        origin=origin,
        method=request.method,
        target=target,
        head=_head(origin, request.method, target, headers),
        headers=headers,
        body=body,
        read_timeout_s=_read_timeout_s(request, options.read_timeout_s),
        max_body_bytes=request.extensions.get("max_body_bytes", options.max_body_bytes),
        accepted_codings=accepted,
        forwarder=forwarder,
        sink=request.extensions.get("sink"),
    )


def _head(origin: Origin, method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    lines = [b"%s %s HTTP/1.1" % (method.encode("ascii"), target)]
    lines += [b"%s: %s" % header for header in headers]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    ends = len(lines) + 1
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head:
        raise httpx.LocalProtocolError(f"{origin}: a header contains a line break or a NUL; nothing was sent")
    return head


def _read_timeout_s(request: httpx.Request, default: float) -> float | None:
    """Return the request's own read timeout, if it names one; None, as in httpx, is no timeout."""
    given = request.extensions.get("timeout")
    if given is None or "read" not in given:
        return default
    timeout: float | None = given["read"]
    return timeout
