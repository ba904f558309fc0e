"""One request from when it was taken to its end, and what is told of it then."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self

from holdfast.errors import GatewayError, InternalError
from holdfast.model import CANCELLED, Finished, SessionAffinity
from holdfast.standpoint import OUT_OF_TOUCH
from holdfast_executor.attempts import Order, Progress

TellFinished = Callable[[Order, Finished], None]
"""Takes each request as it ends."""

MOST_CONTENT_BYTES = 65_536
"""What is kept of a body, and of an answer: 16,000 tokens of text. A trace is for
reading, and what is longer nobody reads."""


class Ending:
    """Watches over a request, and tells once how it ended, however it does.

    A context: what is raised within says why there was no answer, unless it had
    been given by then.
    """

    def __init__(
        self,
        progress: Progress,
        tell: TellFinished,
        *,
        surface: str,
        streamed: bool,
    ) -> None:
        """Note that a request was taken.

        Args:
            progress: Its attempts.
            tell: Takes how it ended.
            surface: Which API it was written in.
            streamed: Whether its answer is.
        """
        self._progress = progress
        self._tell = tell
        self._surface = surface
        self._streamed = streamed
        self._start = asyncio.get_running_loop().time()
        self._start_ms = time.time_ns() // 1_000_000
        self._keeps = progress.order.plan.content_retained
        self._body = b""
        self._pieces: list[bytes] = []
        self._kept_bytes = 0
        self._left_out_bytes = 0
        self._first_token: timedelta | None = None
        self._deployment_id = ""
        self._response_model = ""
        self._affinity = SessionAffinity.NONE
        self._is_answered = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, GatewayError) and OUT_OF_TOUCH in error.metadata:
            # It goes on with another executor.
            return
        reason = "" if self._is_answered or error is None else _reason(error)
        plan = self._progress.order.plan
        attempts = self._progress.attempts
        self._tell(
            self._progress.order,
            Finished(
                trace_id=plan.trace_id,
                requested_model=plan.requested_model,
                surface=self._surface,
                streamed=self._streamed,
                start_time_ms=self._start_ms,
                duration=self._since(),
                parent_span_id=plan.parent_span_id,
                revision=plan.revision,
                first_token=self._first_token,
                deployment_id=self._deployment_id,
                response_model=self._response_model,
                error_reason=reason,
                session_affinity=self._affinity,
                attempt_count=self._progress.earlier + len(attempts),
                fell_back=len({each.deployment_id for each in attempts}) > 1,
                cost_usd_nanos=sum(each.cost_usd_nanos for each in attempts),
                tags=plan.tags,
                guardrail_results=tuple(self._progress.guardrail_results),
                request_content=self._body[:MOST_CONTENT_BYTES],
                response_content=b"".join(self._pieces),
                content_bytes_left_out=self._left_out_bytes
                + max(0, len(self._body) - MOST_CONTENT_BYTES),
            ),
        )

    def serves(
        self, deployment_id: str, response_model: str, affinity: SessionAffinity
    ) -> None:
        """Note who gives the answer; of several the last one is told."""
        self._deployment_id = deployment_id
        self._response_model = response_model
        self._affinity = affinity

    def asks(self, body: bytes) -> None:
        """Keep what was asked, where the project keeps content.

        Args:
            body: The request's, as providers get it.
        """
        self._body = body if self._keeps else b""

    def begins(self) -> None:
        """Note that the first content goes to the caller."""
        self._first_token = self._since()

    def keep(self, content: bytes) -> None:
        """Keep a part of the answer, where the project keeps content."""
        if not self._keeps:
            return
        room = MOST_CONTENT_BYTES - self._kept_bytes
        if room > 0:
            self._pieces.append(content[:room])
            self._kept_bytes += len(self._pieces[-1])
        self._left_out_bytes += max(0, len(content) - room)

    def answered(self) -> None:
        """Note that the caller has the whole answer: nothing can fail any more."""
        self._is_answered = True

    def _since(self) -> timedelta:
        now = asyncio.get_running_loop().time()
        return timedelta(seconds=max(0.0, now - self._start))


def _reason(error: BaseException) -> str:
    if isinstance(error, GatewayError):
        return error.reason
    return InternalError.reason if isinstance(error, Exception) else CANCELLED
