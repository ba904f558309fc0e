"""What callers send to each API, and by what they know a whole answer to it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_MOST = 100
"""Tokens: answers have two dozen. Budgets set aside what they may cost."""

_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}


class NotWholeError(Exception):
    """An answer ended, and was not whole; it says what was wrong."""


@dataclass(frozen=True, slots=True)
class Surface:
    """One way to ask.

    Attributes:
        path: Where.
        body: What is sent besides the model, of what is said.
        text: The words of a whole answer. Raises `NotWholeError`.
        said: The words of an event of a stream. Raises `NotWholeError`.
        is_end: Whether an event is a stream's last.
        headers: Sent besides.
        check: Raises `NotWholeError` if the words are not what was asked for.
    """

    path: str
    body: Callable[[str], Mapping[str, Any]]
    text: Callable[[Mapping[str, Any]], str]
    said: Callable[[Mapping[str, Any]], str]
    is_end: Callable[[Mapping[str, Any]], bool]
    headers: Mapping[str, str]
    check: Callable[[str], None]


def _chat(said: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": said}], "max_tokens": _MOST}


def _structured(said: str) -> dict[str, Any]:
    form = {"name": "town", "schema": _SCHEMA, "strict": True}
    return {
        **_chat(said),
        "response_format": {"type": "json_schema", "json_schema": form},
    }


def _chat_text(answer: Mapping[str, Any]) -> str:
    choice = answer["choices"][0]
    if choice["finish_reason"] != "stop":
        raise NotWholeError(f"finish_reason is {choice['finish_reason']}")
    return str(choice["message"]["content"])


def _chat_said(event: Mapping[str, Any]) -> str:
    if error := event.get("error"):
        raise NotWholeError(f"{error.get('code')}: {error.get('message')}")
    return "".join(each["delta"].get("content") or "" for each in event["choices"])


def _message_text(answer: Mapping[str, Any]) -> str:
    if answer["stop_reason"] != "end_turn":
        raise NotWholeError(f"stop_reason is {answer['stop_reason']}")
    return "".join(block.get("text", "") for block in answer["content"])


def _message_said(event: Mapping[str, Any]) -> str:
    if event["type"] == "error":
        raise NotWholeError(f"{event['error']}")
    return str(event.get("delta", {}).get("text", ""))


def _response_text(answer: Mapping[str, Any]) -> str:
    if answer["status"] != "completed":
        raise NotWholeError(f"status is {answer['status']}")
    return "".join(
        part.get("text", "") for item in answer["output"] for part in item["content"]
    )


def _response_said(event: Mapping[str, Any]) -> str:
    if event["type"] in {"error", "response.failed", "response.incomplete"}:
        raise NotWholeError(f"{event.get('response', event).get('error')}")
    is_text = event["type"] == "response.output_text.delta"
    return str(event["delta"]) if is_text else ""


def _is_some(text: str) -> None:
    # One that goes on with another's beginning begins anew: it is simulated.
    if not text.startswith("Hello") or not text.endswith(" no model was called."):
        raise NotWholeError(f"the words are not all there: {text!r}")


def _fits(text: str) -> None:
    try:
        value = json.loads(text)
    except ValueError:
        raise NotWholeError("it is no JSON") from None
    if sorted(value) != ["name", "people"]:
        raise NotWholeError("it does not fit its schema")


SURFACES: Mapping[str, Surface] = {
    "chat": Surface(
        path="/v1/chat/completions",
        body=_chat,
        text=_chat_text,
        said=_chat_said,
        is_end=lambda event: not event,
        headers={},
        check=_is_some,
    ),
    "structured": Surface(
        path="/v1/chat/completions",
        body=_structured,
        text=_chat_text,
        said=_chat_said,
        is_end=lambda event: not event,
        headers={},
        check=_fits,
    ),
    "messages": Surface(
        path="/v1/messages",
        body=_chat,
        text=_message_text,
        said=_message_said,
        is_end=lambda event: event["type"] == "message_stop",
        headers={"anthropic-version": "2023-06-01"},
        check=_is_some,
    ),
    "responses": Surface(
        path="/v1/responses",
        body=lambda said: {"input": said, "max_output_tokens": _MOST},
        text=_response_text,
        said=_response_said,
        is_end=lambda event: event["type"] == "response.completed",
        headers={},
        check=_is_some,
    ),
}
"""By what they are called in journals. The event at a chat's `[DONE]` is empty."""
