"""Writing OpenAI's answers: the frame that is the same whoever answered."""

from typing import Any

import msgspec

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


def chunk(  # noqa: PLR0913 - each is a field of the chunk
    *,
    answer_id: str,
    created: int,
    model: str,
    delta: dict[str, Any],
    index: int = 0,
    finish_reason: str | None = None,
) -> bytes:
    """Write one `chat.completion.chunk` with one choice."""
    return _encode(
        {
            "id": answer_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "choices": [
                {
                    "index": index,
                    "delta": delta,
                    "logprobs": None,
                    "finish_reason": finish_reason,
                }
            ],
        }
    )


def usage_chunk(
    *, answer_id: str, created: int, model: str, usage: dict[str, Any]
) -> bytes:
    """Write the chunk that ends a stream: no choices, and the usage."""
    return _encode(
        {
            "id": answer_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "choices": [],
            "usage": usage,
        }
    )
