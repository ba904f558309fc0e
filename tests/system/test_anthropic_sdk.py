"""Anthropic's own client against the running gateway, whoever answers."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import pytest
from anthropic.types import Message, MessageParam, ToolParam

from fakes.chat_requests import PIXEL
from fakes.gateway import KEY, Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

PRICES = {"input": "3.00", "output": "15.00", "cache_read": "0.30"}
DIALECTS = {
    "openai": "openai-chat",
    "anthropic": "anthropic-messages",
    "aws": "bedrock-converse",
    "gcp": "gemini",
}
EVERYBODY = pytest.mark.parametrize("model", ["gpt", "claude", "claude-aws", "gemini"])
HELLO: list[MessageParam] = [{"role": "user", "content": "Hello"}]
WEATHER: ToolParam = {
    "name": "weather",
    "description": "Tells the weather of a place.",
    "input_schema": {
        "type": "object",
        "properties": {"place": {"type": "string"}},
        "required": ["place"],
    },
}

_FORCED_TURNS = 3
"""How many turns of a loop call a tool; the next one answers."""


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway in front of a provider of each format."""
    config = configuration(
        shared_sim,
        {
            "gpt": [{"id": "openai/gpt", "provider": "openai", "pricing": PRICES}],
            "claude": [
                {
                    "id": "anthropic/claude",
                    "provider": "anthropic",
                    "provider_model": "claude-sonnet-4-5",
                    "pricing": PRICES,
                }
            ],
            "claude-aws": [
                {
                    "provider": "aws",
                    "provider_model": "eu.anthropic.claude-sonnet-4-5",
                    "region": "eu-north-1",
                    "pricing": PRICES,
                }
            ],
            "gemini": [
                {
                    "provider": "gcp",
                    "provider_model": "gemini-3-pro",
                    "pricing": PRICES,
                }
            ],
        },
        dialects=DIALECTS,
    )
    config["providers"]["aws"]["credential"] = {
        "access_key_id": "AKIAEXAMPLE",
        "secret_access_key": "secret",
    }
    config["organizations"][0]["aliases"] = [
        {"name": "first-gpt", "fallback_models": ["gpt", "claude"]},
        {"name": "first-claude", "fallback_models": ["claude", "gemini", "gpt"]},
    ]
    folder = tmp_path_factory.mktemp("gateway")
    with Gateway(config, folder, separate=separate) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    """Give Anthropic's client, with nothing but the base URL and key changed."""
    with anthropic.Anthropic(
        base_url=gateway.base_url, api_key=KEY, max_retries=0
    ) as made:
        yield made


@pytest.fixture(autouse=True)
def _well(shared_sim: SimulatedProviders) -> None:
    shared_sim.recover()
    shared_sim.forget()


@EVERYBODY
def test_a_message_is_answered_whoever_serves(
    client: anthropic.Anthropic, model: str
) -> None:
    """The answer is a Message with text, a reason to stop and the tokens used."""
    message = client.messages.create(model=model, max_tokens=100, messages=HELLO)

    assert message.type == "message"
    assert message.role == "assistant"
    assert message.id.startswith("msg_")
    assert message._request_id
    assert message.content[0].type == "text"
    assert message.content[0].text
    assert message.stop_reason == "end_turn"
    assert _read_tokens(message) > 0
    assert message.usage.output_tokens > 0


@EVERYBODY
def test_a_streamed_message_is_what_the_whole_one_is(
    client: anthropic.Anthropic, model: str
) -> None:
    """The client puts the events together to a message of the same kind."""
    with client.messages.stream(model=model, max_tokens=100, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()

    assert text
    assert _text(message) == text
    assert message.stop_reason == "end_turn"
    assert _read_tokens(message) > 0
    assert message.usage.output_tokens > 0


@EVERYBODY
@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_result_is_heard(
    client: anthropic.Anthropic, model: str, streamed: bool
) -> None:
    """A loop of a call and its result goes through, with what was thought kept."""
    asked: list[MessageParam] = [{"role": "user", "content": "Weather in Paris?"}]
    first = _ask(client, streamed=streamed, model=model, messages=asked, forced=True)
    calls = [block for block in first.content if block.type == "tool_use"]
    asked += [
        {"role": "assistant", "content": _given(first)},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": call.id, "content": "Sunny"}
                for call in calls
            ],
        },
    ]

    second = _ask(client, streamed=streamed, model=model, messages=asked)

    assert first.stop_reason == "tool_use"
    assert calls[0].name == "weather"
    assert isinstance(calls[0].input, dict)
    assert _text(second)
    assert second.stop_reason == "end_turn"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_loop_goes_on_elsewhere_at_every_step(
    client: anthropic.Anthropic, shared_sim: SimulatedProviders, streamed: bool
) -> None:
    """Each turn meets another provider than the last, and the loop comes to its end."""
    asked: list[MessageParam] = [{"role": "user", "content": "Weather in Paris?"}]
    servers = []
    for turn, down in enumerate([(), ("anthropic",), ("anthropic", "gcp"), ("gcp",)]):
        shared_sim.recover()
        for provider in down:
            shared_sim.fail(provider, "503")
        answer = _ask(
            client,
            streamed=streamed,
            model="first-claude",
            messages=asked,
            forced=turn < _FORCED_TURNS,
        )
        servers.append(answer.model)
        asked.append({"role": "assistant", "content": _given(answer)})
        calls = [block for block in answer.content if block.type == "tool_use"]
        if calls:
            asked.append(
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": call.id,
                            "content": [{"type": "text", "text": "Sunny"}],
                        }
                        for call in calls
                    ],
                }
            )

    assert servers[:3] == ["claude", "gemini", "gpt"]
    assert answer.stop_reason == "end_turn"


def test_what_anthropic_knows_reaches_anthropic(
    client: anthropic.Anthropic, shared_sim: SimulatedProviders
) -> None:
    """Cache marks, thinking, documents and images arrive as they were sent."""
    mark = {"type": "ephemeral", "ttl": "1h"}
    media_type, _, data = PIXEL.removeprefix("data:").partition(";base64,")
    image = {"type": "base64", "media_type": media_type, "data": data}
    asked: dict[str, Any] = {
        "system": [{"type": "text", "text": "Be brief.", "cache_control": mark}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": image},
                    {"type": "text", "text": "Well?", "cache_control": mark},
                ],
            }
        ],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "tools": [{**WEATHER, "cache_control": mark}],
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-81"},
    }

    client.messages.create(
        model="claude",
        max_tokens=4000,
        extra_headers={"anthropic-beta": "context-1m-2025-08-07"},
        extra_body={"top_k": 5},
        **asked,
    )

    received = shared_sim.received("anthropic")[-1]
    sent = received.parsed
    assert sent["system"] == asked["system"]
    assert sent["messages"] == asked["messages"]
    assert sent["thinking"] == asked["thinking"]
    assert sent["tools"] == asked["tools"]
    assert sent["stop_sequences"] == ["END"]
    assert sent["metadata"] == {"user_id": "u-81"}
    assert "context-1m-2025-08-07" in received.headers["anthropic-beta"]


def test_what_only_anthropic_knows_does_not_reach_openai(
    client: anthropic.Anthropic, shared_sim: SimulatedProviders
) -> None:
    """A strict provider of OpenAI's format gets none of Anthropic's fields."""
    mark: Any = {"type": "ephemeral"}

    client.messages.create(
        model="gpt",
        max_tokens=4000,
        system=[{"type": "text", "text": "Be brief.", "cache_control": mark}],
        messages=[
            {
                "role": "user",
                "content": [{"type": "text", "text": "Well?", "cache_control": mark}],
            }
        ],
        thinking={"type": "enabled", "budget_tokens": 2000},
        extra_body={"top_k": 5},
        metadata={"user_id": "u-81"},
        tools=[{**WEATHER, "cache_control": mark}],
    )

    sent = shared_sim.received("openai")[-1]
    assert "cache_control" not in json.dumps(sent.parsed)
    assert not sent.parsed.keys() & {"thinking", "top_k", "metadata", "betas"}
    assert sent.parsed["reasoning_effort"] == "low"
    assert sent.parsed["safety_identifier"] == "u-81"


def test_a_failure_falls_back_unseen(
    client: anthropic.Anthropic, shared_sim: SimulatedProviders
) -> None:
    """The caller of an alias gets the next member's answer."""
    shared_sim.fail("openai", "503")

    message = client.messages.create(model="first-gpt", max_tokens=9, messages=HELLO)

    assert message.model == "claude"


def test_a_stream_that_breaks_off_is_taken_up(
    client: anthropic.Anthropic, shared_sim: SimulatedProviders
) -> None:
    """What one provider began another one ends, in one message."""
    shared_sim.fail("openai", "cut", after=2, times=1)

    with client.messages.stream(
        model="first-gpt", max_tokens=200, messages=HELLO
    ) as stream:
        message = stream.get_final_message()

    assert message.stop_reason == "end_turn"
    assert _text(message)


def test_a_failed_stream_ends_with_anthropics_error(
    client: anthropic.Anthropic, shared_sim: SimulatedProviders
) -> None:
    """The client raises; a truncated message never looks whole."""
    shared_sim.fail("openai", "cut", after=2)

    with (
        pytest.raises(anthropic.APIStatusError) as raised,
        client.messages.stream(model="gpt", max_tokens=200, messages=HELLO) as stream,
    ):
        stream.get_final_message()

    assert raised.value.body["error"]["code"] == "stream_interrupted"  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("asked", "kind", "word"),
    [
        ({"model": "claud"}, anthropic.NotFoundError, "not_found_error"),
        ({"max_tokens": None}, anthropic.BadRequestError, "invalid_request_error"),
        ({"messages": []}, anthropic.BadRequestError, "invalid_request_error"),
        (
            {"messages": [{"role": "user", "content": [{"type": "odd"}]}]},
            anthropic.BadRequestError,
            "invalid_request_error",
        ),
    ],
)
def test_errors_are_anthropics(
    client: anthropic.Anthropic,
    asked: dict[str, Any],
    kind: type[anthropic.APIStatusError],
    word: str,
) -> None:
    """A fault has Anthropic's shape and the client's own exception."""
    fields = {"model": "claude", "max_tokens": 9, "messages": HELLO} | asked

    with pytest.raises(kind) as raised:
        client.post("/v1/messages", cast_to=httpx.Response, body=fields)

    body: Any = raised.value.body
    assert body["type"] == "error"
    assert body["error"]["type"] == word


def test_an_unknown_key_is_refused_in_anthropics_shape(gateway: Gateway) -> None:
    """The client's own exception for a key that is none."""
    with (
        anthropic.Anthropic(
            base_url=gateway.base_url, api_key="wrong", max_retries=0
        ) as stranger,
        pytest.raises(anthropic.AuthenticationError) as raised,
    ):
        stranger.messages.create(model="claude", max_tokens=9, messages=HELLO)

    body: Any = raised.value.body
    assert body["error"]["type"] == "authentication_error"


def test_tokens_are_counted(client: anthropic.Anthropic) -> None:
    """A longer request has more tokens, and nobody is asked for it."""
    short = client.messages.count_tokens(model="claude", messages=HELLO)
    long = client.messages.count_tokens(
        model="claude", messages=[{"role": "user", "content": "word " * 500}]
    )

    assert 0 < short.input_tokens < long.input_tokens


def test_models_are_listed_in_anthropics_shape(client: anthropic.Anthropic) -> None:
    """All pages together name every model and alias; one can be asked for alone."""
    listed = [model.id for model in client.models.list(limit=2)]

    assert {"claude", "gpt", "first-gpt", "anthropic/claude"} <= set(listed)
    assert len(listed) == len(set(listed))
    assert client.models.retrieve("claude").type == "model"


def test_a_session_in_the_path_is_kept(gateway: Gateway) -> None:
    """The base URL of a session serves messages too."""
    with anthropic.Anthropic(
        base_url=f"{gateway.base_url}/session/s-1", api_key=KEY, max_retries=0
    ) as client:
        answers = [
            client.messages.with_raw_response.create(
                model="claude", max_tokens=9, messages=HELLO
            )
            for _ in range(2)
        ]

    affinity = [each.headers["x-holdfast-session-affinity"] for each in answers]
    assert affinity == ["new", "kept"]


def _ask(
    client: anthropic.Anthropic,
    *,
    streamed: bool,
    forced: bool = False,
    **asked: Any,
) -> Message:
    asked |= {"max_tokens": 500, "tools": [WEATHER]}
    if forced:
        asked["tool_choice"] = {"type": "any"}
    if not streamed:
        whole: Message = client.messages.create(**asked)
        return whole
    with client.messages.stream(**asked) as stream:
        return stream.get_final_message()


def _text(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def _read_tokens(message: Message) -> int:
    return message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0)


def _given(message: Message) -> Any:
    """Return an answer's content as a client sends it back."""
    return [block.model_dump(exclude_none=True) for block in message.content]
