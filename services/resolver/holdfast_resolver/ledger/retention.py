"""Deletes prompts and answers once their project keeps them no longer.

When something expires is written down with it. A project that comes to keep less has
what it kept before deleted too; one that comes to keep more gets nothing back.
"""

import asyncio
import importlib
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import structlog

from holdfast_resolver.ledger.layout import CONTENTS, RESPONSES
from holdfast_resolver.ledger.store import LedgerAwayError, QueryTooLongError, Store

if TYPE_CHECKING:
    from sqlalchemy import Delete

_log = structlog.get_logger("holdfast.ledger")

_PERIOD_S = 3_600.0
"""What is to be kept for days may be kept for an hour longer."""

_FIRST_S = 60.0
"""After a start, which is busy enough."""

_ROWS = 1_000
"""Deleted at a time: up to 128 MB of prompts and answers."""

_DAY_MS = 86_400_000

ContentDays = Callable[[], Mapping[tuple[str, str], int]]
"""Says for how many days each project keeps what was said, by organization and id."""


class Retention:
    """Looks once an hour what is to be deleted; of several replicas one does it."""

    def __init__(
        self,
        store: Store,
        content_days: ContentDays,
        now_ms: Callable[[], int],
        *,
        period_s: float = _PERIOD_S,
        first_s: float = _FIRST_S,
    ) -> None:
        """Prepare; `start` begins to look.

        Args:
            store: Where to delete.
            content_days: Says for how long each project keeps what was said.
            now_ms: Tells the time in Unix milliseconds.
            period_s: How often is looked.
            first_s: How long after the start for the first time.
        """
        self._store = store
        self._content_days = content_days
        self._now_ms = now_ms
        self._period_s = period_s
        self._first_s = first_s
        self._task: asyncio.Task[None] | None = None
        self.deleted = 0

    def start(self) -> None:
        """Begin to look, on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._look_forever())

    async def close(self) -> None:
        """End; what is to be deleted still is when somebody looks again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> int:
        """Delete what has expired, unless another replica does; say how many rows.

        Raises:
            LedgerAwayError: The database is away.
        """
        kept = [await self._store.has_rows(each) for each in (CONTENTS, RESPONSES)]
        if not any(kept):
            return 0
        module = await asyncio.to_thread(
            importlib.import_module, "holdfast_resolver.ledger.expiry"
        )
        deleted = 0
        async with self._store.alone() as is_alone:
            if not is_alone:
                return 0
            now_ms = self._now_ms()
            days = {
                project: now_ms - kept * _DAY_MS
                for project, kept in self._content_days().items()
            }
            deletions: list[Delete] = module.deletions(now_ms, days, _ROWS)
            for deletion in deletions:
                while count := await self._store.delete([deletion]):
                    deleted += count
        self.deleted += deleted
        return deleted

    async def _look_forever(self) -> None:
        await asyncio.sleep(self._first_s)
        while True:
            try:
                if deleted := await self.look():
                    _log.info("ledger_content_deleted", requests=deleted)
            except (LedgerAwayError, QueryTooLongError) as error:
                _log.warning("ledger_retention_failed", why=str(error))
            except Exception:  # noqa: BLE001 - the next time is to come
                _log.exception("ledger_retention_failed")
            await asyncio.sleep(self._period_s * random.uniform(0.9, 1.1))  # noqa: S311 - so that replicas do not come all at once
