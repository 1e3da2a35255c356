"""The options of an engine."""

import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import certifi

from batchgen.provider.http.addresses import AddressRule
from batchgen.provider.http.network_routes import Routes

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """Return the system's addresses of a name, in its order of preference. Raise OSError if there are none."""
    found = await anyio.getaddrinfo(host, port, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Limits of one engine. `read_timeout_s` runs between bytes; a deadline for a whole call is the caller's business.

    `idle_s` stays a second below the keep-alive of the server (ImageRouter's Node closes after 5 s).
    `ca_files` add certificates to those of the system; verification cannot be switched off. `host_rules` are for
    hosts, such as `http://vm`, to which another rule applies than `addresses`. What goes through a proxy is not
    resolved here, nor checked.
    """

    max_connections: int = 100
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    idle_s: float = 4.0
    max_body_bytes: int = 64 * 2**20
    max_header_bytes: int = 64 * 2**10
    addresses: AddressRule = AddressRule.ANY
    resolve: Resolve = system_addresses
    ca_files: tuple[Path, ...] = ()
    host_rules: Mapping[str, AddressRule] = field(default_factory=dict)
    routes: Routes = field(default_factory=Routes)

    def __post_init__(self) -> None:
        if self.max_connections < 1:
            raise ValueError(f"max_connections is {self.max_connections}; at least 1 is needed")
        if not 0 < self.max_body_bytes <= 2**30:
            raise ValueError(f"max_body_bytes is {self.max_body_bytes}; it must lie between 1 and {2**30}")

    def tls_context(self) -> ssl.SSLContext:
        """Return a context that verifies certificates, by the system's, certifi's and those of ``ca_files``."""
        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
        for path in self.ca_files:
            load_authorities(context, path)
        context.set_alpn_protocols(["http/1.1"])
        return context


def load_authorities(context: ssl.SSLContext, path: Path) -> None:
    """Add the certificates of a file, or of a folder as OpenSSL hashes it. Raise OSError if there are none."""
    if path.is_dir():
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)
