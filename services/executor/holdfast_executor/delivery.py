"""A streamed answer on its way to the caller, whoever gives which part of it."""

from datetime import timedelta

from holdfast.errors import ExecutionError, StreamInterruptedError
from holdfast.model import Attempt, Outcome, Usage
from holdfast.pricing import usd
from holdfast_executor.attempts import Progress, Record, is_late, safe_words
from holdfast_executor.dialects import ProviderError
from holdfast_executor.guardrails.stream import Source
from holdfast_executor.rescue import Rescue
from holdfast_executor.verdict import structured_output_invalid


class Delivery:
    """The stream that has begun, and those that take it up when it breaks off.

    Attributes:
        stream: The one that is being read.
    """

    def __init__(self, stream: Source, rescue: Rescue, progress: Progress) -> None:
        """Begin to deliver.

        Args:
            stream: Has its first content.
            rescue: Finds another when it breaks off.
            progress: Where its attempt is noted when it ends.
        """
        self.stream = stream
        self._rescue = rescue
        self._progress = progress
        self._is_noted = False
        self._is_whole = False

    @property
    def failure(self) -> ProviderError | None:
        """Why the answer ended before it was whole; None if it did not."""
        return self.stream.failure

    @property
    def delivered_tokens(self) -> int:
        """About how many tokens the caller has of the answer."""
        return self._rescue.delivered.read().pieces

    @property
    def cost_usd_nanos(self) -> int | None:
        """What the answer and the failed attempts before it cost; None if unknown."""
        return self.stream.record.total_cost_usd_nanos(self.stream.decoder.usage)

    async def read(self) -> bytes:
        """Return the events that have arrived, waiting for some; nothing at the end.

        `failure` then says whether the answer is whole.
        """
        while True:
            if events := await self.stream.read():
                self._rescue.delivered.add(events)
                return events
            if self.stream.failure is None:
                self._is_whole = True
                return b""
            if self.stream.failure.outcome is Outcome.BLOCKED:
                await self._note(Outcome.BLOCKED)
                return b""
            if is_late(self._progress.order.deadline):
                # It was the caller's time that ran out, not the deployment's.
                return b""
            await self._note(_outcome(self.stream.failure))
            taken_up = await self._rescue.take_up(self.stream)
            if taken_up is None:
                return b""
            self.stream = taken_up
            self._is_noted = False

    async def end(self) -> None:
        """Let go of the provider, and note how the attempt ended."""
        if not self._is_noted:
            await self._note(Outcome.SUCCEEDED if self._is_whole else Outcome.CANCELLED)

    def raise_if_broken(self) -> None:
        """Say why a stream is no answer, of which the caller has a part, if it is none.

        Raises:
            ExecutionError: It broke off, and nobody took it up.
        """
        if self.failure is not None:
            raise self._broken(self.failure)

    def _broken(self, failure: ProviderError) -> ExecutionError:
        attempts = self._progress.attempts
        plan = self._progress.order.plan
        deployment_id = self.stream.record.step.deployment.id
        if failure.unfit is not None:
            return structured_output_invalid(
                failure.unfit,
                deployment_id,
                attempts,
                keeps=plan.content_retained and not plan.guardrails,
                plan_id=plan.plan_id,
                attempt_count=str(len(attempts)),
            )
        return StreamInterruptedError(
            f"The stream of {deployment_id} broke off: {failure.message}. "
            "What has arrived is not the whole answer; ask again.",
            attempts=attempts,
            plan_id=plan.plan_id,
            attempt_count=str(len(attempts)),
            deployment_id=deployment_id,
            delivered_tokens=str(self.delivered_tokens),
            cost_usd=usd(sum(each.cost_usd_nanos for each in attempts)),
            **self._rescue.mark,
        )

    async def _note(self, outcome: Outcome) -> None:
        self._is_noted = True
        stream = self.stream
        await stream.close()
        usage = stream.decoder.usage
        if outcome is not Outcome.SUCCEEDED:
            usage = self._rescue.usage(stream)
        self._progress.end(
            ended_attempt(
                self._progress,
                stream.record,
                outcome,
                stream.response.status,
                usage=usage,
                first_token=stream.first_token,
                message=safe_words(stream.failure) if stream.failure else "",
            )
        )


def _outcome(failure: ProviderError) -> Outcome:
    """Say how an attempt ended that had begun to answer."""
    return Outcome.INTERRUPTED if failure.unfit is None else failure.outcome


def ended_attempt(  # noqa: PLR0913 - each is one fact about the attempt
    progress: Progress,
    record: Record,
    outcome: Outcome,
    http_status: int,
    *,
    usage: Usage | None,
    first_token: timedelta | None = None,
    message: str = "",
) -> Attempt:
    """Say how an attempt that had an answer ended."""
    return Attempt(
        record.ordinal,
        record.step.deployment.id,
        outcome,
        http_status,
        message,
        record.start_time_ms,
        progress.since(record),
        first_token,
        None,
        usage,
        record.cost_usd_nanos(usage),
        record.credential,
        record.allowance,
        record.observed_geography(usage),
        record.left_out,
        record.step.reason,
        record.cache_saving_usd_nanos(usage),
    )
