"""Downloads of hosted pictures: without credentials, only from checked addresses, repeated since they are free."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable

import httpx

from batchgen.provider.http.interface import AddressRefused, BodyTooLarge
from batchgen.provider.interface import Download, DownloadFailed, Obstacle
from batchgen.wording import printable

MAX_REDIRECTS = 3


async def fetch(
    engine: httpx.AsyncBaseTransport, url: str, *, plain_http: bool, redact: Callable[[str], str]
) -> Download:
    """Return the bytes at ``url``, through at most three redirects. Raise :class:`DownloadFailed`.

    ``plain_http`` allows ``http:`` links: for a service on this machine.
    """
    for _ in range(MAX_REDIRECTS + 1):
        _check(url, redact, plain_http=plain_http)
        response = await _get(engine, url, redact)
        target = response.headers.get("location")
        if not response.is_redirect or target is None:
            return _read(response, url, redact)
        url = _joined(url, target, redact)
    raise DownloadFailed(f"{_place(url, redact)}: more than {MAX_REDIRECTS} redirects", Obstacle.GONE)


async def _get(engine: httpx.AsyncBaseTransport, url: str, redact: Callable[[str], str]) -> httpx.Response:
    try:
        return await engine.handle_async_request(httpx.Request("GET", url))
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


def _check(url: str, redact: Callable[[str], str], *, plain_http: bool) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        allowed = parts.scheme == "https" or (plain_http and parts.scheme == "http")
        # An impossible port shows only when it is asked for.
        host, _ = parts.hostname, parts.port
    except ValueError:
        allowed, host = False, None
    if not allowed or not host:
        raise DownloadFailed(f"{_place(url, redact)}: only https URLs are fetched", Obstacle.LOCAL)


def _place(url: str, redact: Callable[[str], str]) -> str:
    """Return the URL without its query, which may hold a signature, cut for a message."""
    return printable(redact(url.split("?", 1)[0])[:120])
