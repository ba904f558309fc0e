"""Where an endpoint may lead: to the public internet, unless it was said otherwise.

Asked when an endpoint is declared, by its words alone or with its name looked up, and
once more of each address just before it is connected to: by then the name may lead
elsewhere.
"""

import asyncio
import contextlib
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Looks up a host name: its addresses, best first. Raises `OSError` if it has none."""

_REFUSED = tuple(
    map(
        ipaddress.ip_network,
        (
            # Protocols' own (RFC 6890). Oracle Cloud has its metadata service here.
            "192.0.0.0/24",
            # Relays from IPv6, which lead wherever they please (RFC 7526).
            "192.88.99.0/24",
            # Azure's host agent: a public address that every virtual machine reaches.
            "168.63.129.16/32",
            # Protocols' own (RFC 2928), Teredo among them, which leads to an IPv4
            # address of somebody's.
            "2001::/23",
            # For documents (RFC 9637).
            "3fff::/20",
        ),
    )
)
"""What Python takes for public, and is of no use to anybody but an attacker."""

_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is public so far (RFC 4291, section 2.4)."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""The third quarter of an address that has an IPv4 one in its last; RFC 5214."""

_LOW_32 = 0xFFFF_FFFF

_PLAIN = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(r"(?=.{1,253}\.?$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
"""A host's name, which is of labels of 63 bytes at most: RFC 1035, section 2.3.4."""

_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""What makes a host an address if it stands last, in WHATWG's URL standard ("ends in
a number"). Some read 0177.1 as an address, others as a name."""

_PRIVATE_NAMES = frozenset(
    {
        "localhost",  # RFC 6761
        "local",  # RFC 6762; a Kubernetes cluster's services are below it
        "internal",  # reserved by ICANN; clouds' metadata services are below it
        "home.arpa",  # RFC 8375
        # RFC 6762, appendix G: in use in private networks, though nobody's.
        "corp",
        "home",
        "intranet",
        "lan",
        "private",
        "localdomain",
        "svc",
    }
)
"""What ends a name that leads nowhere on the public internet."""

_LOOK_UP_S = 3.0
"""For looking a name up as it is declared: resolvers try twice in five seconds, and
somebody waits. Whoever is not found is checked when it is called."""


@dataclass(frozen=True, slots=True)
class AddressFault:
    """What is wrong with an endpoint's URI, and what to do about it."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}"


_NO_URI = AddressFault(
    "is not an absolute http or https URI",
    "write it in full, e.g. https://api.example.com/v1",
)
_PRIVATE = AddressFault(
    "is not on the public internet",
    "give a public address, or have the gateway's configuration allow its host",
)


def is_public(written: str) -> bool:
    """Tell whether an address is one of the public internet's.

    An IPv4 address inside an IPv6 one is judged by what it leads to. That of a
    network's own NAT64 prefix does not show.

    Args:
        written: As the system's resolver writes it.
    """
    address = ipaddress.ip_address(written.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is not None and not is_public(str(inner)):
            return False
        if address.ipv4_mapped is not None or address in _NAT64:
            return True
        if address not in _UNICAST:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not any(address in network for network in _REFUSED)
    )


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 one leads to, None if it holds none."""
    number = int(address)
    if address in _NAT64 or number >> 32 & _LOW_32 in _ISATAP:
        return ipaddress.IPv4Address(number & _LOW_32)
    return address.ipv4_mapped or address.sixtofour


def is_host_name(host: str) -> bool:
    """Tell whether a text may be looked up, in small letters as `urlsplit` gives it."""
    return _NAME.fullmatch(host) is not None


def uri_fault(base_uri: str) -> AddressFault | None:
    """Say what is wrong with an endpoint's URI by its words, None if nothing is."""
    parts = _parts(base_uri)
    if parts is None:
        return _NO_URI
    if "@" in parts.netloc:
        return AddressFault(
            "holds a user name or password",
            "remove it and give the secret as the credential",
        )
    if "#" in base_uri:
        return AddressFault(
            "holds a fragment", "end it before the #: no provider ever sees it"
        )
    return _host_fault(parts.hostname or "", is_literal=parts.netloc.startswith("["))


def looks_private(base_uri: str) -> bool:
    """Tell whether an endpoint is private by its looks; no name is looked up.

    Args:
        base_uri: One that `uri_fault` finds nothing wrong with.
    """
    host = (urlsplit(base_uri).hostname or "").removesuffix(".")
    with contextlib.suppress(ValueError):
        return not is_public(host)
    labels = host.split(".")
    ends = {".".join(labels[at:]) for at in range(len(labels))}
    return len(labels) == 1 or not ends.isdisjoint(_PRIVATE_NAMES)


def address_fault(base_uri: str, *, allow_private_network: bool = False) -> str | None:
    """Say why an endpoint may not be declared, None if it may.

    Args:
        base_uri: Where it is.
        allow_private_network: Whether it may be private.
    """
    fault = uri_fault(base_uri)
    if fault is None and not allow_private_network and looks_private(base_uri):
        fault = _PRIVATE
    return None if fault is None else str(fault)


async def resolved_address_fault(
    base_uri: str,
    *,
    allow_private_network: bool = False,
    resolve: Resolve | None = None,
    patience_s: float = _LOOK_UP_S,
) -> str | None:
    """Say why an endpoint may not be declared, with its name looked up.

    A name that is not found, or not in time, is not at fault: it may be known where
    it is called, and is checked there.

    Args:
        base_uri: Where it is.
        allow_private_network: Whether it may be private.
        resolve: Looks its name up; the system's resolver unless given.
        patience_s: For how long that is waited for, in seconds.
    """
    fault = address_fault(base_uri, allow_private_network=allow_private_network)
    if fault is not None or allow_private_network:
        return fault
    host = (urlsplit(base_uri).hostname or "").removesuffix(".")
    try:
        async with asyncio.timeout(patience_s):
            found = await (resolve or _system)(host)
    except (OSError, ValueError):
        return None
    return None if all(map(is_public, found)) else str(_PRIVATE)


async def _system(host: str) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


def _parts(base_uri: str) -> SplitResult | None:
    if not _PLAIN.fullmatch(base_uri):
        return None
    try:
        parts = urlsplit(base_uri)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        usable = usable and parts.port != 0
    except ValueError:
        usable = False
    return parts if usable else None


def _host_fault(host: str, *, is_literal: bool) -> AddressFault | None:
    if is_literal:
        return _literal_fault(host)
    if not is_host_name(host):
        return AddressFault(
            "names no host", "write a name of letters, digits, hyphens and dots"
        )
    if not _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        return None
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return AddressFault(
            "holds an address that not everybody reads alike",
            "write it as four decimal numbers, e.g. 192.0.2.1",
        )
    return None


def _literal_fault(host: str) -> AddressFault | None:
    if "%" in host:
        return AddressFault(
            "names a network interface", "write the address without its zone"
        )
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return _NO_URI
    return None
