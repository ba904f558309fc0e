"""One stream from a client, and the work that is done for the calls on it."""

import asyncio
from dataclasses import dataclass

import structlog
from grpc import aio

from holdfast.api.link.v1 import link_service_pb2 as pb
from holdfast.errors import GatewayError, InternalError
from holdfast.rpc.channels import answer_by
from holdfast.rpc.errors import Context
from holdfast.rpc.link import frames
from holdfast.rpc.link.offers import Offers, Streamed
from holdfast.rpc.link.outbox import Outbox
from holdfast.rpc.link.window import WINDOW_BYTES
from holdfast.rpc.server import MESSAGE_BYTES

_log = structlog.get_logger("holdfast.link")

_FAILED = InternalError("A service of the gateway failed; its log says how.")


class Connection:
    """The calls that one client makes over one stream."""

    def __init__(self, offers: Offers, context: Context) -> None:
        """Take over a stream.

        Args:
            offers: What can be called.
            context: gRPC's, whose messages go out as bytes.
        """
        self._offers = offers
        self._context = context
        self._running: dict[int, _Running] = {}
        self._outbox = Outbox(context.write, self._running.__len__)
        self._stopping: set[asyncio.Task[None]] = set()
        self._drains = False

    async def run(self) -> None:
        """Answer calls until the client leaves, or all are answered in a drain."""
        await self._context.send_initial_metadata(())
        halves = [
            asyncio.create_task(self._read()),
            asyncio.create_task(self._outbox.run()),
        ]
        try:
            await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for call_id in [*self._running]:
                self._stop(call_id)
            for half in halves:
                half.cancel()
            await asyncio.gather(*halves, *self._stopping, return_exceptions=True)

    def drain(self) -> None:
        """Begin no further call, and end once those begun are answered."""
        self._drains = True
        self._outbox.put(frames.going())
        self._end_if_drained()

    async def _read(self) -> None:
        while (message := await self._context.read()) is not aio.EOF:
            for frame in message.frames:
                self._take(frame)

    def _take(self, frame: pb.CallFrame) -> None:
        kind = frame.WhichOneof("kind")
        if kind == "open":
            if self._drains:
                self._outbox.put(frames.refused(frame.call_id))
            else:
                self._begin(frame.call_id, frame.open)
        elif kind == "cancel":
            self._stop(frame.call_id)
        elif kind == "credit_bytes" and frame.call_id in self._running:
            self._running[frame.call_id].credit.grant(frame.credit_bytes)

    def _begin(self, call_id: int, opening: pb.Open) -> None:
        credit = _Credit()
        task = asyncio.create_task(self._answer(call_id, opening, credit))
        self._running[call_id] = _Running(task, credit)

    def _stop(self, call_id: int) -> None:
        if (running := self._running.pop(call_id, None)) is not None:
            running.task.cancel()
            self._stopping.add(running.task)
            running.task.add_done_callback(self._stopping.discard)
            self._end_if_drained()

    async def _answer(self, call_id: int, opening: pb.Open, credit: "_Credit") -> None:
        try:
            last = await self._carry_out(call_id, opening, credit)
        except GatewayError as error:
            last = frames.failed(call_id, error)
        except Exception:  # noqa: BLE001 - the top of a request
            _log.exception("call_failed", method=opening.method)
            last = frames.failed(call_id, _FAILED)
        except asyncio.CancelledError:
            if call_id in self._running:  # by something of its own, not by us
                _log.exception("call_failed", method=opening.method)
                self._end(call_id, frames.failed(call_id, _FAILED))
            raise
        self._end(call_id, last)

    def _end(self, call_id: int, last: bytes) -> None:
        if self._running.pop(call_id, None) is not None:
            self._outbox.put(last)
            self._end_if_drained()

    def _end_if_drained(self) -> None:
        if self._drains and not self._running:
            self._outbox.close()

    async def _carry_out(
        self, call_id: int, opening: pb.Open, credit: "_Credit"
    ) -> bytes:
        """Answer a call, and return its last frame."""
        offer = self._offers.get(opening.method)
        if offer is None:
            _log.error("call_of_unknown_method", method=opening.method)
            return frames.failed(call_id, _FAILED)
        request = offer.method.request.FromString(opening.request)
        deadline = _deadline(opening.time_left_us)
        if not isinstance(offer, Streamed):
            answer = await offer.answer(request, deadline=deadline)
            return _bounded(frames.whole(call_id, answer.SerializeToString()))
        answers = offer.answer(request, deadline=deadline)
        try:
            async for message in answers:
                answer = message.SerializeToString()
                self._outbox.put(_bounded(frames.part(call_id, answer)))
                credit.left -= len(answer)
                if credit.left <= 0:
                    await credit.granted()
        finally:
            await answers.aclose()
        return frames.finished(call_id)


@dataclass(frozen=True, slots=True)
class _Running:
    task: asyncio.Task[None]
    credit: "_Credit"


class _Credit:
    """How much more the reader of one answer lets come."""

    __slots__ = ("_woken", "left")

    def __init__(self) -> None:
        self.left = WINDOW_BYTES
        self._woken: asyncio.Future[None] | None = None

    def grant(self, size: int) -> None:
        self.left += size
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def granted(self) -> None:
        """Wait until something more may come."""
        while self.left <= 0:
            self._woken = asyncio.get_running_loop().create_future()
            await self._woken


def _deadline(time_left_us: int) -> float | None:
    return answer_by(time_left_us / 1_000_000) if time_left_us else None


def _bounded(frame: bytes) -> bytes:
    """Return a frame that a message can hold: a larger one would end the stream."""
    if len(frame) > MESSAGE_BYTES:
        raise InternalError("The answer is larger than the gateway passes on.")
    return frame
