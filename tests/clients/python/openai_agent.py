"""The agents of OpenAI's Agents SDK: on `chat` or `responses`."""

import sys
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
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

CLIENT = AsyncOpenAI(base_url=f"{BASE_URL}/v1", api_key=KEY, max_retries=0)
MADE: Any = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}
SURFACE = sys.argv[1]


def agent(model: str, **more: Any) -> Any:
    """Give an agent."""
    return Agent(
        name="traveller",
        instructions="Be brief.",
        model_settings=ModelSettings(include_usage=True),
        model=MADE[SURFACE](model=model, openai_client=CLIENT),
        **more,
    )


async def plain(model: str) -> Any:
    answer = await Runner.run(agent(model), HELLO)
    used = answer.context_wrapper.usage
    return {
        "text": answer.final_output,
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
    }


async def stream(model: str) -> Any:
    answer = Runner.run_streamed(agent(model), HELLO)
    pieces = [
        event.data.delta
        async for event in answer.stream_events()
        if event.type == "raw_response_event"
        and event.data.type == "response.output_text.delta"
    ]
    return {
        "text": answer.final_output,
        "pieces": pieces,
        "output_tokens": answer.context_wrapper.usage.output_tokens,
    }


async def tools(model: str) -> Any:
    calls = 0

    @function_tool
    def weather_of(place: str) -> str:
        """Tell the weather of a place."""
        nonlocal calls
        calls += 1
        return weather(place)

    traveller = agent(model, tools=[weather_of])
    items: list[Any] = []
    for turn in range(TURNS):
        fail_over()
        items.append({"role": "user", "content": TOOL})
        if turn % 2:
            answer: Any = Runner.run_streamed(traveller, items)
            async for _ in answer.stream_events():
                pass
        else:
            answer = await Runner.run(traveller, items)
        items = answer.to_input_list()
    return {"text": answer.final_output, "calls": calls}


async def structured(model: str) -> Any:
    answer = await Runner.run(agent(model, output_type=Place), PLACE)
    return answer.final_output.model_dump()


async def error(model: str) -> Any:
    return await raised_by(lambda: plain(model))


if __name__ == "__main__":
    set_tracing_disabled(disabled=True)
    run(
        {
            "plain": plain,
            "stream": stream,
            "tools": tools,
            "structured": structured,
            "error": error,
        }
    )
