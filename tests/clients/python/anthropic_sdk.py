"""Anthropic's own client: `sync` or `async`."""

import inspect
import sys
from typing import Any

from anthropic import Anthropic, AsyncAnthropic, beta_async_tool, beta_tool
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

OPTIONS: Any = {"base_url": BASE_URL, "api_key": KEY, "max_retries": 0}
IS_ASYNC = sys.argv[1] == "async"


async def settled(value: Any) -> Any:
    """Wait for what the asynchronous client gives, and take the other's as it is."""
    return await value if inspect.isawaitable(value) else value


def weather_of(place: str) -> str:
    """Tell the weather of a place.

    Args:
        place: Where.
    """
    return weather(place)


async def weather_of_async(place: str) -> str:
    """Tell the weather of a place.

    Args:
        place: Where.
    """
    return weather(place)


class Messages:
    """Messages."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def plain(self, model: str) -> Any:
        answer = await settled(
            self.client.messages.create(
                model=model,
                max_tokens=500,
                messages=[{"role": "user", "content": HELLO}],
            )
        )
        read = answer.usage.cache_read_input_tokens or 0
        return {
            "text": answer.content[0].text,
            "input_tokens": answer.usage.input_tokens + read,
            "output_tokens": answer.usage.output_tokens,
        }

    async def stream(self, model: str) -> Any:
        managed = self.client.messages.stream(
            model=model, max_tokens=500, messages=[{"role": "user", "content": HELLO}]
        )
        if IS_ASYNC:
            async with managed as opened:
                pieces = [piece async for piece in opened.text_stream]
                whole = await opened.get_final_message()
        else:
            with managed as opened:
                pieces = list(opened.text_stream)
                whole = opened.get_final_message()
        return {
            "text": whole.content[0].text,
            "pieces": pieces,
            "output_tokens": whole.usage.output_tokens,
        }

    async def tools(self, model: str) -> Any:
        tool = beta_async_tool(weather_of_async) if IS_ASYNC else beta_tool(weather_of)
        messages: list[Any] = []
        calls = 0
        for _ in range(TURNS):
            fail_over()
            messages.append({"role": "user", "content": TOOL})
            runner = self.client.beta.messages.tool_runner(
                model=model, max_tokens=500, tools=[tool], messages=messages
            )
            answer = await settled(runner.until_done())
            calls += 1
            messages.append({"role": "assistant", "content": answer.content})
        return {"text": answer.content[-1].text, "calls": calls}

    async def structured(self, model: str) -> Any:
        answer = await settled(
            self.client.messages.parse(
                model=model,
                max_tokens=500,
                messages=[{"role": "user", "content": PLACE}],
                output_format=Place,
            )
        )
        return answer.parsed_output.model_dump()

    async def error(self, model: str) -> Any:
        return await raised_by(lambda: self.plain(model))

    async def count(self, model: str) -> Any:
        counted = await settled(
            self.client.messages.count_tokens(
                model=model, messages=[{"role": "user", "content": HELLO}]
            )
        )
        return {"input_tokens": counted.input_tokens}

    async def models(self, model: str) -> Any:
        return {"id": (await settled(self.client.models.retrieve(model))).id}


if __name__ == "__main__":
    tried = Messages((AsyncAnthropic if IS_ASYNC else Anthropic)(**OPTIONS))
    run(
        {
            "plain": tried.plain,
            "stream": tried.stream,
            "tools": tried.tools,
            "structured": tried.structured,
            "error": tried.error,
            "count": tried.count,
            "models": tried.models,
        }
    )
