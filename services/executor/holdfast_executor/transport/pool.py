"""Connections that wait for the next request, and new ones where none does."""

import asyncio
import errno
import ssl

from holdfast.addresses import Resolve
from holdfast_executor.transport.connection import READ_BYTES, Connection
from holdfast_executor.transport.dialing import AddressBook, Place, open_socket
from holdfast_executor.transport.limits import TransportLimits

_TLS_HANDSHAKE_S = 3600.0
"""The event loop's own limit, out of the way of whoever waits: theirs ends it."""

_PEER_MARGIN_S = 1.0
"""How long before the peer says it closes an idle connection we do: a second,
which is what it counts in."""


class Pool:
    """Keeps connections by where they lead, the latest used first.

    Args:
        resolve: Looks up host names; the system's resolver unless given.
        tls: Whom to trust; one context, so that its authorities are read once.
        limits: What is kept, and for how long.
    """

    def __init__(
        self, resolve: Resolve | None, tls: ssl.SSLContext, limits: TransportLimits
    ) -> None:
        self._tls = tls
        self._limits = limits
        self._book = AddressBook(resolve, limits.dns_ttl_s)
        self._loop = asyncio.get_running_loop()
        self._buffer = memoryview(bytearray(READ_BYTES))
        # By place, in the order they were freed: until when each is kept.
        self._idle: dict[Place, dict[Connection, float]] = {}
        self._open: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False

    def take(self, place: Place) -> Connection | None:
        """Return an idle connection that a request can be sent on, if there is one."""
        idle = self._idle.get(place)
        while idle:
            connection, _ = idle.popitem()
            if connection.is_usable:
                return connection
            connection.cut()
        return None

    async def dial(self, place: Place) -> Connection:
        """Open a connection.

        Raises:
            AddressRefusedError: The host has no public address, and needs one.
            ssl.SSLError: No TLS was agreed on, or its certificate is not trusted.
            OSError: No address answers, or there is none.
        """
        opened = await open_socket(place, self._book)
        tls = self._tls if place.is_tls else None
        connection = Connection(place, self, self._limits, self._buffer)
        try:
            await self._loop.create_connection(
                lambda: connection,
                sock=opened,
                ssl=tls,
                server_hostname=place.host.rstrip(".") if tls else None,
                ssl_handshake_timeout=_TLS_HANDSHAKE_S if tls else None,
            )
        except BaseException:
            # Cancelled in the moment it was made: uvloop closes it, and tells nobody.
            self.lost(connection)
            raise
        if self._is_closed:
            connection.cut()
            raise ConnectionAbortedError(errno.ECONNABORTED, "the pool is closed")
        return connection

    async def close(self) -> None:
        """Close every connection, also those in use, and end every look-up."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._open):
            connection.cut()
        await self._book.close()
        # What was closed is told to its connection in the loop's next rounds,
        # one for the socket and one for the TLS around it.
        for _ in range(3):
            await asyncio.sleep(0)
        self._idle.clear()

    def opened(self, connection: Connection) -> None:
        """Remember it, to close it with all others."""
        self._open.add(connection)

    def freed(self, connection: Connection, keepalive_s: float | None) -> None:
        """Keep it for the next request, or close it where enough are kept."""
        limits = self._limits
        kept_s = limits.keepalive_s
        if keepalive_s is not None:
            kept_s = min(kept_s, keepalive_s - _PEER_MARGIN_S)
        idle = self._idle.setdefault(connection.place, {})
        if self._is_closed or kept_s <= 0 or len(idle) >= limits.idle_connections:
            connection.cut()
            return
        ends = self._loop.time() + kept_s
        idle[connection] = ends
        if self._sweep is None or ends < self._sweep.when():
            self._sweep_at(ends)

    def lost(self, connection: Connection) -> None:
        """Forget it."""
        self._open.discard(connection)
        idle = self._idle.get(connection.place)
        if idle:
            idle.pop(connection, None)

    def _sweep_at(self, when: float) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweep = self._loop.call_at(when, self._cut_expired)

    def _cut_expired(self) -> None:
        """Close what has idled for too long; look again when the next one has."""
        self._sweep = None
        now = self._loop.time()
        left: list[float] = []
        for place, idle in list(self._idle.items()):
            for connection, ends in list(idle.items()):
                if ends <= now:
                    del idle[connection]
                    connection.cut()
                else:
                    left.append(ends)
            if not idle:
                del self._idle[place]
        if left:
            self._sweep_at(min(left))
