"""How a service is reached beside its address and key: headers, query, proxy, certificates, socket.

This is the one place that reads the environment for it; what is below is told.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import ssl
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batchgen.errors import UsageError
from batchgen.provider.credentials import Secret, find_header_value, known_secret
from batchgen.provider.http.addresses import AddressRule
from batchgen.provider.http.engine_options import load_authorities, system_addresses
from batchgen.provider.http.freelist import Origin
from batchgen.provider.http.network_routes import Proxy, Routes, UnixSocket
from batchgen.wording import printable

FROM_ENVIRONMENT = "env"
DIRECT = "none"

_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """What a manifest says: headers as they are and those whose value has a variable's name, query, proxy and files."""

    headers: Mapping[str, str] = field(default_factory=dict)
    secret_headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    proxy: str = FROM_ENVIRONMENT
    ca: Path | None = None
    socket: Path | None = None
    key_to_own_host: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """What every request to a service carries, and the way it goes. ``notices`` are for the user, once a run."""

    headers: tuple[tuple[str, str], ...] = ()
    secret_headers: tuple[tuple[str, Secret], ...] = ()
    secrets: tuple[Secret, ...] = ()
    query: str = ""
    routes: Routes = field(default_factory=Routes)
    ca_files: tuple[Path, ...] = ()
    key_to_own_host: bool = False
    notices: tuple[str, ...] = ()


def access_of(
    settings: AccessSettings, folder: Path, base_url: str, environment: Mapping[str, str] = os.environ, *, need: bool
) -> Access:
    """Return the access that a manifest asks for. Raise :class:`UsageError` for what is missing or can't be used.

    ``folder`` may hold a ``.env`` file with the values of headers; without ``need`` those may be missing.
    """
    found = {name: find_header_value(env, folder) for name, env in settings.secret_headers.items()}
    if need and (lost := next((name for name, secrets in found.items() if not secrets), None)):
        env = settings.secret_headers[lost]
        raise UsageError(f"no value for the header {lost}: set {env} in the environment, or write it into a .env file")
    routes, secrets, said = _routes(settings, base_url, environment)
    ca_files, untrusted = _ca_files(settings, environment)
    return Access(
        tuple(settings.headers.items()),
        tuple((name, secrets[0]) for name, secrets in found.items() if secrets),
        (*(secret for secrets in found.values() for secret in secrets), *secrets),
        urllib.parse.urlencode(settings.query),
        routes,
        ca_files,
        settings.key_to_own_host,
        (*said, *untrusted),
    )


async def clear_text_notice(base_url: str, access: Access, key: Secret | None) -> str | None:
    """Return what to tell of a key that travels unencrypted in a private network; ``None`` if it never does.

    Raise :class:`UsageError` if it would travel to a public address.
    """
    origin = _origin(base_url)
    way = access.routes.to(origin)
    if origin.scheme != "http" or not (key or access.secret_headers) or isinstance(way, UnixSocket):
        return None
    peers = [(origin.host, origin.port), *([(way.host, way.port)] if way else [])]
    addresses = {host: await _addresses(host, port) for host, port in peers}
    for host, found in addresses.items():
        public = next((one for one in found if not AddressRule.INWARD.allows(ipaddress.ip_address(one))), None)
        if public or (way and not found):
            where = f"{host} ({public}), a public address" if public else f"{host}, which only the proxy knows"
            raise UsageError(f"base_url {base_url}: the key would travel unencrypted to {where}; use https")
    if all(ipaddress.ip_address(one).is_loopback for found in addresses.values() for one in found):
        return None
    return f"the key travels unencrypted to {base_url}, in a private network; use https if others can listen there"


async def _addresses(host: str, port: int) -> list[str]:
    try:
        return list(await system_addresses(host.strip("[]"), port))
    except (OSError, UnicodeError):
        # Nothing can be sent there; each request will say so.
        return []


def _origin(base_url: str) -> Origin:
    parts = urllib.parse.urlsplit(base_url)
    return Origin(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


def _routes(
    settings: AccessSettings, base_url: str, environment: Mapping[str, str]
) -> tuple[Routes, tuple[Secret, ...], tuple[str, ...]]:
    """Return the routes, the passwords in them, and what to tell of them."""
    origin = _origin(base_url)
    if settings.socket is not None:
        way = UnixSocket(str(settings.socket))
        return Routes(sockets={origin.host: way}), (), ()
    if settings.proxy == DIRECT:
        return Routes(), (), ()
    if settings.proxy != FROM_ENVIRONMENT:
        proxy, secrets = _proxy(settings.proxy, "provider.proxy")
        return Routes(proxy, proxy), secrets, (_said(proxy, "provider.proxy", "requests and pictures"),)
    return _routes_of_environment(origin, environment)


def _routes_of_environment(
    origin: Origin, environment: Mapping[str, str]
) -> tuple[Routes, tuple[Secret, ...], tuple[str, ...]]:
    direct = tuple(filter(None, (one.strip() for one in (_variable("NO_PROXY", environment)[1] or "").split(","))))
    found: dict[str, Proxy] = {}
    secrets: tuple[Secret, ...] = ()
    named: dict[str, str] = {}
    for scheme in ("http", "https"):
        name, value = _first_variable((f"{scheme.upper()}_PROXY", "ALL_PROXY"), environment)
        if value:
            found[scheme], passwords = _proxy(value, name)
            secrets += passwords
            named[scheme] = name
    routes = Routes(found.get("http"), found.get("https"), direct)
    return routes, secrets, tuple(_told(routes, origin, named))


def _told(routes: Routes, origin: Origin, named: Mapping[str, str]) -> Iterator[str]:
    """Yield what goes through which proxy: pictures may lie on any host, over https."""
    to_service = routes.to(origin)
    if isinstance(to_service, Proxy):
        what = "requests and pictures" if to_service == routes.https else "requests"
        yield _said(to_service, named[origin.scheme], what)
    if routes.https is not None and routes.https != to_service:
        yield _said(routes.https, named["https"], "pictures from other hosts")


def _first_variable(names: tuple[str, ...], environment: Mapping[str, str]) -> tuple[str, str | None]:
    found = (_variable(name, environment) for name in names)
    return next(((name, value) for name, value in found if value), ("", None))


def _variable(name: str, environment: Mapping[str, str]) -> tuple[str, str | None]:
    """Return a standard variable; in small letters it comes first, as for curl."""
    if environment.get(name.lower()):
        return name.lower(), environment[name.lower()]
    # A CGI server puts the header `Proxy` of whoever calls into this variable (httpoxy, CVE-2016-5385).
    if name == "HTTP_PROXY" and "REQUEST_METHOD" in environment:
        return name, None
    return name, environment.get(name)


def _proxy(text: str, place: str) -> tuple[Proxy, tuple[Secret, ...]]:
    """Return the proxy of an address, and its password. Raise :class:`UsageError`; the address is not shown."""
    try:
        parts = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host, port = None, 0
    if not host or not host.isascii() or parts.scheme != "http":
        raise UsageError(f"{place} must be the address of an HTTP proxy such as http://proxy.example:3128, or none")
    user, password = urllib.parse.unquote(parts.username or ""), urllib.parse.unquote(parts.password or "")
    if not user and not password:
        return Proxy(host, port), ()
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Proxy(host, port, f"Basic {encoded}"), (known_secret(encoded), known_secret(password)) if password else ()


def _said(proxy: Proxy, place: str, what: str) -> str:
    return (
        f"{what} go through {printable(str(proxy))} ({place}), which finds the addresses: "
        "whether one is public is checked there, not here; `proxy: none` under `provider` goes without"
    )


def _ca_files(settings: AccessSettings, environment: Mapping[str, str]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the files of certificates to trust, and what to tell of those that can't be read."""
    files: list[Path] = []
    said: list[str] = []
    if settings.ca is not None:
        if problem := _ca_problem(settings.ca):
            raise UsageError(f"provider.ca: {settings.ca} {problem}")
        files.append(settings.ca)
    for name, path in _named_files(environment):
        if problem := _ca_problem(path):
            said.append(f"{name} names {printable(str(path))}, which {problem}: it is not used")
        else:
            files.append(path)
    return tuple(files), tuple(said)


def _named_files(environment: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    return ((name, Path(environment[name])) for name in _CA_VARIABLES if environment.get(name))


def _ca_problem(path: Path) -> str | None:
    try:
        load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), path)
    except ssl.SSLError:
        return "holds no certificates in PEM form"
    except OSError as error:
        return f"can't be read: {error.strerror}"
    return None
