"""What simulated providers are asked."""

from typing import Any

import openai
from openai.types.chat import ChatCompletionChunk

HI: list[Any] = [{"role": "user", "content": "hi"}]
MODEL = "eu.anthropic.claude-sonnet-4-5"


def chunks(gpt: openai.OpenAI, **fields: Any) -> list[ChatCompletionChunk]:
    """Ask for a stream, and read all of it."""
    with gpt.chat.completions.create(
        model=MODEL, messages=HI, stream=True, **fields
    ) as stream:
        return list(stream)
