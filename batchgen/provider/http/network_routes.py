"""How an engine reaches a server: directly, through a proxy, or over a socket of this machine.

An engine reads no environment: whoever opens it says which way each server is reached.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from batchgen.provider.http.freelist import Origin


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. ``authorization`` is the value of its header, if it wants one, and stands in no text."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"the proxy {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A socket in the file system on which a server of this machine listens."""

    path: str

    def __str__(self) -> str:
        return f"the socket {self.path}"


@dataclass(frozen=True, slots=True)
class Routes:
    """The ways to all servers: proxies by scheme, servers that are reached ``direct``, and sockets by host.

    ``direct`` holds hosts, domains, addresses and networks as ``NO_PROXY`` does; ``*`` stands for all of them.
    """

    http: Proxy | None = None
    https: Proxy | None = None
    direct: tuple[str, ...] = ()
    sockets: Mapping[str, UnixSocket] = field(default_factory=dict)

    def to(self, origin: Origin) -> Proxy | UnixSocket | None:
        """Return the way to a server; ``None`` if it is reached directly."""
        if not (self.http or self.https or self.sockets):
            return None
        host = origin.host.strip("[]").lower()
        if host in self.sockets:
            return self.sockets[host]
        proxy = self.https if origin.scheme == "https" else self.http
        if proxy is None or any(_covers(entry, host, origin.port) for entry in self.direct):
            return None
        return proxy


def _covers(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of ``NO_PROXY`` covers a host: itself, its domain, or its network."""
    name, colon, wanted_port = entry.lower().rpartition(":")
    if colon and wanted_port.isdigit() and (":" not in name or name.endswith("]")):
        if int(wanted_port) != port:
            return False
        entry = name
    entry = entry.lower().strip("[]").removeprefix("*").lstrip(".")
    if not entry or host == entry or host.endswith(f".{entry}"):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
