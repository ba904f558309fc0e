"""The answer that every deployment of the fault bench gives, in OpenAI's format.

Sixty words, the same from everyone, so that a caller can tell whether it holds
the complete answer, whoever gave which part of it.
"""

import json
from collections.abc import Sequence
from typing import Any

WORDS = tuple(f"word{number:02d} " for number in range(1, 61))
ANSWER = "".join(WORDS)
INPUT_TOKENS = 12

DONE = b"data: [DONE]\n\n"


def left_to_say(body: Any) -> Sequence[str] | None:
    """Return what is not said yet; None if the last message begins another answer.

    A request may end with the beginning of the answer, to be continued.
    """
    last = body["messages"][-1]
    if last["role"] != "assistant":
        return WORDS
    said = last["content"]
    if not isinstance(said, str):
        said = "".join(part.get("text", "") for part in said)
    if not ANSWER.startswith(said):
        return None
    rest = ANSWER[len(said) :]
    return [f"{word} " for word in rest.split(" ") if word] if rest.strip() else []


def continues(body: Any) -> bool:
    """Tell whether a request ends with the beginning of the answer."""
    return bool(body["messages"][-1]["role"] == "assistant")


def whole(model: str, words: Sequence[str]) -> bytes:
    """Write an answer in one piece."""
    message = {"role": "assistant", "content": "".join(words)}
    return json.dumps(
        {
            "id": "chatcmpl-fault",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": usage(len(words)),
        }
    ).encode()


def usage(output_tokens: int) -> dict[str, int]:
    """Write what an answer took: a token a word."""
    return {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": output_tokens,
        "total_tokens": INPUT_TOKENS + output_tokens,
    }


def event(model: str, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    """Write an event of a streamed answer."""
    return _event(
        model,
        [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    )


def usage_event(model: str, output_tokens: int) -> bytes:
    """Write the event that says what an answer took."""
    return _event(model, [], usage=usage(output_tokens))


def _event(model: str, choices: list[Any], **more: Any) -> bytes:
    chunk = {
        "id": "chatcmpl-fault",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": model,
        "choices": choices,
        **more,
    }
    return b"data: %s\n\n" % json.dumps(chunk).encode()


def error(message: str, kind: str, code: str | None) -> bytes:
    """Write an error object."""
    value = {"message": message, "type": kind, "param": None, "code": code}
    return json.dumps({"error": value}).encode()
