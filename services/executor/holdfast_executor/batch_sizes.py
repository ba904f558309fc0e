"""How many inputs a deployment embeds in one call, as its refusals have taught.

Providers of OpenAI's format take from ten to two thousand, and say so only to whoever
sends more. What one request was refused for is asked of the next in smaller calls.
"""

import re
from dataclasses import dataclass, field

from holdfast.model import Outcome
from holdfast_executor.dialects import ProviderError

_REFUSED = frozenset({Outcome.REJECTED, Outcome.CAPABILITY_MISSING, Outcome.TOO_LONG})

_ABOUT_THE_SIZE = re.compile(
    r"\bbatch|per[_ ]request|array (?:is )?too long|maximum length"
    r"|\b(?:too many|number of) (?:\w+ )?(?:inputs|texts|items|strings|instances)",
    re.IGNORECASE,
)
"""What refusals say that are about how much was sent at once."""

_OF_TOKENS = re.compile("token", re.IGNORECASE)
"""What the limit is of, if not of inputs."""

_NUMBER = re.compile(r"(?<![\w.])\d{1,5}(?![\w])")


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """What each deployment takes in one call. One that never refused has no limit."""

    _most: dict[str, int] = field(default_factory=dict)

    def most(self, deployment_id: str) -> int | None:
        """Return how many inputs one call may have; None if nobody knows."""
        return self._most.get(deployment_id)

    def smaller(
        self, deployment_id: str, failure: ProviderError, sent: int
    ) -> int | None:
        """Say how many inputs to send at once after a refusal.

        Args:
            deployment_id: Who refused.
            failure: What it said. A limit of inputs in it is remembered; one of
                tokens depends on the inputs.
            sent: How many were in the call.

        Returns:
            Fewer than were sent, or None if that was not the fault.
        """
        said = f"{failure.code} {failure.message}"
        if (
            sent < 2
            or failure.outcome not in _REFUSED
            or not _ABOUT_THE_SIZE.search(said)
        ):
            return None
        if _OF_TOKENS.search(said):
            return sent // 2
        told = [int(number) for number in _NUMBER.findall(failure.message)]
        limits = [number for number in told if 1 <= number < sent]
        if not limits:
            return sent // 2
        self._most[deployment_id] = max(limits)
        return max(limits)
