"""A socket beside a link's stream, where both ends are on one machine.

The frames are the same, and the stream stays: it says when the other side is
gone. But what crosses gRPC is framed for HTTP/2 and handed from thread to
thread on either side; a socket is read by the event loop itself.
"""

import asyncio
import os
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

from holdfast.rpc.link.outbox import BATCH_BYTES

METADATA_KEY = "holdfast-lane"
"""In the stream's initial metadata: where the server awaits its client."""

_PEER = struct.Struct("3i")
"""What Linux says of who is at the other end: process, user, group (unix(7))."""


class Lane(asyncio.Protocol):
    """One end of a socket between two processes."""

    def __init__(self, feed: Callable[[bytes], None]) -> None:
        """Carry nothing yet.

        Args:
            feed: Takes the bytes that come.
        """
        self._feed = feed
        self.closed = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._room: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=BATCH_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, whichever side hung up."""
        self.resume_writing()
        self.closed.set()

    def data_received(self, data: bytes) -> None:
        """Pass on what came."""
        self._feed(data)

    def pause_writing(self) -> None:
        """Hold up who writes."""
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let writing go on."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    async def write(self, frames: Sequence[bytes]) -> None:
        """Send frames, and return once more may follow."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.writelines(frames)
        if self._room is not None:
            await self._room

    def close(self) -> None:
        """Hang up once what was written is out."""
        if self._transport is not None:
            self._transport.close()


@asynccontextmanager
async def offered(make: Callable[[], Lane]) -> AsyncIterator[str | None]:
    """Await the one client of a stream, and give the name to tell it.

    A client on another machine never comes. Gives None where there are no such
    sockets.

    Args:
        make: Makes this side's end when the client has come.
    """
    name = f"holdfast-{secrets.token_hex(16)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.setblocking(False)
        try:
            # In Linux's abstract namespace: no file to clean up, and out of
            # reach of other network namespaces.
            listener.bind(f"\0{name}")
        except OSError:
            yield None
            return
        listener.listen(1)
        accepting = asyncio.create_task(_accept(listener, make))
        try:
            yield name
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)


async def _accept(listener: socket.socket, make: Callable[[], Lane]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        client, _ = await loop.sock_accept(listener)
        if _is_ours(client):
            await loop.connect_accepted_socket(make, client)
            return
        client.close()


def _is_ours(end: socket.socket) -> bool:
    """Tell our own user's processes from all others, who can see the name too."""
    peer = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    _, user, _ = _PEER.unpack(peer)
    return bool(user == os.getuid())


async def take(name: str, lane: Lane) -> bool:
    """Connect this side's end to what a server offers, if it is on this machine."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.setblocking(False)
    try:
        client.connect(f"\0{name}")
    except OSError:
        client.close()
        return False
    if not _is_ours(client):
        client.close()
        return False
    await asyncio.get_running_loop().create_unix_connection(lambda: lane, sock=client)
    return True
