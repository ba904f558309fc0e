"""GET /v2/analytics/usage: requests, tokens and money over time, by anything."""

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.types import Receive, Scope, Send

from holdfast.api.common.v1 import caller_pb2
from holdfast.api.ledger.v1 import ledger_service_pb2 as pb
from holdfast.ports import Ledger
from holdfast.pricing import usd
from holdfast_edge.auth import api_key_digest
from holdfast_edge.decoding import malformed
from holdfast_edge.headers import Head
from holdfast_edge.history.query import Query
from holdfast_edge.history.words import total_tokens
from holdfast_edge.reply import send_json

FIELDS = (
    "from_date",
    "to_date",
    "from",
    "to",
    "granularity",
    "fields",
    "group_by",
    "session",
    "session_id",
    "project",
    "organization",
)

GRANULARITIES: Mapping[str, pb.Granularity.ValueType] = {
    "all": pb.GRANULARITY_UNSPECIFIED,
    "minute": pb.GRANULARITY_MINUTE,
    "hour": pb.GRANULARITY_HOUR,
    "": pb.GRANULARITY_DAY,
    "day": pb.GRANULARITY_DAY,
    "month": pb.GRANULARITY_MONTH,
    "year": pb.GRANULARITY_YEAR,
}

FIGURES: Mapping[str, Callable[[pb.UsageRow], int | str]] = {
    "cost": lambda row: usd(row.cost_usd_nanos),
    "count": lambda row: row.request_count,
    "total_tokens": lambda row: total_tokens(row.usage),
    "input_tokens": lambda row: row.usage.input_tokens,
    "output_tokens": lambda row: row.usage.output_tokens,
    "cached_tokens": lambda row: row.usage.cache_read_input_tokens,
    "cache_creation_tokens": lambda row: row.usage.cache_creation_input_tokens,
    "reasoning_tokens": lambda row: row.usage.reasoning_output_tokens,
    "saving": lambda row: usd(row.cache_saving_usd_nanos),
    "failures": lambda row: row.failure_count,
    "fallbacks": lambda row: row.fallback_count,
    "attempts": lambda row: row.attempt_count,
    "failed_attempts": lambda row: row.failed_attempt_count,
}
"""What can be asked for, and where it is found. The first two are always told."""

_ALWAYS = ("cost", "count")

GROUPS = (
    "model",
    "requested_model",
    "deployment",
    "provider",
    "geography",
    "organization",
    "project",
    "key",
    "surface",
)
"""What can be told apart beside tags; each is also called by its `.name` or `.id`."""

_MOST_GROUPS = 8

_OWN_TAG = "tag."
"""Before a tag's name, where that is one of `GROUPS` too."""

_TAG_NAME = re.compile(r"[^\s,][^,]{0,63}")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Usage:
    """Figures, a row for each span of time and group.

    Attributes:
        now: Tells the time, in UTC.
    """

    ledger: Ledger
    now: Callable[[], dt.datetime] = _now
    surface: str = "usage"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with all rows."""
        digest = api_key_digest(Head.of(scope))
        query = Query(scope, FIELDS)
        figures = _figures(query.texts("fields"))
        groups = query.texts("group_by")
        start, end = _span(query, self.now())
        found = await self.ledger.query_usage(
            pb.QueryUsageRequest(
                principal=caller_pb2.Principal(api_key_digest=digest),
                organization_id=query.text("organization"),
                project_id=query.text("project"),
                session_id=query.text("session", "session_id"),
                start_time=start,
                end_time=end,
                granularity=query.one_of("granularity", GRANULARITIES),
                group_by=_asked(groups),
            )
        )
        await send_json(send, [_row(each, groups, figures) for each in found.rows])


def _figures(fields: Sequence[str]) -> Sequence[str]:
    for name in fields:
        if name not in FIGURES:
            raise malformed("fields", f"must be among: {', '.join(FIGURES)}")
    return tuple(dict.fromkeys((*_ALWAYS, *fields)))


def _asked(groups: Sequence[str]) -> list[str]:
    """Say what is to be told apart, in the ledger's words."""
    if len(groups) > _MOST_GROUPS:
        raise malformed("group_by", f"takes {_MOST_GROUPS} at most")
    for name in groups:
        if name in FIGURES or name == "time_bucket" or not _TAG_NAME.fullmatch(name):
            raise malformed(
                "group_by",
                f"takes {', '.join(GROUPS)} and names of tags; a tag of one of these "
                f"names is {_OWN_TAG}NAME",
            )
    asked = [_dimension(name) for name in groups]
    if len(set(asked)) != len(asked):
        raise malformed("group_by", "names something twice")
    return asked


def _dimension(name: str) -> str:
    own, dot, part = name.partition(".")
    if own in GROUPS and (not dot or part in {"name", "id"}):
        return own
    return f"tag:{name.removeprefix(_OWN_TAG)}"


def _span(query: Query, now: dt.datetime) -> tuple[Timestamp, Timestamp]:
    """Read the span of time that is asked about: by default the present month."""
    start, end = query.span()
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if start is None:
        start = Timestamp()
        start.FromDatetime(first)
        if end is not None and end.ToNanoseconds() <= start.ToNanoseconds():
            raise malformed("from_date", "is needed where `to_date` is in the past")
    if end is None:
        end = Timestamp()
        end.FromDatetime((first + dt.timedelta(days=32)).replace(day=1))
        if start.ToNanoseconds() >= end.ToNanoseconds():
            raise malformed("from_date", "is in the future")
    return start, end


def _row(
    row: pb.UsageRow, groups: Sequence[str], figures: Sequence[str]
) -> dict[str, Any]:
    return {
        "time_bucket": row.start_time.ToJsonString(),
        **{name: value or None for name, value in zip(groups, row.group, strict=True)},
        **{name: FIGURES[name](row) for name in figures},
    }
