"""A streamed answer as it goes by, for when the executor that gives it is lost.

Another executor is then asked for the rest. Whether it has one that fits to the letter
is for that one to find out.
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
from holdfast.rpc.losses import Loss, Losses

_BYTES_PER_TOKEN = 4
"""The usual rule of thumb for English, where nobody has estimated the request."""


class PassedOn:
    """One answer."""

    __slots__ = (
        "_asked_s",
        "_began_s",
        "_deadline",
        "_delivered",
        "_loss",
        "_losses",
        "_renewed",
        "_served",
        "_tokens",
    )

    def __init__(
        self, losses: Losses | None = None, deadline: float | None = None
    ) -> None:
        """Begin with nothing.

        Args:
            losses: Tells the resolver of what is lost, and has plans made anew. None:
                nobody does.
            deadline: When the caller waits no longer, on the event loop's clock.
        """
        self._losses = losses
        self._deadline = deadline
        self._delivered = Delivered()
        self._began_s = self._asked_s = time.time()
        self._served: executor_pb.Served | None = None
        self._loss: Loss | None = None
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
        if self._loss is not None:
            held.attempts = self._loss.served.attempt_count
        self._asked_s = time.time()
        return dataclasses.replace(request, held=held)

    async def again(
        self, request: ExecuteRequest, error: GatewayError
    ) -> ExecuteRequest | None:
        """Return what to ask instead of what was refused; None if there is nothing.

        A plan may have expired while its answer was streamed. By then whoever asks may
        be allowed something else, so it is resolved anew, with the same trace.

        Args:
            request: What was asked of another executor.
            error: How it was refused.

        Raises:
            GatewayError: There is no plan for it any more.
        """
        if (
            not isinstance(error, PlanRefusedError)
            or request.held is None
            or request.asked is None
            or request is self._renewed
            or self._losses is None
        ):
            return None
        self._finish(request, StreamInterruptedError.reason)
        plan = await self._losses.resolve(request.asked, self._deadline)
        held = dataclasses.replace(request.held, attempts=0)
        self._loss = None
        self._asked_s = time.time()
        self._renewed = dataclasses.replace(request, plan=plan, held=held)
        return self._renewed

    def give_up(self, request: ExecuteRequest) -> None:
        """Note that nobody goes on with it, if it had begun.

        Args:
            request: What was asked last.
        """
        self._finish(request, ServiceUnavailableError.reason)

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
        if self._loss is not None and self._losses is not None:
            began_ms = round(self._began_s * 1_000)
            ending = self._loss.ending(request.surface, error_reason, began_ms)
            self._losses.tell(ending)
