"""An answer as it goes by, for when the executor that gives it is lost.

Another executor is then asked, of a stream for the rest. Whether it has one that fits
to the letter is for that one to find out. So it is where an executor says that it is
out of touch with all providers.
"""

import dataclasses
import time
from datetime import timedelta

from holdfast import convert
from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.api.routing.v1 import plan_pb2
from holdfast.delivered import Delivered
from holdfast.errors import (
    GatewayError,
    PlanRefusedError,
    ServiceUnavailableError,
    StreamInterruptedError,
)
from holdfast.ports import ExecuteRequest
from holdfast.rpc.losses import Loss, Losses, Unended
from holdfast.standpoint import OUT_OF_TOUCH

_BYTES_PER_TOKEN = 4
"""The usual rule of thumb for English, where nobody has estimated the request."""


class PassedOn:
    """One answer."""

    __slots__ = (
        "_asked_s",
        "_began_s",
        "_deadline",
        "_delivered",
        "_handed_on",
        "_loss",
        "_losses",
        "_renewed",
        "_served",
        "_streamed",
        "_tokens",
    )

    def __init__(
        self,
        losses: Losses | None = None,
        deadline: float | None = None,
        *,
        streamed: bool = True,
    ) -> None:
        """Begin with nothing.

        Args:
            losses: Tells the resolver of what is lost, and has plans made anew. None:
                nobody does.
            deadline: When the caller waits no longer, on the event loop's clock.
            streamed: Whether the answer is.
        """
        self._losses = losses
        self._streamed = streamed
        self._deadline = deadline
        self._delivered = Delivered()
        self._began_s = self._asked_s = time.time()
        self._served: executor_pb.Served | None = None
        self._loss: Loss | None = None
        self._handed_on: GatewayError | None = None
        self._renewed: ExecuteRequest | None = None
        self._tokens = 0

    def add(self, message: executor_pb.ExecuteStreamResponse) -> None:
        """Take a message that goes to the caller now."""
        if events := message.chunks.events:
            self._delivered.add(events)
        elif message.HasField("served"):
            self._served = message.served
        elif message.HasField("taken_up"):
            self._served = message.taken_up

    def rest(self, request: ExecuteRequest) -> ExecuteRequest | None:
        """Return what to ask another executor; None if it could not go on with that.

        Args:
            request: What was asked of the one that is lost.
        """
        held = self._delivered.read()
        self._lose(request)
        if held.obstacle or held.is_finished:
            return None
        attempts = request.attempts
        if self._loss is not None:
            attempts = self._loss.served.attempt_count
        self._asked_s = time.time()
        return dataclasses.replace(request, held=held, attempts=attempts)

    def addressed(
        self, request: ExecuteRequest, *, may_hand_on: bool
    ) -> ExecuteRequest:
        """Return what is asked of one executor.

        Args:
            request: What is asked of whoever it is.
            may_hand_on: Whether there is another one.
        """
        if not may_hand_on:
            return request
        return dataclasses.replace(request, may_hand_on=True)

    async def again(
        self, request: ExecuteRequest, error: GatewayError
    ) -> ExecuteRequest | None:
        """Return what to ask instead of what was refused; None if there is nothing.

        Of who is out of touch: what to ask another executor, under the same plan.

        A plan may have expired while its answer was streamed. By then whoever asks may
        be allowed something else, so it is resolved anew, with the same trace.

        Args:
            request: What was asked.
            error: How it was refused.

        Raises:
            GatewayError: There is no plan for it any more.
        """
        if OUT_OF_TOUCH in error.metadata:
            return self._from_there(request, error)
        is_first = request.held is None and self._handed_on is None
        if (
            not isinstance(error, PlanRefusedError)
            or is_first
            or request.asked is None
            or request is self._renewed
            or self._losses is None
        ):
            return None
        self._finish(request, StreamInterruptedError.reason)
        plan = await self._losses.resolve(request.asked, self._deadline)
        self._loss = self._handed_on = None
        self._asked_s = time.time()
        self._renewed = dataclasses.replace(request, plan=plan, attempts=0)
        return self._renewed

    def _from_there(
        self, request: ExecuteRequest, error: GatewayError
    ) -> ExecuteRequest | None:
        """Return what to ask instead of who is out of touch; None if nobody can."""
        self._loss, self._handed_on = None, error
        held = request.held
        if self._served is not None:
            # Its attempts are told by itself.
            self._served = None
            held = self._delivered.read()
            self._tokens = self._delivered.tokens
            if held.obstacle or held.is_finished:
                self._finish(request, error.reason)
                return None
        attempts = request.attempts + int(error.metadata.get("attempt_count", 0))
        self._asked_s = time.time()
        return dataclasses.replace(request, held=held, attempts=attempts)

    def give_up(self, request: ExecuteRequest) -> None:
        """Note that nobody goes on with it, if it had begun.

        Args:
            request: What was asked last.
        """
        error = self._handed_on or ServiceUnavailableError
        self._finish(request, error.reason)

    def _lose(self, request: ExecuteRequest) -> None:
        """Put the attempt down that is lost, if it is known who made it."""
        served, self._served = self._served, None
        tokens = self._delivered.tokens - self._tokens
        self._tokens += tokens
        if served is None or self._losses is None:
            return
        asked = request.asked
        estimated = asked.requirements.input_tokens if asked else 0
        plan = plan_pb2.Plan.FromString(request.plan.wire.plan)
        self._loss = Loss(
            convert.plan_from_wire(plan),
            served,
            began_ms=round(self._asked_s * 1_000),
            lasted=timedelta(seconds=max(0.0, time.time() - self._asked_s)),
            input_tokens=estimated or len(request.body) // _BYTES_PER_TOKEN,
            output_tokens=tokens,
        )
        self._losses.tell(self._loss.report)

    def _finish(self, request: ExecuteRequest, error_reason: str) -> None:
        """Tell that the request has ended under its plan, where nobody else does."""
        if self._losses is None:
            return
        began_ms = round(self._began_s * 1_000)
        if self._loss is not None:
            ending = self._loss.ending(request.surface, error_reason, began_ms)
            self._losses.tell(ending)
        elif self._handed_on is not None:
            plan = convert.plan_from_wire(
                plan_pb2.Plan.FromString(request.plan.wire.plan)
            )
            unended = Unended(
                surface=request.surface,
                streamed=self._streamed,
                error_reason=error_reason,
                began_ms=began_ms,
                ended_ms=round(time.time() * 1_000),
                attempt_count=request.attempts,
            )
            self._losses.tell(unended.report(plan))
