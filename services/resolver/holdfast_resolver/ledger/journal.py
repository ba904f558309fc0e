"""Takes note on a request's path, and writes what was noted off it.

A database that is slow or away costs no request: notes wait in memory, up to a
bound, and are written once it is back. Beyond the bound new ones are lost, and
counted.
"""

import asyncio
import contextlib
import dataclasses
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import structlog

from holdfast.errors import GatewayError
from holdfast.model import Attempt, Caller, Deployment, Exclusion, Plan
from holdfast.ports import AttemptReport, ResolveModelRequest
from holdfast_resolver.ledger.entries import (
    add_attempt,
    add_plan,
    add_refusal,
    add_request,
)
from holdfast_resolver.ledger.layout import Rows
from holdfast_resolver.ledger.store import LedgerAwayError, RowsRefusedError, Store

_log = structlog.get_logger("holdfast.ledger")

MOST_WAITING = 100_000
"""Notes that wait at most, three a request: five minutes of a hundred requests a
second. They take 110 MB."""

MOST_CONTENT_WAITING = 64 << 20
"""Bytes of prompts and answers that wait at most; beyond, a trace has none."""

_BATCH = 2_000
"""Notes of one transaction: of 500, a request would cost half as much again."""

_SLICE = 50
"""Notes that are turned into rows before others have their turn: 0.2 ms."""

_PERIOD_S = 0.5
"""How long a note waits for others to be written with."""

_LONGEST_PAUSE_S = 10.0
"""Between two tries to reach a database that is away."""

_LAST_WRITE_S = 5.0
"""What writing may take at the end: a sixth of what a pod is given to stop."""

_Add = Callable[..., None]
_Note = tuple[_Add, tuple[Any, ...]]


@dataclass(slots=True)
class Counts:
    """What has become of notes.

    Attributes:
        written: Those that are in the database.
        lost: Those that never will be.
        failures: How often the database could not be written.
    """

    written: int = 0
    lost: int = 0
    failures: int = 0


class Journal:
    """A `Recorder` that keeps what it is told."""

    def __init__(
        self,
        store: Store,
        now_ms: Callable[[], int],
        *,
        period_s: float = _PERIOD_S,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """Prepare; `start` begins to write.

        Args:
            store: Where it is kept.
            now_ms: Tells the time in Unix milliseconds.
            period_s: How long a note waits for others to be written with.
            most_waiting: How many wait at most.
        """
        self._store = store
        self._now_ms = now_ms
        self._period_s = period_s
        self._most_waiting = most_waiting
        self._waiting: deque[_Note] = deque()
        self._content_bytes = 0
        self._complete_ms = now_ms()
        self._is_away = False
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.counts = Counts()

    @property
    def waiting(self) -> int:
        """How many notes are not written."""
        return len(self._waiting)

    @property
    def waiting_content_bytes(self) -> int:
        """How much of prompts and answers is not written."""
        return self._content_bytes

    @property
    def lag_s(self) -> float:
        """How old what the database lacks is at most. Zero if it lacks nothing."""
        if not self._waiting:
            return 0.0
        return max(0, self._now_ms() - self._complete_ms) / 1_000

    def planned(self, plan: Plan, exclusions: Sequence[Exclusion]) -> None:
        """Note a plan that was made to be carried out, and what it left out."""
        self._note(add_plan, plan, exclusions)

    def refused(
        self,
        plan_id: str,
        request: ResolveModelRequest,
        caller: Caller,
        revision: str,
        error: GatewayError,
    ) -> None:
        """Note a request of a known caller that got no plan."""
        self._note(add_refusal, plan_id, request, caller, revision, error)

    def attempted(
        self, report: AttemptReport, attempt: Attempt, deployment: Deployment | None
    ) -> None:
        """Note how an attempt ended."""
        self._note(add_attempt, report.caller, report.plan_id, attempt, deployment)

    def finished(
        self, report: AttemptReport, deployment: Deployment | None, content_days: int
    ) -> None:
        """Note how a request ended."""
        finished = report.finished
        if finished is None:
            return
        content = len(finished.request_content) + len(finished.response_content)
        if content and self._content_bytes + content > MOST_CONTENT_WAITING:
            finished = dataclasses.replace(
                finished,
                request_content=b"",
                response_content=b"",
                content_bytes_left_out=finished.content_bytes_left_out + content,
            )
            content = 0
        if self._note(add_request, report, finished, deployment, content_days):
            self._content_bytes += content

    def start(self) -> None:
        """Begin to write, on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._write_forever())

    async def close(self) -> None:
        """Write what waits while the database takes it, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(TimeoutError, LedgerAwayError):
            async with asyncio.timeout(_LAST_WRITE_S):
                await self.flush()
        if self._waiting:
            self.counts.lost += len(self._waiting)
            _log.error("ledger_notes_lost", notes=len(self._waiting))
        await self._store.close()

    async def flush(self) -> None:
        """Write all that has been noted by now.

        Raises:
            LedgerAwayError: The database cannot be written now.
        """
        now_ms, left = self._now_ms(), len(self._waiting)
        async with self._writing:
            left = min(left, len(self._waiting))
            while left > 0:
                batch = list(islice(self._waiting, min(left, _BATCH)))
                await self._write(batch)
                for _ in batch:
                    self._forget(self._waiting.popleft())
                left -= len(batch)
            self._complete_ms = max(now_ms, self._complete_ms)

    def _note(self, add: _Add, *told: Any) -> bool:
        """Take note, or count what cannot be; say which."""
        waiting = self._waiting
        if len(waiting) >= self._most_waiting:
            self.counts.lost += 1
            return False
        if not waiting:
            self._complete_ms = self._now_ms()
        waiting.append((add, told))
        if len(waiting) == _BATCH:
            self._wake.set()
        return True

    def _forget(self, note: _Note) -> None:
        add, told = note
        if add is add_request:
            finished = told[1]
            self._content_bytes -= len(finished.request_content)
            self._content_bytes -= len(finished.response_content)

    async def _write_forever(self) -> None:
        pause_s = self._period_s
        # So that who runs it hears at the start that the database is away.
        with contextlib.suppress(LedgerAwayError):
            await self._write([])
        while True:
            if self._is_away:
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - so that replicas do not come all at once
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._period_s):
                        await self._wake.wait()
            self._wake.clear()
            try:
                await self.flush()
            except LedgerAwayError:
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
            except Exception:  # noqa: BLE001 - what is noted later is to be written
                _log.exception("ledger_write_failed")
            else:
                pause_s = self._period_s

    async def _write(self, notes: list[_Note]) -> None:
        """Write notes; leave out one that no database will ever take."""
        rows = await self._rows(notes)
        try:
            await self._store.write(rows)
        except LedgerAwayError as error:
            self.counts.failures += 1
            if not self._is_away:
                self._is_away = True
                _log.warning("ledger_away", why=str(error), waiting=len(self._waiting))
            raise
        except RowsRefusedError as error:
            if len(notes) == 1:
                self.counts.lost += 1
                _log.error("ledger_rows_refused", why=str(error))
                return
            middle = len(notes) // 2
            await self._write(notes[:middle])
            await self._write(notes[middle:])
            return
        self.counts.written += len(notes)
        if self._is_away:
            self._is_away = False
            _log.warning("ledger_back", waiting=len(self._waiting) - len(notes))

    async def _rows(self, notes: list[_Note]) -> Rows:
        rows = Rows()
        for at, (add, told) in enumerate(notes, start=1):
            try:
                add(rows, *told)
            except Exception:  # noqa: BLE001 - the others are to be written
                self.counts.lost += 1
                _log.exception("ledger_note_unwritable")
            if at % _SLICE == 0:
                await asyncio.sleep(0)
        return rows
