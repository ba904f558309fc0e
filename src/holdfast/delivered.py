"""What a caller holds of a streamed answer, so that another can go on with it.

Kept by whoever passes a stream on: the executor for when a provider breaks off, and
who calls executors for when one of those is gone.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode

_UNREAD_BYTES = 64 * 1024
"""Of events that are kept as they came: some 250, read in well under a millisecond.
Their text is a fiftieth of that, and is all that has to be kept of them."""

_MOST_CHARACTERS = 1_000_000
"""Of a text that is kept to be taken up: a quarter of a million tokens, which is
more than models write and less than a thousand such streams would mind."""

BEGIN = b"data: "
END = b"\n\n"
"""What is around the JSON of an event."""

_WORDS = (
    "content",
    "extra_content",
    "reasoning_content",
    "reasoning",
    "reasoning_details",
)
"""What a delta may say without having begun something that has to be whole."""


@dataclass(slots=True)
class Held:
    """What a caller holds of an answer.

    Attributes:
        text: Of the answer itself; reasoning is not part of it.
        pieces: How many deltas that text came in, about a token each.
        obstacle: Why it cannot be taken up; empty if it can.
        answer_id: The `id` of its chunks; likewise `created`.
        is_finished: Whether it said why it ended.
    """

    text: str = ""
    pieces: int = 0
    obstacle: str = ""
    answer_id: str = ""
    created: int = 0
    is_finished: bool = False


class Delivered:
    """Remembers a stream as it goes out, at next to no cost until it breaks off.

    Attributes:
        tokens: About how many went out by the last time it was read, reasoning and
            calls of tools included.
    """

    def __init__(self, held: Held | None = None) -> None:
        """Begin.

        Args:
            held: What the caller has by then. None: nothing.
        """
        self._held = held or Held()
        self._texts: list[str] = [self._held.text]
        self._characters = len(self._held.text)
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self.tokens = 0

    def add(self, events: bytes) -> None:
        """Take whole events as they were sent."""
        if self._characters > _MOST_CHARACTERS:
            pieces = events.count(BEGIN)
            self._held.pieces += pieces
            self.tokens += pieces
            return
        self._unread.append(events)
        self._unread_bytes += len(events)
        if self._unread_bytes > _UNREAD_BYTES:
            self._digest()

    def read(self) -> Held:
        """Say what the caller holds."""
        self._digest()
        self._held.text = "".join(self._texts)
        self._texts = [self._held.text]
        return self._held

    def _digest(self) -> None:
        """Keep the words of what is unread, and let go of the rest."""
        held = self._held
        for chunk in chunks(b"".join(self._unread)):
            held.answer_id = held.answer_id or str(chunk.get("id", ""))
            held.created = held.created or int(chunk.get("created", 0))
            for choice in chunk.get("choices", ()):
                held.is_finished |= bool(choice.get("finish_reason"))
                delta = choice.get("delta") or {}
                self.tokens += any(delta[name] for name in delta if name != "role")
                held.obstacle = held.obstacle or obstacle(choice, delta)
                if content := delta.get("content"):
                    self._texts.append(content)
                    self._characters += len(content)
                    held.pieces += 1
        self._unread.clear()
        self._unread_bytes = 0
        if self._characters > _MOST_CHARACTERS:
            held.obstacle = held.obstacle or "the answer is too long to be kept"
            self._texts.clear()


def obstacle(choice: dict[str, Any], delta: dict[str, Any]) -> str:
    """Say why an answer with this part cannot be taken up; empty if it can."""
    if choice.get("index"):
        return "there are several answers"
    for name, value in delta.items():
        if value and name != "role" and name not in _WORDS:
            return f"part of `{name}` has gone out"
    return ""


def chunks(events: bytes) -> list[dict[str, Any]]:
    """Read whole events of a streamed chat."""
    return [
        _decode(event.removeprefix(BEGIN))
        for event in events.split(END)
        if event.startswith(BEGIN + b"{")
    ]
