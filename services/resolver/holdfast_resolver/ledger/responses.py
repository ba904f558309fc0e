"""Keeps responses that a later request goes on from, where a project keeps content."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from holdfast.errors import RequestMalformedError, ServiceUnavailableError
from holdfast.ports import Recalled
from holdfast_resolver.ledger import layout
from holdfast_resolver.ledger.layout import Rows
from holdfast_resolver.ledger.store import (
    LedgerAwayError,
    QueryTooLongError,
    RowsRefusedError,
    Store,
)
from holdfast_resolver.ledger.visibility import Members

if TYPE_CHECKING:
    from holdfast_resolver.ledger import response_questions

_Answer = TypeVar("_Answer")

_DAY_MS = 86_400_000

_PATIENCE_S = 5.0
"""A caller waits for it, and as a rule for a millisecond."""

_MOST_RECORD_BYTES = 4 << 20
"""What one response takes at most, of the 4 MiB that gRPC takes and with room for
its frame: a million tokens of text."""

_ROOM_BYTES = 4_096


class KeptResponses:
    """The `StoredResponses` of one replica: in the database all share."""

    def __init__(
        self, store: Store | None, members: Members, now_ms: Callable[[], int]
    ) -> None:
        """Keep them in a database.

        Args:
            store: Which. None: nothing is kept.
            members: Says who asks.
            now_ms: Tells the time in Unix milliseconds.
        """
        self._store = store
        self._members = members
        self._now_ms = now_ms

    async def recall(self, principal: bytes, response_id: str) -> Recalled:
        """Return a conversation's records; see `StoredResponses.recall`."""
        member = self._members(principal)
        if self._store is None or member.content_days == 0:
            return Recalled(keeps=False)
        if not response_id:
            return Recalled(keeps=True)
        asked = await self._questions()
        rows = await _guarded(
            self._store.read(
                asked.chain(member.caller, response_id, self._now_ms()), _PATIENCE_S
            )
        )
        return Recalled(keeps=True, chain=[bytes(record) for (record,) in rows])

    async def keep(
        self, principal: bytes, response_id: str, previous_id: str, record: bytes
    ) -> None:
        """Keep a record; see `StoredResponses.keep`."""
        member = self._members(principal)
        if self._store is None or member.content_days == 0:
            return
        if len(record) > _MOST_RECORD_BYTES - _ROOM_BYTES:
            raise RequestMalformedError(
                "The response is too large to be kept.", field="store"
            )
        now_ms = self._now_ms()
        rows = Rows()
        rows.add(
            layout.RESPONSES,
            (
                response_id,
                member.caller.organization_id,
                member.caller.project_id,
                previous_id,
                now_ms,
                now_ms + member.content_days * _DAY_MS,
                record,
            ),
        )
        await _guarded(self._store.write(rows))

    async def forget(self, principal: bytes, response_id: str) -> bool:
        """Delete a record; see `StoredResponses.forget`."""
        member = self._members(principal)
        if self._store is None:
            return False
        asked = await self._questions()
        deletion = asked.deletion(member.caller, response_id)
        return await _guarded(self._store.delete([deletion])) > 0

    async def _questions(self) -> "type[response_questions.Questions]":
        """Load what asks in SQL, in a thread, the first time."""
        module = await asyncio.to_thread(
            importlib.import_module, "holdfast_resolver.ledger.response_questions"
        )
        questions: type[response_questions.Questions] = module.Questions
        return questions


async def _guarded(work: Awaitable[_Answer]) -> _Answer:
    """Say what is wrong with the database as callers are told it.

    Raises:
        ServiceUnavailableError: It is away, or takes too long.
    """
    try:
        return await work
    except (LedgerAwayError, QueryTooLongError, RowsRefusedError) as error:
        raise ServiceUnavailableError(
            "What responses are kept in cannot be reached now; ask again, or send the "
            "items themselves.",
            service="ledger",
        ) from error
