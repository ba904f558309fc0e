"""Pydantic AI's agents: on `chat`, `responses` or `messages`."""

import sys
from typing import Any

from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from trial import (
    BASE_URL,
    HELLO,
    KEY,
    PLACE,
    TOOL,
    TURNS,
    Place,
    fail_over,
    raised_by,
    run,
    weather,
)

SURFACE = sys.argv[1]


def chat_model(model: str) -> Any:
    """Give Pydantic AI's model."""
    if SURFACE == "messages":
        return AnthropicModel(
            model,
            provider=AnthropicProvider(base_url=BASE_URL, api_key=KEY),
            # It knows what a model can do by names, and expects little of others.
            profile=ModelProfile(supports_json_schema_output=True),
        )
    made = {"chat": OpenAIChatModel, "responses": OpenAIResponsesModel}[SURFACE]
    return made(model, provider=OpenAIProvider(base_url=f"{BASE_URL}/v1", api_key=KEY))


async def plain(model: str) -> Any:
    answer = await Agent(chat_model(model)).run(HELLO)
    used = answer.usage() if callable(answer.usage) else answer.usage
    return {
        "text": answer.output,
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
    }


async def stream(model: str) -> Any:
    async with Agent(chat_model(model)).run_stream(HELLO) as answer:
        pieces = [
            piece async for piece in answer.stream_text(delta=True, debounce_by=None)
        ]
        used = answer.usage() if callable(answer.usage) else answer.usage
        return {
            "text": "".join(pieces),
            "pieces": pieces,
            "output_tokens": used.output_tokens,
        }


async def tools(model: str) -> Any:
    calls = 0

    async def weather_of(place: str) -> str:
        """Tell the weather of a place."""
        nonlocal calls
        calls += 1
        return weather(place)

    agent = Agent(chat_model(model), tools=[weather_of])
    said: Any = []
    for _ in range(TURNS):
        fail_over()
        answer = await agent.run(TOOL, message_history=said)
        said = answer.all_messages()
    return {"text": answer.output, "calls": calls}


async def structured(model: str) -> Any:
    agent: Any = Agent(chat_model(model), output_type=NativeOutput(Place))
    return (await agent.run(PLACE)).output.model_dump()


async def by_function(model: str) -> Any:
    agent: Any = Agent(chat_model(model), output_type=Place)
    return (await agent.run(PLACE)).output.model_dump()


async def error(model: str) -> Any:
    return await raised_by(lambda: plain(model))


if __name__ == "__main__":
    run(
        {
            "plain": plain,
            "stream": stream,
            "tools": tools,
            "structured": structured,
            "structured_by_function": by_function,
            "error": error,
        }
    )
