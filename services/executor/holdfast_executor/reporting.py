"""Tells the resolver how attempts ended, off the request's path."""

import asyncio
from collections import deque

import structlog

from holdfast import convert
from holdfast.api.resolver.v1 import resolver_service_pb2 as pb
from holdfast.errors import DeadlineExceededError, ServiceUnavailableError
from holdfast.model import Attempt, Outcome
from holdfast.ports import Resolver
from holdfast_executor.execution import Order

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

_TIMEOUT_S = 5.0
_PAUSE_S = 0.5
"""Before a resolver that was not there is told again."""


class Reporter:
    """Queues reports and sends them in the order they came."""

    def __init__(self, resolver: Resolver) -> None:
        """Report to a resolver."""
        self._resolver = resolver
        self._waiting: deque[pb.AttemptReport] = deque(maxlen=_MOST_WAITING)
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
        self._waiting.append(
            pb.AttemptReport(
                caller=convert.caller_to_wire(order.caller),
                plan_id=order.plan_id,
                session_key=order.session_key,
                bound_deployment_id=order.bound_deployment_id,
                attempts=[convert.attempt_to_wire(attempt)],
                retry_after_cap_seconds=order.limits.retry_after_cap.total_seconds(),
            )
        )
        if _changes_something(order, attempt):
            self._wake.set()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_LINGER_S, self._wake.set)

    async def _send_forever(self) -> None:
        while True:
            await self._wake.wait()
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
            await self._resolver.report_attempts(
                pb.ReportAttemptsRequest(reports=batch), deadline=deadline
            )
        except (ServiceUnavailableError, DeadlineExceededError) as error:
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


def _changes_something(order: Order, attempt: Attempt) -> bool:
    """Tell whether the next request may be planned otherwise for this attempt.

    A failure leaves its deployment aside; an answer of another deployment than
    the session's own, or than the plan's first, moves the session.
    """
    return (
        attempt.outcome is not Outcome.SUCCEEDED
        or attempt.ordinal > 1
        or order.bound_deployment_id not in ("", attempt.deployment_id)
    )
