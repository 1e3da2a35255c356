"""A tunnel through a proxy, by CONNECT: until it stands, nothing of the request has been sent."""

import re
from collections.abc import Awaitable, Callable

from batchgen.provider.http.failures import ProxyRefused
from batchgen.provider.http.freelist import Origin
from batchgen.provider.http.network_routes import Proxy

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
_LARGEST_HEAD_BYTES = 16 * 2**10


async def open_tunnel(
    origin: Origin,
    proxy: Proxy,
    send: Callable[[bytes], Awaitable[object]],
    receive: Callable[[], Awaitable[bytes]],
) -> None:
    """Ask ``proxy``, over a fresh connection, for a tunnel to ``origin``. Raise :class:`ProxyRefused`."""
    await send(_connect(origin, proxy))
    head = b""
    while b"\r\n\r\n" not in head:
        part = await receive()
        head += part
        if not part or len(head) > _LARGEST_HEAD_BYTES:
            raise ProxyRefused(f"{origin}: {proxy} closed without an answer to CONNECT; nothing was sent")
    status = _STATUS.match(head)
    if status is None or not status[1].startswith(b"2"):
        answered = status[1].decode() if status else "no HTTP"
        raise ProxyRefused(f"{origin}: {proxy} answered {answered} to CONNECT; nothing was sent")
    if not head.endswith(b"\r\n\r\n"):
        raise ProxyRefused(f"{origin}: {proxy} sent more than its answer to CONNECT; nothing was sent")


def _connect(origin: Origin, proxy: Proxy) -> bytes:
    host = origin.host.strip("[]")
    place = f"[{host}]:{origin.port}" if ":" in host else f"{host}:{origin.port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii")
