"""From what was noted of a request to rows of the ledger: pure, and off its path."""

import functools
import hashlib
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from holdfast.errors import GatewayError
from holdfast.model import (
    Attempt,
    Caller,
    Deployment,
    Exclusion,
    Finished,
    Plan,
    SessionAffinity,
    Usage,
)
from holdfast.ports import AttemptReport, ResolveModelRequest
from holdfast_resolver.ledger.layout import (
    ATTEMPTS,
    CONTENTS,
    EXCLUSIONS,
    PLANS,
    REQUESTS,
    TAGS,
    Rows,
)
from holdfast_resolver.plan_ids import made_ms
from holdfast_resolver.sessions import session_key
from holdfast_resolver.words import (
    AFFINITIES,
    EXCLUSION_REASONS,
    OUTCOMES,
    STEP_REASONS,
)

_DAY_MS = 86_400_000

_MOST_CHARACTERS = 500
"""Of a text that a caller or a provider chose: a model's name, an error."""

_EXCLUSION_LISTS = 256
"""How many lists of exclusions are known by heart; most plans share a few. One of
thirty deployments takes 5 KB."""

_encode = msgspec.json.Encoder().encode


_NOWHERE = ("", "", "", "")
_UNUSED = Usage()


def add_plan(rows: Rows, plan: Plan, exclusions: Sequence[Exclusion]) -> None:
    """Write down what is to be tried for a request, and what is not."""
    day, digest = 0, ""
    if exclusions:
        day = made_ms(plan.plan_id) // _DAY_MS
        digest, written = _exclusion_list(_Listed(exclusions))
        rows.add_once(EXCLUSIONS, (day, digest, written))
    caller = plan.caller
    rows.add(
        PLANS,
        (
            plan.plan_id,
            plan.trace_id,
            plan.parent_span_id,
            caller.organization_id,
            caller.project_id,
            caller.api_key_id,
            safe(plan.requested_model),
            AFFINITIES[plan.session_affinity],
            plan.session_key,
            plan.bound_deployment_id,
            plan.revision,
            _encode(
                [
                    (step.deployment.id, STEP_REASONS[step.reason], _ms(step.cooldown))
                    for step in plan.steps
                ]
            ).decode(),
            day,
            digest,
        ),
    )


def add_refusal(  # noqa: PLR0913, PLR0917 - each is a part of what happened
    rows: Rows,
    plan_id: str,
    request: ResolveModelRequest,
    caller: Caller,
    revision: str,
    error: GatewayError,
) -> None:
    """Write down a request that got no plan, under an id as if it had."""
    rows.add(
        REQUESTS,
        (
            plan_id,
            request.trace_id,
            request.parent_span_id,
            caller.organization_id,
            caller.project_id,
            caller.api_key_id,
            safe(request.model),
            "",
            0,
            made_ms(plan_id),
            0,
            None,
            "",
            *_NOWHERE,
            "",
            error.reason,
            safe(error.message),
            AFFINITIES[SessionAffinity.NONE],
            session_key(caller.organization_id, caller.project_id, request.session_id),
            0,
            0,
            revision,
            "",
            0,
        ),
    )
    for name, value in request.tags.items():
        rows.add(TAGS, (plan_id, safe(name), safe(value)))


def add_attempt(
    rows: Rows,
    caller: Caller,
    plan_id: str,
    attempt: Attempt,
    deployment: Deployment | None,
) -> None:
    """Write down how an attempt ended.

    Args:
        rows: Where to.
        caller: On whose behalf it was made.
        plan_id: Of which request it is.
        attempt: How it ended.
        deployment: What it called. None if that is gone meanwhile.
    """
    usage = attempt.usage or _UNUSED
    rows.add(
        ATTEMPTS,
        (
            plan_id,
            attempt.ordinal,
            caller.organization_id,
            caller.project_id,
            caller.api_key_id,
            attempt.start_time_ms,
            _us(attempt.duration),
            None if attempt.first_token is None else _us(attempt.first_token),
            attempt.deployment_id,
            *_whereabouts(deployment),
            OUTCOMES[attempt.outcome],
            attempt.http_status,
            safe(attempt.error_message),
            _ms(attempt.retry_after),
            STEP_REASONS[attempt.step_reason] if attempt.step_reason else "",
            attempt.credential,
            attempt.observed_geography,
            _encode(attempt.left_out).decode() if attempt.left_out else "",
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_input_tokens,
            usage.cache_creation_input_tokens,
            usage.reasoning_output_tokens,
            attempt.cost_usd_nanos,
            attempt.cache_saving_usd_nanos,
        ),
    )


def add_request(
    rows: Rows,
    report: AttemptReport,
    finished: Finished,
    deployment: Deployment | None,
    content_days: int,
) -> None:
    """Write down how a request ended, and what was said if the project keeps that.

    Args:
        rows: Where to.
        report: What told of it.
        finished: How it ended.
        deployment: Who served it. None if nobody did, or it is gone meanwhile.
        content_days: For how many days its project keeps what was said.
    """
    caller = report.caller
    rows.add(
        REQUESTS,
        (
            report.plan_id,
            finished.trace_id,
            finished.parent_span_id,
            caller.organization_id,
            caller.project_id,
            caller.api_key_id,
            safe(finished.requested_model),
            finished.surface,
            int(finished.streamed),
            finished.start_time_ms,
            _us(finished.duration),
            None if finished.first_token is None else _us(finished.first_token),
            finished.deployment_id,
            *_whereabouts(deployment),
            finished.response_model,
            finished.error_reason,
            "",
            AFFINITIES[finished.session_affinity],
            report.session_key,
            finished.attempt_count,
            int(finished.fell_back),
            finished.revision,
            _encode(finished.guardrail_results).decode()
            if finished.guardrail_results
            else "",
            finished.content_bytes_left_out,
        ),
    )
    for name, value in finished.tags.items():
        rows.add(TAGS, (report.plan_id, safe(name), safe(value)))
    if content_days > 0 and (finished.request_content or finished.response_content):
        rows.add(
            CONTENTS,
            (
                report.plan_id,
                caller.organization_id,
                caller.project_id,
                finished.start_time_ms,
                finished.start_time_ms + content_days * _DAY_MS,
                finished.request_content,
                finished.response_content,
            ),
        )


def safe(text: str) -> str:
    """Return a text that any database takes: bounded, in Unicode, without NUL."""
    if text.isprintable() and len(text) <= _MOST_CHARACTERS:
        return text
    cut = text[:_MOST_CHARACTERS].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return cut.encode("utf-8", "replace").decode()


def _whereabouts(deployment: Deployment | None) -> tuple[str, str, str, str]:
    if deployment is None:
        return _NOWHERE
    return (
        deployment.model_id,
        deployment.provider_id,
        deployment.geography,
        deployment.region,
    )


class _Listed:
    """Exclusions that are the same where they leave out the same by the same rules."""

    __slots__ = ("_key", "exclusions")

    def __init__(self, exclusions: Sequence[Exclusion]) -> None:
        self.exclusions = exclusions
        # The reason goes with the rule; an enumeration takes a while to be hashed.
        self._key = tuple([(each.deployment.id, each.rule) for each in exclusions])

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Listed) and self._key == other._key


@functools.lru_cache(_EXCLUSION_LISTS)
def _exclusion_list(listed: _Listed) -> tuple[str, str]:
    """Write a list of exclusions, and name it by what it says."""
    written = _encode(
        [
            (each.deployment.id, EXCLUSION_REASONS[each.reason], each.rule)
            for each in listed.exclusions
        ]
    )
    return hashlib.blake2b(written, digest_size=12).hexdigest(), written.decode()


def _us(span: timedelta) -> int:
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def _ms(span: timedelta | None) -> int | None:
    return None if span is None else _us(span) // 1_000
