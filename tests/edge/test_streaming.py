"""Streams that fail, before their first content and after it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from openai import AsyncStream
from openai.types.chat import ChatCompletionChunk

from fakes.plans import asking
from fakes.services import (
    MODEL,
    PINNED,
    AnsweringExecutor,
    BreakingOffExecutor,
    FailingExecutor,
    WaitingExecutor,
    chunk,
)
from holdfast.errors import AllAttemptsRateLimitedError, StreamInterruptedError
from holdfast.model import Attempt, Outcome
from holdfast.ports import Executor
from holdfast_edge.keep_alive import COMMENT
from holdfast_edge.presence import CallerPresence
from holdfast_edge.sse import Steps, relay

from .conftest import CHAT, Serve

STREAMED = {**CHAT, "stream": True}
ATTEMPT = Attempt(1, PINNED, Outcome.RATE_LIMITED, http_status=429)


async def test_fails_as_any_call_before_the_first_content(serve: Serve) -> None:
    """A stream that never began is a JSON error with its own status."""
    error = AllAttemptsRateLimitedError(
        "Every deployment is rate limited.",
        attempts=[ATTEMPT],
        attempt_count="1",
        retry_after_seconds="2.2",
    )
    edge = await serve(FailingExecutor(error))

    response = await edge.chat(json=STREAMED)

    assert response.status_code == 429
    assert response.headers["content-type"] == "application/json"
    assert response.headers["retry-after"] == "3"
    assert response.headers["x-holdfast-attempts"] == "1"
    assert response.json()["error"]["attempts"] == [
        {"deployment": PINNED, "outcome": "rate-limited", "status": 429}
    ]


@pytest.mark.parametrize(
    "ending",
    [
        StreamInterruptedError("The stream broke off.", attempts=[ATTEMPT]),
        ValueError("a secret of the answer"),
        None,
    ],
)
async def test_does_not_let_a_truncated_answer_look_whole(
    serve: Serve, ending: Exception | None
) -> None:
    """A stream that breaks off ends with one error and without `[DONE]`."""
    edge = await serve(BreakingOffExecutor(ending))

    response = await edge.chat(json=STREAMED)

    first, last, rest = response.text.split("\n\n")
    error = json.loads(last.removeprefix("data: "))["error"]
    assert json.loads(first.removeprefix("data: "))["object"] == "chat.completion.chunk"
    assert error["trace_id"] == response.headers["x-holdfast-trace-id"]
    assert error["code"] in ("stream_interrupted", "internal_error")
    assert "secret" not in response.text
    assert rest == ""


async def test_has_the_sdk_raise_when_a_stream_breaks_off(serve: Serve) -> None:
    """The SDK hands out what came, and then raises."""
    edge = await serve(BreakingOffExecutor(StreamInterruptedError("It broke off.")))
    received: list[ChatCompletionChunk] = []

    async def read_on(stream: AsyncStream[ChatCompletionChunk]) -> None:
        while True:
            received.append(await anext(stream))

    async with edge.openai() as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=CHAT["messages"], stream=True
        )
        with pytest.raises(openai.APIError, match="It broke off"):
            await read_on(stream)

    assert [each.choices[0].delta.content for each in received] == ["Hel"]


async def test_gives_up_when_the_caller_would(serve: Serve) -> None:
    """A stream that does not begin in the SDK's read timeout is a 504."""
    executor = WaitingExecutor()
    edge = await serve(executor)

    response = await edge.chat(
        json=STREAMED, headers={"x-stainless-read-timeout": "0.05"}
    )

    assert response.status_code == 504
    assert response.json()["error"]["code"] == "deadline_exceeded"
    assert executor.called_off.is_set()


async def test_goes_on_once_it_has_begun() -> None:
    """The SDK's read timeout does not bound a stream that has begun."""
    executor = WaitingExecutor(first_chunk=True)
    loop = asyncio.get_running_loop()
    limit = loop.time() + 0.05
    loop.call_at(limit + 0.05, executor.release.set)

    sent = await relayed(executor, first_content_by=limit)

    assert sent[-1]["body"] == b"data: [DONE]\n\n"


async def test_writes_what_came_together_at_once() -> None:
    """The events of one message go out in one write, as they came."""
    executor = AnsweringExecutor(
        events=[b"data: 1\n\n", b"data: 2\n\ndata: 3\n\n", b""]
    )

    sent = await relayed(executor)

    assert [(message["body"], message["more_body"]) for message in sent[1:]] == [
        (b"data: 1\n\n", True),
        (b"data: 2\n\ndata: 3\n\n", True),
        (b"data: [DONE]\n\n", False),
    ]


async def test_keeps_the_connection_of_a_silent_stream_open() -> None:
    """Comments come while there is nothing to say, and none after the last event."""
    executor = WaitingExecutor(first_chunk=True)

    def heard(sent: list[bytes]) -> None:
        if sent.count(COMMENT) == 2:
            executor.release.set()

    sent = await relayed(executor, heard=heard, looks_every_s=0.01)

    first, *between, last, done = [message["body"] for message in sent[1:]]
    assert between == [COMMENT, COMMENT]
    assert (b"Hel" in first, b"lo" in last, done) == (True, True, b"data: [DONE]\n\n")


async def test_sends_no_comment_before_a_stream_has_begun() -> None:
    """Until then any answer may still become an error with its own status."""
    executor = WaitingExecutor()
    asyncio.get_running_loop().call_later(0.1, executor.release.set)

    sent = await relayed(executor, looks_every_s=0.01)

    assert sent[0]["type"] == "http.response.start"
    assert [message["body"] for message in sent[1:]].count(COMMENT) == 0


async def test_sends_no_comment_into_a_stream_that_flows() -> None:
    """Whoever is sent something between any two looks needs no other sign."""

    class Flowing(AnsweringExecutor):
        async def execute_stream(self, request: Any, **more: Any) -> Any:
            async for each in super().execute_stream(request, **more):
                yield each
                if each.HasField("chunks") or each.HasField("served"):
                    await asyncio.sleep(0.01)

    sent = await relayed(Flowing(events=[b"data: 1\n\n"] * 5), looks_every_s=0.01)

    assert len(sent) == 7
    assert COMMENT not in [message["body"] for message in sent[1:]]


async def test_a_comment_that_waits_for_a_slow_reader_is_given_up_at_the_end() -> None:
    """What could not be sent in time is not sent at all."""
    executor = WaitingExecutor(first_chunk=True)
    written: list[bytes] = []

    async def send(message: Any) -> None:
        if message.get("body") == COMMENT:
            executor.release.set()
            await asyncio.Event().wait()
        written.append(message.get("body", b""))

    await relayed(executor, send=send, looks_every_s=0.01)
    await asyncio.sleep(0)

    assert written[-1] == b"data: [DONE]\n\n"
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_has_the_sdk_pass_over_comments(serve: Serve) -> None:
    """What it hands out are the chunks, as if nothing had been between them."""
    edge = await serve(AnsweringExecutor(events=[COMMENT, chunk("Hi"), COMMENT]))

    async with edge.openai() as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=CHAT["messages"], stream=True
        )
        received = [each async for each in stream]

    assert [each.choices[0].delta.content for each in received] == ["Hi"]


async def relayed(
    executor: Executor,
    *,
    first_content_by: float | None = None,
    heard: Callable[[list[bytes]], None] = lambda _: None,
    send: Callable[[Any], Awaitable[None]] | None = None,
    **more: Any,
) -> list[dict[str, Any]]:
    """Relay a stream to a caller that stays, and return what it was sent."""
    sent: list[dict[str, Any]] = []

    async def start() -> Steps:
        return executor.execute_stream(asking())

    async def receives(message: Any) -> None:
        sent.append(message)
        heard([each.get("body", b"") for each in sent])

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    await relay(
        start,
        send or receives,
        CallerPresence(receive),
        trace_id="t",
        first_content_by=first_content_by,
        **more,
    )
    return sent
