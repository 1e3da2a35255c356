"""Downloads of hosted pictures: without credentials, only from checked addresses, repeated since they are free."""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import httpx

from batchgen.provider.answer_sink import DOWNLOAD_SINK
from batchgen.provider.http.interface import (
    AddressRefused,
    BodyTooLarge,
    Content,
    Outgoing,
    Prepared,
    Received,
    WholeExchange,
    body_of,
    inflated,
    response,
)
from batchgen.provider.interface import Download, DownloadFailed, Obstacle
from batchgen.version import __version__
from batchgen.wording import printable

T = TypeVar("T")

USER_AGENT = f"batchgen/{__version__}"

MAX_REDIRECTS = 3
# That of films: an address does not say what it holds.
LARGEST_DOWNLOAD_BYTES = 1 << 30

# Together's storage answers 403 to whoever does not say who asks.
_NAMED = ("user-agent", USER_AGENT)


@dataclass(frozen=True, slots=True)
class OwnHost:
    """The host of the service. Links to it may be plain http if ``scheme`` is, and get the ``headers`` with the key."""

    scheme: str
    host: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def allows(self, scheme: str, host: str) -> bool:
        """Return whether a link to ``host`` may be fetched: over https any may."""
        return scheme == "https" or (scheme == self.scheme == "http" and self.has(host))

    def has(self, host: str) -> bool:
        """Return whether ``host`` is this one; all names of this machine are."""
        return host.lower() == self.host or (_is_loopback(host) and _is_loopback(self.host))


def own_host(base_url: str, headers: Iterable[tuple[str, str]] = ()) -> OwnHost:
    """Return the host of a base URL; ``headers`` are sent to its links."""
    parts = urllib.parse.urlsplit(base_url)
    return OwnHost(parts.scheme, (parts.hostname or "").lower(), tuple(headers))


# For pictures that are no service's own.
NOBODY = OwnHost("https", "")


async def fetch(
    engine: httpx.AsyncBaseTransport, url: str, *, own: OwnHost = NOBODY, redact: Callable[[str], str]
) -> Download:
    """Return the bytes at ``url``, through at most three redirects. Raise :class:`DownloadFailed`."""
    return await _followed(url, lambda link: _asked(engine, link, own, redact), redact)


async def _followed(
    url: str, ask: Callable[[str], Awaitable[Download | httpx.Response]], redact: Callable[[str], str]
) -> Download:
    for _ in range(MAX_REDIRECTS + 1):
        answer = await ask(url)
        if isinstance(answer, Download):
            return answer
        target = answer.headers.get("location")
        if not answer.is_redirect or target is None:
            return _read(answer, url, redact)
        url = _joined(url, target, redact)
    raise DownloadFailed(f"{_place(url, redact)}: more than {MAX_REDIRECTS} redirects", Obstacle.GONE)


class PictureLinks:
    """The links in one service's answers: what :func:`fetch` does, with each origin checked once.

    Thousands of links lead to one host. Only the part behind the host is then new, and only a plain one is taken
    unparsed.
    """

    def __init__(self, engine: WholeExchange, own: OwnHost, redact: Callable[[str], str]) -> None:
        self._engine = engine
        self._own = own
        self._redact = redact
        self._origins: dict[str, Prepared] = {}

    async def fetch(self, url: str) -> Download:
        """Return the bytes at ``url``. Raise :class:`DownloadFailed`."""
        return await _followed(url, self._ask, self._redact)

    async def _ask(self, url: str) -> Download | httpx.Response:
        plain = _PLAIN.fullmatch(url)
        prepared = plain and (self._origins.get(plain[1]) or await self._prepared(plain[1]))
        if plain is None or prepared is None:
            return await _asked(self._engine, url, self._own, self._redact)
        sent = prepared.get(plain[2].encode("ascii"), sink=DOWNLOAD_SINK.get())
        received, content = await _translated(self._exchanged(sent), url, self._redact)
        if received.status != _OK:
            return response(sent, received)
        media_type = b", ".join([value for name, value in received.headers if name.lower() == b"content-type"])
        return Download(content, media_type.decode("latin-1"))

    async def _exchanged(self, sent: Outgoing) -> tuple[Received, Content]:
        received = await self._engine.exchange(sent)
        return received, inflated(sent, received)

    async def _prepared(self, origin: str) -> Prepared | None:
        """Return the head of requests to ``origin``, if links may lead there, and straight."""
        try:
            host = _checked_host(origin, self._own, self._redact)
        except DownloadFailed:
            return None
        headers = [_NAMED, *(self._own.headers if self._own.has(host) else ())]
        prepared = await self._engine.prepared(httpx.Request("GET", f"{origin}/", headers=headers))
        if prepared.first.forwarder is not None:
            return None
        if len(self._origins) >= _MOST_ORIGINS:
            self._origins.clear()
        self._origins[origin] = prepared
        return prepared


_OK = 200
_MOST_ORIGINS = 64
# An origin and a target that httpx, too, would leave as they are.
_PLAIN = re.compile(
    r"(https?://[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*(?::[1-9][0-9]{0,4})?)"
    r"(/(?!\.)(?:[A-Za-z0-9_~,=:@+!$*-]|/(?!\.)|\.|%[0-9A-F]{2})*(?:\?(?:[A-Za-z0-9._~,=:@+!$*/&-]|%[0-9A-F]{2})+)?)"
)


async def _asked(
    engine: httpx.AsyncBaseTransport, url: str, own: OwnHost, redact: Callable[[str], str]
) -> httpx.Response:
    headers = [_NAMED, *(own.headers if own.has(_checked_host(url, own, redact)) else ())]
    return await _translated(_got(engine, url, headers), url, redact)


async def _got(engine: httpx.AsyncBaseTransport, url: str, headers: Sequence[tuple[str, str]]) -> httpx.Response:
    request = httpx.Request("GET", url, headers=headers, extensions={"sink": DOWNLOAD_SINK.get()})
    return await engine.handle_async_request(request)


async def _translated(answer: Awaitable[T], url: str, redact: Callable[[str], str]) -> T:
    """Return ``answer`` once it is there; raise its errors as :class:`DownloadFailed`."""
    try:
        return await answer
    except (AddressRefused, httpx.UnsupportedProtocol) as error:
        raise DownloadFailed(f"{_place(url, redact)}: {redact(str(error))}", Obstacle.LOCAL) from error
    except (BodyTooLarge, httpx.LocalProtocolError) as error:
        raise DownloadFailed(f"{_place(url, redact)}: {redact(str(error))}", Obstacle.NEVER) from error
    except (httpx.InvalidURL, ValueError) as error:
        raise DownloadFailed(f"{_place(url, redact)}: this is no URL", Obstacle.NEVER) from error
    except httpx.HTTPError as error:
        what = redact(str(error)) or type(error).__name__
        raise DownloadFailed(f"{_place(url, redact)}: {what}") from error


def _read(response: httpx.Response, url: str, redact: Callable[[str], str]) -> Download:
    status = response.status_code
    if response.is_success:
        return Download(body_of(response), response.headers.get("content-type", ""))
    where = f"{_place(url, redact)} answered {status}"
    if status == 401:
        raise DownloadFailed(f"{where}: it wants a key, and no key is ever sent to a picture's URL", Obstacle.GONE)
    if status in {403, 404, 410}:
        raise DownloadFailed(f"{where}: the picture is not there, or not yet", Obstacle.GONE)
    raise DownloadFailed(where)


def _joined(url: str, target: str, redact: Callable[[str], str]) -> str:
    try:
        return urllib.parse.urljoin(url, target)
    except ValueError as error:
        raise DownloadFailed(f"{_place(url, redact)}: it redirects to no URL", Obstacle.NEVER) from error


def _checked_host(url: str, own: OwnHost, redact: Callable[[str], str]) -> str:
    """Return the host of an address that may be fetched. Raise :class:`DownloadFailed` for any other."""
    try:
        parts = urllib.parse.urlsplit(url)
        # An impossible port shows only when it is asked for.
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or not own.allows(parts.scheme, host):
        raise DownloadFailed(f"{_place(url, redact)}: only https URLs are fetched", Obstacle.LOCAL)
    return host


def _is_loopback(host: str) -> bool:
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _place(url: str, redact: Callable[[str], str]) -> str:
    """Return the URL without its query, which may hold a signature, cut for a message."""
    return printable(redact(url.split("?", 1)[0])[:120])
