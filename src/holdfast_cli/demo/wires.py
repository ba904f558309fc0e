"""The wire formats a simulated provider speaks, behind one interface."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from holdfast_cli.demo.faults import Fault
from holdfast_cli.demo.prompt import Answer, Prompt


@dataclass(frozen=True, slots=True)
class Events:
    """A streamed answer, apart by what it means to break off where.

    Attributes:
        opening: What comes before anything is said.
        content: What is said, one event each.
        ending: Why it ended, and the usage.
        closing: What marks the end of the stream.
    """

    opening: Sequence[bytes]
    content: Sequence[bytes]
    ending: Sequence[bytes]
    closing: Sequence[bytes]


EVENT_STREAM = "text/event-stream"


class Wire(Protocol):
    """A wire format. Bodies are JSON objects, events are ready to be sent.

    Attributes:
        stream_type: The `content-type` of a stream.
    """

    stream_type: str

    def read(self, body: Any, headers: Any) -> Prompt:
        """Read a request.

        Raises:
            PromptError: A real provider would refuse it.
        """

    def whole(self, prompt: Prompt, answer: Answer) -> dict[str, Any]:
        """Write an answer in one piece."""

    def events(self, prompt: Prompt, answer: Answer) -> Events:
        """Write an answer as events."""

    def error(self, fault: Fault, param: str | None = None) -> dict[str, Any]:
        """Write an error."""

    def error_headers(self, fault: Fault) -> Mapping[str, str]:
        """Write what an error says in headers."""

    def error_event(self, fault: Fault) -> bytes:
        """Write an error within a stream."""

    def hollow(self, answer: Answer) -> dict[str, Any]:
        """Write a success that holds no answer."""

    def hollow_events(self, prompt: Prompt, answer: Answer) -> Sequence[bytes]:
        """Write a whole stream in which nothing is said."""

    def filtered(
        self, prompt: Prompt, answer: Answer
    ) -> tuple[dict[str, Any], Sequence[bytes]] | None:
        """Write a refusal that comes as a success, in one piece and as events.

        None if it comes as an error.
        """

    def models(self, ids: Sequence[str]) -> dict[str, Any]:
        """Write the list of models."""


def event(value: Any, name: str = "") -> bytes:
    """Write a server-sent event of a JSON value."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value)}\n\n".encode()


def fragments(text: str, size: int = 12) -> list[str]:
    """Cut a text into pieces, as a stream of a tool call's arguments has them."""
    return [text[at : at + size] for at in range(0, len(text), size)]
