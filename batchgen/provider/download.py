"""Downloads of hosted pictures: without credentials, only from checked addresses, repeated since they are free."""

from __future__ import annotations

import ipaddress
import urllib.parse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import httpx

from batchgen.provider.http.interface import AddressRefused, BodyTooLarge
from batchgen.provider.interface import Download, DownloadFailed, Obstacle
from batchgen.version import __version__
from batchgen.wording import printable

USER_AGENT = f"batchgen/{__version__}"

MAX_REDIRECTS = 3

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
    for _ in range(MAX_REDIRECTS + 1):
        host = _checked_host(url, own, redact)
        response = await _get(engine, url, own.headers if own.has(host) else (), redact)
        target = response.headers.get("location")
        if not response.is_redirect or target is None:
            return _read(response, url, redact)
        url = _joined(url, target, redact)
    raise DownloadFailed(f"{_place(url, redact)}: more than {MAX_REDIRECTS} redirects", Obstacle.GONE)


async def _get(
    engine: httpx.AsyncBaseTransport, url: str, headers: Sequence[tuple[str, str]], redact: Callable[[str], str]
) -> httpx.Response:
    try:
        return await engine.handle_async_request(httpx.Request("GET", url, headers=[_NAMED, *headers]))
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
        return Download(response.content, response.headers.get("content-type", ""))
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
