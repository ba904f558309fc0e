"""Answers of Bedrock's `Converse` as OpenAI's chat completions.

They are read as the message of Anthropic's that says the same.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from holdfast.model import Outcome
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects.anthropic_answer import completion_of
from holdfast_executor.dialects.bedrock_conversation import redacted_data
from holdfast_executor.failures import classify_in_band

_MALFORMED = frozenset({"malformed_model_output", "malformed_tool_use"})


def completion(body: bytes, context: AnswerContext) -> Decoded | ProviderError:
    """Read a whole answer that came with a status of success."""
    try:
        answer = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return not_an_answer()
    if not isinstance(answer, dict):
        return not_an_answer()
    message = part(part(answer, "output"), "message")
    blocks = message.get("content")
    if not isinstance(blocks, list):
        return _failure(answer)
    stop_reason = answer.get("stopReason")
    if (spoilt := malformed(stop_reason)) is not None:
        return spoilt
    return completion_of(
        {
            "content": [
                written
                for block in blocks
                if isinstance(block, dict)
                for written in _blocks(block)
            ],
            "stop_reason": anthropic_reason(stop_reason),
            "usage": anthropic_usage(answer.get("usage")),
        },
        context,
    )


def not_an_answer() -> ProviderError:
    """Say that what came under a status of success is no answer."""
    return ProviderError(
        Outcome.SERVER_ERROR,
        "The provider's answer is none in Bedrock's Converse format.",
        http_status=200,
    )


def _failure(answer: dict[str, Any]) -> ProviderError:
    """Read the error that came in place of an answer, if one did.

    A host that does not know the operation answers 200 with an error in
    `Output`.
    """
    said = part(answer, "Output") or answer
    if said.keys() & {"__type", "message", "Message", "error"}:
        return classify_in_band(said)
    return not_an_answer()


def malformed(stop_reason: object) -> ProviderError | None:
    """Say that the model wrote what nobody can use. None if it did not."""
    if stop_reason not in _MALFORMED:
        return None
    return ProviderError(
        Outcome.PARSE_FAILED,
        "The model's answer was malformed.",
        http_status=200,
        code=str(stop_reason),
    )


def anthropic_reason(stop_reason: object) -> object:
    """Say why an answer ended, in Anthropic's words where it has some."""
    return "refusal" if stop_reason == "content_filtered" else stop_reason


def anthropic_usage(reported: object) -> dict[str, Any] | None:
    """Write usage as Anthropic does, which counts alike.

    `inputTokens` has nothing of the cache in it, so that the total is the sum
    of all four. Each cache count comes under a second name as well
    (`cacheReadInputTokenCount`) and counts once.
    """
    if not isinstance(reported, dict):
        return None
    return {
        "input_tokens": reported.get("inputTokens"),
        "output_tokens": reported.get("outputTokens"),
        "cache_read_input_tokens": reported.get("cacheReadInputTokens"),
        "cache_creation_input_tokens": reported.get("cacheWriteInputTokens"),
    }


def is_callers(call: Mapping[str, Any]) -> bool:
    """Whether a tool that is called is the caller's, and none that AWS runs."""
    return call.get("type") != "server_tool_use"


def _blocks(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Write a block. What a caller of OpenAI's has no place for is left out."""
    if isinstance(block.get("text"), str):
        yield {"type": "text", "text": block["text"]}
    for quoted in part(block, "citationsContent").get("content") or ():
        if isinstance(quoted, dict):
            yield {"type": "text", "text": quoted.get("text")}
    call = part(block, "toolUse")
    if call and is_callers(call):
        yield {
            "type": "tool_use",
            "id": call.get("toolUseId"),
            "name": call.get("name"),
            "input": call.get("input"),
        }
    reasoning = part(block, "reasoningContent")
    if thought := part(reasoning, "reasoningText"):
        yield {
            "type": "thinking",
            "thinking": thought.get("text"),
            "signature": thought.get("signature"),
        }
    if reasoning.get("redactedContent"):
        data = redacted_data(reasoning["redactedContent"])
        yield {"type": "redacted_thinking", "data": data}


def part(whole: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Return a part that is an object; an empty one if it is none."""
    value = whole.get(field)
    return value if isinstance(value, dict) else {}
