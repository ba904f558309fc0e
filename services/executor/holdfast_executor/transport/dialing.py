"""Opening connections: a host's addresses, the first that answers, and TLS.

Every address passes the check just before it is connected to, looked up or
written out: a name that resolves anew in between gains nothing.
"""

import asyncio
import contextlib
import errno
import itertools
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.addresses import Resolve, is_public

AddressInfo = tuple[int, int, int, str, Any]
"""One of `socket.getaddrinfo`'s answers."""

_STAGGER_S = 0.25
"""Seconds before the next address is tried beside the last; RFC 8305, section 5."""


_HEARSAY_S = 2.0
"""Sooner than this a host is not known to be unreachable from having been asked: the
kernel asks for three seconds, and gives its answer to whoever has come meanwhile. A
router that says so has answered as well, and is asked once more at little cost."""

Connect = Callable[[AddressInfo], Awaitable[socket.socket]]


class AddressRefusedError(OSError):
    """No address of the host is public."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a connection leads; connections are shared by equal ones only.

    Attributes:
        allow_private_network: A connection that a request with the allowance
            opened must not serve one without.
    """

    is_tls: bool
    host: str
    port: int
    allow_private_network: bool


class AddressBook:
    """Remembers addresses, and looks each up once however many ask.

    Args:
        resolve: The system's resolver unless given.
        ttl_s: How long an answer is remembered.
    """

    def __init__(self, resolve: Resolve | None, ttl_s: float) -> None:
        self._resolve = resolve
        self._ttl_s = ttl_s
        self._known: dict[tuple[str, int], tuple[float, list[AddressInfo]]] = {}
        self._pending: dict[tuple[str, int], asyncio.Task[list[AddressInfo]]] = {}

    async def addresses(self, host: str, port: int) -> list[AddressInfo]:
        """Return the addresses of a host, best first.

        Raises:
            OSError: There is none.
        """
        key = (host, port)
        known = self._known.get(key)
        if known is not None and known[0] > asyncio.get_running_loop().time():
            return known[1]
        task = self._pending.get(key)
        if task is None:
            task = self._pending[key] = asyncio.create_task(self._look_up(host, port))
            task.add_done_callback(lambda done: self._settle(key, done))
        try:
            # Who gives up waiting does not end it for the others.
            return await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if not task.cancelled():
                raise
            # By `close`: the look-up was cancelled, and not who waits for it.
            raise OSError("the look-up was given up") from error

    async def close(self) -> None:
        """End every look-up."""
        pending = list(self._pending.values())
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _look_up(self, host: str, port: int) -> list[AddressInfo]:
        kind = socket.SOCK_STREAM
        if self._resolve is None:
            loop = asyncio.get_running_loop()
            return list(await loop.getaddrinfo(host, port, type=kind))
        found: list[AddressInfo] = []
        for address in await self._resolve(host):
            # A written address is never looked up, so this does not block.
            numeric = socket.AI_NUMERICHOST
            found += socket.getaddrinfo(address, port, type=kind, flags=numeric)
        return found

    def _settle(
        self, key: tuple[str, int], done: asyncio.Task[list[AddressInfo]]
    ) -> None:
        del self._pending[key]
        if done.cancelled() or done.exception() is not None:
            return
        now = asyncio.get_running_loop().time()
        self._known = {k: v for k, v in self._known.items() if v[0] > now}
        self._known[key] = (now + self._ttl_s, done.result())


async def connected(info: AddressInfo) -> socket.socket:
    """Connect to an address, as the system does.

    Raises:
        OSError: It does not answer.
    """
    family, kind, protocol, _, address = info
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setblocking(False)
        with contextlib.suppress(OSError):
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(opened, address)
    except BaseException:
        opened.close()
        raise
    return opened


async def open_socket(
    place: Place, book: AddressBook, connect: Connect = connected
) -> socket.socket:
    """Connect to the first address of a place that answers.

    Args:
        place: Where to.
        book: Knows its addresses.
        connect: Connects to one of them.

    Raises:
        AddressRefusedError: All are private, and that is not allowed.
        OSError: None answers.
    """
    found = await book.addresses(place.host, place.port)
    allowed = [
        info
        for info in found
        if place.allow_private_network or is_public(str(info[4][0]))
    ]
    if found and not allowed:
        raise AddressRefusedError("the address is not public")
    if len(allowed) == 1:
        return await _reached(allowed[0], connect)
    return await _first_of(interleaved(allowed), connect)


def interleaved(addresses: Sequence[AddressInfo]) -> list[AddressInfo]:
    """Take turns between IPv6 and IPv4, for a network that lacks one of them.

    The first address stays the first: RFC 8305, section 4.
    """
    families: dict[int, list[AddressInfo]] = {}
    for info in addresses:
        families.setdefault(info[0], []).append(info)
    turns = itertools.zip_longest(*families.values())
    return [info for turn in turns for info in turn if info is not None]


async def _first_of(
    addresses: Sequence[AddressInfo], connect: Connect
) -> socket.socket:
    """Try addresses in turn, each a little after the last or when that failed."""
    running: set[asyncio.Task[socket.socket]] = set()
    failure: OSError = OSError("the host has no address")
    left = list(addresses)
    try:
        while left or running:
            if left:
                reached = _reached(left.pop(0), connect)
                running.add(asyncio.create_task(reached))
            done, running = await asyncio.wait(
                running,
                timeout=_STAGGER_S if left else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                error = task.exception()
                if error is None:
                    # A second one that got through in the same moment is let go.
                    running |= done - {task}
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                failure = error
        raise failure
    finally:
        for task in running:
            task.add_done_callback(_drop)
            task.cancel()


def _drop(done: asyncio.Task[socket.socket]) -> None:
    if not done.cancelled() and done.exception() is None:
        done.result().close()


async def _reached(info: AddressInfo, connect: Connect) -> socket.socket:
    """Connect; once more where there is no way, by what was found out for others.

    A host that has its network back would else fail calls that came the moment before.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        return await connect(info)
    except OSError as error:
        if error.errno != errno.EHOSTUNREACH or loop.time() - began >= _HEARSAY_S:
            raise
    return await connect(info)
