"""The two connections to a service: one that carries the key, and one for pictures that never does."""

from __future__ import annotations

import ipaddress
import urllib.parse
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Self

import httpx
import msgspec

from batchgen.errors import UsageError
from batchgen.provider.answers import read_transport_error
from batchgen.provider.arrival import Arrival
from batchgen.provider.credentials import Secret, redact, redact_bytes
from batchgen.provider.download import fetch
from batchgen.provider.http.interface import EngineOptions, open_engine, partial_of, rule_for_downloads
from batchgen.provider.interface import Download, Failed
from batchgen.version import __version__

USER_AGENT = f"batchgen/{__version__}"

# They say nothing of a request or its money, or are secrets of the connection.
_UNKEPT_HEADERS = frozenset(
    {"set-cookie", "connection", "keep-alive", "transfer-encoding", "content-length", "alt-svc", "report-to", "nel"}
    | {"strict-transport-security", "content-security-policy", "access-control-allow-origin", "vary", "etag"}
)

# The cap for films, and for every download: an address does not say what it holds.
LARGEST_FILM_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a post, and its media type."""

    content: bytes
    media_type: str


class HttpClient:
    """Posts to one service at ``base_url`` and fetches what it hosts. Used inside ``async with``.

    ``read_timeout_s`` is the longest silence between two bytes of an answer; ``None`` leaves it to the deadline.
    """

    def __init__(
        self, base_url: str, key: Secret | None, *, concurrency: int, read_timeout_s: float | None = None
    ) -> None:
        self.base_url = checked_base_url(base_url)
        self._secrets = (key,) if key else ()
        self._headers = [("user-agent", USER_AGENT), ("accept", "application/json"), ("accept-encoding", "identity")]
        if key is not None:
            self._headers.append(("authorization", f"Bearer {key.reveal()}"))
        self._extensions: dict[str, object] = {"timeout": {"read": read_timeout_s}}
        self._film_extensions = {**self._extensions, "max_body_bytes": LARGEST_FILM_BYTES}
        self._concurrency = concurrency
        # Parsing a URL costs as much as posting to it: each is parsed once.
        self._urls: dict[str, httpx.URL] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            options = EngineOptions(max_connections=self._concurrency)
            self._engine = await stack.enter_async_context(open_engine(options))
            address = _literal_address(self.base_url)
            on_this_machine = address is not None and address.is_loopback
            rule = rule_for_downloads([address] if address else [])
            self._plain_http = on_this_machine
            for_downloads = replace(options, addresses=rule, max_body_bytes=LARGEST_FILM_BYTES)
            self._download_engine = await stack.enter_async_context(open_engine(for_downloads))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    def redact(self, text: str) -> str:
        """Return ``text`` without the key, in whatever form."""
        return redact(text, self._secrets)

    async def post(self, path: str, body: Body, *, idempotency_key: str, film: bool = False) -> Arrival | Failed:
        """Post once; return what arrived, without the key, or why nothing did. Only cancellation is raised.

        A ``film`` may be larger than pictures are.
        """
        headers = [*self._headers, ("content-type", body.media_type), ("idempotency-key", idempotency_key)]
        extensions = self._film_extensions if film else self._extensions
        request = httpx.Request("POST", self._url(path), headers=headers, content=body.content, extensions=extensions)
        try:
            response = await self._engine.handle_async_request(request)
        except httpx.HTTPError as error:
            said = self.redact(str(error))
            partial = partial_of(error)
            if partial is None or not partial.body.strip():
                return read_transport_error(error, said)
            return self._arrival(partial.status, httpx.Headers(partial.headers), partial.body, cut=said)
        repeats = bool(response.extensions.get("repeats"))
        return self._arrival(response.status_code, response.headers, response.content, repeats=repeats)

    def _arrival(
        self, status: int, headers: httpx.Headers, body: bytes, *, cut: str | None = None, repeats: bool = False
    ) -> Arrival:
        kept = [(name, self.redact(value)) for name, value in headers.multi_items() if name not in _UNKEPT_HEADERS]
        return Arrival(status, tuple(kept), redact_bytes(body, self._secrets), cut, repeats)

    async def get_json(self, path: str) -> object | None:
        """Return the decoded JSON of a free look-up, or ``None`` if it fails."""
        request = httpx.Request("GET", self._url(path), headers=self._headers)
        try:
            response = await self._engine.handle_async_request(request)
            return msgspec.json.decode(response.content) if response.is_success else None
        except (httpx.HTTPError, ValueError, RecursionError):
            return None

    def _url(self, path: str) -> httpx.URL:
        known = self._urls.get(path)
        if known is None:
            known = self._urls[path] = httpx.URL(self.base_url + path)
        return known

    async def download(self, url: str) -> Download:
        """Return the bytes at ``url``, fetched without the key. Raise :class:`DownloadFailed`."""
        return await fetch(self._download_engine, url, plain_http=self._plain_http, redact=self.redact)


def checked_base_url(base_url: str) -> str:
    """Return ``base_url`` without a trailing slash. Raise :class:`UsageError` if no key should be sent to it."""
    if "@" in base_url:
        raise UsageError("base_url holds a user name or password; keys belong into the environment")
    try:
        parts = urllib.parse.urlsplit(base_url)
        # An impossible port shows only when it is asked for.
        host, _ = parts.hostname, parts.port
        httpx.URL(base_url)
    except (ValueError, httpx.InvalidURL) as error:
        raise UsageError(f"base_url {base_url!r}: {error}") from error
    if parts.scheme not in {"http", "https"} or not host or " " in base_url:
        raise UsageError(f"base_url {base_url!r}: write https://host or http://127.0.0.1:port")
    if parts.query or parts.fragment:
        raise UsageError(f"base_url {parts.scheme}://{host}: remove its query or fragment")
    return base_url.rstrip("/")


def _literal_address(base_url: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address in a base URL: only that, or `localhost`, proves that the service is on this machine."""
    host = urllib.parse.urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return None
