"""What is asked of the ledger about single requests, in SQL."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Select,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
)

from holdfast_resolver.ledger.scope import Scope, Span, Wanted
from holdfast_resolver.ledger.tables import (
    ATTEMPTS,
    CONTENTS,
    EXCLUSIONS,
    METADATA,
    PLANS,
    REQUESTS,
    TAGS,
)
from holdfast_resolver.plan_ids import first_plan_id

Condition = ColumnElement[bool]

SKEW_MS = 600_000
"""What the clocks of two machines, and the making of a plan, may lie apart."""

_USAGE = (
    ATTEMPTS.c.input_tokens,
    ATTEMPTS.c.output_tokens,
    ATTEMPTS.c.cache_read_input_tokens,
    ATTEMPTS.c.cache_creation_input_tokens,
    ATTEMPTS.c.reasoning_output_tokens,
    ATTEMPTS.c.cost_usd_nanos,
    ATTEMPTS.c.cache_saving_usd_nanos,
)


def page(wanted: Wanted, before: str, rows: int, skip: int) -> Select[Any]:
    """Ask for requests, newest first.

    Args:
        wanted: Which.
        before: The last plan id of the page before. Empty for the first page.
        rows: How many at most.
        skip: How many are left out first.
    """
    query = select(REQUESTS).where(*_conditions(wanted))
    if before:
        query = query.where(REQUESTS.c.plan_id < before)
    return query.order_by(REQUESTS.c.plan_id.desc()).limit(rows).offset(skip)


def count(wanted: Wanted, most: int) -> Select[Any]:
    """Ask how many requests there are, counted so far."""
    found = select(REQUESTS.c.plan_id).where(*_conditions(wanted)).limit(most)
    return select(func.count()).select_from(found.subquery())


def spent(plan_ids: Collection[str]) -> Select[Any]:
    """Ask what attempts of requests used and cost."""
    return (
        select(
            ATTEMPTS.c.plan_id,
            *(func.sum(column) for column in _USAGE),
        )
        .where(ATTEMPTS.c.plan_id.in_(plan_ids))
        .group_by(ATTEMPTS.c.plan_id)
    )


def tags(plan_ids: Collection[str]) -> Select[Any]:
    """Ask what requests were for."""
    return select(TAGS).where(TAGS.c.plan_id.in_(plan_ids)).order_by(*TAGS.primary_key)


def of_trace(scope: Scope, trace_id: str) -> Select[Any]:
    """Ask for the requests of a trace that have ended."""
    return (
        select(REQUESTS)
        .where(REQUESTS.c.trace_id == trace_id, _found_within(REQUESTS, scope))
        .order_by(REQUESTS.c.plan_id)
    )


def begun(scope: Scope, trace_id: str, made: Span) -> Select[Any]:
    """Ask for the plans of a trace that nobody has told the end of.

    Args:
        scope: Whose.
        trace_id: The trace.
        made: When they may have been made. Both ends are given.
    """
    return (
        select(PLANS)
        .where(
            PLANS.c.plan_id >= first_plan_id(made.start_ms or 0),
            PLANS.c.plan_id < first_plan_id(made.end_ms or 0),
            PLANS.c.trace_id == trace_id,
            _found_within(PLANS, scope),
            ~exists().where(REQUESTS.c.plan_id == PLANS.c.plan_id),
        )
        .order_by(PLANS.c.plan_id)
    )


def plans(plan_ids: Collection[str]) -> Select[Any]:
    """Ask for plans, each with what it left out."""
    return (
        select(PLANS, EXCLUSIONS.c.exclusions)
        .join_from(
            PLANS,
            EXCLUSIONS,
            and_(
                EXCLUSIONS.c.day == PLANS.c.exclusions_day,
                EXCLUSIONS.c.digest == PLANS.c.exclusions_digest,
            ),
            isouter=True,
        )
        .where(PLANS.c.plan_id.in_(plan_ids))
    )


def attempts(plan_ids: Collection[str]) -> Select[Any]:
    """Ask for attempts of requests, in order."""
    return (
        select(ATTEMPTS)
        .where(ATTEMPTS.c.plan_id.in_(plan_ids))
        .order_by(*ATTEMPTS.primary_key)
    )


def contents(plan_ids: Collection[str]) -> Select[Any]:
    """Ask for what was said."""
    return select(CONTENTS).where(CONTENTS.c.plan_id.in_(plan_ids))


def turns(scope: Scope, session_key: str, rows: int) -> Select[Any]:
    """Ask for the last requests of a session, newest first."""
    return (
        select(
            REQUESTS.c.trace_id,
            REQUESTS.c.plan_id,
            REQUESTS.c.start_ms,
            REQUESTS.c.deployment_id,
            REQUESTS.c.session_affinity,
        )
        .where(*_of_sessions([session_key]), _found_within(REQUESTS, scope))
        .order_by(REQUESTS.c.plan_id.desc())
        .limit(rows)
    )


def deletion(plan_ids: Collection[str]) -> list[Delete]:
    """Delete all that is known of requests. What was spent stays added up."""
    return [
        delete(table).where(table.c.plan_id.in_(plan_ids))
        for table in METADATA.sorted_tables
        if "plan_id" in table.c
    ]


def _conditions(wanted: Wanted) -> list[Condition]:
    return [
        condition
        for condition in (
            *_scoped(wanted),
            *_during(wanted.span),
            *_served(wanted),
            *_ended(wanted),
            *(
                exists().where(
                    TAGS.c.plan_id == REQUESTS.c.plan_id,
                    TAGS.c.name == name,
                    TAGS.c.value == value,
                )
                for name, value in wanted.tags.items()
            ),
        )
        if condition is not None
    ]


def _scoped(wanted: Wanted) -> list[Condition]:
    """Say whose requests are meant, and of which sessions."""
    scope = wanted.scope
    if wanted.session_keys:
        sessions = _of_sessions(wanted.session_keys)
        return [*sessions, _found_within(REQUESTS, scope)]
    if scope.projects:
        return [
            REQUESTS.c.organization_id.in_(scope.organizations),
            REQUESTS.c.project_id.in_(scope.projects),
        ]
    # Of an organization the newest few are wanted: they are met in the order of ids,
    # where the index of projects would be read for all of them, and sorted.
    return [_found_within(REQUESTS, scope)]


def _of_sessions(keys: Collection[str]) -> list[Condition]:
    # The second is what makes the index of sessions one that may be used.
    return [REQUESTS.c.session_key.in_(keys), REQUESTS.c.session_key != ""]


def _found_within(table: Any, scope: Scope) -> Condition:
    """Say whose rows are meant of those that something else finds.

    Written so that no index is of use for it: SQLite does not know that a trace or
    a session is the smaller part of what is there.
    """
    within: Condition = table.c.organization_id.concat("").in_(scope.organizations)
    if not scope.projects:
        return within
    return and_(within, table.c.project_id.concat("").in_(scope.projects))


def _during(span: Span) -> list[Condition]:
    """Say when requests were taken; by the plan's id too, which is in order."""
    conditions: list[Condition] = []
    if span.start_ms is not None:
        earliest = first_plan_id(span.start_ms - SKEW_MS)
        conditions += [
            REQUESTS.c.plan_id >= earliest,
            REQUESTS.c.start_ms >= span.start_ms,
        ]
    if span.end_ms is not None:
        latest = first_plan_id(span.end_ms + SKEW_MS)
        conditions += [
            REQUESTS.c.plan_id < latest,
            REQUESTS.c.start_ms < span.end_ms,
        ]
    return conditions


def _served(wanted: Wanted) -> list[Condition]:
    exact = {
        REQUESTS.c.api_key_id: wanted.api_key_id,
        REQUESTS.c.requested_model: wanted.requested_model,
        REQUESTS.c.deployment_id: wanted.deployment_id,
        REQUESTS.c.provider_id: wanted.provider_id,
        REQUESTS.c.error_reason: wanted.error_reason,
    }
    conditions = [column == value for column, value in exact.items() if value]
    if wanted.model:
        conditions.append(
            or_(
                REQUESTS.c.model_id == wanted.model,
                REQUESTS.c.requested_model == wanted.model,
            )
        )
    return conditions


def _ended(wanted: Wanted) -> list[Condition]:
    conditions: list[Condition] = []
    if wanted.answered is not None:
        is_answered = REQUESTS.c.error_reason == ""
        conditions.append(is_answered if wanted.answered else ~is_answered)
    if wanted.outcome:
        conditions.append(
            exists().where(
                ATTEMPTS.c.plan_id == REQUESTS.c.plan_id,
                ATTEMPTS.c.outcome == wanted.outcome,
            )
        )
    if wanted.fell_back:
        conditions.append(REQUESTS.c.fell_back == 1)
    return conditions
