"""Asks the ledger, of what is not written yet too: imported by who asks alone."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Select

from holdfast.api.ledger.v1 import trace_pb2 as pb
from holdfast.errors import (
    DeadlineExceededError,
    RequestMalformedError,
    ServiceUnavailableError,
)
from holdfast_resolver.ledger import history, layout, questions, usage_questions
from holdfast_resolver.ledger.journal import Journal
from holdfast_resolver.ledger.scope import Scope, Span, Wanted
from holdfast_resolver.ledger.store import (
    LedgerAwayError,
    QueryTooLongError,
    RowsRefusedError,
    Store,
)
from holdfast_resolver.ledger.usage import MOST_ROWS, OF_REQUESTS, Sums, Usage

_COUNTED = 10_000
"""How far the requests of all pages are counted."""

_COUNT_S = 1.0
"""How long that may take: the page itself is worth more."""

_PATIENCE_S = 10.0
"""How long a question may take: a person waits no longer, and what goes through a
hundred million rows is to be asked otherwise."""

_TOLD_S = 0.05
"""How long after its end a request may be told of: an executor keeps reports for
20 ms, to send several together."""

_LONGEST_REQUEST_S = 86_400
"""A request that was planned before then does not run any more."""

_LATELY_MS = 900_000
"""Where a caller made up the trace's id, a request that runs is looked for among those
of the last so many milliseconds."""

_SECONDS_DIGITS = 8
"""Of a trace id that we made up, in hex: it begins with the time."""

_TURNS = 50
"""Of a session that are shown."""


class Reader:
    """Reads one replica's ledger."""

    def __init__(
        self, journal: Journal, store: Store, now_ms: Callable[[], int]
    ) -> None:
        """Read a database.

        Args:
            journal: What this replica has not written yet.
            store: The database.
            now_ms: Tells the time in Unix milliseconds.
        """
        self._journal = journal
        self._store = store
        self._now_ms = now_ms

    async def catch_up(self) -> None:
        """Let what has ended by now be told, and write it.

        Raises:
            ServiceUnavailableError: The database is away, or slow.
        """
        await asyncio.sleep(_TOLD_S)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._journal.flush()
        except (LedgerAwayError, TimeoutError) as error:
            raise _away() from error

    async def page(
        self, wanted: Wanted, before: str, rows: int, skip: int
    ) -> list[pb.TracedRequest]:
        """Return requests, newest first, with what they used."""
        found = history.requests(
            await self._read(questions.page(wanted, before, rows, skip))
        )
        await self._add_spent(found)
        return found

    async def count(self, wanted: Wanted, least: int) -> int:
        """Count what is wanted on all pages, or say what is known of it by now."""
        try:
            rows = await self._store.read(questions.count(wanted, _COUNTED), _COUNT_S)
        except (LedgerAwayError, QueryTooLongError):
            return least
        return int(rows[0][0])

    async def of_trace(self, scope: Scope, trace_id: str) -> list[pb.TracedRequest]:
        """Return the requests of a trace, oldest first, without details."""
        made = _made(trace_id, self._now_ms())
        found = history.requests(await self._read(questions.of_trace(scope, trace_id)))
        begun = await self._read(questions.begun(scope, trace_id, made))
        found += map(history.running, history.named(layout.PLANS, begun))
        return sorted(found, key=lambda each: each.plan_id)

    async def add_details(
        self, scope: Scope, found: Collection[pb.TracedRequest]
    ) -> None:
        """Add to requests all else that is known of them."""
        await self._add_spent(found)
        by_id = {each.plan_id: each for each in found}
        rows = await self._read(questions.plans([*by_id]))
        for row, plan in zip(rows, history.named(layout.PLANS, rows), strict=True):
            history.add_plan(by_id[plan["plan_id"]], plan, row[-1])
        rows = await self._read(questions.attempts([*by_id]))
        for attempt in history.named(layout.ATTEMPTS, rows):
            history.add_attempt(by_id[attempt["plan_id"]], attempt)
        rows = await self._read(questions.contents([*by_id]))
        for content in history.named(layout.CONTENTS, rows):
            history.add_content(by_id[content["plan_id"]], content)
        for each in found:
            if each.session_key:
                turns = questions.turns(scope, each.session_key, _TURNS)
                newest_first = await self._read(turns)
                each.session_history.extend(map(history.turn, reversed(newest_first)))

    async def delete(self, found: Collection[pb.TracedRequest]) -> None:
        """Delete all that is known of requests.

        Raises:
            ServiceUnavailableError: The database is away.
        """
        try:
            await self._store.delete(
                questions.deletion([each.plan_id for each in found])
            )
        except LedgerAwayError as error:
            raise _away() from error

    async def used(self, usage: Usage) -> Sums:
        """Add up what was used.

        Raises:
            RequestMalformedError: There would be too many rows.
        """
        sums = Sums()
        asked: list[tuple[Select[Any], int]] = []
        if usage.hours.start_ms != usage.hours.end_ms:
            asked.append((usage_questions.of_hours(usage), 0))
        for span in usage.edges:
            asked.append((usage_questions.of_requests(usage, span), 0))
            asked.append((usage_questions.of_attempts(usage, span), OF_REQUESTS))
        for question, first in asked:
            rows = await self._read(question)
            if len(rows) > MOST_ROWS:
                raise RequestMalformedError(
                    f"That would be more than {MOST_ROWS} rows. Ask for a shorter "
                    "time, longer spans or fewer groups.",
                    field="granularity",
                )
            sums.add(rows, usage, first)
        return sums

    async def _add_spent(self, found: Collection[pb.TracedRequest]) -> None:
        if not found:
            return
        by_id = {each.plan_id: each for each in found}
        for row in await self._read(questions.spent([*by_id])):
            history.add_spent(by_id[row[0]], row)
        for plan_id, name, value in await self._read(questions.tags([*by_id])):
            by_id[plan_id].tags[name] = value

    async def _read(self, question: Select[Any]) -> Sequence[tuple[Any, ...]]:
        try:
            return await self._store.read(question, _PATIENCE_S)
        except LedgerAwayError as error:
            raise _away() from error
        except RowsRefusedError as error:
            raise RequestMalformedError(
                "A value that was asked for is none that the ledger can hold.",
                field="filter",
            ) from error
        except QueryTooLongError as error:
            raise DeadlineExceededError(
                f"The ledger did not answer within {_PATIENCE_S:g} s. "
                "Ask about a shorter time, or for less at once."
            ) from error


def _made(trace_id: str, now_ms: int) -> Span:
    """Say when a plan of a trace may have been made that runs still."""
    begun_s = int(trace_id[:_SECONDS_DIGITS], 16)
    if 0 <= now_ms // 1_000 - begun_s <= _LONGEST_REQUEST_S:
        at_ms = begun_s * 1_000
        return Span(at_ms - questions.SKEW_MS, at_ms + questions.SKEW_MS)
    return Span(now_ms - _LATELY_MS, now_ms + questions.SKEW_MS)


def _away() -> ServiceUnavailableError:
    return ServiceUnavailableError(
        "The ledger's database is away. Calls are served all the same, and what "
        "becomes of them is written down once it is back.",
        service="ledger",
    )
