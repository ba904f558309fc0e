"""One stream to a replica, from its opening to its end, with the calls on it."""

import asyncio
import itertools
from typing import Any

from grpc import aio

from holdfast.api.link.v1 import link_service_pb2 as pb
from holdfast.errors import InternalError, RequestTooLargeError
from holdfast.rpc.errors import from_bytes, time_ran_out
from holdfast.rpc.link import frames
from holdfast.rpc.link.call import Call
from holdfast.rpc.link.outbox import Outbox
from holdfast.rpc.replicas import ReplicaGoneError
from holdfast.rpc.server import MESSAGE_BYTES


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
        self._outbox = Outbox(stream.write, self._calls.__len__)
        self._ids = itertools.count(1)
        self.left = asyncio.Event()
        """Set once no new call belongs here: the other side drains or is gone."""
        self.why_left = ""

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
        if len(opening) > MESSAGE_BYTES:
            raise RequestTooLargeError(
                "The request is larger than the gateway's services pass on.",
                limit_bytes=str(MESSAGE_BYTES),
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

    async def run(self) -> None:
        """Carry calls until the stream ends, and fail those that it leaves."""
        writing = asyncio.create_task(self._outbox.run())
        why = "it hung up"
        try:
            while (message := await self._stream.read()) is not aio.EOF:
                for frame in message.frames:
                    self._take(frame)
        except aio.AioRpcError as error:
            why = error.details()
        finally:
            self._stream.cancel()
            writing.cancel()
            self._leave_for(why)
            calls = [*self._calls.values()]
            self._calls.clear()
            for call in calls:
                call.end(ReplicaGoneError(why))
            await asyncio.gather(writing, return_exceptions=True)

    def _take(self, frame: pb.AnswerFrame) -> None:
        kind = frame.WhichOneof("kind")
        if kind == "message":
            if (call := self._calls.get(frame.call_id)) is not None:
                call.arrive(frame.message)
        elif kind == "going":
            self._leave_for("it drains")
        elif (call := self._calls.pop(frame.call_id, None)) is not None:
            if kind == "refused":
                call.end(ReplicaGoneError("it drains"))
            else:
                self._end(call, frame.end)

    def _leave_for(self, why: str) -> None:
        self.why_left = self.why_left or why
        self.left.set()

    def _end(self, call: Call, end: pb.End) -> None:
        result = end.WhichOneof("result")
        if result == "answer":
            call.arrive(end.answer)
            call.end()
        elif result == "finished":
            call.end()
        elif result == "status":
            call.end(from_bytes(end.status, self._service))
        else:
            call.end(InternalError(f"The gateway's {self._service} said nothing."))


def _time_left_us(deadline: float | None) -> int:
    if deadline is None:
        return 0
    left = deadline - asyncio.get_running_loop().time()
    if left <= 0:
        raise time_ran_out()
    return max(1, int(left * 1_000_000))
