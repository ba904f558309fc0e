"""Where the replicas of a service are: what stands behind its names, as it changes.

A name that leads to several addresses stands for as many replicas, as a headless
Service of Kubernetes does for its pods. Names are looked up again and again: who
comes is called within seconds, and who is gone is called no more. While nothing
can be looked up, what was found last stays.
"""

import asyncio
import contextlib
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog

_log = structlog.get_logger("holdfast.rpc")

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Finds the IP addresses of a host.

Raises:
    OSError: It has none, or they cannot be found now.
"""

_PERIOD_S = 5.0
"""From one lookup to the next, in seconds: as long as Kubernetes' name service has
its answers kept. A lookup takes it a few microseconds."""

_PAUSE_S = 1.0
"""The same where a replica was lost, or nothing was found yet."""

_SCHEME = re.compile(r"([a-z0-9+.-]+):(?!\d+$)")
"""The beginning of a target that is not just `HOST:PORT`."""

_NO_SUCH_KIND = {socket.EAI_ADDRFAMILY, socket.EAI_NODATA, socket.EAI_NONAME}
"""What is said of a host that has no addresses of the kind asked for."""


class Name(NamedTuple):
    """A host's name and a port."""

    host: str
    port: str


async def look_up(host: str) -> Sequence[str]:
    """Find a host's addresses as this machine does.

    Of those that have both kinds the IPv4 ones are taken: a pod with one of each
    is one replica.

    Raises:
        OSError: There are none, or nobody can say.
    """
    try:
        return await _look_up(host, socket.AF_INET)
    except socket.gaierror as error:
        if error.errno not in _NO_SUCH_KIND:
            raise
    return await _look_up(host, socket.AF_INET6)


async def _look_up(host: str, family: socket.AddressFamily) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            host, None, family=family, type=socket.SOCK_STREAM
        )
    except UnicodeError as error:
        raise OSError(f"{host!r} cannot be a host's name") from error
    return [str(address[0]) for *_, address in found]


class Addresses:
    """The addresses behind a service's targets.

    Attributes:
        are_followed: Whether looking the names up has begun.
        are_looked_up: Whether every name was looked up once, found or not.
    """

    def __init__(
        self,
        service: str,
        targets: Sequence[str],
        changed: Callable[[Sequence[str]], None],
        lookup: Lookup = look_up,
        period_s: float = _PERIOD_S,
    ) -> None:
        """Take note of the targets; names are looked up from `follow` on.

        Args:
            service: What it is called in the log.
            targets: gRPC targets. `dns:///HOST:PORT` and `HOST:PORT` are looked
                up here, all others are left to gRPC.
            changed: Told of all addresses there are, in order, whenever they are
                others than before; and of those that need no looking up at once.
            lookup: Finds the addresses of a host.
            period_s: From one lookup to the next, in seconds.
        """
        read = [_read(target) for target in targets]
        self._service = service
        self._fixed = [target for target in read if isinstance(target, str)]
        self._names = [target for target in read if isinstance(target, Name)]
        self._found: dict[Name, Sequence[str]] = {}
        self._unknown: set[Name] = set()
        self._changed = changed
        self._lookup = lookup
        self._period_s = period_s
        self._all: list[str] = []
        self._hurry = asyncio.Event()
        self._looked = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self.are_followed = self.are_looked_up = not self._names
        self._tell()

    def follow(self) -> None:
        """Begin to look the names up, unless that was begun."""
        if not self.are_followed:
            self.are_followed = True
            self._following = asyncio.create_task(self._follow())

    async def looked_up(self) -> None:
        """Wait until every name was looked up once."""
        if not self.are_looked_up:
            await self._looked.wait()

    def hurry(self) -> None:
        """Look soon: somebody who was there is not."""
        self._hurry.set()

    async def close(self) -> None:
        """Look no more."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            self._hurry.clear()
            await asyncio.gather(*map(self._look, self._names))
            self._tell()
            self.are_looked_up = True
            self._looked.set()
            await asyncio.sleep(min(_PAUSE_S, self._period_s))
            if self._all:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, self._period_s - _PAUSE_S)):
                        await self._hurry.wait()

    async def _look(self, name: Name) -> None:
        try:
            found = await self._lookup(name.host)
        except OSError as error:
            self._miss(name, error.strerror or str(error))
            return
        if not found:
            self._miss(name, "it has no addresses")
            return
        self._unknown.discard(name)
        self._found[name] = [_joined(address, name.port) for address in found]

    def _miss(self, name: Name, reason: str) -> None:
        # Said once, and not again at every lookup.
        if name not in self._unknown:
            _log.warning(
                "name_not_found", service=self._service, name=name.host, reason=reason
            )
        self._unknown.add(name)

    def _tell(self) -> None:
        found = {address for each in self._found.values() for address in each}
        # In the same order for all who look: what has the same affinity meets the
        # same replica, wherever it comes from.
        everyone = [*dict.fromkeys(self._fixed), *sorted(found - {*self._fixed})]
        if everyone != self._all:
            if self._names:
                _log.info("replicas_behind_names", service=self._service, at=everyone)
            self._all = everyone
            self._changed(everyone)


def _read(target: str) -> Name | str:
    """Take a target apart, if it is to be looked up here."""
    rest = re.sub(r"^dns:(///)?(?!//)", "", target)
    if _SCHEME.match(rest):
        return target
    host, colon, port = rest.rpartition(":")
    if not colon or not port.isdigit() or not host:
        return target
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return Name(host, port)
    return rest


def _joined(address: str, port: str) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
