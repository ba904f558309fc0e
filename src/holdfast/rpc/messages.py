"""Between what the services ask of one another and the messages that carry it.

One pair of functions a message, and nothing else: no defaults, no checks.
"""

from collections.abc import Sequence
from datetime import timedelta

from holdfast import convert
from holdfast.api.common.v1 import caller_pb2
from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.api.ledger.v1 import budget_service_pb2 as budget_pb
from holdfast.api.resolver.v1 import resolver_service_pb2 as resolver_pb
from holdfast.api.routing.v1 import plan_pb2
from holdfast.delivered import Held
from holdfast.health import Rests
from holdfast.model import (
    Budget,
    BudgetStatus,
    Caller,
    Finished,
    GuardrailResult,
    SessionAffinity,
)
from holdfast.ports import (
    Answering,
    AttemptReport,
    Edit,
    ExecuteRequest,
    ExecuteResponse,
    ReportAttemptsRequest,
    ResolveModelRequest,
)
from holdfast.signing import SignedPlan
from holdfast.standpoint import NOWHERE, Standpoint


def principal_to_wire(principal: bytes | Caller) -> caller_pb2.Principal:
    """Convert who asks."""
    if isinstance(principal, bytes):
        return caller_pb2.Principal(api_key_digest=principal)
    return caller_pb2.Principal(caller=convert.caller_to_wire(principal))


def principal_from_wire(principal: caller_pb2.Principal) -> bytes | Caller:
    """Convert who asks."""
    if principal.HasField("caller"):
        return convert.caller_from_wire(principal.caller)
    return principal.api_key_digest


def resolve_request_to_wire(
    request: ResolveModelRequest,
) -> resolver_pb.ResolveModelRequest:
    """Convert what a plan is to be made for."""
    return resolver_pb.ResolveModelRequest(
        principal=principal_to_wire(request.principal),
        model=request.model,
        session_id=request.session_id,
        session_derived=request.session_derived,
        requirements=convert.requirements_to_wire(request.requirements),
        explain=request.explain,
        validate_only=request.validate_only,
        trace_id=request.trace_id,
        tags=request.tags,
        parent_span_id=request.parent_span_id,
        edit=resolver_pb.Edit(kind=request.edit.kind, resource=request.edit.resource)
        if request.edit
        else None,
    )


def resolve_request_from_wire(
    request: resolver_pb.ResolveModelRequest,
) -> ResolveModelRequest:
    """Convert what a plan is to be made for."""
    return ResolveModelRequest(
        principal_from_wire(request.principal),
        request.model,
        request.session_id,
        request.session_derived,
        convert.requirements_from_wire(request.requirements),
        request.explain,
        request.validate_only,
        request.trace_id,
        dict(request.tags),
        request.parent_span_id,
        Edit(request.edit.kind, request.edit.resource)
        if request.HasField("edit")
        else None,
    )


def resolve_response_to_wire(plan: SignedPlan) -> resolver_pb.ResolveModelResponse:
    """Convert a plan that was made."""
    return resolver_pb.ResolveModelResponse(plan=plan.wire)


def resolve_response_from_wire(
    response: resolver_pb.ResolveModelResponse,
) -> SignedPlan:
    """Convert a plan that was made."""
    return SignedPlan(response.plan)


def reports_to_wire(
    request: ReportAttemptsRequest,
) -> resolver_pb.ReportAttemptsRequest:
    """Convert how attempts ended."""
    return resolver_pb.ReportAttemptsRequest(
        reports=[
            resolver_pb.AttemptReport(
                caller=convert.caller_to_wire(report.caller),
                plan_id=report.plan_id,
                session_key=report.session_key,
                bound_deployment_id=report.bound_deployment_id,
                attempts=map(convert.attempt_to_wire, report.attempts),
                retry_after_cap_seconds=report.retry_after_cap.total_seconds(),
                answering=_answering_to_wire(report.answering),
                finished=_finished_to_wire(report.finished),
                requested_model=report.requested_model,
                reservation=convert.reservation_to_wire(report.reservation),
                trace_id=report.trace_id,
            )
            for report in request.reports
        ],
        known_rests=request.known_rests,
        standpoint=_standpoint_to_wire(request.standpoint),
    )


def reports_from_wire(
    request: resolver_pb.ReportAttemptsRequest,
) -> ReportAttemptsRequest:
    """Convert how attempts ended."""
    reports = [
        AttemptReport(
            convert.caller_from_wire(report.caller),
            report.plan_id,
            report.session_key,
            report.bound_deployment_id,
            tuple(map(convert.attempt_from_wire, report.attempts)),
            timedelta(seconds=report.retry_after_cap_seconds),
            _answering_from_wire(report.answering)
            if report.HasField("answering")
            else None,
            _finished_from_wire(report.finished)
            if report.HasField("finished")
            else None,
            report.requested_model,
            convert.reservation_from_wire(report.reservation)
            if report.HasField("reservation")
            else None,
            report.trace_id,
        )
        for report in request.reports
    ]
    return ReportAttemptsRequest(
        reports, request.known_rests, _standpoint_from_wire(request)
    )


def _standpoint_to_wire(standpoint: Standpoint) -> resolver_pb.Standpoint | None:
    if standpoint is NOWHERE:
        return None
    wire = resolver_pb.Standpoint(name=standpoint.name)
    wire.send_time.FromMilliseconds(standpoint.now_ms)
    if standpoint.answered_ms:
        wire.in_touch_start_time.FromMilliseconds(standpoint.since_ms)
        wire.last_answer_time.FromMilliseconds(standpoint.answered_ms)
    return wire


def _standpoint_from_wire(request: resolver_pb.ReportAttemptsRequest) -> Standpoint:
    if not request.HasField("standpoint"):
        return NOWHERE
    wire = request.standpoint
    return Standpoint(
        wire.name,
        wire.send_time.ToMilliseconds(),
        wire.in_touch_start_time.ToMilliseconds(),
        wire.last_answer_time.ToMilliseconds(),
    )


def _answering_to_wire(answering: Answering | None) -> resolver_pb.Answering | None:
    if answering is None:
        return None
    wire = resolver_pb.Answering(
        deployment_id=answering.deployment_id, credential=answering.credential
    )
    wire.start_time.FromMilliseconds(answering.start_time_ms)
    return wire


def _answering_from_wire(answering: resolver_pb.Answering) -> Answering:
    return Answering(
        answering.deployment_id,
        answering.start_time.ToMilliseconds(),
        answering.credential,
    )


def _finished_to_wire(finished: Finished | None) -> resolver_pb.Finished | None:
    if finished is None:
        return None
    first_token = finished.first_token
    wire = resolver_pb.Finished(
        trace_id=finished.trace_id,
        parent_span_id=finished.parent_span_id,
        requested_model=finished.requested_model,
        revision=finished.revision,
        surface=finished.surface,
        streamed=finished.streamed,
        total_duration=convert.duration_to_wire(finished.duration),
        first_token_duration=None
        if first_token is None
        else convert.duration_to_wire(first_token),
        deployment_id=finished.deployment_id,
        response_model=finished.response_model,
        error_reason=finished.error_reason,
        session_affinity=plan_pb2.SessionAffinity.ValueType(
            finished.session_affinity.value
        ),
        attempt_count=finished.attempt_count,
        cost_usd_nanos=finished.cost_usd_nanos,
        tags=finished.tags,
        guardrail_results=[
            resolver_pb.GuardrailResult(
                guardrail=result.guardrail,
                stage=result.stage,
                action=result.action,
                match_count=result.match_count,
                matched=result.matched,
            )
            for result in finished.guardrail_results
        ],
        request_content=finished.request_content,
        response_content=finished.response_content,
        content_bytes_left_out=finished.content_bytes_left_out,
        fell_back=finished.fell_back,
    )
    wire.start_time.FromMilliseconds(finished.start_time_ms)
    return wire


def _finished_from_wire(finished: resolver_pb.Finished) -> Finished:
    return Finished(
        trace_id=finished.trace_id,
        requested_model=finished.requested_model,
        surface=finished.surface,
        streamed=finished.streamed,
        start_time_ms=finished.start_time.ToMilliseconds(),
        duration=convert.duration_from_wire(finished.total_duration),
        parent_span_id=finished.parent_span_id,
        revision=finished.revision,
        first_token=convert.duration_from_wire(finished.first_token_duration)
        if finished.HasField("first_token_duration")
        else None,
        deployment_id=finished.deployment_id,
        response_model=finished.response_model,
        error_reason=finished.error_reason,
        session_affinity=SessionAffinity(finished.session_affinity),
        attempt_count=finished.attempt_count,
        cost_usd_nanos=finished.cost_usd_nanos,
        tags=dict(finished.tags),
        guardrail_results=tuple(
            GuardrailResult(
                result.guardrail,
                result.stage,
                result.action,
                result.match_count,
                tuple(result.matched),
            )
            for result in finished.guardrail_results
        ),
        request_content=finished.request_content,
        response_content=finished.response_content,
        content_bytes_left_out=finished.content_bytes_left_out,
        fell_back=finished.fell_back,
    )


def budget_status_request_to_wire(
    principal: bytes | Caller,
) -> budget_pb.ListBudgetStatusRequest:
    """Convert who asks how budgets stand."""
    return budget_pb.ListBudgetStatusRequest(principal=principal_to_wire(principal))


def budget_statuses_to_wire(
    statuses: Sequence[BudgetStatus],
) -> budget_pb.ListBudgetStatusResponse:
    """Convert how budgets stand."""
    response = budget_pb.ListBudgetStatusResponse()
    for status in statuses:
        budget = status.budget
        wire = response.budgets.add(
            budget_id=budget.id,
            scope=caller_pb2.Caller(
                organization_id=budget.organization_id,
                project_id=budget.project_id,
                api_key_id=budget.api_key_id,
            ),
            limit_usd_micros=budget.limit_usd_micros,
            spent_usd_nanos=status.spent_usd_nanos,
            reserved_usd_nanos=status.reserved_usd_nanos,
            warn_at=budget.warn_at,
            warning=status.warns,
            denies_when_unreachable=budget.denies_when_unreachable,
            current=status.is_current,
        )
        wire.reset_time.seconds = status.reset_s
    return response


def budget_statuses_from_wire(
    response: budget_pb.ListBudgetStatusResponse,
) -> tuple[BudgetStatus, ...]:
    """Convert how budgets stand."""
    return tuple(
        BudgetStatus(
            budget=Budget(
                wire.scope.organization_id,
                wire.scope.project_id,
                wire.scope.api_key_id,
                wire.limit_usd_micros,
                wire.warn_at,
                wire.denies_when_unreachable,
            ),
            spent_usd_nanos=wire.spent_usd_nanos,
            reserved_usd_nanos=wire.reserved_usd_nanos,
            reset_s=wire.reset_time.seconds,
            warns=wire.warning,
            is_current=wire.current,
        )
        for wire in response.budgets
    )


def rests_to_wire(rests: Rests | None) -> resolver_pb.ReportAttemptsResponse:
    """Convert who is left aside; None if that is no news."""
    if rests is None:
        return resolver_pb.ReportAttemptsResponse()
    wire = resolver_pb.Rests(version=rests.version)
    for key, until_ms in rests.until_ms.items():
        wire.rests.add(key=key).end_time.FromMilliseconds(until_ms)
    return resolver_pb.ReportAttemptsResponse(rests=wire)


def rests_from_wire(response: resolver_pb.ReportAttemptsResponse) -> Rests | None:
    """Convert who is left aside; None if that is no news."""
    if not response.HasField("rests"):
        return None
    rests = response.rests
    return Rests(
        rests.version,
        {rest.key: rest.end_time.ToMilliseconds() for rest in rests.rests},
    )


def execute_request_to_wire(request: ExecuteRequest) -> executor_pb.ExecuteRequest:
    """Convert what is to be carried out."""
    return executor_pb.ExecuteRequest(
        plan=request.plan.wire,
        surface=executor_pb.Surface.ValueType(request.surface),
        body=request.body,
        attempt_count=request.attempts,
        may_hand_on=request.may_hand_on,
    )


def stream_request_to_wire(
    request: ExecuteRequest,
) -> executor_pb.ExecuteStreamRequest:
    """Convert what is to be carried out and streamed."""
    return executor_pb.ExecuteStreamRequest(
        plan=request.plan.wire,
        surface=executor_pb.Surface.ValueType(request.surface),
        body=request.body,
        held=None if request.held is None else _held_to_wire(request.held),
        attempt_count=request.attempts,
        may_hand_on=request.may_hand_on,
    )


def _held_to_wire(held: Held) -> executor_pb.Held:
    return executor_pb.Held(
        text=held.text,
        piece_count=held.pieces,
        answer_id=held.answer_id,
        created=held.created,
    )


def execute_request_from_wire(request: executor_pb.ExecuteRequest) -> ExecuteRequest:
    """Convert what is to be carried out."""
    return ExecuteRequest(
        SignedPlan(request.plan),
        request.body,
        request.surface,
        attempts=request.attempt_count,
        may_hand_on=request.may_hand_on,
    )


def stream_request_from_wire(
    request: executor_pb.ExecuteStreamRequest,
) -> ExecuteRequest:
    """Convert what is to be carried out and streamed."""
    held = None
    if request.HasField("held"):
        held = Held(
            text=request.held.text,
            pieces=request.held.piece_count,
            answer_id=request.held.answer_id,
            created=request.held.created,
        )
    return ExecuteRequest(
        SignedPlan(request.plan),
        request.body,
        request.surface,
        held,
        attempts=request.attempt_count,
        may_hand_on=request.may_hand_on,
    )


def execute_response_to_wire(response: ExecuteResponse) -> executor_pb.ExecuteResponse:
    """Convert a whole answer."""
    return executor_pb.ExecuteResponse(
        body=response.body,
        served=response.served,
        attempts=map(convert.attempt_to_wire, response.attempts),
    )


def execute_response_from_wire(
    response: executor_pb.ExecuteResponse,
) -> ExecuteResponse:
    """Convert a whole answer."""
    return ExecuteResponse(
        response.body,
        response.served,
        convert.Lazily(response.attempts, convert.attempt_from_wire),
    )
