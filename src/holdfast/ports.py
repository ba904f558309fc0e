"""What one service offers another, whichever way it is reached.

The edge holds a `Resolver` and an `Executor` and does not know whether they
live in its own process or at the other end of a gRPC channel. Both ways raise
the same `GatewayError`s and obey the same deadlines.

A deadline is a moment on the event loop's own clock (`loop.time()`), in
seconds; None is no deadline.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Protocol

from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.health import Rests
from holdfast.model import Attempt, Caller, Finished, Requirements
from holdfast.signing import SignedPlan


@dataclass(frozen=True, slots=True)
class ResolveModelRequest:
    """What is asked of a resolver; see resolver_service.proto.

    Attributes:
        principal: The digest of an API key, or the project that asks.
        tags: What the request is for, by name.
        parent_span_id: The span of the caller's own trace that it belongs to.
    """

    principal: bytes | Caller
    model: str
    session_id: str = ""
    session_derived: bool = False
    requirements: Requirements = Requirements()
    explain: bool = False
    validate_only: bool = False
    trace_id: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    parent_span_id: str = ""


@dataclass(frozen=True, slots=True)
class Answering:
    """A deployment that has begun to answer a probe.

    Attributes:
        start_time_ms: When the call was sent, in Unix milliseconds.
        credential: The name of what it was called with. Empty if none was shown.
    """

    deployment_id: str
    start_time_ms: int
    credential: str = ""


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """How attempts of one request ended; see resolver_service.proto.

    Attributes:
        finished: The request itself, once it has ended.
    """

    caller: Caller
    plan_id: str
    session_key: str
    bound_deployment_id: str
    attempts: Sequence[Attempt]
    retry_after_cap: timedelta
    answering: Answering | None = None
    finished: Finished | None = None


@dataclass(frozen=True, slots=True)
class ReportAttemptsRequest:
    """Reports, oldest first; see resolver_service.proto.

    Attributes:
        known_rests: The version of the rests that the executor knows.
    """

    reports: Sequence[AttemptReport] = ()
    known_rests: bytes = b""


@dataclass(frozen=True, slots=True)
class ExecuteRequest:
    """A request to be carried out, whole or streamed; see executor_service.proto."""

    plan: SignedPlan
    body: bytes
    surface: int = executor_pb.SURFACE_OPENAI_CHAT_COMPLETIONS


@dataclass(frozen=True, slots=True)
class ExecuteResponse:
    """A whole answer; see executor_service.proto.

    Attributes:
        attempts: All of them; the last one succeeded.
    """

    body: bytes
    served: executor_pb.Served
    attempts: Sequence[Attempt]


class Resolver(Protocol):
    """Decides where a request may run and in which order to try."""

    async def resolve_model(
        self, request: ResolveModelRequest, *, deadline: float | None = None
    ) -> SignedPlan:
        """Resolve a model name to a signed plan.

        Raises:
            ApiKeyUnknownError: The principal is none.
            ModelNotFoundError: The name is none of the caller's.
            NoDeploymentAllowedError: Every deployment is excluded.
        """

    async def report_attempts(
        self,
        request: ReportAttemptsRequest,
        *,
        deadline: float | None = None,
    ) -> Rests | None:
        """Record how attempts ended, and say who is left aside if that is news."""

    async def list_models(
        self, request: catalog_pb.ListModelsRequest, *, deadline: float | None = None
    ) -> catalog_pb.ListModelsResponse:
        """List what a caller may call.

        Raises:
            ApiKeyUnknownError: The principal is none.
        """


class Executor(Protocol):
    """Carries out a plan: calls its deployments in order until one answers."""

    async def execute(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> ExecuteResponse:
        """Execute a request and return the whole answer.

        Raises:
            PlanRefusedError: The plan is not the resolver's, or has expired.
            ExecutionError: No deployment answered; it says why.
        """

    def execute_stream(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> AsyncGenerator[executor_pb.ExecuteStreamResponse, None]:
        """Execute a request and stream the answer: `served`, chunks, `completed`.

        Closing the iterator cancels the call of the provider.

        Raises:
            PlanRefusedError: The plan is not the resolver's, or has expired.
            ExecutionError: No deployment answered, or the one that had begun
                broke off; it says why.
        """
