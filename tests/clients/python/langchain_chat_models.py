"""LangChain's models: `chat` and `responses` of OpenAI, `messages` of Anthropic."""

import sys
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
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


@tool
def weather_of(place: str) -> str:
    """Tell the weather of a place."""
    return weather(place)


def chat_model(model: str) -> Any:
    """Give LangChain's model."""
    if SURFACE == "messages":
        return ChatAnthropic(
            model=model, base_url=BASE_URL, api_key=KEY, max_retries=0, max_tokens=500
        )
    return ChatOpenAI(
        model=model,
        base_url=f"{BASE_URL}/v1",
        api_key=KEY,
        max_retries=0,
        # Which it leaves out by itself for any address but OpenAI's own.
        stream_usage=True,
        use_responses_api=SURFACE == "responses",
    )


async def plain(model: str) -> Any:
    answer = await chat_model(model).ainvoke(HELLO)
    return {
        "text": answer.text,
        "input_tokens": answer.usage_metadata["input_tokens"],
        "output_tokens": answer.usage_metadata["output_tokens"],
    }


async def stream(model: str) -> Any:
    whole: Any = None
    pieces = []
    async for chunk in chat_model(model).astream(HELLO):
        whole = chunk if whole is None else whole + chunk
        if chunk.text:
            pieces.append(chunk.text)
    return {
        "text": whole.text,
        "pieces": pieces,
        "output_tokens": whole.usage_metadata["output_tokens"],
    }


async def tools(model: str) -> Any:
    asked = chat_model(model).bind_tools([weather_of])
    messages: list[Any] = []
    calls = 0
    for _ in range(TURNS):
        messages.append(HumanMessage(TOOL))
        fail_over()
        while True:
            answer = await asked.ainvoke(messages)
            messages.append(answer)
            if not answer.tool_calls:
                break
            for call in answer.tool_calls:
                calls += 1
                messages.append(await weather_of.ainvoke(call))
    return {"text": answer.text, "calls": calls}


async def structured(model: str) -> Any:
    form = chat_model(model).with_structured_output(Place, method="json_schema")
    return (await form.ainvoke(PLACE)).model_dump()


async def by_function(model: str) -> Any:
    form = chat_model(model).with_structured_output(Place, method="function_calling")
    return (await form.ainvoke(PLACE)).model_dump()


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
