"""Tells the resolver how attempts ended, off the request's path."""

import asyncio
import contextlib
from collections import deque

import structlog

from holdfast.errors import DeadlineExceededError, ServiceUnavailableError
from holdfast.health import Rests
from holdfast.model import Attempt, Outcome
from holdfast.ports import (
    Answering,
    AttemptReport,
    ReportAttemptsRequest,
    Resolver,
)
from holdfast_executor.attempts import Order, Record
from holdfast_executor.lessons import Resting

_log = structlog.get_logger("holdfast.executor")

_MOST_WAITING = 10_000
"""Reports kept while no resolver is there: some seconds of heavy load. A report
that is dropped delays learning and loses nothing else."""

_BATCH = 200
"""Reports of one call; about 40 KiB."""

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
        self, resolver: Resolver, resting: Resting, *, news_s: float = _NEWS_S
    ) -> None:
        """Report to a resolver.

        Args:
            resolver: Whom to tell.
            resting: Hears who is left aside, which is what a resolver answers.
            news_s: After how long without a report it is asked, in seconds.
        """
        self._resolver = resolver
        self._resting = resting
        self._news_s = news_s
        self._is_heard = False
        self._waiting: deque[AttemptReport] = deque(maxlen=_MOST_WAITING)
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
        self._waiting.append(
            AttemptReport(
                plan.caller,
                plan.plan_id,
                plan.session_key,
                plan.bound_deployment_id,
                (attempt,),
                plan.limits.retry_after_cap,
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
        self._waiting.append(
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
        batch = [
            self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))
        ]
        deadline = asyncio.get_running_loop().time() + _TIMEOUT_S
        try:
            self._hear(
                await self._resolver.report_attempts(
                    ReportAttemptsRequest(batch, self._resting.version),
                    deadline=deadline,
                )
            )
        except (ServiceUnavailableError, DeadlineExceededError) as error:
            self._is_heard = False
            _log.warning("report_failed", reports=len(batch), reason=error.reason)
            room = _MOST_WAITING - len(self._waiting)
            self._waiting.extendleft(reversed(batch[-room:] if room else []))
            return False
        except Exception:  # noqa: BLE001 - would fail again, before all that follow
            _log.exception("report_refused", reports=len(batch))
        except BaseException:
            self._waiting.extendleft(reversed(batch))
            raise
        return True

    async def _ask(self) -> None:
        """Ask who is left aside, where there is nothing to report."""
        deadline = asyncio.get_running_loop().time() + _TIMEOUT_S
        try:
            self._hear(
                await self._resolver.report_attempts(
                    ReportAttemptsRequest((), self._resting.version), deadline=deadline
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
