"""Whether one deployment is asked again, and after which wait.

Decides and does nothing: whether there is time, room and money for it is asked by
whoever walks the plan.
"""

from datetime import timedelta

from holdfast.model import Limits, Outcome, StepReason
from holdfast.outcome import CONSEQUENCES, Then
from holdfast_executor.dialects import ProviderError

_RETRIABLE = frozenset(
    {Outcome.RATE_LIMITED, Outcome.SERVER_ERROR, Outcome.CONNECTION_FAILED}
)
"""What may be asked of the same deployment again. A silent one is not: its next
silence would cost as much time as this one."""

_BACKOFF = timedelta(milliseconds=250)
"""Before the same deployment is asked again, doubling; what SDKs begin with too."""

_PIN_RETRIES = 2
"""How often a pinned deployment is asked again, whose place no other may take:
as often as SDKs do."""

_PIN_WAIT = timedelta(seconds=5)
"""What it may ask to be left alone for at most. The caller waits all the while,
and can do longer waits itself."""

_AT_ONCE = timedelta()

UNREADABLE = ProviderError(
    Outcome.PARSE_FAILED, "the provider's answer could not be read"
)
"""What an attempt comes to that the gateway itself failed at. Not asked again: the
same would come of it."""


class Retrying:
    """What has become of one deployment's attempts, and whether there is another.

    Attributes:
        corrects: Whether the next one is to correct an answer that did not have the
            form asked for. Such attempts are counted apart.
    """

    def __init__(self, reason: StepReason, limits: Limits, *, once: bool) -> None:
        """Begin before the first attempt.

        Args:
            reason: Why the deployment is tried.
            limits: Of the plan.
            once: Whether it is called once, whatever comes of it.
        """
        self.corrects = False
        self._limits = limits
        self._once = once or reason is StepReason.PROBE
        self._left = limits.retries_per_deployment
        self._longest_wait = limits.retry_after_cap
        if reason is StepReason.PINNED and self._left < _PIN_RETRIES:
            self._left = _PIN_RETRIES
            self._longest_wait = min(_PIN_WAIT, limits.retry_after_cap)
        self._tries = 0
        self._corrections = 0
        self._is_spoilt = False

    def wait(self, failure: ProviderError) -> timedelta | None:
        """Say how long to wait before the next attempt; None if there is none.

        Args:
            failure: What the last one came to.
        """
        self.corrects = False
        if self._once:
            return None
        if failure.unfit is not None:
            self.corrects = (
                failure.unfit.may_be_told
                and self._corrections < self._limits.parse_retries
            )
            self._corrections += self.corrects
            return _AT_ONCE if self.corrects else None
        if CONSEQUENCES[failure.outcome].then is Then.AGAIN:
            again = not self._is_spoilt and failure is not UNREADABLE
            self._is_spoilt = True
            return _AT_ONCE if again else None
        if failure.ask_again:
            return _AT_ONCE
        self._tries += 1
        backoff = _BACKOFF * (1 << min(self._tries, 8) - 1)
        wait = max(failure.retry_after or timedelta(), backoff)
        if (
            self._tries > self._left
            or failure.outcome not in _RETRIABLE
            or wait > self._longest_wait
        ):
            return None
        return wait
