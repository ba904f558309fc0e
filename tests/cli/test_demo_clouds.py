"""What the simulated providers say in each format, as the gateway reads it."""

import json
from typing import Any

import httpx
import pytest
from botocore.eventstream import EventStreamBuffer

from fakes.chat_requests import WEATHER
from fakes.every_dialect import MODELS, ask, provider_of
from fakes.provider import SimulatedProviders
from holdfast.model import Deployment, Outcome
from holdfast_executor.dialects.gemini_embeddings import GeminiEmbeddings
from holdfast_executor.embeddings import Embeddings

EVERY = pytest.mark.parametrize("dialect", MODELS)
STREAMED = pytest.mark.parametrize("stream", [False, True])
THINKING = [each for each in MODELS if "gpt" not in MODELS[each][0]]
MAY_BE_SILENT = ("anthropic", "bedrock-invoke", "openai-responses")
"""Dialects in which an answer may hold nothing at all, and be one."""
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
USE_IT: list[Any] = [{"role": "user", "content": "Use the tool."}]


@EVERY
@STREAMED
def test_an_answer_says_who_answered(
    sim: SimulatedProviders, dialect: str, stream: bool
) -> None:
    """In the same words, whole or streamed, and with its usage."""
    told = ask(sim, dialect, messages=HELLO, stream=stream)

    assert told.message["content"].startswith(f"Hello from {provider_of(dialect)}.")
    assert told.finish_reason == "stop"
    assert told.usage is None or told.usage.output_tokens > 0
    assert sim.received()[0].model == MODELS[dialect][1]


@EVERY
@STREAMED
def test_a_tool_is_called_and_its_result_is_taken(
    sim: SimulatedProviders, dialect: str, stream: bool
) -> None:
    """The message is handed back as it came."""
    asked = {"tools": [WEATHER], "stream": stream}
    calling = ask(sim, dialect, messages=USE_IT, **asked)
    [call] = calling.message["tool_calls"]
    result = {"role": "tool", "tool_call_id": call["id"], "content": "sun"}

    told = ask(sim, dialect, messages=[*USE_IT, calling.message, result], **asked)

    assert calling.finish_reason == "tool_calls"
    assert call["function"]["name"] == "weather"
    assert json.loads(call["function"]["arguments"]) == {"place": "example"}
    assert told.message["content"].startswith("Hello from")


@pytest.mark.parametrize("dialect", THINKING)
@STREAMED
def test_thinking_is_shown_on_request(
    sim: SimulatedProviders, dialect: str, stream: bool
) -> None:
    """Before the answer."""
    told = ask(sim, dialect, messages=HELLO, reasoning_effort="high", stream=stream)

    assert told.message["reasoning_content"].endswith("think here?")
    assert told.message["content"].startswith("Hello from")


OUTCOMES = {
    "400": Outcome.REJECTED,
    "403": Outcome.UNUSABLE,
    "404": Outcome.UNUSABLE,
    "429": Outcome.RATE_LIMITED,
    "500": Outcome.SERVER_ERROR,
    "503": Outcome.SERVER_ERROR,
    "too-long": Outcome.TOO_LONG,
    "empty": Outcome.SERVER_ERROR,
}


@EVERY
@pytest.mark.parametrize("fault", OUTCOMES)
def test_a_fault_is_one_in_each_format(
    sim: SimulatedProviders, dialect: str, fault: str
) -> None:
    """The gateway understands what is wrong."""
    sim.fail(provider_of(dialect), fault)

    told = ask(sim, dialect, messages=HELLO)

    if fault == "empty" and dialect.startswith(MAY_BE_SILENT):
        assert not told.message["content"]
    else:
        assert told.failure is not None
        assert told.failure.outcome is OUTCOMES[fault]


@EVERY
@pytest.mark.parametrize("fault", ["error-in-stream", "error-mid-stream"])
def test_a_stream_fails_within(
    sim: SimulatedProviders, dialect: str, fault: str
) -> None:
    """Under a status of success."""
    sim.fail(provider_of(dialect), fault)

    told = ask(sim, dialect, messages=HELLO, stream=True)

    assert told.failure is not None
    assert told.failure.outcome in {Outcome.SERVER_ERROR, Outcome.RATE_LIMITED}


@EVERY
@STREAMED
def test_a_filter_refuses(sim: SimulatedProviders, dialect: str, stream: bool) -> None:
    """As each provider does: as an error or within an answer."""
    sim.fail(provider_of(dialect), "filtered")

    told = ask(sim, dialect, messages=HELLO, stream=stream)

    refused = told.failure is not None and told.failure.outcome is Outcome.FILTERED
    assert refused or told.finish_reason == "content_filter"


@pytest.mark.parametrize(
    "dialect", ["bedrock-converse", "bedrock-invoke", "gemini", "anthropic-vertex"]
)
def test_who_shows_nothing_is_refused(sim: SimulatedProviders, dialect: str) -> None:
    """Any signature, key or token will do; none will not."""
    path = {
        "bedrock-converse": "/model/m/converse",
        "bedrock-invoke": "/model/m/invoke",
        "gemini": "/models/m:generateContent",
        "anthropic-vertex": "/models/m:rawPredict",
    }[dialect]

    answer = httpx.post(sim.base_uri("x", dialect) + path, json={})

    assert answer.status_code == 400
    assert "oken" in answer.text or "unregistered" in answer.text


def test_frames_are_as_aws_reads_them(sim: SimulatedProviders) -> None:
    """botocore checks both checksums of each."""
    uri = sim.base_uri("x", "bedrock-converse") + "/model/m/converse-stream"
    body = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}

    answer = httpx.post(uri, json=body, headers={"authorization": "Bearer t"})

    buffer = EventStreamBuffer()
    buffer.add_data(answer.content)
    names = [message.headers[":event-type"] for message in buffer]
    assert names[0] == "messageStart"
    assert names[-2:] == ["messageStop", "metadata"]
    assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"


@pytest.mark.parametrize("dialect", THINKING)
def test_anothers_signature_is_refused(sim: SimulatedProviders, dialect: str) -> None:
    """As real ones do; what a simulated one accepts, it has signed."""
    thinking = {"type": "thinking", "thinking": "Hm", "signature": "x"}
    call = {
        "id": "a",
        "type": "function",
        "function": {"name": "weather", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "x"}},
    }
    messages = [
        *USE_IT,
        {"role": "assistant", "thinking_blocks": [thinking], "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "sun"},
    ]

    told = ask(sim, dialect, messages=messages, tools=[WEATHER])

    assert told.failure is not None
    assert "signature" in told.failure.message


def test_texts_are_embedded_in_vertex_format(sim: SimulatedProviders) -> None:
    """One vector a text, as long as it was asked for, and the tokens of each."""
    base = sim.base_uri("gcp", "anthropic-vertex")
    place = Deployment(
        "gcp/e", "e", "gcp", "gemini-embedding-001", "gemini", base, auth="google"
    )
    asked = Embeddings.parse(b'{"model":"e","input":["a","b"],"dimensions":8}')
    told = []

    for call in GeminiEmbeddings().calls(asked, place):
        answer = httpx.post(
            base + call.encoded.path,
            content=call.encoded.body,
            headers={"authorization": "Bearer t"},
        )
        told.append(GeminiEmbeddings().decode(answer.content, {}))

    vectors = [json.loads(bytes(each)) for one in told for each in one.written]
    assert [len(vector) for vector in vectors] == [8, 8]
    assert all(one.input_tokens for one in told)
