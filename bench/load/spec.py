"""What one run of load is to do."""

import dataclasses
import json
from dataclasses import dataclass
from urllib.parse import urlsplit

MOST_SECONDS = 300.0
"""No run lasts longer, whatever is asked of it."""

MOST_CONNECTIONS = 512

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """One run of load.

    Attributes:
        url: Where requests go. Loopback only.
        headers: Sent with each, as `name: value`.
        connections: Open at a time, one request in flight on each.
        duration_s: How long is measured.
        warm_up_s: How long is not, before that.
        rate: Requests a second on a fixed schedule, each timed from when it was
            due, so that a gateway that stalls is charged for those it delayed.
            Zero: every connection sends its next as soon as it has an answer.
        requests: End when so many have been answered. Zero: when time is up.
        spread_s: Over which the connections begin, so that paced streams do not
            all begin and end together.
        body_kb: Size of the messages in KiB; zero for one short message.
        texts: How many texts vectors are asked of; zero for a chat.
        stream: Whether a streamed answer is asked for.
        sessions: How many conversations, in turn; zero for requests without one.
        session_header: What names the conversation to the gateway.
        turns: Requests of each conversation.
        gateway_pid: Whose CPU is counted, its descendants' too; zero for none.
        upstream_pid: The simulated provider.
    """

    url: str
    model: str
    headers: tuple[str, ...] = ()
    connections: int = 1
    duration_s: float = 2.0
    warm_up_s: float = 0.5
    rate: float = 0.0
    requests: int = 0
    spread_s: float = 0.0
    body_kb: int = 0
    texts: int = 0
    stream: bool = False
    sessions: int = 0
    session_header: str = "x-holdfast-session"
    turns: int = 1
    gateway_pid: int = 0
    upstream_pid: int = 0

    def __post_init__(self) -> None:
        if urlsplit(self.url).hostname not in _LOOPBACK:
            raise ValueError("load goes to loopback addresses only")
        if not 0 < self.duration_s <= MOST_SECONDS:
            raise ValueError(f"a run lasts at most {MOST_SECONDS:g} s")
        if not 0 < self.connections <= MOST_CONNECTIONS:
            raise ValueError(f"there may be 1 to {MOST_CONNECTIONS} connections")

    def to_json(self) -> str:
        """Write it for the process that carries it out."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "LoadSpec":
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "headers": tuple(fields["headers"])})
