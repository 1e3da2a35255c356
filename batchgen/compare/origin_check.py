"""The check that only the server's own page asks it, under the address that has the token.

A name that was rebound to this machine fails the check of the host (CWE-350), another site's page that of the origin
(CWE-352). Every answer has headers that restrict what browsers do with it.
"""

from __future__ import annotations

import contextlib
import hmac
import socket
from ipaddress import ip_address

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from batchgen.compare.writing import POLICY

HOST = "127.0.0.1"
SELF = "'self'"
# Addresses that stand for all of a machine's own.
_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on


class OriginCheck:
    """Refuses what another site's page could send, and adds the security headers to every answer."""

    _HEADERS = (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-frame-options", b"DENY"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
    )
    _POLICY = (b"content-security-policy", f"{POLICY.format(connect=SELF)}; frame-ancestors 'none'".encode())

    def __init__(self, application: ASGIApp, port: int, token: str, host: str = HOST) -> None:
        self._application = application
        self._token = token.encode()
        self._port = port
        self._any_address = host in _WILDCARDS
        name = socket.gethostname()
        named = {HOST, "localhost", name, f"{name}.local"} if self._any_address else {host}
        names = named if host != HOST else {HOST, "localhost"}
        self._hosts = frozenset(authority(name, port).lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in message["headers"]}
                more = [pair for pair in (*self._HEADERS, self._POLICY) if pair[0] not in names]
                fresh = [] if b"cache-control" in names else [(b"cache-control", b"no-store")]
                message["headers"] = [*message["headers"], *more, *fresh]
            await send(message)

        path = self._below_token(scope["path"])
        if path is None or not self._is_ours(Request(scope), path):
            await _FORBIDDEN(scope, receive, send_guarded)
        else:
            await self._application({**scope, "path": path}, receive, send_guarded)

    def _below_token(self, path: str) -> str | None:
        """Return what follows the token, from its slash on; ``None`` without the token."""
        if path == _ICON:
            return path
        token, slash, rest = path.removeprefix("/").partition("/")
        known = hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token)
        return f"/{rest}" if known and slash else None

    def _is_own(self, host: str) -> bool:
        """Return whether a browser asked this server. A name that was rebound to it is never an address of digits."""
        if host in self._hosts:
            return True
        address, colon, port = host.rpartition(":")
        if not (self._any_address and colon and port == str(self._port)):
            return False
        with contextlib.suppress(ValueError):
            ip_address(address.removeprefix("[").removesuffix("]"))
            return True
        return False

    def _is_ours(self, request: Request, path: str) -> bool:
        """Return whether the request is for this address, and comes from its own page or from the address bar."""
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if not self._is_own(host.lower()) or (origin is not None and origin != f"http://{host}"):
            return False
        # Another page may link to this one, but its scripts and pictures may load nothing from here.
        if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return path == "/" and request.headers.get("sec-fetch-mode") == "navigate"
        # Every browser names the origin of a POST: a POST without it comes from another program, and is refused.
        return request.method in {"GET", "HEAD"} or origin is not None


def authority(host: str, port: int) -> str:
    """Return host and port as they stand in an address; one of IPv6 is put in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def shown_host(host: str) -> str:
    """Return the host by which others reach a server that listens on ``host``."""
    return socket.gethostname() if host in _WILDCARDS else host


# Browsers ask for it at the root of every origin; nothing is in the answer.
_ICON = "/favicon.ico"
_FORBIDDEN = PlainTextResponse("open the whole address that `batchgen compare --serve` has printed", 403)
