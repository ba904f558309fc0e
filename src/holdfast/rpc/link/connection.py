"""One stream from a client, and the work that is done for the calls on it."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog
from grpc import aio

from holdfast.api.link.v1 import link_service_pb2 as pb
from holdfast.errors import GatewayError, InternalError
from holdfast.rpc.channels import answer_by
from holdfast.rpc.errors import Context
from holdfast.rpc.link import frames
from holdfast.rpc.link import lane as lanes
from holdfast.rpc.link.frames import FrameReader, Opening
from holdfast.rpc.link.lane import METADATA_KEY, Lane
from holdfast.rpc.link.offers import Offers, Streamed
from holdfast.rpc.link.outbox import Outbox
from holdfast.rpc.link.window import WINDOW_BYTES

_log = structlog.get_logger("holdfast.link")

_FAILED = InternalError("A service of the gateway failed; its log says how.")


class Connection:
    """The calls that one client makes over one stream."""

    def __init__(
        self,
        offers: Offers,
        context: Context,
        *,
        metadata: tuple[tuple[str, str], ...] = (),
        offers_lane: bool = True,
    ) -> None:
        """Take over a stream.

        Args:
            offers: What can be called.
            context: gRPC's, whose messages go out as bytes.
            metadata: What the client is told at once.
            offers_lane: Whether a client on this machine may have a lane.
        """
        self._metadata = metadata
        self._offers_lane = offers_lane
        self._offers = offers
        self._context = context
        self._running: dict[int, _Running] = {}
        self._outbox = Outbox(self._write, self._running.__len__)
        self._lane: Lane | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._drains = False

    async def run(self) -> None:
        """Answer calls until the client leaves, or all are answered in a drain."""
        async with AsyncExitStack() as stack:
            metadata = self._metadata
            if self._offers_lane:
                name = await stack.enter_async_context(lanes.offered(self._make_lane))
                metadata += ((METADATA_KEY, name),) if name else ()
            await self._context.send_initial_metadata(metadata)
            await self._work()

    async def _work(self) -> None:
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
            if self._lane is not None:
                self._lane.close()

    def take_leave(self) -> None:
        """Ask the client for another stream; calls that cross this are begun."""
        self._outbox.put(frames.going())

    def drain(self) -> None:
        """Begin no further call, and end once those begun are answered."""
        self._drains = True
        self._outbox.put(frames.going())
        self._end_if_drained()

    def _make_lane(self) -> Lane:
        self._lane = Lane(FrameReader(self._take).feed)
        return self._lane

    async def _read(self) -> None:
        reader = FrameReader(self._take)
        while (message := await self._context.read()) is not aio.EOF:
            reader.feed(message.frames)

    async def _write(self, batch: Sequence[bytes]) -> None:
        if self._lane is not None:
            await self._lane.write(batch)
        else:
            message = pb.ConnectResponse(frames=b"".join(batch))
            await self._context.write(message.SerializeToString())

    def _take(self, kind: int, call_id: int, data: bytes, begin: int, end: int) -> None:
        if kind == frames.OPEN:
            if self._drains:
                self._outbox.put(frames.refused(call_id))
            else:
                self._begin(call_id, frames.opened(data, begin, end))
        elif kind == frames.CANCEL:
            self._stop(call_id)
        elif kind == frames.CREDIT and call_id in self._running:
            self._running[call_id].credit.grant(frames.granted(data, begin))

    def _begin(self, call_id: int, opening: Opening) -> None:
        credit = _Credit()
        task = asyncio.create_task(self._answer(call_id, opening, credit))
        self._running[call_id] = _Running(task, credit)

    def _stop(self, call_id: int) -> None:
        if (running := self._running.pop(call_id, None)) is not None:
            running.task.cancel()
            self._stopping.add(running.task)
            running.task.add_done_callback(self._stopping.discard)
            self._end_if_drained()

    async def _answer(self, call_id: int, opening: Opening, credit: "_Credit") -> None:
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
        self, call_id: int, opening: Opening, credit: "_Credit"
    ) -> bytes:
        """Answer a call, and return its last frame."""
        offer = self._offers.get(opening.method)
        if offer is None:
            _log.error("call_of_unknown_method", method=opening.method)
            return frames.failed(call_id, _FAILED)
        request = offer.method.take(opening.request)
        deadline = _deadline(opening.time_left_us)
        if not isinstance(offer, Streamed):
            answer = await offer.answer(request, deadline=deadline)
            return _bounded(frames.whole(call_id, offer.method.answer(answer)))
        answers = offer.answer(request, deadline=deadline)
        try:
            async for message in answers:
                answer = offer.method.answer(message)
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
    if len(frame) > frames.LARGEST:
        raise InternalError("The answer is larger than the gateway passes on.")
    return frame
