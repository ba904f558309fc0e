"""Which addresses a provider may have: public ones, and nothing of our own network."""

import ipaddress

_REFUSED_THOUGH_GLOBAL = frozenset({ipaddress.ip_address("168.63.129.16")})
"""Azure's host agent: a public address that every virtual machine reaches."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052


def is_public(written: str) -> bool:
    """Tell whether an address is one of the public internet's.

    An IPv4 address inside an IPv6 one is judged by what it leads to.
    """
    address = ipaddress.ip_address(written.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo is not None:
            return False
        if inner is not None:
            return is_public(str(inner))
    return (
        address.is_global
        and not address.is_multicast
        and address not in _REFUSED_THOUGH_GLOBAL
    )
