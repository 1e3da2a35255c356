"""The checks of how a service is reached: headers, query, proxy, certificates, socket."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from batchgen.manifest.document import Mistake
from batchgen.manifest.jobfile import FromEnvironment, ProviderSection
from batchgen.wording import shown

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}", re.ASCII)
# Set for each request by whoever frames it, or by the rule that nothing is paid twice.
_OURS = frozenset(
    {
        *("host", "content-length", "content-type", "transfer-encoding", "connection", "te", "trailer", "upgrade"),
        *("accept-encoding", "expect", "idempotency-key", "proxy-authorization"),
    }
)
_NAME_OF_SECRET = re.compile(r"(authorization|cookie|credentials?|keys?|passwd|password|secret|signature|token)$")
# How the keys of well-known services begin, and what else is long and made of all kinds of characters.
_KEY = re.compile(
    r"\b(sk|pk|rk|xai|gsk|hf|r8|ghp|AIza|eyJ)[-_A-Za-z0-9]{16,}|(?i:\b(bearer|basic|key|token)\s+\S{8,})"
    r"|\b(?=[A-Za-z0-9+/_-]*[0-9])(?=[A-Za-z0-9+/_-]*[A-Za-z])[A-Za-z0-9+/_-]{32,}"
)
_SETTINGS = ("headers", "query", "proxy", "ca", "socket", "downloads")


def access_findings(provider: ProviderSection) -> Iterator[Mistake]:
    """Yield every mistake in how the service is to be reached."""
    if provider.kind == "simulator":
        for name in _SETTINGS:
            if name in provider.model_fields_set:
                yield Mistake(("provider", name), f"provider.{name} is not for the simulator", "remove it")
        return
    yield from _headers(provider.headers)
    yield from _query(provider.query)
    yield from _proxy(provider.proxy)
    yield from _socket(provider)


def _headers(headers: Mapping[str, str | FromEnvironment]) -> Iterator[Mistake]:
    for name, value in headers.items():
        path = ("provider", "headers", name)
        if not _HEADER.fullmatch(name):
            yield Mistake(path, f"{shown(name)} is no name of a header")
        elif name.lower() in _OURS:
            yield Mistake(path, f"the header {name} is set for each request, and can't be given", "remove it")
        elif isinstance(value, FromEnvironment):
            # The value may be a key put into the wrong place, so it is not shown.
            if not _VARIABLE.fullmatch(value.env):
                message = f"the header {name} must name an environment variable in capitals, such as AZURE_KEY"
                yield Mistake(path, message, "a key itself never belongs into a job file")
        elif _NAME_OF_SECRET.search(name.lower()) or _KEY.search(value):
            message = f"the value of the header {name} looks like a key, and a job file is no place for one"
            yield Mistake(path, message, f"write '{name}: {{env: NAME}}', and set NAME in the environment")
        elif not value.isascii() or not value.isprintable() or value != value.strip() or not value:
            yield Mistake(path, f"the value of the header {name} must be a line of ASCII, found {shown(value)}")


def _query(query: Mapping[str, str]) -> Iterator[Mistake]:
    for name, value in query.items():
        path = ("provider", "query", name)
        if not name.strip():
            yield Mistake(path, "a name in provider.query is empty")
        elif _NAME_OF_SECRET.search(name.lower()) or _KEY.search(value):
            message = f"the value of {shown(name)} in provider.query looks like a key, and addresses stand in logs"
            yield Mistake(path, message, "send it in a header: 'headers: {NAME: {env: NAME}}'")


def _proxy(proxy: str | None) -> Iterator[Mistake]:
    if proxy is None or proxy in ("env", "none"):
        return
    path, example = ("provider", "proxy"), "an address such as http://proxy.example:3128"
    try:
        parts = urlsplit(proxy)
        sound = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0 and parts.path in ("", "/")
    except ValueError:
        yield Mistake(path, f"provider.proxy must be env, none or {example}")
        return
    if "@" in parts.netloc:
        message = "provider.proxy must not carry a user name or a password"
        yield Mistake(path, message, "leave it out, and set HTTPS_PROXY in the environment")
    elif not sound:
        yield Mistake(path, f"provider.proxy must be env, none or {example}, found {shown(proxy)}")


def _socket(provider: ProviderSection) -> Iterator[Mistake]:
    if provider.socket is None:
        return
    path = ("provider", "socket")
    if not provider.socket.strip() or "://" in provider.socket or len(provider.socket.encode()) > _LONGEST_SOCKET_BYTES:
        message = (
            f"provider.socket must be the path of a socket such as /run/images.sock, found {shown(provider.socket)}"
        )
        yield Mistake(path, message)
    if provider.base_url is not None and not provider.base_url.startswith("http:"):
        message = "a socket of this machine speaks plain http, and provider.base_url does not begin with http:"
        yield Mistake(path, message, "write 'base_url: http://localhost/v1', or leave it out")
    if provider.proxy not in (None, "env", "none"):
        yield Mistake(path, "provider.socket and provider.proxy can't both be the way", "remove one")


# What fits into the system's structure for an address of a socket.
_LONGEST_SOCKET_BYTES = 100
