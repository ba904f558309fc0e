"""A chat through OpenAI's own SDK."""

import asyncio
import json

import msgspec
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion

from fakes.services import COMPLETION, KEY, MODEL, PINNED, AnsweringExecutor

from .conftest import CHAT, Serve

MESSAGES = CHAT["messages"]


async def test_answers_the_sdk(serve: Serve) -> None:
    """A call through the SDK returns the answer, with its cost."""
    edge = await serve(AnsweringExecutor())

    async with edge.openai() as client:
        answer = await client.chat.completions.create(model=MODEL, messages=MESSAGES)

    assert answer.choices[0].message.content == "Hello there"
    assert answer.usage.cost == 0.0021


async def test_answers_the_sdk_that_does_not_wait_for_an_event_loop(
    serve: Serve,
) -> None:
    """The synchronous client works as well, its key in a header of its own."""
    edge = await serve(AnsweringExecutor())

    def call() -> ChatCompletion:
        with OpenAI(
            base_url=f"{edge.url}/compat/openai",
            api_key="-",
            default_headers={"x-opper-api-key": KEY},
        ) as client:
            return client.chat.completions.create(model=PINNED, messages=MESSAGES)

    answer = await asyncio.to_thread(call)

    assert answer.model == MODEL


async def test_streams_to_the_sdk(serve: Serve) -> None:
    """A streamed call yields every chunk, each valid in the SDK's own types."""
    edge = await serve(AnsweringExecutor())

    async with edge.openai() as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=MESSAGES, stream=True
        )
        chunks = [chunk async for chunk in stream]

    assert [chunk.choices[0].delta.content for chunk in chunks] == [
        "Hello",
        " there",
        "",
    ]
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_says_who_served_before_the_answer(serve: Serve) -> None:
    """The headers name who answered and what it cost."""
    edge = await serve(AnsweringExecutor())

    response = await edge.chat()

    told = {
        name.removeprefix("x-holdfast-"): value
        for name, value in response.headers.items()
        if name.startswith("x-holdfast-") and name != "x-holdfast-trace-id"
    }
    assert told == {
        "deployment": PINNED,
        "provider": "aws",
        "geography": "eu",
        "attempts": "2",
        "session-affinity": "kept",
        "revision": "7",
        "cost-usd": "0.0021",
    }
    assert response.headers["x-opper-cost"] == "0.0021"


async def test_says_nothing_of_a_cost_that_is_unknown(serve: Serve) -> None:
    """An unknown cost is no cost of zero."""
    edge = await serve(AnsweringExecutor(cost_usd_nanos=None))

    response = await edge.chat()

    assert "x-holdfast-cost-usd" not in response.headers


async def test_says_who_serves_a_stream(serve: Serve) -> None:
    """A stream's headers name who serves it, and that nobody is to buffer it."""
    edge = await serve(AnsweringExecutor())

    response = await edge.chat(json={**CHAT, "stream": True})

    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["x-holdfast-deployment"] == PINNED
    assert response.headers["x-holdfast-revision"] == "7"
    assert "x-holdfast-cost-usd" not in response.headers
    assert response.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/compat/openai",
        "/compat/openai/v1",
        "/v3/compat",
        "/session/s-1/v1",
        "/v3/session/s-1/v1",
        "/v3/session/s-1",
    ],
)
async def test_answers_below_every_base(serve: Serve, path: str) -> None:
    """All names of the base path lead to the same, sessions in the path too."""
    edge = await serve(AnsweringExecutor())

    async with edge.openai(path) as client:
        answer = await client.chat.completions.create(model=MODEL, messages=MESSAGES)
        models = await client.models.list()

    assert answer.id == "chatcmpl-1"
    assert models.data
    assert edge.resolver.asked[0].session_id == ("s-1" if "session" in path else "")


EVERY_PARAMETER = {
    "audio": {"format": "wav", "voice": "alloy"},
    "frequency_penalty": -2,
    "function_call": "none",
    "functions": [{"name": "f", "description": "d", "parameters": {"a": "b"}}],
    "logit_bias": {"1": 0},
    "logprobs": True,
    "max_completion_tokens": 1,
    "max_tokens": 1,
    "metadata": {"a": "b"},
    "modalities": ["text"],
    "n": 1,
    "parallel_tool_calls": True,
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": -2,
    "prompt_cache_key": "p",
    "prompt_cache_retention": "24h",
    "reasoning_effort": "low",
    "response_format": {"type": "text"},
    "safety_identifier": "s",
    "seed": -9007199254740991,
    "service_tier": "auto",
    "stop": "\n",
    "store": True,
    "stream_options": {"include_usage": True, "include_obfuscation": True},
    "temperature": 1,
    "tool_choice": "none",
    "tools": [{"type": "function", "function": {"name": "f", "strict": True}}],
    "top_logprobs": 0,
    "top_p": 1,
    "user": "u",
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
    "extra_body": {"a_field_nobody_has_heard_of": {"b": [1, 1.0, None]}},
}


async def test_takes_every_parameter_of_the_sdk(serve: Serve) -> None:
    """Whatever the SDK can send is accepted and carried on as it came."""
    executor = AnsweringExecutor()
    edge = await serve(executor)

    async with edge.openai() as client:
        await client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "developer", "content": "x", "name": "n"}],
            **EVERY_PARAMETER,
        )

    carried = json.loads(executor.asked[0].body)
    expected = {**EVERY_PARAMETER, **EVERY_PARAMETER["extra_body"]}
    del expected["extra_body"]
    assert {name: carried[name] for name in expected} == expected


async def test_takes_null_for_what_is_not_set(serve: Serve) -> None:
    """Clients that write their unset options as null are understood."""
    edge = await serve(AnsweringExecutor())
    unset = dict.fromkeys(
        [
            "stream",
            "stream_options",
            "max_tokens",
            "max_completion_tokens",
            "n",
            "tools",
            "response_format",
            "prompt_cache_key",
        ]
    )

    response = await edge.chat(json={**CHAT, **unset})

    assert response.status_code == 200


async def test_carries_the_body_byte_for_byte(serve: Serve) -> None:
    """Spacing, order, escapes and numbers stay as the caller wrote them."""
    executor = AnsweringExecutor()
    edge = await serve(executor)
    body = (
        b'{ "z":1.0, "messages" : [ {"role":"user","content":"\\u00e9 \xc3\xa9"} ],\n'
        b' "n": 1, "x": 1e-7, "model":"claude-sonnet-4-5" }\n'
    )

    response = await edge.chat(
        json=None, content=body, headers={"content-type": "application/json"}
    )

    assert response.status_code == 200
    assert executor.asked[0].body == body


async def test_returns_the_answer_byte_for_byte(serve: Serve) -> None:
    """The executor's bytes are the caller's."""
    body = msgspec.json.format(json.dumps(COMPLETION).encode(), indent=3)
    edge = await serve(AnsweringExecutor(completion=body))

    response = await edge.chat()

    assert response.content == body


async def test_resolves_for_the_callers_key_without_passing_it_on(serve: Serve) -> None:
    """The resolver gets the key's digest, the model and the trace; not the key."""
    executor = AnsweringExecutor()
    edge = await serve(executor)

    response = await edge.chat()

    asked = edge.resolver.asked[0]
    assert asked.model == MODEL
    assert asked.trace_id == response.headers["x-holdfast-trace-id"]
    assert KEY not in repr((asked, executor.asked[0].plan.wire))
