"""One stream to a replica, from its opening to its end, with the calls on it."""

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from typing import Any

from grpc import aio

from holdfast.api.link.v1 import link_service_pb2 as pb
from holdfast.errors import InternalError, RequestTooLargeError
from holdfast.rpc.errors import from_bytes, time_ran_out
from holdfast.rpc.link import frames
from holdfast.rpc.link import lane as lanes
from holdfast.rpc.link.call import Call
from holdfast.rpc.link.frames import FrameReader
from holdfast.rpc.link.lane import Lane
from holdfast.rpc.link.outbox import Outbox
from holdfast.rpc.replica import ReplicaGoneError

DRAINS = "it drains"
"""Why a session is left whose other side has said goodbye."""

_LAST_WORDS_S = 1.0
"""How long what was said over a lane may take to come once the stream beside it
has ended in good order, in seconds: it is on its way already."""


class Session:
    """The calls of one stream, with the one reader and the one writer of it."""

    def __init__(self, service: str, stream: Any) -> None:
        """Take over a stream that was opened.

        Args:
            service: What the other side is called in errors, e.g. `resolver`.
            stream: The gRPC call, whose messages go out as bytes.
        """
        self._service = service
        self._stream = stream
        self._calls: dict[int, Call] = {}
        self._lane: Lane | None = None
        self._outbox = Outbox(self._write, self._calls.__len__)
        self._ids = itertools.count(1)
        self.left = asyncio.Event()
        """Set once no new call belongs here: the other side drains or is gone."""
        self.why_left = ""
        self._retired = False
        self._idle = asyncio.Event()
        """Set once it is retired and there is no call on it."""

    async def take_lane(self, name: str) -> None:
        """Have the frames go over the lane that the other side offers, if they can.

        To be called before the first call.
        """
        lane = Lane(FrameReader(self._take).feed)
        if await lanes.take(name, lane):
            self._lane = lane

    def call(self, method: str, request: bytes, deadline: float | None) -> Call:
        """Begin a call, whose answer is read from what is returned.

        Args:
            method: A gRPC method's full name.
            request: Its request, serialized.
            deadline: When the caller waits no longer, on the loop's clock.

        Raises:
            RequestTooLargeError: It is more than one message may hold.
            DeadlineExceededError: There is no time left.
        """
        call_id = next(self._ids)
        opening = frames.opening(call_id, method, request, _time_left_us(deadline))
        if len(opening) > frames.LARGEST:
            raise RequestTooLargeError(
                "The request is larger than the gateway's services pass on.",
                limit_bytes=str(frames.LARGEST),
            )
        call = self._calls[call_id] = Call(call_id, self, deadline)
        self._outbox.put(opening)
        return call

    def grant(self, call_id: int, size: int) -> None:
        """Let so many further bytes of an answer come."""
        self._outbox.put(frames.credit(call_id, size))

    def leave(self, call_id: int) -> None:
        """Have a call stopped that nobody waits for."""
        if self._calls.pop(call_id, None) is not None:
            self._outbox.put(frames.cancel(call_id))
            self._end_if_retired()

    def retire(self) -> None:
        """Begin no further call, and end once those begun have ended."""
        self._retired = True
        self._leave_for("it is retired")
        self._end_if_retired()

    async def run(self) -> None:
        """Carry calls until the stream ends, and fail those that it leaves."""
        reading = asyncio.create_task(self._read())
        idle = asyncio.create_task(self._idle.wait())
        ends: list[asyncio.Task[Any]] = [reading, idle]
        if self._lane is not None:
            ends.append(asyncio.create_task(self._lane.closed.wait()))
        writing = asyncio.create_task(self._outbox.run())
        why = "it hung up"
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                why = reading.result()
        finally:
            self._stream.cancel()
            if self._lane is not None:
                self._lane.close()
            for task in (*ends, writing):
                task.cancel()
            self._leave_for(why)
            calls = [*self._calls.values()]
            self._calls.clear()
            for call in calls:
                call.end(ReplicaGoneError(why))
            await asyncio.gather(*ends, writing, return_exceptions=True)
            # gRPC keeps a connection for as long as somebody holds a call on it.
            self._stream = None

    async def _read(self) -> str:
        """Read the stream to its end, and say why it ended."""
        reader = FrameReader(self._take)
        try:
            while (message := await self._stream.read()) is not aio.EOF:
                reader.feed(message.frames)
        except aio.AioRpcError as error:
            return error.details() or "it broke"
        if self._lane is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_S):
                    await self._lane.closed.wait()
        return "it hung up"

    async def _write(self, batch: Sequence[bytes]) -> None:
        if self._lane is not None:
            await self._lane.write(batch)
        else:
            message = pb.ConnectRequest(frames=b"".join(batch))
            await self._stream.write(message.SerializeToString())

    def _take(self, kind: int, call_id: int, data: bytes, begin: int, end: int) -> None:
        if kind == frames.PART:
            if (call := self._calls.get(call_id)) is not None:
                call.arrive(data[begin:end])
        elif kind == frames.GOING:
            self._leave_for(DRAINS)
        elif (call := self._calls.pop(call_id, None)) is not None:
            if kind == frames.ANSWER:
                call.arrive(data[begin:end])
                call.end()
            elif kind == frames.FINISHED:
                call.end()
            elif kind == frames.STATUS:
                call.end(from_bytes(data[begin:end], self._service))
            elif kind == frames.REFUSED:
                call.end(ReplicaGoneError(DRAINS))
            else:
                call.end(InternalError(f"The gateway's {self._service} said nothing."))
            self._end_if_retired()

    def _end_if_retired(self) -> None:
        if self._retired and not self._calls:
            self._idle.set()

    def _leave_for(self, why: str) -> None:
        self.why_left = self.why_left or why
        self.left.set()


def _time_left_us(deadline: float | None) -> int:
    if deadline is None:
        return 0
    left = deadline - asyncio.get_running_loop().time()
    if left <= 0:
        raise time_ran_out()
    return max(1, int(left * 1_000_000))
