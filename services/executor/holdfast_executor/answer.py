"""Writing OpenAI's answers: the frame that is the same whoever answered."""

from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.events import event
from holdfast.model import Usage
from holdfast.pricing import usd

_encode = msgspec.json.Encoder().encode


def usage_object(usage: Usage, cost_usd_nanos: int | None) -> dict[str, Any]:
    """Write usage as OpenAI does, with the cost beside it where it is known."""
    written: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_input_tokens,
            "cache_creation_tokens": usage.cache_creation_input_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_output_tokens
        },
    }
    if cost_usd_nanos is not None:
        written["cost"] = cost_number(cost_usd_nanos)
    return written


def cost_number(cost_usd_nanos: int) -> msgspec.Raw:
    """Write a cost as a JSON number of US dollars, exactly."""
    return msgspec.Raw(usd(cost_usd_nanos).encode())


def says_nothing(choice: Mapping[str, Any]) -> bool:
    """Whether a model stopped of its own accord with nothing to show for it."""
    said = [value for name, value in choice["message"].items() if name != "role"]
    return choice["finish_reason"] == "stop" and not any(said)


class ChunkWriter:
    """Writes the chunks of one streamed answer, each as an event.

    What all of them say alike is written once.
    """

    __slots__ = ("_head",)

    def __init__(
        self, *, answer_id: str, created: int, model: str, index: int = 0
    ) -> None:
        """Say in each chunk what these are, and which choice it is of."""
        opening = _encode(
            {
                "id": answer_id,
                "object": "chat.completion.chunk",
                "created": created,
                "model": model,
            }
        )
        place = b',"choices":[{"index":%d,"delta":' % index
        self._head = b"data: " + opening[:-1] + place

    def event(
        self,
        delta: dict[str, Any],
        finish_reason: str | None = None,
        logprobs: dict[str, Any] | None = None,
    ) -> bytes:
        """Write a `chat.completion.chunk` with one choice."""
        return (
            self._head
            + _encode(delta)
            + b',"logprobs":'
            + _encode(logprobs)
            + b',"finish_reason":'
            + _encode(finish_reason)
            + b"}]}\n\n"
        )


def usage_event(
    *, answer_id: str, created: int, model: str, usage: dict[str, Any]
) -> bytes:
    """Write the chunk that ends a stream, as an event: no choices, and the usage."""
    return event(
        _encode(
            {
                "id": answer_id,
                "object": "chat.completion.chunk",
                "created": created,
                "model": model,
                "choices": [],
                "usage": usage,
            }
        )
    )
