"""What Anthropic is sent for a caller's chat request: all but what has its own file."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from fakes.anthropic_chats import (
    HELLO,
    PERSON,
    SONNET,
    WEATHER,
    call,
    encoded,
    json_schema,
    named,
    text,
)
from holdfast.errors import RequestMalformedError
from holdfast_executor.chat import Chat
from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects.anthropic_messages import AnthropicMessages
from holdfast_executor.dialects.anthropic_models import traits_of
from holdfast_executor.dialects.anthropic_request import LEFT_OUT, TRANSLATED, UNSERVED

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(
    path.parent.name for path in GOLDEN.glob("*/anthropic-messages.request.json")
)


@pytest.mark.parametrize("case", CASES)
def test_golden_requests(case: str) -> None:
    """A request is written as the file beside it says, byte for byte the same twice."""
    chat = Chat.parse((GOLDEN / case / "chat.json").read_bytes())

    first = AnthropicMessages().encode(chat, SONNET).body
    second = AnthropicMessages().encode(chat, SONNET).body

    expected = (GOLDEN / case / "anthropic-messages.request.json").read_text()
    assert json.loads(first) == json.loads(expected)
    assert first == second


def test_goes_to_the_messages_endpoint_with_its_version() -> None:
    """Path and headers are Anthropic's; authentication is not the dialect's."""
    chat = Chat.parse(json.dumps({"messages": HELLO, "betas": ["files-1"]}).encode())

    request = AnthropicMessages().encode(chat, SONNET)

    assert request.path == "/v1/messages"
    assert dict(request.headers) == {
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "files-1",
    }


def test_a_plain_request_says_no_more_than_it_must() -> None:
    """Nothing is sent that neither the caller nor Anthropic asked for."""
    assert encoded() == {
        "model": "claude-sonnet-4-5-20250929",
        "max_tokens": 64_000,
        "messages": [{"role": "user", "content": [text("Hello")]}],
    }


def test_streaming_is_asked_for_where_the_caller_streams() -> None:
    """`stream` is Anthropic's own word too, and `stream_options` is not."""
    sent = encoded(stream=True, stream_options={"include_usage": True})

    assert sent["stream"] is True
    assert "stream_options" not in sent


def test_the_callers_request_is_left_as_it_was() -> None:
    """The next attempt starts from the same request."""
    fields = {
        "messages": [
            {"role": "system", "content": "s", "cache_control": {"type": "ephemeral"}},
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "tool_calls": [call("1", {"city": "Lund"})]},
            {"role": "tool", "tool_call_id": "1", "content": "sun"},
            {"role": "assistant", "content": "b  "},
        ],
        "tools": [
            {"type": "x_20250305", "name": "x", "strict": True, "input_schema": {}},
            {"type": "function", "function": {"name": "f", "strict": True}},
        ],
        "response_format": json_schema(PERSON),
    }
    chat = Chat.parse(json.dumps(fields).encode())

    AnthropicMessages().encode(chat, SONNET)

    assert chat.parsed == fields


def test_every_field_of_openai_has_a_rule() -> None:
    """Each is translated, left out for a reason, or cause to try elsewhere."""
    known = set(CompletionCreateParamsBase.__annotations__)

    assert known <= TRANSLATED | LEFT_OUT.keys() | UNSERVED
    assert not TRANSLATED & LEFT_OUT.keys()
    assert not UNSERVED & (TRANSLATED | LEFT_OUT.keys())


@pytest.mark.parametrize("field", [*LEFT_OUT, "invented_tomorrow"])
def test_fields_without_a_counterpart_are_left_out(field: str) -> None:
    """Anthropic answers 400 to a field it does not know."""
    assert encoded(SONNET, **{field: {}}) == encoded()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("modalities", ["text", "audio"]),
        ("web_search_options", {}),
    ],
)
def test_what_claude_cannot_do_is_left_to_another_deployment(
    field: str, value: object
) -> None:
    """Half an answer would be worse than one from elsewhere."""
    with pytest.raises(CapabilityMissingError) as raised:
        encoded(SONNET, **{field: value})

    assert raised.value.param == field


@pytest.mark.parametrize(("field", "value"), [("n", 1), ("modalities", ["text"])])
def test_what_claude_does_anyway_is_no_demand(field: str, value: object) -> None:
    """One answer in text is what there is."""
    assert encoded(SONNET, **{field: value}) == encoded()


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("anthropic.claude-3-5-haiku-20241022-v1:0", "claude-3-5-haiku"),
        ("claude-opus-20240229", "claude-opus"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4-0"),
        ("claude-sonnet-4@20250514", "claude-sonnet-4-0"),
        ("claude-opus-4-1-20250805", "claude-opus-4-1"),
        ("anthropic/claude-4.6-sonnet", "claude-sonnet-4-6"),
        ("claude-opus4-6", "claude-opus-4-6"),
        ("eu.anthropic.claude-opus-4-7", "claude-opus-4-7"),
        ("claude-opus-4.8-fast", "claude-opus-4-7"),
        ("Claude-Mythos-Preview", "claude-fable-5"),
        ("claude-opus-5-5", "claude-sonnet-5"),
    ],
)
def test_a_model_is_known_by_any_of_its_names(name: str, like: str) -> None:
    """Providers spell versions, dates and regions their own way."""
    assert traits_of(named(name)) == traits_of(named(like))


def test_a_deployment_with_a_name_of_its_own_is_known_by_its_model() -> None:
    """As on Azure, where the operator names it."""
    azure = replace(SONNET, model_id="claude-opus-4-7", provider_model="prod-1")

    assert traits_of(azure) == traits_of(named("claude-opus-4-7"))


@pytest.mark.parametrize(
    ("fields", "most", "sent"),
    [
        ({}, 0, 4096),
        ({}, 8192, 8192),
        ({"max_tokens": 100}, 8192, 100),
        ({"max_completion_tokens": 200, "max_tokens": 100}, 8192, 200),
        ({"max_tokens": 9000}, 8192, 8192),
        ({"max_tokens": 9000}, 0, 9000),
    ],
)
def test_max_tokens(fields: dict[str, Any], most: int, sent: int) -> None:
    """Anthropic demands one: the caller's, else the deployment's, else 4096."""
    deployment = replace(SONNET, max_output_tokens=most)

    assert encoded(deployment, **fields)["max_tokens"] == sent


@pytest.mark.parametrize(("asked", "sent"), [(0, 0), (0.7, 0.7), (1.6, 1), (-1, 0)])
def test_temperature_is_bounded(asked: float, sent: float) -> None:
    """OpenAI's goes to 2, Anthropic's to 1."""
    assert encoded(temperature=asked)["temperature"] == sent


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("claude-sonnet-4-0", {"temperature", "top_p", "top_k"}),
        ("claude-sonnet-4-5", {"temperature", "top_k"}),
        ("claude-opus-4-1@20250805", {"temperature", "top_k"}),
        ("claude-opus-4-7", set()),
        ("some-other-model", {"temperature", "top_p", "top_k"}),
    ],
)
def test_samplers_that_a_model_takes(model: str, sent: set[str]) -> None:
    """From 4.1 on temperature and top_p exclude each other; from 4.7 there are none."""
    request = encoded(named(model), temperature=0.5, top_p=0.9, top_k=40)

    assert request.keys() & {"temperature", "top_p", "top_k"} == sent


@pytest.mark.parametrize(
    ("stop", "sent"),
    [("END", ["END"]), (["a", "b"], ["a", "b"]), ([" ", "a"], ["a"]), (["\n"], None)],
)
def test_stop_sequences(stop: object, sent: object) -> None:
    """One or several; blank ones, which Anthropic refuses, are left out."""
    assert encoded(stop=stop).get("stop_sequences") == sent


@pytest.mark.parametrize(
    ("fields", "user_id"),
    [
        ({"user": "u-1"}, "u-1"),
        ({"user": "u-1", "safety_identifier": "s-1"}, "s-1"),
        ({"user": "u-1", "metadata": {"user_id": "m-1", "team": "x"}}, "m-1"),
    ],
)
def test_who_is_asking(fields: dict[str, Any], user_id: str) -> None:
    """An opaque id is passed on, and no other metadata."""
    assert encoded(**fields)["metadata"] == {"user_id": user_id}


@pytest.mark.parametrize("user", ["a@b.se", "+46 70 123", "0701234567", "x" * 300])
def test_who_is_asking_is_a_digest_where_it_may_name_a_person(user: str) -> None:
    """Anthropic refuses email addresses and telephone numbers."""
    user_id = encoded(user=user)["metadata"]["user_id"]

    assert len(user_id) == 64
    assert user_id == encoded(user=user)["metadata"]["user_id"]


@pytest.mark.parametrize(
    ("tier", "sent"), [("auto", "auto"), ("default", None), ("flex", None)]
)
def test_service_tier(tier: str, sent: str | None) -> None:
    """Anthropic's own words pass; OpenAI's others are left out."""
    assert encoded(service_tier=tier).get("service_tier") == sent


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "king", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"]}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].image_url",
        ),
        (
            {"messages": [{"role": "tool", "content": "x"}]},
            "messages[0].tool_call_id",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]},
            "messages[0].tool_calls[0].function",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [call("1", 5)]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        (
            {"tools": [{"type": "function", "function": {}}]},
            "tools[0].function.name",
        ),
        ({"tools": [WEATHER], "tool_choice": "maybe"}, "tool_choice"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop": [1]}, "stop[0]"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"betas": ["a\r\nx-evil: 1"]}, "betas[0]"),
    ],
)
def test_mistakes_are_named(fields: dict[str, Any], field: str) -> None:
    """The error names the field as a caller would write it."""
    with pytest.raises(RequestMalformedError) as raised:
        encoded(**fields)

    assert raised.value.metadata == {"field": field}


KEYS = (
    "type",
    "text",
    "role",
    "content",
    "name",
    "function",
    "id",
    "tool_calls",
    "tool_choice",
    "mode",
    "image_url",
    "url",
    "file",
    "file_data",
    "schema",
    "json_schema",
    "properties",
    "$ref",
    "budget_tokens",
    "thinking_blocks",
    "arguments",
    "cache_control",
)
WORDS = (
    "text",
    "image_url",
    "file",
    "user",
    "assistant",
    "tool",
    "system",
    "function",
    "allowed_tools",
    "json_schema",
    "enabled",
    "thinking",
    "object",
    "#/$defs/a",
    "data:image/png;base64,A",
    "x_20250101",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(0, 2) | st.text("a. "),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(KEYS), inner | st.sampled_from(WORDS), max_size=4
        )
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-7", "other"])
@settings(deadline=None, max_examples=150, derandomize=True, database=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted({*TRANSLATED, *UNSERVED} - {"stream"})), JSON
    ),
    st.lists(st.dictionaries(st.just("role"), st.just("user")) | JSON, max_size=3),
)
def test_whatever_is_sent_is_translated_or_refused(
    model: str, fields: dict[str, Any], messages: list[Any]
) -> None:
    """No request makes the gateway stumble."""
    body = json.dumps({"messages": messages, **fields}).encode()

    with contextlib.suppress(RequestMalformedError, CapabilityMissingError):
        AnthropicMessages().encode(Chat(body), named(model))


@pytest.mark.parametrize("bad", [rb'"\ud83d"', b'"\xff"', b"[" * 5000 + b"]" * 5000])
def test_text_that_cannot_be_read_is_the_callers_mistake(bad: bytes) -> None:
    """Half a character, bytes that are no UTF-8, nesting without end."""
    chat = Chat(b'{"messages":[{"role":"user","content":' + bad + b"}]}")

    with pytest.raises(RequestMalformedError):
        AnthropicMessages().encode(chat, SONNET)
