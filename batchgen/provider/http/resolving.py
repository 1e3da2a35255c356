"""The checked addresses of a name. Connections use these, so a second look-up cannot change the answer."""

import ipaddress
import math
from dataclasses import replace

import anyio

from batchgen.provider.http.addresses import AddressRule
from batchgen.provider.http.engine_options import EngineOptions
from batchgen.provider.http.failures import AddressRefused, ConnectFailed, ConnectTimedOut
from batchgen.provider.http.freelist import Origin

# A thousand connections opened at once look up one name; an answer is shared for this long.
_SHARED_S = 2.0

Refusal = AddressRefused | ConnectFailed | ConnectTimedOut


class Resolver:
    """Checked addresses of an origin, looked up once for all who ask within two seconds, failures too."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._locks: dict[Origin, anyio.Lock] = {}
        self._known: dict[Origin, tuple[float, list[str] | Refusal]] = {}

    async def addresses(self, origin: Origin) -> list[str]:
        """Return at least one address. Raise AddressRefused, ConnectFailed or ConnectTimedOut."""
        async with self._locks.setdefault(origin, anyio.Lock()):
            until, known = self._known.get(origin, (-math.inf, []))
            if until < anyio.current_time():
                known = await self._found(origin)
                self._known[origin] = (anyio.current_time() + _SHARED_S, known)
        if isinstance(known, list):
            return known
        raise type(known)(str(known)) from known

    async def _found(self, origin: Origin) -> list[str] | Refusal:
        try:
            return self._checked(origin, await self._looked_up(origin))
        except (AddressRefused, ConnectFailed, ConnectTimedOut) as refusal:
            return refusal

    async def _looked_up(self, origin: Origin) -> list[str]:
        timeout_s = self._options.connect_timeout_s
        try:
            with anyio.fail_after(timeout_s):
                found = list(await self._options.resolve(origin.host.strip("[]"), origin.port))
        except TimeoutError as error:
            raise ConnectTimedOut(f"{origin}: the name was not resolved within {timeout_s:g} s") from error
        except (OSError, UnicodeError) as error:
            raise ConnectFailed(f"{origin}: the name does not resolve ({error})") from error
        if not found:
            raise ConnectFailed(f"{origin}: the name resolves to no address")
        return found

    def _checked(self, origin: Origin, found: list[str]) -> list[str]:
        options = self._options
        rule = options.host_rules.get(f"{origin.scheme}://{origin.host.strip('[]').lower()}", options.addresses)
        allowed = [text for text in found if rule.allows(ipaddress.ip_address(text))]
        if not allowed:
            raise AddressRefused(f"{origin}: resolves to {', '.join(found)}, and the rule here is: {rule.value}")
        return allowed


def resolver_of_proxies(options: EngineOptions) -> Resolver:
    """Return a resolver for the proxies that the user named: those may stand anywhere."""
    return Resolver(replace(options, addresses=AddressRule.ANY, host_rules={}))
