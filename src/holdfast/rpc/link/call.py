"""One call over a link, as its caller waits for it."""

import asyncio
from collections import deque
from typing import Protocol

from holdfast.rpc.errors import time_ran_out
from holdfast.rpc.link.window import GRANT_BYTES


class OtherSide(Protocol):
    """What a call has to say to who answers it."""

    def grant(self, call_id: int, size: int) -> None:
        """Let so many further bytes come."""

    def leave(self, call_id: int) -> None:
        """Say that nobody waits any longer."""


class Call:
    """What has come of an answer and was not read yet, and how it ended.

    The stream's one reader puts in, the caller takes out; there is no task
    between them.
    """

    __slots__ = (
        "_arrived",
        "_failure",
        "_id",
        "_open",
        "_other_side",
        "_taken",
        "_timer",
        "_woken",
    )

    def __init__(
        self, call_id: int, other_side: OtherSide, deadline: float | None
    ) -> None:
        """Wait for an answer, until a deadline on the loop's clock."""
        self._id = call_id
        self._other_side = other_side
        self._arrived: deque[bytes] = deque()
        self._open = True
        self._failure: Exception | None = None
        self._taken = 0
        self._woken: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(deadline, self._expire)

    async def read(self) -> bytes | None:
        """Return the next message, or None at the end of the whole answer.

        Raises:
            ReplicaGoneError: The stream broke before the end.
            GatewayError: The other side failed, or time ran out.
        """
        while not self._arrived:
            if self._failure is not None:
                raise self._failure
            if not self._open:
                return None
            self._woken = asyncio.get_running_loop().create_future()
            await self._woken
        message = self._arrived.popleft()
        self._taken += len(message)
        if self._taken >= GRANT_BYTES and self._open:
            self._other_side.grant(self._id, self._taken)
            self._taken = 0
        return message

    def cancel(self) -> None:
        """Wait no longer, and tell the other side unless it has ended."""
        self._arrived.clear()
        if self._open:
            self.end()
            self._other_side.leave(self._id)

    def arrive(self, message: bytes) -> None:
        """Take in a message."""
        self._arrived.append(message)
        self._wake()

    def end(self, failure: Exception | None = None) -> None:
        """Take in that no more will come, and why if it should have."""
        self._open = False
        self._failure = failure
        if self._timer is not None:
            self._timer.cancel()
        self._wake()

    def _expire(self) -> None:
        self.end(time_ran_out())
        self._other_side.leave(self._id)

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)
