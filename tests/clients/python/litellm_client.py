"""LiteLLM as a client: `chat`, `responses` or `messages`."""

import json
import sys
from typing import Any

import litellm
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
PARAMETERS = {
    "type": "object",
    "properties": {"place": {"type": "string"}},
    "required": ["place"],
}
FUNCTION = {"name": "weather", "parameters": PARAMETERS}


def options(model: str) -> dict[str, Any]:
    """Say where the gateway is."""
    if SURFACE == "messages":
        return {"model": f"anthropic/{model}", "api_base": BASE_URL, "api_key": KEY}
    return {"model": f"openai/{model}", "api_base": f"{BASE_URL}/v1", "api_key": KEY}


async def ask(model: str, **more: Any) -> Any:
    return await litellm.acompletion(**options(model), num_retries=0, **more)


async def plain(model: str) -> Any:
    if SURFACE == "responses":
        answer = await litellm.aresponses(**options(model), input=HELLO)
        return {
            "text": answer.output_text,
            "input_tokens": answer.usage.input_tokens,
            "output_tokens": answer.usage.output_tokens,
        }
    answer = await ask(model, messages=[{"role": "user", "content": HELLO}])
    return {
        "text": answer.choices[0].message.content,
        "input_tokens": answer.usage.prompt_tokens,
        "output_tokens": answer.usage.completion_tokens,
    }


async def stream(model: str) -> Any:
    if SURFACE == "responses":
        events = [
            event
            async for event in await litellm.aresponses(
                **options(model), input=HELLO, stream=True
            )
        ]
        return {
            "text": events[-1].response.output_text,
            "pieces": [
                event.delta
                for event in events
                if event.type == "response.output_text.delta"
            ],
            "output_tokens": events[-1].response.usage.output_tokens,
        }
    chunks = [
        chunk
        async for chunk in await ask(
            model,
            messages=[{"role": "user", "content": HELLO}],
            stream=True,
            stream_options={"include_usage": True},
        )
    ]
    whole = litellm.stream_chunk_builder(chunks)
    return {
        "text": whole.choices[0].message.content,
        "pieces": [
            chunk.choices[0].delta.content
            for chunk in chunks
            if chunk.choices and chunk.choices[0].delta.content
        ],
        "output_tokens": whole.usage.completion_tokens,
    }


async def tools(model: str) -> Any:
    return await (_items if SURFACE == "responses" else _messages)(model)


async def _messages(model: str) -> Any:
    messages: list[Any] = []
    calls = 0
    for _ in range(TURNS):
        messages.append({"role": "user", "content": TOOL})
        fail_over()
        while True:
            answer = await ask(
                model,
                messages=messages,
                tools=[{"type": "function", "function": FUNCTION}],
            )
            said = answer.choices[0].message
            messages.append(said)
            for call in said.tool_calls or ():
                calls += 1
                messages.append(
                    {
                        "role": "tool",
                        "tool_call_id": call.id,
                        "content": weather(**json.loads(call.function.arguments)),
                    }
                )
            if not said.tool_calls:
                break
    return {"text": said.content, "calls": calls}


async def _items(model: str) -> Any:
    items: list[Any] = []
    calls = 0
    for _ in range(TURNS):
        items.append({"role": "user", "content": TOOL})
        fail_over()
        while True:
            answer = await litellm.aresponses(
                **options(model),
                input=items,
                tools=[{"type": "function", **FUNCTION}],
            )
            items += [item.model_dump(exclude_none=True) for item in answer.output]
            called = [item for item in answer.output if item.type == "function_call"]
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


async def structured(model: str) -> Any:
    if SURFACE == "responses":
        answer = await litellm.aresponses(
            **options(model), input=PLACE, text_format=Place
        )
        return json.loads(answer.output_text)
    answer = await ask(
        model, messages=[{"role": "user", "content": PLACE}], response_format=Place
    )
    return json.loads(answer.choices[0].message.content)


async def error(model: str) -> Any:
    return await raised_by(lambda: plain(model))


if __name__ == "__main__":
    run(
        {
            "plain": plain,
            "stream": stream,
            "tools": tools,
            "structured": structured,
            "error": error,
        }
    )
