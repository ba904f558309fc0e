"""A resolver and executors in memory, each named for how it behaves."""

import asyncio
import difflib
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from holdfast.api.catalog.v1 import catalog_pb2
from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.api.routing.v1 import plan_pb2 as plan_pb
from holdfast.errors import ApiKeyUnknownError, GatewayError, ModelNotFoundError
from holdfast.events import event
from holdfast.model import BudgetStatus
from holdfast.ports import (
    ExecuteRequest,
    ExecuteResponse,
    ReportAttemptsRequest,
    ResolveModelRequest,
)
from holdfast.signing import SignedPlan

KEY = "hf-test-key"
MODEL = "claude-sonnet-4-5"
PINNED = "aws/claude-sonnet-4-5-eu"

DEPLOYMENT = catalog_pb2.Deployment(
    deployment_id=PINNED,
    model_id=MODEL,
    provider_id="aws",
    region="eu-north-1",
    geography="eu",
    provider_display_name="Amazon Bedrock",
    context_window_tokens=200_000,
    max_output_tokens=64_000,
    trains_on_data=False,
    retention_days=0,
    capabilities=[catalog_pb2.CAPABILITY_TOOLS, catalog_pb2.CAPABILITY_IMAGE_INPUT],
    pricing=catalog_pb2.Pricing(
        input_usd_micros_per_mtok=3_000_000,
        output_usd_micros_per_mtok=15_000_000,
        cache_read_usd_micros_per_mtok=300_000,
        cache_creation_usd_micros_per_mtok=3_750_000,
    ),
)

UNPLACED = catalog_pb2.Deployment(
    deployment_id="lab/claude-sonnet-4-5", model_id=MODEL, provider_id="lab"
)

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": MODEL,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello there"},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 2,
        "total_tokens": 11,
        "cost": 0.0021,
    },
}


def chunk(text: str, finish_reason: str | None = None) -> bytes:
    """Write one event of a streamed answer."""
    written = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "delta": {"content": text},
                "finish_reason": finish_reason,
                "logprobs": None,
            }
        ],
    }
    return event(json.dumps(written).encode())


def served(**more: object) -> executor_pb.Served:
    """Say that the one deployment serves."""
    return executor_pb.Served(
        deployment_id=PINNED,
        provider_id="aws",
        geography="eu",
        session_affinity=plan_pb.SESSION_AFFINITY_KEPT,
        attempt_count=2,
        revision="7",
        **more,
    )


class ResolverOfOneKey:
    """Knows one key, one model and its pinned id, and keeps what it was asked.

    Its pages hold one model each, whatever is asked for.
    """

    def __init__(self, models: Sequence[catalog_pb.ListedModel] = ()) -> None:
        self.asked: list[ResolveModelRequest] = []
        self.deadlines: list[float | None] = []
        self.models = list(models)
        self.budgets: list[BudgetStatus] = []
        self.aliases = [
            catalog_pb.Alias(alias_id="default-llm", targets=[MODEL, "gpt-oss-120b"])
        ]

    async def resolve_model(
        self, request: ResolveModelRequest, *, deadline: float | None = None
    ) -> SignedPlan:
        self.asked.append(request)
        self.deadlines.append(deadline)
        _check(request.principal)
        if request.model not in (MODEL, PINNED):
            near = difflib.get_close_matches(request.model, [MODEL, PINNED])
            raise ModelNotFoundError(
                f"{request.model!r} is no model. Did you mean {near}?",
                model=request.model,
            )
        plan = plan_pb.Plan(
            plan_id="p1",
            requested_model=request.model,
            steps=[
                plan_pb.PlanStep(
                    deployment=DEPLOYMENT, reason=plan_pb.STEP_REASON_HASHED
                )
            ],
            exclusions=[
                plan_pb.Exclusion(
                    deployment_id=UNPLACED.deployment_id,
                    provider_id="lab",
                    reason=plan_pb.EXCLUSION_REASON_POLICY,
                    rule="project web policy: geography unknown not in [eu]",
                )
            ]
            if request.explain
            else [],
            session_affinity=plan_pb.SESSION_AFFINITY_NEW
            if request.session_id
            else plan_pb.SESSION_AFFINITY_NONE,
            trace_id=request.trace_id,
            revision="7",
        )
        return SignedPlan(
            plan_pb.SignedPlan(
                plan=plan.SerializeToString(), signature=b"s", key_id="k"
            )
        )

    async def report_attempts(
        self,
        request: ReportAttemptsRequest,
        *,
        deadline: float | None = None,
    ) -> None:
        """Take it."""

    async def list_budget_status(
        self, principal: bytes, *, deadline: float | None = None
    ) -> Sequence[BudgetStatus]:
        return self.budgets

    async def list_models(
        self, request: catalog_pb.ListModelsRequest, *, deadline: float | None = None
    ) -> catalog_pb.ListModelsResponse:
        _check(request.principal.api_key_digest)
        models = [
            _visible(model, include_excluded=request.include_excluded)
            for model in self.models
        ]
        at = int(request.page_token or 0)
        more = str(at + 1) if at + 1 < len(models) else ""
        return catalog_pb.ListModelsResponse(
            models=models[at : at + 1],
            aliases=self.aliases if at == 0 else [],
            next_page_token=more,
        )


def _check(digest: bytes) -> None:
    if digest != hashlib.sha256(KEY.encode()).digest():
        raise ApiKeyUnknownError("The API key is unknown.")


def _visible(
    model: catalog_pb.ListedModel, *, include_excluded: bool
) -> catalog_pb.ListedModel:
    seen = catalog_pb.ListedModel()
    seen.CopyFrom(model)
    if not include_excluded:
        kept = [each for each in model.deployments if not each.exclusion_rule]
        del seen.deployments[:]
        seen.deployments.extend(kept)
    return seen


class AnsweringExecutor:
    """Answers every request, and keeps what it was asked."""

    def __init__(
        self,
        *,
        completion: bytes | None = None,
        events: Sequence[bytes] = (),
        cost_usd_nanos: int | None = 2_100_000,
    ) -> None:
        self.asked: list[ExecuteRequest] = []
        self.deadlines: list[float | None] = []
        self._completion = completion or json.dumps(COMPLETION).encode()
        self._events = events or (
            chunk("Hello"),
            chunk(" there") + chunk("", "stop"),
        )
        self._cost = cost_usd_nanos

    async def execute(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> ExecuteResponse:
        self.asked.append(request)
        self.deadlines.append(deadline)
        return ExecuteResponse(self._completion, served(cost_usd_nanos=self._cost), ())

    async def execute_stream(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> AsyncGenerator[executor_pb.ExecuteStreamResponse, None]:
        self.asked.append(request)
        self.deadlines.append(deadline)
        yield executor_pb.ExecuteStreamResponse(served=served())
        for events in self._events:
            yield executor_pb.ExecuteStreamResponse(
                chunks=executor_pb.Chunks(events=events)
            )
        yield executor_pb.ExecuteStreamResponse(completed=executor_pb.Completed())


class FailingExecutor:
    """Fails before any content."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def execute(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> ExecuteResponse:
        raise self._error

    async def execute_stream(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> AsyncIterator[executor_pb.ExecuteStreamResponse]:
        raise self._error
        yield


class BreakingOffExecutor(FailingExecutor):
    """Streams one chunk, and then fails; or just ends, for want of an error."""

    def __init__(self, error: GatewayError | Exception | None) -> None:
        super().__init__(error or AssertionError("streams only"))
        self._ending = error

    async def execute_stream(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> AsyncIterator[executor_pb.ExecuteStreamResponse]:
        yield executor_pb.ExecuteStreamResponse(served=served())
        yield executor_pb.ExecuteStreamResponse(
            chunks=executor_pb.Chunks(events=chunk("Hel"))
        )
        if self._ending is not None:
            raise self._ending


class WaitingExecutor:
    """Answers when it is released, and tells whether it was called off instead.

    Attributes:
        began: Set once it was asked, and has streamed its first chunk if it is
            to do so.
        called_off: Set once its call was cancelled or its iterator closed.
        release: Lets it answer.
    """

    def __init__(
        self, *, first_chunk: bool = False, beginning: bytes = chunk("Hel")
    ) -> None:
        self.began = asyncio.Event()
        self.called_off = asyncio.Event()
        self.release = asyncio.Event()
        self._first_chunk = first_chunk
        self._beginning = beginning

    async def execute(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> ExecuteResponse:
        await self._wait()
        return ExecuteResponse(json.dumps(COMPLETION).encode(), served(), ())

    async def execute_stream(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> AsyncIterator[executor_pb.ExecuteStreamResponse]:
        if self._first_chunk:
            yield executor_pb.ExecuteStreamResponse(served=served())
            yield executor_pb.ExecuteStreamResponse(
                chunks=executor_pb.Chunks(events=self._beginning)
            )
        await self._wait()
        if not self._first_chunk:
            yield executor_pb.ExecuteStreamResponse(served=served())
        yield executor_pb.ExecuteStreamResponse(
            chunks=executor_pb.Chunks(events=chunk("lo", "stop"))
        )
        yield executor_pb.ExecuteStreamResponse(completed=executor_pb.Completed())

    async def _wait(self) -> None:
        self.began.set()
        try:
            await self.release.wait()
        except (asyncio.CancelledError, GeneratorExit):
            self.called_off.set()
            raise


class FloodingExecutor(FailingExecutor):
    """Streams without end, faster than anybody reads.

    Attributes:
        sent: How many messages were taken from it.
        called_off: Set once its iterator was closed or cancelled.
    """

    def __init__(self) -> None:
        super().__init__(AssertionError("streams only"))
        self.sent = 0
        self.called_off = asyncio.Event()

    async def execute_stream(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> AsyncIterator[executor_pb.ExecuteStreamResponse]:
        yield executor_pb.ExecuteStreamResponse(served=served())
        events = chunk("x" * 65_536)
        try:
            while True:
                yield executor_pb.ExecuteStreamResponse(
                    chunks=executor_pb.Chunks(events=events)
                )
                self.sent += 1
                await asyncio.sleep(0)
        finally:
            self.called_off.set()
