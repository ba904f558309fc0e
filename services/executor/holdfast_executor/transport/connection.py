"""One HTTP/1.1 connection to a provider: a request out, its answer in, then the next.

Reading stops while what arrived is not taken, and writing while the provider
does not read, so neither a slow caller nor a slow provider fills the memory.
"""

import asyncio
import select
import ssl
from typing import Protocol, cast

from holdfast_executor.transport.answer import Answer, AnswerParser
from holdfast_executor.transport.dialing import Place
from holdfast_executor.transport.limits import TransportLimits
from holdfast_executor.transport.unpacking import BLOCK_BYTES

_HELD_BYTES = 64 * 1024
"""How much of an answer waits to be taken before the provider is held back: some
hundred events of a stream. One more read may come on top."""

READ_BYTES = 64 * 1024
"""How much is read at a time, at most."""


class Keeper(Protocol):
    """Whom a connection belongs to while nobody uses it."""

    def opened(self, connection: "Connection") -> None:
        """Learn that a connection is there."""

    def freed(self, connection: "Connection", keepalive_s: float | None) -> None:
        """Take it back for another request, for as long as the peer said, if it did."""

    def lost(self, connection: "Connection") -> None:
        """Learn that it is closed."""


class Connection(asyncio.BufferedProtocol):
    """Speaks HTTP/1.1 over a transport of the event loop, one exchange at a time.

    Args:
        place: Where it leads.
        keeper: Whose it is.
        limits: What is taken of an answer.
        buffer: What arrives is read into it and parsed at once, so that all
            connections may share one. Without it each read of TLS allocates
            256 KiB anew, which costs more than all else that is done to an event.

    Attributes:
        place: Where it leads.
    """

    def __init__(
        self,
        place: Place,
        keeper: Keeper,
        limits: TransportLimits,
        buffer: memoryview,
    ) -> None:
        self.place = place
        self._buffer = buffer
        self._keeper = keeper
        self._parser = AnswerParser(limits)
        self._transport: asyncio.Transport
        self._poll = select.poll()
        self._waiter: asyncio.Future[None] | None = None
        self._answer: Answer | None = None
        self._is_sent = False
        self._is_lost = False
        self._is_writable = True
        self._is_reading = True

    @property
    def is_usable(self) -> bool:
        """Whether a request can still be sent, as far as the kernel knows.

        It is asked and not the event loop: what is written to a connection that
        the peer has closed cannot be sent again, and the loop may not have
        looked yet. Nothing may arrive in between two exchanges, so whatever
        there is to read is the connection's end.
        """
        return not (self._is_lost or self._transport.is_closing() or self._poll.poll(0))

    async def send(self, head: bytes, body: bytes) -> Answer:
        """Send a request and return when the head of its answer is there.

        It returns too when there will be none: the answer is `broken`. Who is
        cancelled meanwhile cuts the connection.
        """
        answer = self._answer = self._parser.begin()
        self._is_sent = False
        if len(body) <= BLOCK_BYTES:
            self._transport.write(head + body)
            self._is_sent = True
        else:
            self._transport.write(head)
            await self._send_large(body, answer)
        while not answer.has_head and answer.broken is None:
            await self._wait()
        return answer

    async def _send_large(self, body: bytes, answer: Answer) -> None:
        """Send in pieces, so that others get their turn, unless it is refused."""
        whole = memoryview(body)
        for start in range(0, len(body), BLOCK_BYTES):
            while not (self._is_writable or _is_enough(answer)):
                await self._wait()
            if _is_enough(answer):
                return
            self._transport.write(whole[start : start + BLOCK_BYTES])
            await asyncio.sleep(0)
        self._is_sent = True

    async def receive(self) -> bytes:
        """Return what has arrived of the body, waiting for some.

        Nothing is returned at the end, and when the answer is `broken`: what
        arrived before that is returned first.
        """
        answer = self._answer
        if answer is None:
            return b""
        while not (answer.held_bytes or answer.is_settled):
            await self._wait()
        self._resume_reading()
        return answer.take()

    def release(self) -> None:
        """End the exchange: keep the connection if it can be, cut it if not."""
        answer, self._answer = self._answer, None
        if (
            answer is not None
            and answer.is_whole
            and self._is_sent
            and self._parser.is_reusable
            and not self._is_lost
        ):
            self._resume_reading()
            self._keeper.freed(self, answer.keepalive_s)
        else:
            self.cut()

    def cut(self) -> None:
        """Close at once; who reads an answer sees it broken.

        Closing TLS in good order would wait for the peer, and a provider that
        goes on generating for nobody is paid for it.
        """
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the event loop calls it."""
        # uvloop's are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self._keeper.opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where to read to; the event loop calls it."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what has arrived; the event loop calls it."""
        answer = self._answer
        if answer is None:  # nobody asked
            self.cut()
            return
        self._parser.feed(self._buffer[:nbytes])
        if answer.broken is not None:
            self.cut()
        elif answer.held_bytes > _HELD_BYTES and self._is_reading:
            self._is_reading = False
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Close too; the event loop calls it when the peer has closed."""
        if self._answer is not None and self._is_end_in_order():
            self._parser.end()
        # What is yet to be sent will not be read any more.
        self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        """Break an answer that is not whole; the event loop calls it."""
        self._is_lost = True
        self._parser.cut()
        self._keeper.lost(self)
        self._wake()

    def pause_writing(self) -> None:
        """Hold back; the event loop calls it when the peer reads too slowly."""
        self._is_writable = False

    def resume_writing(self) -> None:
        """Go on sending; the event loop calls it."""
        self._is_writable = True
        self._wake()

    def _is_end_in_order(self) -> bool:
        """Tell whether the peer said that it closes, where TLS lets it say so.

        Who can cut a TLS connection from outside must not be able to make a
        part look whole: RFC 9112, section 9.8.
        """
        tls = self._transport.get_extra_info("ssl_object")
        if tls is None:
            return True
        try:
            is_told: bool = tls.read(1) == b""
        except ssl.SSLZeroReturnError:
            return True
        except ssl.SSLError:
            return False
        return is_told

    def _resume_reading(self) -> None:
        if not self._is_reading and not self._transport.is_closing():
            self._is_reading = True
            self._transport.resume_reading()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _is_enough(answer: Answer) -> bool:
    """Tell whether the rest of a body is not wanted.

    An answer that begins well before it was asked all may be a server's that
    reads on.
    """
    return answer.is_settled or answer.status >= 300
