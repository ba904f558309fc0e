"""GET /v2/traces: requests that have ended, newest first."""

from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from holdfast.api.common.v1 import caller_pb2
from holdfast.api.ledger.v1 import ledger_service_pb2 as pb
from holdfast.api.ledger.v1 import trace_pb2
from holdfast.api.routing.v1 import attempt_pb2
from holdfast.ports import Ledger
from holdfast_edge.auth import api_key_digest
from holdfast_edge.decoding import malformed
from holdfast_edge.headers import Head
from holdfast_edge.history.query import Query
from holdfast_edge.history.spans import summary
from holdfast_edge.history.words import OUTCOMES as WORDS
from holdfast_edge.reply import send_json

_ROWS = 50
_MOST_ROWS = 500
_ANY = 999_999_999
_MOST_SKIPPED = 10_000
"""Rows that are skipped are read all the same; a cursor skips none."""

FIELDS = (
    "name",
    "model",
    "deployment",
    "provider",
    "outcome",
    "status",
    "error",
    "session",
    "session_id",
    "tag",
    "key",
    "project",
    "organization",
    "from",
    "to",
    "from_date",
    "to_date",
    "fallback",
    "cursor",
    "limit",
    "offset",
)

STATES = {
    "": trace_pb2.TRACE_STATE_UNSPECIFIED,
    "ok": trace_pb2.TRACE_STATE_SUCCEEDED,
    "error": trace_pb2.TRACE_STATE_FAILED,
}

OUTCOMES = {
    "": attempt_pb2.ATTEMPT_OUTCOME_UNSPECIFIED,
    **{
        word: attempt_pb2.AttemptOutcome.ValueType(number)
        for number, word in WORDS.items()
        if number
    },
}


@dataclass(frozen=True, slots=True)
class Traces:
    """A page of requests."""

    ledger: Ledger
    surface: str = "traces"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with one page."""
        head = Head.of(scope)
        digest = api_key_digest(head)
        query = Query(scope, FIELDS)
        found = await self.ledger.list_traces(
            pb.ListTracesRequest(
                principal=caller_pb2.Principal(api_key_digest=digest),
                filter=_filter(query),
                page_size=min(_MOST_ROWS, query.number("limit", _ROWS, 1, _ANY)),
                page_token=_cursor(query),
                skip=query.number("offset", 0, 0, _MOST_SKIPPED),
            )
        )
        await send_json(
            send,
            {
                "meta": {
                    "total_count": found.total_size,
                    "next_cursor": found.next_page_token or None,
                },
                "data": [summary(each) for each in found.requests],
            },
        )


def _cursor(query: Query) -> str:
    cursor = query.text("cursor")
    if cursor and not (len(cursor) == 32 and cursor.isalnum() and cursor.isascii()):
        raise malformed("cursor", "must be the `next_cursor` of a page")
    return cursor


def _filter(query: Query) -> pb.TraceFilter:
    start, end = query.span()
    return pb.TraceFilter(
        organization_id=query.text("organization"),
        project_id=query.text("project"),
        api_key_id=query.text("key"),
        model=query.text("model"),
        requested_model=query.text("name"),
        deployment_id=query.text("deployment"),
        provider_id=query.text("provider"),
        outcome=query.one_of("outcome", OUTCOMES),
        state=query.one_of("status", STATES),
        error_reason=query.text("error").upper(),
        session_id=query.text("session", "session_id"),
        tags=dict(map(_tag, query.every("tag"))),
        start_time=start,
        end_time=end,
        fell_back=query.flag("fallback"),
    )


def _tag(text: str) -> tuple[str, str]:
    name, colon, value = (part.strip() for part in text.partition(":"))
    if not name or not colon:
        raise malformed("tag", "is written NAME:VALUE")
    return name, value
