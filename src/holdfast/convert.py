"""Between the nouns of the gateway and the messages that carry them.

One pair of functions a message, and nothing else: no defaults, no checks.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TypeVar, overload

from google.protobuf import duration_pb2, timestamp_pb2

from holdfast import model
from holdfast.api.catalog.v1 import catalog_pb2
from holdfast.api.common.v1 import caller_pb2
from holdfast.api.resolver.v1 import resolver_service_pb2
from holdfast.api.routing.v1 import attempt_pb2, plan_pb2
from holdfast.guardrails.wire import guardrail_from_wire, guardrail_to_wire

Message = TypeVar("Message")
Noun_co = TypeVar("Noun_co", covariant=True)

_CAPABILITY_NUMBERS = {
    capability: catalog_pb2.Capability.Value(f"CAPABILITY_{capability.name}")
    for capability in model.Capability
}
_CAPABILITIES: dict[int, model.Capability] = {
    number: name for name, number in _CAPABILITY_NUMBERS.items()
}

_CACHED_DEPLOYMENTS = 16_384
"""The shipped catalog three times over; a converted deployment takes about 1 KB."""

_CACHED_SETTINGS = 1_024
"""Policies and limits are a project's: those of a thousand projects are kept."""


class Lazily(Sequence[Noun_co]):
    """Messages that are converted as they are read: most never are."""

    def __init__(
        self, messages: Sequence[Message], convert: Callable[[Message], Noun_co]
    ) -> None:
        self._messages = messages
        self._convert = convert

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Noun_co]:
        return map(self._convert, self._messages)

    @overload
    def __getitem__(self, at: int) -> Noun_co: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Noun_co, ...]: ...
    def __getitem__(self, at: int | slice) -> Noun_co | tuple[Noun_co, ...]:
        if isinstance(at, slice):
            return tuple(map(self._convert, self._messages[at]))
        return self._convert(self._messages[at])


def duration_to_wire(span: timedelta) -> duration_pb2.Duration:
    """Convert a span of time."""
    return duration_pb2.Duration(
        seconds=span.days * 86_400 + span.seconds, nanos=span.microseconds * 1_000
    )


def duration_from_wire(span: duration_pb2.Duration) -> timedelta:
    """Convert a span of time, to the microsecond."""
    return timedelta(seconds=span.seconds, microseconds=span.nanos // 1_000)


@functools.lru_cache(_CACHED_SETTINGS)
def caller_to_wire(caller: model.Caller) -> caller_pb2.Caller:
    """Convert a caller. The same message is returned again: do not change it."""
    return caller_pb2.Caller(
        organization_id=caller.organization_id,
        project_id=caller.project_id,
        api_key_id=caller.api_key_id,
    )


def caller_from_wire(caller: caller_pb2.Caller) -> model.Caller:
    """Convert a caller."""
    return model.Caller(caller.organization_id, caller.project_id, caller.api_key_id)


@functools.lru_cache(_CACHED_DEPLOYMENTS)
def deployment_to_wire(deployment: model.Deployment) -> catalog_pb2.Deployment:
    """Convert a deployment. The same message is returned again: do not change it."""
    pricing = deployment.pricing
    return catalog_pb2.Deployment(
        deployment_id=deployment.id,
        model_id=deployment.model_id,
        provider_id=deployment.provider_id,
        region=deployment.region,
        geography=deployment.geography,
        provider_model=deployment.provider_model,
        dialect=deployment.dialect,
        base_uri=deployment.base_uri,
        pricing=catalog_pb2.Pricing(
            input_usd_micros_per_mtok=pricing.input,
            output_usd_micros_per_mtok=pricing.output,
            cache_read_usd_micros_per_mtok=pricing.cache_read,
            cache_creation_usd_micros_per_mtok=pricing.cache_creation,
        )
        if pricing
        else None,
        capabilities=sorted(_CAPABILITY_NUMBERS[c] for c in deployment.capabilities),
        context_window_tokens=deployment.context_window_tokens,
        max_output_tokens=deployment.max_output_tokens,
        auth=deployment.auth,
        allow_private_network=deployment.allow_private_network,
        weight=deployment.weight,
        provider_display_name=deployment.provider_display_name,
        trains_on_data=deployment.trains_on_data,
        retention_days=deployment.retention_days,
    )


def deployment_from_wire(
    deployment: catalog_pb2.Deployment,
    credential_id: str = "",
    sealed_credential: bytes = b"",
) -> model.Deployment:
    """Convert a deployment, with the credential that its step names or bears."""
    written = deployment.SerializeToString()
    return _deployment(written, credential_id, sealed_credential)


@functools.lru_cache(_CACHED_DEPLOYMENTS)
def _deployment(
    written: bytes, credential_id: str, sealed_credential: bytes
) -> model.Deployment:
    wire = catalog_pb2.Deployment.FromString(written)
    pricing = wire.pricing
    return model.Deployment(
        id=wire.deployment_id,
        model_id=wire.model_id,
        provider_id=wire.provider_id,
        provider_model=wire.provider_model,
        dialect=wire.dialect,
        base_uri=wire.base_uri,
        auth=wire.auth,
        credential_id=credential_id,
        geography=wire.geography,
        region=wire.region,
        pricing=model.Pricing(
            input=pricing.input_usd_micros_per_mtok,
            output=pricing.output_usd_micros_per_mtok,
            cache_read=pricing.cache_read_usd_micros_per_mtok,
            cache_creation=pricing.cache_creation_usd_micros_per_mtok,
        )
        if wire.HasField("pricing")
        else None,
        capabilities=capabilities_from_wire(wire.capabilities),
        context_window_tokens=wire.context_window_tokens,
        max_output_tokens=wire.max_output_tokens,
        weight=wire.weight,
        allow_private_network=wire.allow_private_network,
        provider_display_name=wire.provider_display_name,
        sealed_credential=sealed_credential,
        trains_on_data=wire.trains_on_data if wire.HasField("trains_on_data") else None,
        retention_days=wire.retention_days if wire.HasField("retention_days") else None,
    )


def capabilities_from_wire(numbers: Iterable[int]) -> frozenset[model.Capability]:
    """Convert capabilities; one this version does not know is left out."""
    return frozenset(_CAPABILITIES[n] for n in numbers if n in _CAPABILITIES)


def requirements_to_wire(
    requirements: model.Requirements,
) -> resolver_service_pb2.Requirements:
    """Convert what a request needs."""
    return resolver_service_pb2.Requirements(
        capabilities=sorted(
            _CAPABILITY_NUMBERS[name] for name in requirements.capabilities
        ),
        input_tokens=requirements.input_tokens,
        output_tokens=requirements.output_tokens,
        prompt_cache_seconds=requirements.prompt_cache_s,
        choice_count=requirements.choice_count,
    )


def requirements_from_wire(
    requirements: resolver_service_pb2.Requirements,
) -> model.Requirements:
    """Convert what a request needs."""
    return model.Requirements(
        capabilities_from_wire(requirements.capabilities),
        requirements.input_tokens,
        requirements.output_tokens,
        requirements.prompt_cache_seconds,
        requirements.choice_count or 1,
    )


@functools.lru_cache(_CACHED_DEPLOYMENTS)
def policy_to_wire(policy: model.ScopedPolicy) -> plan_pb2.ScopedPolicy:
    """Convert a policy. The same message is returned again: do not change it."""
    return plan_pb2.ScopedPolicy(
        scope=policy.scope,
        allowed_providers=sorted(policy.allowed_providers),
        denied_providers=sorted(policy.denied_providers),
        allowed_models=sorted(policy.allowed_models),
        denied_models=sorted(policy.denied_models),
        geographies=sorted(policy.geographies),
        denies_training=policy.denies_training,
        max_retention_days=policy.max_retention_days,
    )


def policy_from_wire(policy: plan_pb2.ScopedPolicy) -> model.ScopedPolicy:
    """Convert a policy."""
    return _policy(policy.SerializeToString())


@functools.lru_cache(_CACHED_SETTINGS)
def _policy(written: bytes) -> model.ScopedPolicy:
    policy = plan_pb2.ScopedPolicy.FromString(written)
    return model.ScopedPolicy(
        policy.scope,
        allowed_providers=frozenset(policy.allowed_providers),
        denied_providers=frozenset(policy.denied_providers),
        allowed_models=frozenset(policy.allowed_models),
        denied_models=frozenset(policy.denied_models),
        geographies=frozenset(policy.geographies),
        denies_training=policy.denies_training,
        max_retention_days=policy.max_retention_days
        if policy.HasField("max_retention_days")
        else None,
    )


@functools.lru_cache(_CACHED_DEPLOYMENTS)
def limits_to_wire(limits: model.Limits) -> plan_pb2.Limits:
    """Convert limits. The same message is returned again: do not change it."""
    return plan_pb2.Limits(
        connect_timeout=duration_to_wire(limits.connect_timeout),
        first_token_timeout=duration_to_wire(limits.first_token_timeout),
        idle_timeout=duration_to_wire(limits.idle_timeout),
        request_timeout=duration_to_wire(limits.request_timeout),
        max_attempts=limits.max_attempts,
        retries_per_deployment=limits.retries_per_deployment,
        retry_after_cap=duration_to_wire(limits.retry_after_cap),
        fall_back_on_content_filter=limits.fall_back_on_content_filter,
        rescue_streams=limits.rescue_streams,
        hedge=None if limits.hedge is None else _hedge_to_wire(limits.hedge),
        parse_retries=limits.parse_retries,
    )


def _hedge_to_wire(hedge: model.Hedge) -> plan_pb2.Hedge:
    return plan_pb2.Hedge(
        after=duration_to_wire(hedge.after), max_share=hedge.max_share
    )


def limits_from_wire(limits: plan_pb2.Limits) -> model.Limits:
    """Convert limits."""
    return _limits(limits.SerializeToString())


@functools.lru_cache(_CACHED_SETTINGS)
def _limits(written: bytes) -> model.Limits:
    limits = plan_pb2.Limits.FromString(written)
    return model.Limits(
        connect_timeout=duration_from_wire(limits.connect_timeout),
        first_token_timeout=duration_from_wire(limits.first_token_timeout),
        idle_timeout=duration_from_wire(limits.idle_timeout),
        request_timeout=duration_from_wire(limits.request_timeout),
        max_attempts=limits.max_attempts,
        retries_per_deployment=limits.retries_per_deployment,
        retry_after_cap=duration_from_wire(limits.retry_after_cap),
        fall_back_on_content_filter=limits.fall_back_on_content_filter,
        rescue_streams=limits.rescue_streams,
        hedge=_hedge_from_wire(limits.hedge) if limits.HasField("hedge") else None,
        parse_retries=limits.parse_retries,
    )


def _hedge_from_wire(hedge: plan_pb2.Hedge) -> model.Hedge:
    return model.Hedge(duration_from_wire(hedge.after), hedge.max_share)


def step_to_wire(step: model.PlanStep) -> plan_pb2.PlanStep:
    """Convert a step. The same message may be returned again: do not change it."""
    return _lasting_step(step) if step.cooldown is None else _step(step)


def _step(step: model.PlanStep) -> plan_pb2.PlanStep:
    return plan_pb2.PlanStep(
        deployment=deployment_to_wire(step.deployment),
        credential_id=step.deployment.credential_id,
        sealed_credential=step.deployment.sealed_credential,
        reason=plan_pb2.StepReason.ValueType(step.reason.value),
        response_model=step.response_model,
        cooldown=None if step.cooldown is None else duration_to_wire(step.cooldown),
    )


_lasting_step = functools.lru_cache(_CACHED_DEPLOYMENTS)(_step)


def step_from_wire(step: plan_pb2.PlanStep) -> model.PlanStep:
    """Convert a step."""
    return model.PlanStep(
        deployment_from_wire(
            step.deployment, step.credential_id, step.sealed_credential
        ),
        model.StepReason(step.reason),
        step.response_model,
        duration_from_wire(step.cooldown) if step.HasField("cooldown") else None,
    )


def plan_to_wire(plan: model.Plan) -> plan_pb2.Plan:
    """Convert a plan; it expires when it is signed, not before."""
    return plan_pb2.Plan(
        plan_id=plan.plan_id,
        requested_model=plan.requested_model,
        steps=[step_to_wire(step) for step in plan.steps],
        exclusions=[
            plan_pb2.Exclusion(
                deployment_id=exclusion.deployment.id,
                reason=plan_pb2.ExclusionReason.ValueType(exclusion.reason.value),
                rule=exclusion.rule,
                geography=exclusion.deployment.geography,
                provider_id=exclusion.deployment.provider_id,
            )
            for exclusion in plan.exclusions
        ],
        session_affinity=plan_pb2.SessionAffinity.ValueType(
            plan.session_affinity.value
        ),
        revision=plan.revision,
        caller=caller_to_wire(plan.caller),
        session_key=plan.session_key,
        trace_id=plan.trace_id,
        bound_deployment_id=plan.bound_deployment_id,
        policies=[policy_to_wire(policy) for policy in plan.policies],
        limits=limits_to_wire(plan.limits),
        incomparable_models=plan.incomparable_models,
        tags=plan.tags,
        content_retained=plan.content_retained,
        parent_span_id=plan.parent_span_id,
        guardrails=[guardrail_to_wire(each) for each in plan.guardrails],
        reservation=reservation_to_wire(plan.reservation),
    )


def plan_from_wire(plan: plan_pb2.Plan) -> model.Plan:
    """Convert a plan that is to be carried out: what it left out stays behind."""
    return model.Plan(
        plan_id=plan.plan_id,
        requested_model=plan.requested_model,
        caller=caller_from_wire(plan.caller),
        trace_id=plan.trace_id,
        steps=Lazily(plan.steps, step_from_wire),
        session_affinity=model.SessionAffinity(plan.session_affinity),
        session_key=plan.session_key,
        bound_deployment_id=plan.bound_deployment_id,
        policies=tuple(map(policy_from_wire, plan.policies)),
        limits=limits_from_wire(plan.limits),
        revision=plan.revision,
        incomparable_models=tuple(plan.incomparable_models),
        tags=dict(plan.tags),
        content_retained=plan.content_retained,
        parent_span_id=plan.parent_span_id,
        guardrails=tuple(map(guardrail_from_wire, plan.guardrails)),
        reservation=reservation_from_wire(plan.reservation)
        if plan.HasField("reservation")
        else None,
    )


def reservation_to_wire(
    reservation: model.Reservation | None,
) -> plan_pb2.Reservation | None:
    """Convert what is set aside for a request; None if nothing is."""
    if reservation is None:
        return None
    return plan_pb2.Reservation(
        replica=reservation.replica,
        start_seconds=reservation.start_s,
        end_seconds=reservation.end_s,
        budget_ids=reservation.budgets,
        usd_nanos=reservation.usd_nanos,
        tokens=reservation.tokens,
        warning_budget_id=reservation.warning,
    )


def reservation_from_wire(reservation: plan_pb2.Reservation) -> model.Reservation:
    """Convert what is set aside for a request."""
    return model.Reservation(
        reservation.replica,
        reservation.start_seconds,
        reservation.end_seconds,
        tuple(reservation.budget_ids),
        reservation.usd_nanos,
        reservation.tokens if reservation.HasField("tokens") else None,
        reservation.warning_budget_id,
    )


def usage_to_wire(usage: model.Usage) -> attempt_pb2.Usage:
    """Convert usage."""
    return attempt_pb2.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_input_tokens=usage.cache_read_input_tokens,
        cache_creation_input_tokens=usage.cache_creation_input_tokens,
        reasoning_output_tokens=usage.reasoning_output_tokens,
    )


def usage_from_wire(usage: attempt_pb2.Usage) -> model.Usage:
    """Convert usage."""
    return model.Usage(
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_input_tokens,
        usage.cache_creation_input_tokens,
        usage.reasoning_output_tokens,
    )


def attempt_to_wire(attempt: model.Attempt) -> attempt_pb2.Attempt:
    """Convert an attempt."""
    return attempt_pb2.Attempt(
        ordinal=attempt.ordinal,
        deployment_id=attempt.deployment_id,
        outcome=attempt_pb2.AttemptOutcome.ValueType(attempt.outcome.value),
        http_status=attempt.http_status,
        error_message=attempt.error_message,
        start_time=timestamp_pb2.Timestamp(
            seconds=attempt.start_time_ms // 1_000,
            nanos=attempt.start_time_ms % 1_000 * 1_000_000,
        ),
        total_duration=duration_to_wire(attempt.duration),
        first_token_duration=None
        if attempt.first_token is None
        else duration_to_wire(attempt.first_token),
        retry_after=None
        if attempt.retry_after is None
        else duration_to_wire(attempt.retry_after),
        usage=usage_to_wire(attempt.usage) if attempt.usage else None,
        cost_usd_nanos=attempt.cost_usd_nanos,
        credential=attempt.credential,
        allowance=_allowance_to_wire(attempt.allowance) if attempt.allowance else None,
        observed_geography=attempt.observed_geography,
        left_out=attempt.left_out,
        step_reason=plan_pb2.StepReason.ValueType(attempt.step_reason.value)
        if attempt.step_reason
        else plan_pb2.STEP_REASON_UNSPECIFIED,
        cache_saving_usd_nanos=attempt.cache_saving_usd_nanos,
    )


def attempt_from_wire(attempt: attempt_pb2.Attempt) -> model.Attempt:
    """Convert an attempt."""
    start = attempt.start_time
    return model.Attempt(
        attempt.ordinal,
        attempt.deployment_id,
        model.Outcome(attempt.outcome),
        attempt.http_status,
        attempt.error_message,
        start.seconds * 1_000 + start.nanos // 1_000_000,
        duration_from_wire(attempt.total_duration),
        duration_from_wire(attempt.first_token_duration)
        if attempt.HasField("first_token_duration")
        else None,
        duration_from_wire(attempt.retry_after)
        if attempt.HasField("retry_after")
        else None,
        usage_from_wire(attempt.usage) if attempt.HasField("usage") else None,
        attempt.cost_usd_nanos,
        attempt.credential,
        _allowance_from_wire(attempt.allowance)
        if attempt.HasField("allowance")
        else None,
        attempt.observed_geography,
        tuple(attempt.left_out),
        model.StepReason(attempt.step_reason) if attempt.step_reason else None,
        attempt.cache_saving_usd_nanos,
    )


def _allowance_to_wire(allowance: model.Allowance) -> attempt_pb2.Allowance:
    resets_in = allowance.resets_in
    return attempt_pb2.Allowance(
        remaining_share=allowance.remaining_share,
        resets_in=None if resets_in is None else duration_to_wire(resets_in),
    )


def _allowance_from_wire(allowance: attempt_pb2.Allowance) -> model.Allowance:
    return model.Allowance(
        allowance.remaining_share,
        duration_from_wire(allowance.resets_in)
        if allowance.HasField("resets_in")
        else None,
    )
