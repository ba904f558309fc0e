"""What is asked of the ledger about many requests at once, in SQL."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Label,
    Select,
    and_,
    case,
    cast,
    func,
    literal_column,
    select,
)

from holdfast_resolver.ledger.additions import HOUR_MS, NAMELESS
from holdfast_resolver.ledger.layout import ATTEMPT_FIGURES, FIGURES
from holdfast_resolver.ledger.questions import SKEW_MS
from holdfast_resolver.ledger.scope import Scope, Span
from holdfast_resolver.ledger.tables import ATTEMPTS, REQUESTS, TAGS, USAGE
from holdfast_resolver.ledger.usage import DIMENSIONS, MOST_ROWS, TAG, Usage
from holdfast_resolver.plan_ids import first_plan_id

_LONGEST_REQUEST_MS = 86_400_000
"""Between a plan and the last attempt of it: a deadline is a day at most."""

_BEGINS = "begins"

_ASIDE = ("requested_model", "surface")
"""What is written with a request and not with its attempts."""


def of_hours(usage: Usage) -> Select[Any]:
    """Add up the sums of hours."""
    span = usage.hours
    keys = [
        USAGE.c[DIMENSIONS[name]].label(f"group_{at}")
        for at, name in enumerate(usage.group_by)
    ]
    hour = USAGE.c.hour
    query = select(
        _begins(hour * _number(HOUR_MS), usage),
        *keys,
        *(_sum(USAGE.c[name]) for name in FIGURES),
    ).where(
        _within(USAGE, usage.scope),
        hour >= (span.start_ms or 0) // HOUR_MS,
        hour < (span.end_ms or 0) // HOUR_MS,
    )
    return _grouped(query, usage, keys)


def of_requests(usage: Usage, span: Span) -> Select[Any]:
    """Count requests, those without an answer, and those that fell back."""
    has_no_answer = REQUESTS.c.error_reason != ""
    figures = (
        func.count(),
        _sum(case((has_no_answer, 1), else_=0)),
        _sum(REQUESTS.c.fell_back),
    )
    return _of_rows(REQUESTS, usage, span, figures, SKEW_MS)


def of_attempts(usage: Usage, span: Span) -> Select[Any]:
    """Count attempts, and add up their tokens and what they cost."""
    failed = ATTEMPTS.c.outcome != "succeeded"
    figures = (
        func.count(),
        _sum(case((failed, 1), else_=0)),
        *(_sum(ATTEMPTS.c[name]) for name in ATTEMPT_FIGURES[2:]),
    )
    return _of_rows(ATTEMPTS, usage, span, figures, _LONGEST_REQUEST_MS + SKEW_MS)


def _of_rows(
    table: Any,
    usage: Usage,
    span: Span,
    figures: tuple[ColumnElement[Any], ...],
    before_ms: int,
) -> Select[Any]:
    """Add figures up.

    Args:
        table: Of requests, or of attempts.
        usage: What was asked.
        span: Of which part of the time.
        figures: What is added up.
        before_ms: How long before a row begins its plan may have been made.
    """
    source, keys = _source(table, usage)
    start_ms, end_ms = span.start_ms or 0, span.end_ms or 0
    query = (
        select(_begins(table.c.start_ms, usage), *keys, *figures)
        .select_from(source)
        .where(
            _within(table, usage.scope),
            table.c.plan_id >= first_plan_id(start_ms - before_ms),
            table.c.plan_id < first_plan_id(end_ms + SKEW_MS),
            table.c.start_ms >= start_ms,
            table.c.start_ms < end_ms,
        )
    )
    if usage.session_keys:
        query = query.where(
            REQUESTS.c.session_key.in_(usage.session_keys),
            REQUESTS.c.session_key != "",
        )
    return _grouped(query, usage, keys)


def _begins(moment: ColumnElement[Any], usage: Usage) -> Label[Any]:
    """Say when the span of time begins that a moment is in."""
    width = usage.granularity.width_ms
    begins = moment - moment % _number(width) if width else _number(0)
    return begins.label(_BEGINS)


def _grouped(query: Select[Any], usage: Usage, keys: list[Label[Any]]) -> Select[Any]:
    # By name: written out again, the same values would be other parameters.
    grouping = [_BEGINS] if usage.granularity.width_ms else []
    grouping += [key.name for key in keys]
    query = query.limit(MOST_ROWS + 1)
    return query.group_by(*grouping) if grouping else query


def _source(table: Any, usage: Usage) -> tuple[FromClause, list[Label[Any]]]:
    """Join what says what is told apart, and say where it says it."""
    source: FromClause = table
    needs_request = bool(usage.session_keys) or any(
        name in _ASIDE for name in usage.group_by
    )
    if table is ATTEMPTS and needs_request:
        same = REQUESTS.c.plan_id == table.c.plan_id
        source = source.join(REQUESTS, same, isouter=True)
    keys: list[Label[Any]] = []
    for at, name in enumerate(usage.group_by):
        label = f"group_{at}"
        if name.startswith(TAG):
            tags = TAGS.alias(f"tag_{at}")
            tag = name.removeprefix(TAG)
            same = and_(tags.c.plan_id == table.c.plan_id, tags.c.name == tag)
            source = source.join(tags, same, isouter=True)
            keys.append(func.coalesce(tags.c.value, "").label(label))
        elif name in _ASIDE:
            keys.append(func.coalesce(REQUESTS.c[name], "").label(label))
        elif name == "model" and table is REQUESTS:
            keys.append(_model().label(label))
        else:
            keys.append(table.c[DIMENSIONS[name]].label(label))
    return source, keys


def _model() -> ColumnElement[str]:
    """Name the model that a request counts for: see `additions`."""
    served, asked = REQUESTS.c.model_id, REQUESTS.c.requested_model
    return case(
        (served != "", served),
        (REQUESTS.c.error_reason.in_(NAMELESS), ""),
        else_=asked,
    )


def _within(table: Any, scope: Scope) -> ColumnElement[bool]:
    whole: ColumnElement[bool] = table.c.organization_id.in_(scope.organizations)
    if not scope.projects:
        return whole
    return and_(whole, table.c.project_id.in_(scope.projects))


def _number(value: int) -> ColumnElement[int]:
    return literal_column(str(value), BigInteger)


def _sum(figure: ColumnElement[Any]) -> ColumnElement[Any]:
    # PostgreSQL's own sum of whole numbers is none.
    return cast(func.coalesce(func.sum(figure), 0), BigInteger)
