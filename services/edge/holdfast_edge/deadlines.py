"""How long a caller is willing to wait."""

import re
from dataclasses import dataclass

from holdfast.errors import RequestMalformedError
from holdfast_edge.headers import Head

_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?|\.\d{1,9}")
"""Nine digits are 30 years, and keep a float exact enough."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Moments on the event loop's clock, in seconds; None for no limit.

    Attributes:
        whole: When the whole answer must be there.
        first_content: When the first of a streamed answer must be there.
    """

    whole: float | None = None
    first_content: float | None = None


def deadlines(head: Head, *, now: float, stream: bool) -> Deadlines:
    """Read how long the caller waits.

    `x-request-timeout` bounds the whole request. OpenAI's SDKs say in
    `x-stainless-read-timeout` how long they wait for the next byte (600 s if
    they were not told): for a whole answer that is the time it may take, for a
    streamed one the time until it begins.

    Args:
        head: The request's.
        now: The moment it came, on the event loop's clock.
        stream: Whether the answer is streamed.

    Raises:
        RequestMalformedError: `x-request-timeout` is no positive number.
    """
    told = head.text(b"x-request-timeout")
    if told:
        seconds = _seconds(told)
        if seconds is None:
            raise RequestMalformedError(
                "The header x-request-timeout must be a positive number of seconds.",
                field="x-request-timeout",
            )
        return Deadlines(whole=now + seconds)
    seconds = _seconds(head.text(b"x-stainless-read-timeout"))
    if seconds is None:
        return Deadlines()
    if stream:
        return Deadlines(first_content=now + seconds)
    return Deadlines(whole=now + seconds)


def _seconds(text: str) -> float | None:
    seconds = float(text) if _SECONDS.fullmatch(text) else 0.0
    return seconds if seconds > 0 else None
