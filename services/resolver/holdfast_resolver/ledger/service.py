"""The ledger itself: a `Ledger` for whoever lives in the same process."""

import asyncio
import importlib
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from holdfast.api.ledger.v1 import ledger_service_pb2 as pb
from holdfast.api.ledger.v1 import trace_pb2
from holdfast.api.routing.v1 import attempt_pb2
from holdfast.errors import RequestMalformedError, ResourceNotFoundError
from holdfast_resolver.ledger.journal import Journal
from holdfast_resolver.ledger.layout import FIGURES
from holdfast_resolver.ledger.scope import Span
from holdfast_resolver.ledger.store import Store
from holdfast_resolver.ledger.usage import (
    DIMENSIONS,
    TAG,
    Granularity,
    Group,
    Usage,
)
from holdfast_resolver.ledger.visibility import Visibility

if TYPE_CHECKING:
    from holdfast_resolver.ledger.reader import Reader

_PAGE = 50
_LARGEST_PAGE = 500

_MOST_GROUPS = 8

_LONGEST_TOLD_S = 1.0
"""How long after its end a request may be told of that another replica was told of,
which writes twice a second."""

_ID = re.compile(r"[0-9a-f]{32}")
"""A trace's, or a plan's."""

_GRANULARITIES: Mapping[int, Granularity] = {
    pb.GRANULARITY_UNSPECIFIED: Granularity.WHOLE,
    pb.GRANULARITY_MINUTE: Granularity.MINUTE,
    pb.GRANULARITY_HOUR: Granularity.HOUR,
    pb.GRANULARITY_DAY: Granularity.DAY,
    pb.GRANULARITY_MONTH: Granularity.MONTH,
    pb.GRANULARITY_YEAR: Granularity.YEAR,
}


class LedgerService:
    """Answers for all replicas from the database, and for this one without delay.

    Every method raises ApiKeyUnknownError (the principal is none),
    ResourceNotFoundError (nothing of that name that it may see),
    ServiceUnavailableError (the database is away) or DeadlineExceededError (it took
    too long).
    """

    def __init__(
        self,
        journal: Journal,
        store: Store,
        visibility: Visibility,
        now_ms: Callable[[], int],
    ) -> None:
        """Put the parts together.

        Args:
            journal: What this replica has not written yet.
            store: The database.
            visibility: Says who may see what.
            now_ms: Tells the time in Unix milliseconds.
        """
        self._journal = journal
        self._store = store
        self._visibility = visibility
        self._now_ms = now_ms

    async def list_traces(
        self, request: pb.ListTracesRequest, *, deadline: float | None = None
    ) -> pb.ListTracesResponse:
        """List requests that have ended, newest first.

        Raises:
            RequestMalformedError: The page is none, or the state.
        """
        wanted = self._visibility.wanted(request)
        if request.page_size < 0 or request.skip < 0:
            raise RequestMalformedError(
                "A page's size may not be negative.", field="page_size"
            )
        if request.page_token and not _ID.fullmatch(request.page_token):
            raise RequestMalformedError(
                "`page_token` is none that was given.", field="page_token"
            )
        size = min(request.page_size or _PAGE, _LARGEST_PAGE)
        reader = await self._reader()
        await reader.catch_up()
        found = await reader.page(wanted, request.page_token, size + 1, request.skip)
        return pb.ListTracesResponse(
            requests=found[:size],
            next_page_token=found[size - 1].plan_id if len(found) > size else "",
            total_size=await reader.count(wanted, request.skip + len(found)),
        )

    async def get_trace(
        self, request: pb.GetTraceRequest, *, deadline: float | None = None
    ) -> pb.GetTraceResponse:
        """Return all that is known of a trace; wait a moment if it just ended."""
        scope = self._visibility.scope(request.principal)
        if not _ID.fullmatch(request.trace_id):
            raise _no_trace(request.trace_id)
        reader = await self._reader()
        loop = asyncio.get_running_loop()
        ends = loop.time() + _LONGEST_TOLD_S
        while True:
            await reader.catch_up()
            found = await reader.of_trace(scope, request.trace_id)
            running = [e for e in found if e.state == trace_pb2.TRACE_STATE_RUNNING]
            if (found and not running) or loop.time() >= ends:
                break
        if not found:
            raise _no_trace(request.trace_id)
        await reader.add_details(scope, found)
        return pb.GetTraceResponse(requests=found)

    async def query_usage(
        self, request: pb.QueryUsageRequest, *, deadline: float | None = None
    ) -> pb.QueryUsageResponse:
        """Add up requests, tokens and money.

        Raises:
            RequestMalformedError: A group is none, or there would be too many rows.
        """
        scope = self._visibility.scope(
            request.principal, request.organization_id, request.project_id
        )
        usage = Usage(
            scope,
            Span(
                request.start_time.ToMilliseconds(), request.end_time.ToMilliseconds()
            ),
            _GRANULARITIES[request.granularity],
            _groups(request),
            self._visibility.session_keys(scope, request.session_id),
        )
        reader = await self._reader()
        await reader.catch_up()
        sums = await reader.used(usage)
        return pb.QueryUsageResponse(
            rows=[_usage_row(group, sums.rows[group]) for group in sorted(sums.rows)]
        )

    async def delete_trace(
        self, request: pb.DeleteTraceRequest, *, deadline: float | None = None
    ) -> pb.DeleteTraceResponse:
        """Delete what is known of the requests of one trace, so that it is gone.

        Raises:
            AdminKeyRequiredError: The key does not administer.
        """
        self._visibility.require_admin(request.principal)
        scope = self._visibility.scope(request.principal)
        if not _ID.fullmatch(request.trace_id):
            raise _no_trace(request.trace_id)
        reader = await self._reader()
        await reader.catch_up()
        found = await reader.of_trace(scope, request.trace_id)
        if not found:
            raise _no_trace(request.trace_id)
        await reader.delete(found)
        return pb.DeleteTraceResponse(deleted_count=len(found))

    async def _reader(self) -> "Reader":
        """Make a reader. What that needs is loaded in a thread, the first time."""
        module = await asyncio.to_thread(
            importlib.import_module, "holdfast_resolver.ledger.reader"
        )
        reader: Reader = module.Reader(self._journal, self._store, self._now_ms)
        return reader


def _groups(request: pb.QueryUsageRequest) -> tuple[str, ...]:
    groups = tuple(dict.fromkeys(request.group_by))
    for name in groups:
        is_tag = name.startswith(TAG) and name != TAG
        if name not in DIMENSIONS and not is_tag:
            raise RequestMalformedError(
                f"Usage cannot be told apart by {name!r}. It can by: "
                f"{', '.join(DIMENSIONS)} and {TAG}NAME.",
                field="group_by",
            )
    if len(groups) > _MOST_GROUPS:
        raise RequestMalformedError(
            f"`group_by` takes {_MOST_GROUPS} at most.", field="group_by"
        )
    return groups


def _usage_row(group: Group, figures: list[int]) -> pb.UsageRow:
    told = dict(zip(FIGURES, figures, strict=True))
    begins_ms, names = group
    row = pb.UsageRow(
        group=names,
        request_count=told["request_count"],
        failure_count=told["failure_count"],
        fallback_count=told["fallback_count"],
        attempt_count=told["attempt_count"],
        failed_attempt_count=told["failed_attempt_count"],
        usage=attempt_pb2.Usage(
            **{name: told[name] for name in FIGURES if name.endswith("_tokens")}
        ),
        cost_usd_nanos=told["cost_usd_nanos"],
        cache_saving_usd_nanos=told["cache_saving_usd_nanos"],
    )
    row.start_time.FromMilliseconds(begins_ms)
    return row


def _no_trace(trace_id: str) -> ResourceNotFoundError:
    return ResourceNotFoundError(
        f"There is no trace {trace_id[:64]!r} that this key may see. It may have been "
        "deleted, or nobody has told of its request yet.",
        kind="trace",
        name=trace_id[:64],
    )
