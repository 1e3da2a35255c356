"""Which addresses may be connected to, by the address that a name resolved to and never by the name."""

import enum
import ipaddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 6052: translators carry an IPv4 address in the last 32 bits of this prefix.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# RFC 4291, 2.5.5.1: deprecated, yet some stacks still route it to the IPv4 address inside.
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")


class AddressRule(enum.Enum):
    """What an engine may connect to."""

    ANY = "any"
    GLOBAL_ONLY = "global only"
    GLOBAL_OR_LOOPBACK = "global or loopback"
    INWARD = "loopback or private"

    def allows(self, address: IPAddress) -> bool:
        """Return whether an engine with this rule may connect to ``address``."""
        if self is AddressRule.ANY:
            return True
        inner = unpacked(address)
        if self is AddressRule.INWARD:
            return not (inner.is_global or inner.is_multicast or inner.is_unspecified)
        if self is AddressRule.GLOBAL_OR_LOOPBACK and inner.is_loopback:
            return True
        return _is_public(inner)


def rule_for_downloads(base_addresses: list[IPAddress]) -> AddressRule:
    """Return the rule for the URLs in a service's answers, by the addresses of the service itself.

    A service on this machine may point to this machine; any other may point to public addresses only.
    """
    if base_addresses and all(unpacked(address).is_loopback for address in base_addresses):
        return AddressRule.GLOBAL_OR_LOOPBACK
    return AddressRule.GLOBAL_ONLY


def unpacked(address: IPAddress) -> IPAddress:
    """Return the address that packets would finally reach: for IPv4 wrapped in IPv6, the IPv4 address."""
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback or address.is_unspecified:
        return address
    if address in _NAT64 or address in _IPV4_COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address


def _is_public(address: IPAddress) -> bool:
    # `is_global` alone calls multicast and the old site-local range global.
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not (address.is_multicast or address.is_reserved or site_local)
