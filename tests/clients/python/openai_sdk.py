"""OpenAI's own client: `chat`, `chat-async`, `responses` or `responses-async`."""

import inspect
import json
import sys
from typing import Any

from openai import AsyncOpenAI, OpenAI
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

OPTIONS: Any = {"base_url": f"{BASE_URL}/v1", "api_key": KEY, "max_retries": 0}
PARAMETERS = {
    "type": "object",
    "properties": {"place": {"type": "string"}},
    "required": ["place"],
    "additionalProperties": False,
}
FUNCTION = {"name": "weather", "parameters": PARAMETERS, "strict": True}


async def settled(value: Any) -> Any:
    """Wait for what an asynchronous client gives, and take the other's as it is."""
    return await value if inspect.isawaitable(value) else value


async def each(stream: Any) -> Any:
    """Go through either client's stream."""
    if hasattr(stream, "__aiter__"):
        async for event in stream:
            yield event
    else:
        for event in stream:
            yield event


class Chat:
    """Chat Completions."""

    def __init__(self, client: Any) -> None:
        self.completions = client.chat.completions

    async def plain(self, model: str) -> Any:
        answer = await settled(
            self.completions.create(
                model=model, messages=[{"role": "user", "content": HELLO}]
            )
        )
        return {
            "text": answer.choices[0].message.content,
            "input_tokens": answer.usage.prompt_tokens,
            "output_tokens": answer.usage.completion_tokens,
        }

    async def stream(self, model: str) -> Any:
        asked: Any = {
            "model": model,
            "messages": [{"role": "user", "content": HELLO}],
            "stream_options": {"include_usage": True},
        }
        pieces = [
            chunk.choices[0].delta.content
            async for chunk in each(
                await settled(self.completions.create(**asked, stream=True))
            )
            if chunk.choices and chunk.choices[0].delta.content
        ]
        managed = self.completions.stream(**asked)
        if hasattr(managed, "__aenter__"):
            async with managed as opened:
                whole = await opened.get_final_completion()
        else:
            with managed as opened:
                whole = opened.get_final_completion()
        return {
            "text": whole.choices[0].message.content,
            "pieces": pieces,
            "output_tokens": whole.usage.completion_tokens,
        }

    async def tools(self, model: str) -> Any:
        messages: list[Any] = []
        calls = 0
        for _ in range(TURNS):
            messages.append({"role": "user", "content": TOOL})
            fail_over()
            while True:
                answer = await settled(
                    self.completions.create(
                        model=model,
                        messages=messages,
                        tools=[{"type": "function", "function": FUNCTION}],
                    )
                )
                said = answer.choices[0].message
                messages.append(said)
                if not said.tool_calls:
                    break
                for call in said.tool_calls:
                    calls += 1
                    messages.append(
                        {
                            "role": "tool",
                            "tool_call_id": call.id,
                            "content": weather(**json.loads(call.function.arguments)),
                        }
                    )
        return {"text": said.content, "calls": calls}

    async def structured(self, model: str) -> Any:
        answer = await settled(
            self.completions.parse(
                model=model,
                messages=[{"role": "user", "content": PLACE}],
                response_format=Place,
            )
        )
        return answer.choices[0].message.parsed.model_dump()

    async def error(self, model: str) -> Any:
        return await raised_by(lambda: self.plain(model))


class Responses:
    """Responses."""

    def __init__(self, client: Any) -> None:
        self.responses = client.responses

    async def plain(self, model: str) -> Any:
        answer = await settled(self.responses.create(model=model, input=HELLO))
        return {
            "text": answer.output_text,
            "input_tokens": answer.usage.input_tokens,
            "output_tokens": answer.usage.output_tokens,
        }

    async def stream(self, model: str) -> Any:
        managed = self.responses.stream(model=model, input=HELLO)
        if hasattr(managed, "__aenter__"):
            async with managed as opened:
                pieces = [
                    event.delta
                    async for event in opened
                    if event.type == "response.output_text.delta"
                ]
                whole = await opened.get_final_response()
        else:
            with managed as opened:
                pieces = [
                    event.delta
                    for event in opened
                    if event.type == "response.output_text.delta"
                ]
                whole = opened.get_final_response()
        return {
            "text": whole.output_text,
            "pieces": pieces,
            "output_tokens": whole.usage.output_tokens,
        }

    async def tools(self, model: str) -> Any:
        items: list[Any] = []
        calls = 0
        for _ in range(TURNS):
            items.append({"role": "user", "content": TOOL})
            fail_over()
            while True:
                answer = await settled(
                    self.responses.create(
                        model=model,
                        input=items,
                        tools=[{"type": "function", **FUNCTION}],
                    )
                )
                items += answer.output
                called = [i for i in answer.output if i.type == "function_call"]
                for call in called:
                    calls += 1
                    items.append(
                        {
                            "type": "function_call_output",
                            "call_id": call.call_id,
                            "output": weather(**json.loads(call.arguments)),
                        }
                    )
                if not called:
                    break
        return {"text": answer.output_text, "calls": calls}

    async def structured(self, model: str) -> Any:
        answer = await settled(
            self.responses.parse(model=model, input=PLACE, text_format=Place)
        )
        return answer.output_parsed.model_dump()

    async def error(self, model: str) -> Any:
        return await raised_by(lambda: self.plain(model))


if __name__ == "__main__":
    surface, _, way = sys.argv[1].partition("-")
    client = (AsyncOpenAI if way else OpenAI)(**OPTIONS)
    tried = {"chat": Chat, "responses": Responses}[surface](client)
    run(
        {
            "plain": tried.plain,
            "stream": tried.stream,
            "tools": tried.tools,
            "structured": tried.structured,
            "error": tried.error,
        }
    )
