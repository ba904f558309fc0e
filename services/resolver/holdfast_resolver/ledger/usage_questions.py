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

from holdfast_resolver.ledger.questions import SKEW_MS, places_tried
from holdfast_resolver.ledger.scope import Scope
from holdfast_resolver.ledger.tables import ATTEMPTS, REQUESTS, TAGS
from holdfast_resolver.ledger.usage import (
    DIMENSIONS,
    FIGURES,
    MOST_ROWS,
    OF_REQUESTS,
    TAG,
    Usage,
)
from holdfast_resolver.plan_ids import first_plan_id

_LONGEST_REQUEST_MS = 86_400_000
"""Between a plan and the last attempt of it: a deadline is a day at most."""

_BEGINS = "begins"

_ASIDE = ("requested_model", "surface")
"""What is written with a request and not with its attempts."""


def of_requests(usage: Usage) -> Select[Any]:
    """Count requests, those without an answer, and those that fell back."""
    has_no_answer = REQUESTS.c.error_reason != ""
    fell_back = and_(REQUESTS.c.attempt_count > 1, places_tried() > 1)
    return _grouped(
        REQUESTS,
        usage,
        (
            func.count(),
            _sum(case((has_no_answer, 1), else_=0)),
            _sum(case((fell_back, 1), else_=0)),
        ),
        _LONGEST_REQUEST_MS if usage.session_keys else SKEW_MS,
    )


def of_attempts(usage: Usage) -> Select[Any]:
    """Count attempts, and add up their tokens and what they cost."""
    failed = ATTEMPTS.c.outcome != "succeeded"
    return _grouped(
        ATTEMPTS,
        usage,
        (
            func.count(),
            _sum(case((failed, 1), else_=0)),
            *(_sum(ATTEMPTS.c[name]) for name in FIGURES[OF_REQUESTS + 2 :]),
        ),
        _LONGEST_REQUEST_MS,
    )


def _grouped(
    table: Any, usage: Usage, figures: tuple[ColumnElement[Any], ...], before_ms: int
) -> Select[Any]:
    """Add figures up by spans of time and groups.

    Args:
        table: Of requests, or of attempts.
        usage: What was asked.
        figures: What is added up.
        before_ms: How long before a row begins its plan may have been made.
    """
    width = usage.granularity.width_ms
    begins = table.c.start_ms
    if width:
        begins = begins - begins % literal_column(str(width), BigInteger)
    else:
        begins = literal_column("0", BigInteger)
    source, keys = _source(table, usage)
    span = usage.span
    start_ms, end_ms = span.start_ms or 0, span.end_ms or 0
    query = (
        select(begins.label(_BEGINS), *keys, *figures)
        .select_from(source)
        .where(
            _within(table, usage.scope),
            table.c.plan_id >= first_plan_id(start_ms - before_ms - SKEW_MS),
            table.c.plan_id < first_plan_id(end_ms + SKEW_MS),
            table.c.start_ms >= start_ms,
            table.c.start_ms < end_ms,
        )
        .limit(MOST_ROWS + 1)
    )
    if usage.session_keys:
        query = query.where(REQUESTS.c.session_key.in_(usage.session_keys))
    # By name: written out again, the same values would be other parameters.
    grouping = [_BEGINS] if width else []
    grouping += [key.name for key in keys]
    return query.group_by(*grouping) if grouping else query


def _source(table: Any, usage: Usage) -> tuple[FromClause, tuple[Label[Any], ...]]:
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
            # One that nobody served counts for the name that was asked for.
            served = REQUESTS.c.model_id
            asked = REQUESTS.c.requested_model
            keys.append(case((served != "", served), else_=asked).label(label))
        else:
            keys.append(table.c[DIMENSIONS[name]].label(label))
    return source, tuple(keys)


def _within(table: Any, scope: Scope) -> ColumnElement[bool]:
    whole: ColumnElement[bool] = table.c.organization_id.in_(scope.organizations)
    if not scope.projects:
        return whole
    return and_(whole, table.c.project_id.in_(scope.projects))


def _sum(figure: ColumnElement[Any]) -> ColumnElement[Any]:
    # PostgreSQL's own sum of whole numbers is none.
    return cast(func.coalesce(func.sum(figure), 0), BigInteger)
