"""Tells the resolver how attempts ended, off the request's path."""

import asyncio
import contextlib
import dataclasses
from collections import deque

import structlog

from holdfast.errors import DeadlineExceededError, ServiceUnavailableError
from holdfast.health import Rests
from holdfast.model import Attempt, Finished, Outcome
from holdfast.ports import (
    Answering,
    AttemptReport,
    ReportAttemptsRequest,
    Resolver,
)
from holdfast_executor.attempts import Order, Record
from holdfast_executor.lessons import Resting
from holdfast_executor.vantage import Vantage

_log = structlog.get_logger("holdfast.executor")

_MOST_WAITING = 10_000
"""Reports kept while no resolver is there: some seconds of heavy load. A report
that is dropped delays learning, and what it cost is in no budget and in no trace."""

_BATCH = 200
"""Reports of one call; about 40 KiB."""

_BATCH_CONTENT = 1 << 20
"""Bytes of prompts and answers after which a call takes no further report, where
projects keep them: gRPC takes 4 MiB by default."""

_MOST_CONTENT_WAITING = 32 << 20
"""Bytes of prompts and answers that wait at most; beyond, a trace has none."""

_LINGER_S = 0.02
"""How long a report that changes nothing waits for others to go with: a call of
its own for each would cost a tenth of a request. What another request should
know of at once does not wait."""

_NEWS_S = 0.2
"""How old what is known of health gets before it is asked for: with what etcd
takes, an executor knows of a failure elsewhere within 0.3 s."""

_TIMEOUT_S = 5.0
_PAUSE_S = 0.5
"""Before a resolver that was not there is told again."""


class Reporter:
    """Queues reports and sends them in the order they came."""

    def __init__(
        self,
        resolver: Resolver,
        resting: Resting,
        *,
        news_s: float = _NEWS_S,
        vantage: Vantage | None = None,
    ) -> None:
        """Report to a resolver.

        Args:
            resolver: Whom to tell.
            resting: Hears who is left aside, which is what a resolver answers.
            news_s: After how long without a report it is asked, in seconds.
            vantage: From where providers are called. None: it is found out.
        """
        self._vantage = vantage or Vantage()
        self._resolver = resolver
        self._resting = resting
        self._news_s = news_s
        self._is_heard = False
        self._content_bytes = 0
        self._waiting: deque[AttemptReport] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send, on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._send_forever())

    async def close(self) -> None:
        """Send what waits while somebody is there to take it, and end."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while self._waiting and await self._send():
            pass

    def tell(self, order: Order, attempt: Attempt) -> None:
        """Queue how an attempt ended."""
        plan = order.plan
        self._vantage.learn(attempt)
        self._queue(
            AttemptReport(
                plan.caller,
                plan.plan_id,
                plan.session_key,
                plan.bound_deployment_id,
                (attempt,),
                plan.limits.retry_after_cap,
                requested_model=plan.requested_model,
                reservation=plan.reservation,
                trace_id=plan.trace_id,
            )
        )
        if _changes_something(order, attempt):
            self._wake.set()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_LINGER_S, self._wake.set)

    def answering(self, order: Order, record: Record) -> None:
        """Tell at once that a probe has begun to be answered."""
        plan = order.plan
        self._queue(
            AttemptReport(
                plan.caller,
                plan.plan_id,
                plan.session_key,
                plan.bound_deployment_id,
                (),
                plan.limits.retry_after_cap,
                Answering(
                    record.step.deployment.id, record.start_time_ms, record.credential
                ),
            )
        )
        self._wake.set()

    def finished(self, order: Order, finished: Finished) -> None:
        """Queue how a request ended. It goes with the report of its last attempt."""
        plan = order.plan
        content = len(finished.request_content) + len(finished.response_content)
        if content and self._content_bytes + content > _MOST_CONTENT_WAITING:
            finished = dataclasses.replace(
                finished,
                request_content=b"",
                response_content=b"",
                content_bytes_left_out=finished.content_bytes_left_out + content,
            )
            content = 0
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.plan_id == plan.plan_id:
            self._waiting[-1] = dataclasses.replace(last, finished=finished)
        else:
            self._queue(
                AttemptReport(
                    plan.caller,
                    plan.plan_id,
                    plan.session_key,
                    plan.bound_deployment_id,
                    (),
                    plan.limits.retry_after_cap,
                    finished=finished,
                    reservation=plan.reservation,
                    trace_id=plan.trace_id,
                )
            )
        self._content_bytes += content
        if self._timer is None and not self._wake.is_set():
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_LINGER_S, self._wake.set)

    def _queue(self, report: AttemptReport) -> None:
        """Let a report wait, in place of the oldest where there are too many."""
        if len(self._waiting) == _MOST_WAITING:
            self._content_bytes -= _content_bytes(self._waiting.popleft())
        self._waiting.append(report)

    def _batch(self) -> list[AttemptReport]:
        """Take what goes in one call."""
        batch: list[AttemptReport] = []
        content = 0
        while self._waiting and len(batch) < _BATCH and content < _BATCH_CONTENT:
            report = self._waiting.popleft()
            content += _content_bytes(report)
            batch.append(report)
        self._content_bytes -= content
        return batch

    async def _send_forever(self) -> None:
        while True:
            # Nobody is asked who was not there when there was something to tell:
            # a connection that is tried too early is long in coming.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._news_s if self._is_heard else None):
                    await self._wake.wait()
            if not self._wake.is_set():
                await self._ask()
            self._wake.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            while self._waiting:
                if not await self._send():
                    await asyncio.sleep(_PAUSE_S)

    async def _send(self) -> bool:
        """Send one batch; say whether anybody took it. It waits on if nobody did."""
        batch = self._batch()
        deadline = asyncio.get_running_loop().time() + _TIMEOUT_S
        try:
            self._hear(
                await self._resolver.report_attempts(
                    ReportAttemptsRequest(
                        batch, self._resting.version, self._vantage.tell()
                    ),
                    deadline=deadline,
                )
            )
        except (ServiceUnavailableError, DeadlineExceededError) as error:
            self._is_heard = False
            _log.warning("report_failed", reports=len(batch), reason=error.reason)
            room = _MOST_WAITING - len(self._waiting)
            self._put_back(batch[-room:] if room else [])
            return False
        except Exception:  # noqa: BLE001 - would fail again, before all that follow
            _log.exception("report_refused", reports=len(batch))
        except BaseException:
            self._put_back(batch)
            raise
        return True

    def _put_back(self, batch: list[AttemptReport]) -> None:
        self._content_bytes += sum(map(_content_bytes, batch))
        self._waiting.extendleft(reversed(batch))

    async def _ask(self) -> None:
        """Ask who is left aside, where there is nothing to report."""
        deadline = asyncio.get_running_loop().time() + _TIMEOUT_S
        try:
            self._hear(
                await self._resolver.report_attempts(
                    ReportAttemptsRequest(
                        (), self._resting.version, self._vantage.tell()
                    ),
                    deadline=deadline,
                )
            )
        except (ServiceUnavailableError, DeadlineExceededError):
            # What was heard last still stands.
            self._is_heard = False
        except Exception:  # noqa: BLE001 - reports have to go on
            self._is_heard = False
            _log.exception("health_unknown")

    def _hear(self, rests: Rests | None) -> None:
        self._is_heard = True
        if rests is not None:
            self._resting.hear(rests)


def _content_bytes(report: AttemptReport) -> int:
    """Say how much of prompts and answers a report holds."""
    finished = report.finished
    if finished is None:
        return 0
    return len(finished.request_content) + len(finished.response_content)


def _changes_something(order: Order, attempt: Attempt) -> bool:
    """Tell whether the next request may be planned otherwise for this attempt.

    A failure leaves its deployment aside; an answer of another deployment than
    the session's own, or than the plan's first, moves the session; one from
    elsewhere than was promised keeps all others away that may not go there.
    """
    return bool(
        attempt.outcome is not Outcome.SUCCEEDED
        or attempt.ordinal > 1
        or attempt.observed_geography
        or order.plan.bound_deployment_id not in ("", attempt.deployment_id)
    )
