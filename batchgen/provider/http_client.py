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
from batchgen.provider.answer_sink import ANSWER_PLACE, AnswerSink, KeptHeaders
from batchgen.provider.answers import read_transport_error
from batchgen.provider.arrival import Arrival
from batchgen.provider.credentials import Secret, forms_of, redact, redact_bytes
from batchgen.provider.download import LARGEST_DOWNLOAD_BYTES, USER_AGENT, PictureLinks, own_host
from batchgen.provider.http.interface import (
    AddressRule,
    EngineOptions,
    Headers,
    Prepared,
    Received,
    inflated,
    open_engine,
    partial_of,
    rule_for_downloads,
)
from batchgen.provider.interface import Download, Failed
from batchgen.provider.service_access import Access

# They say nothing of a request or its money, or are secrets of the connection.
_UNKEPT_HEADERS = frozenset(
    {"set-cookie", "connection", "keep-alive", "transfer-encoding", "content-length", "alt-svc", "report-to", "nel"}
    | {"strict-transport-security", "content-security-policy", "access-control-allow-origin", "vary", "etag"}
)

# The caps for the answers to posts.
LARGEST_PICTURE_BYTES = 256 << 20
LARGEST_FILM_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a post, and its media type."""

    content: bytes
    media_type: str


class HttpClient:
    """Posts to one service at ``base_url`` and fetches what it hosts. Used inside ``async with``.

    ``read_timeout_s`` is the longest silence between two bytes of an answer; ``None`` leaves it to the deadline.
    ``access`` adds headers and a query to each request, and says by which way the service is reached.
    """

    def __init__(
        self,
        base_url: str,
        key: Secret | None,
        *,
        concurrency: int,
        read_timeout_s: float | None = None,
        access: Access | None = None,
    ) -> None:
        self.base_url = checked_base_url(base_url)
        self._access = access = access or Access()
        self._secrets = (*([key] if key else []), *access.secrets)
        self._forms = [form.encode() for secret in self._secrets for form in forms_of(secret)]
        self._credentials = _credentials(key, access)
        self._headers = [*_plain_headers(access), *self._credentials]
        self._extensions: dict[str, object] = {"timeout": {"read": read_timeout_s}}
        self._concurrency = concurrency
        # Making a request of httpx costs as much as posting it: what posts share is made once.
        self._posts: dict[tuple[str, str, bool], Prepared] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            own = own_host(self.base_url, self._credentials if self._access.key_to_own_host else ())
            options = EngineOptions(
                max_connections=self._concurrency,
                ca_files=self._access.ca_files,
                routes=self._access.routes,
                addresses=self._own_rule,
            )
            self._engine = await stack.enter_async_context(open_engine(options))
            address = _literal_address(self.base_url)
            for_downloads = replace(
                options,
                addresses=rule_for_downloads([address] if address else []),
                host_rules={f"{own.scheme}://{own.host}": self._own_rule if own.headers else AddressRule.ANY},
                max_body_bytes=LARGEST_DOWNLOAD_BYTES,
            )
            downloads = await stack.enter_async_context(open_engine(for_downloads))
            self._links = PictureLinks(downloads, own, self.redact)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    def redact(self, text: str) -> str:
        """Return ``text`` without the key and other secrets, in whatever form."""
        return redact(text, self._secrets)

    @property
    def _own_rule(self) -> AddressRule:
        """A key in plain text goes to this machine, and to those of a private network."""
        in_clear = self.base_url.startswith("http:") and bool(self._credentials)
        return AddressRule.INWARD if in_clear and not self._access.routes.sockets else AddressRule.ANY

    async def post(self, path: str, body: Body, *, idempotency_key: str, film: bool = False) -> Arrival | Failed:
        """Post once; return what arrived, without the key, or why nothing did. Only cancellation is raised.

        A ``film`` may be larger than pictures are.
        """
        place = ANSWER_PLACE.get()
        sink = AnswerSink(place, self._forms, self._kept) if place is not None else None
        try:
            prepared = self._posts.get((path, body.media_type, film)) or await self._prepared(path, body, film=film)
            sent = prepared.post(body.content, [(b"idempotency-key", idempotency_key.encode("ascii"))], sink=sink)
            received = await self._engine.exchange(sent)
            content = inflated(sent, received)
        except httpx.HTTPError as error:
            said = self.redact(str(error))
            partial = partial_of(error)
            if partial is None or (isinstance(partial.body, bytes) and not partial.body.strip()):
                return read_transport_error(error, said)
            return self._arrival(partial, sink, cut=said)
        return self._arrival(replace(received, body=content), sink)

    async def _prepared(self, path: str, body: Body, *, film: bool) -> Prepared:
        cap = LARGEST_FILM_BYTES if film else LARGEST_PICTURE_BYTES
        request = httpx.Request(
            "POST",
            self._url(path),
            headers=[*self._headers, ("content-type", body.media_type)],
            extensions={**self._extensions, "max_body_bytes": cap},
        )
        # Each upload has a media type of its own: those are not kept.
        prepared = await self._engine.prepared(request)
        if not body.media_type.startswith("multipart/"):
            self._posts[path, body.media_type, film] = prepared
        return prepared

    def _arrival(self, received: Received, sink: AnswerSink | None, *, cut: str | None = None) -> Arrival:
        kept = sink.headers if sink is not None and sink.headers is not None else self._kept(received.headers)
        # What is viewed in its place was masked on the way there.
        body = received.body
        masked = body if isinstance(body, memoryview) else redact_bytes(body, self._secrets)
        return Arrival(received.status, kept, masked, cut, received.repeats)

    def _kept(self, headers: Headers) -> KeptHeaders:
        named = [(name, value) for name, value in texts_of(headers) if name not in _UNKEPT_HEADERS]
        # Most answers quote no secret: they are looked through at once.
        together = "\n".join([value for _, value in named])
        if self.redact(together) != together:
            named = [(name, self.redact(value)) for name, value in named]
        return tuple(named)

    async def get_json(self, path: str) -> object | None:
        """Return the decoded JSON of a free look-up, or ``None`` if it fails."""
        request = httpx.Request("GET", self._url(path), headers=self._headers)
        try:
            response = await self._engine.handle_async_request(request)
            return msgspec.json.decode(response.content) if response.is_success else None
        except (httpx.HTTPError, ValueError, RecursionError):
            return None

    def _url(self, path: str) -> httpx.URL:
        query = self._access.query and f"{'&' if '?' in path else '?'}{self._access.query}"
        return httpx.URL(f"{self.base_url}{path}{query}")

    async def download(self, url: str) -> Download:
        """Return the bytes at ``url``, fetched without the key unless the user gives it to links of the own host.

        Raise :class:`DownloadFailed`.
        """
        return await self._links.fetch(url)


def texts_of(headers: Headers) -> list[tuple[str, str]]:
    """Return headers as texts, names in small letters, as httpx reads them."""
    try:
        return [(name.decode("ascii").lower(), value.decode("ascii")) for name, value in headers]
    except UnicodeDecodeError:
        return httpx.Headers(headers).multi_items()


def _plain_headers(access: Access) -> list[tuple[str, str]]:
    ours = {"user-agent": USER_AGENT, "accept": "application/json", "accept-encoding": "identity"}
    return list({**ours, **{name.lower(): value for name, value in access.headers}}.items())


def _credentials(key: Secret | None, access: Access) -> tuple[tuple[str, str], ...]:
    """Return the headers that hold secrets; one of the user's named `authorization` takes the place of the key's."""
    named = {name.lower(): value.reveal() for name, value in access.secret_headers}
    bearer = {"authorization": f"Bearer {key.reveal()}"} if key is not None else {}
    return tuple({**bearer, **named}.items())


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
