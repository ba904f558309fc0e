"""What a deployment of the fault bench does with a request: answer, or one of these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum


class Way(Enum):
    """How a request is treated."""

    ANSWER = "answered"
    ERROR = "an error status"
    RESET = "the connection is reset before the headers"
    SILENCE = "no response at all"
    SLOW = "the answer begins late"
    CUT = "the connection is cut in the answer"
    STALL = "the answer stops and the connection stays"
    MALFORMED = "an event that is no JSON"
    UNENDED = "no last event"
    ERROR_EVENT = "an error event in the answer"
    EMPTY = "a success without an answer"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way to treat a request.

    Attributes:
        after: How many words of the answer come first.
        seconds: How late an answer begins.
        takes_prefix: Whether a request may end with the beginning of the answer.
        tool: Whether the answer calls a tool instead of speaking.
        text: A whole answer's, in place of the sixty words.
    """

    way: Way = Way.ANSWER
    status: int = 200
    message: str = ""
    kind: str = "server_error"
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after: int = 0
    seconds: float = 0.0
    takes_prefix: bool = True
    tool: bool = False
    text: str = ""


Script = Callable[[int, float], Behaviour]
"""Says how a request is treated, by its number from 0 and the seconds since the
first one came."""

FINE = Behaviour()


def always(behaviour: Behaviour) -> Script:
    """Treat every request alike."""
    return lambda _number, _seconds: behaviour


def first(count: int, behaviour: Behaviour) -> Script:
    """Treat the first requests so, and answer the others."""
    return lambda number, _seconds: behaviour if number < count else FINE


def flapping(seconds: float, behaviour: Behaviour) -> Script:
    """Be well and unwell by turns, so many seconds each, unwell first."""
    return lambda _number, since: behaviour if since % (2 * seconds) < seconds else FINE
