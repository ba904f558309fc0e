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
from holdfast.api.ledger.v1 import ledger_service_pb2 as ledger_pb
from holdfast.delivered import Held
from holdfast.health import Rests
from holdfast.model import (
    Attempt,
    BudgetStatus,
    Caller,
    Finished,
    Requirements,
    Reservation,
)
from holdfast.signing import SignedPlan
from holdfast.standpoint import NOWHERE, Standpoint


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit that is looked at before it is made; see resolver_service.proto."""

    kind: str
    resource: bytes


@dataclass(frozen=True, slots=True)
class ResolveModelRequest:
    """What is asked of a resolver; see resolver_service.proto.

    Attributes:
        principal: The digest of an API key, or the project that asks.
        tags: What the request is for, by name.
        parent_span_id: The span of the caller's own trace that it belongs to.
        edit: What the plan is to be made as if it were so. None: as things are.
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
    edit: Edit | None = None


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
        requested_model: The model that the caller named.
        reservation: What its plan says is set aside for it.
        trace_id: Identifies the request in traces.
    """

    caller: Caller
    plan_id: str
    session_key: str
    bound_deployment_id: str
    attempts: Sequence[Attempt]
    retry_after_cap: timedelta
    answering: Answering | None = None
    finished: Finished | None = None
    requested_model: str = ""
    reservation: Reservation | None = None
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class ReportAttemptsRequest:
    """Reports, oldest first; see resolver_service.proto.

    Attributes:
        known_rests: The version of the rests that the executor knows.
        standpoint: From where it called, and whom it reaches there.
    """

    reports: Sequence[AttemptReport] = ()
    known_rests: bytes = b""
    standpoint: Standpoint = NOWHERE


@dataclass(frozen=True, slots=True)
class ExecuteRequest:
    """A request to be carried out, whole or streamed; see executor_service.proto.

    Attributes:
        held: What the caller has of a streamed answer whose executor is gone. None:
            it has not begun.
        asked: What the plan was made for, so that it can be made anew. Stays with who
            asks. None: it cannot.
        attempts: How many other executors made under the plan.
        may_hand_on: Whether another executor is asked if this one reaches nobody.
    """

    plan: SignedPlan
    body: bytes
    surface: int = executor_pb.SURFACE_OPENAI_CHAT_COMPLETIONS
    held: Held | None = None
    asked: ResolveModelRequest | None = None
    attempts: int = 0
    may_hand_on: bool = False


@dataclass(frozen=True, slots=True)
class ExecuteResponse:
    """A whole answer; see executor_service.proto.

    Attributes:
        attempts: All of them; the last one succeeded.
    """

    body: bytes
    served: executor_pb.Served
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is kept of a conversation.

    Attributes:
        keeps: Whether the project keeps responses at all.
        chain: The records up to the one that was asked for, the first one first.
            Empty if that is not kept.
    """

    keeps: bool
    chain: Sequence[bytes] = ()


class StoredResponses(Protocol):
    """Keeps responses for as long as a project keeps content.

    Every method raises ApiKeyUnknownError, or ServiceUnavailableError where what is
    kept cannot be reached now.
    """

    async def recall(self, principal: bytes, response_id: str) -> Recalled:
        """Return a conversation's records; of an empty id, whether any are kept."""

    async def keep(
        self, principal: bytes, response_id: str, previous_id: str, record: bytes
    ) -> None:
        """Keep a record, so that it can be recalled at once, by every replica."""

    async def forget(self, principal: bytes, response_id: str) -> bool:
        """Delete a record; say whether there was one."""


class Budgets(Protocol):
    """Says how budgets stand."""

    async def list_budget_status(
        self, principal: bytes | Caller, *, deadline: float | None = None
    ) -> Sequence[BudgetStatus]:
        """List the budgets that a principal may see, by their ids in order.

        An admin key sees those of its organization and of the organizations that
        its own has made; anybody else those that hold for its own requests.

        Raises:
            ApiKeyUnknownError: The principal is none.
        """


class Resolver(Budgets, Protocol):
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


class Ledger(Protocol):
    """Tells what became of requests, and what they used.

    A key sees its project, one that administers its organization and those that it
    has made. Every method raises ApiKeyUnknownError, ResourceNotFoundError (nothing of
    that name that the principal may see), ServiceUnavailableError (the database is
    away) or DeadlineExceededError (it took too long).
    """

    async def list_traces(
        self, request: ledger_pb.ListTracesRequest, *, deadline: float | None = None
    ) -> ledger_pb.ListTracesResponse:
        """List requests that have ended, newest first.

        Raises:
            RequestMalformedError: The page is none, or the state.
        """

    async def get_trace(
        self, request: ledger_pb.GetTraceRequest, *, deadline: float | None = None
    ) -> ledger_pb.GetTraceResponse:
        """Return all that is known of the requests of one trace."""

    async def query_usage(
        self, request: ledger_pb.QueryUsageRequest, *, deadline: float | None = None
    ) -> ledger_pb.QueryUsageResponse:
        """Add up requests, tokens and money.

        Raises:
            RequestMalformedError: A group is none, or there would be too many rows.
        """

    async def delete_trace(
        self, request: ledger_pb.DeleteTraceRequest, *, deadline: float | None = None
    ) -> ledger_pb.DeleteTraceResponse:
        """Delete what is known of the requests of one trace.

        Raises:
            AdminKeyRequiredError: The key does not administer.
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

        Among the chunks `taken_up`, where somebody else goes on with it. Closing the
        iterator cancels the call of the provider.

        Raises:
            PlanRefusedError: The plan is not the resolver's, or has expired.
            ExecutionError: No deployment answered, or the one that had begun
                broke off; it says why.
        """
