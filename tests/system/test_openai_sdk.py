"""OpenAI's own client and types, against the running gateway."""

import inspect
import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai.resources.chat.completions import Completions
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from fakes import event_stream
from fakes.chat_requests import EVERY_PARAMETER, ODD_SPELLING, PIXEL, WEATHER
from fakes.gateway import KEY, Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

HELLO = [{"role": "user", "content": "Hello"}]
BOTH = pytest.mark.parametrize("model", ["gpt", "claude"])
PRICES = {"input": "3.00", "output": "15.00"}


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway in front of a provider of either format."""
    dialects = {"openai": "openai-chat", "anthropic": "anthropic-messages"}
    config = configuration(
        shared_sim,
        {
            "gpt": [{"id": "openai/gpt", "provider": "openai", "pricing": PRICES}],
            "claude": [
                {
                    "id": "anthropic/claude-eu",
                    "provider": "anthropic",
                    "geography": "eu",
                    "pricing": PRICES,
                }
            ],
            "mute": [{"provider": "mute"}],
        },
        dialects=dialects,
    )
    config["organizations"][0] |= {
        "aliases": [{"name": "default-llm", "fallback_models": ["claude", "gpt"]}],
        "custom_models": [
            {
                "name": "acme/tuned",
                "identifier": "openai/tuned-7b",
                "api_key": "key-of-acme",
                "extra": {"api_base": shared_sim.base_uri("acme")},
                "allow_private_network": True,
            }
        ],
    }
    shared_sim.recover()
    folder = tmp_path_factory.mktemp("sdk")
    with Gateway(config, folder, separate=separate) as running:
        yield running


@pytest.fixture
def sim(shared_sim: SimulatedProviders) -> SimulatedProviders:
    """Give the providers, with nothing received yet and none failing."""
    shared_sim.recover()
    shared_sim.forget()
    return shared_sim


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> openai.OpenAI:
    """Give OpenAI's client."""
    return gateway.openai()


class TestAnswers:
    """Every answer is one by the letter of the SDK's types, whoever gave it."""

    @BOTH
    def test_a_whole_answer_fits_the_type_and_tells_its_cost(
        self, client: openai.OpenAI, model: str
    ) -> None:
        """Validated strictly, which the SDK itself does not do."""
        answer = client.chat.completions.with_raw_response.create(
            model=model, messages=HELLO
        )

        completion = ChatCompletion.model_validate_json(answer.text, strict=True)
        assert completion.model == model
        assert completion.choices[0].message.content
        assert completion.usage is not None
        assert answer.request_id == answer.headers["x-holdfast-trace-id"]
        cost = completion.usage.model_extra["cost"]
        assert cost > 0
        assert f"{cost:f}".rstrip("0") == answer.headers["x-holdfast-cost-usd"]

    @BOTH
    def test_a_stream_without_usage_holds_chunks_with_choices_alone(
        self, gateway: Gateway, model: str
    ) -> None:
        """Many clients read `choices[0]` of every chunk."""
        chunks = streamed(gateway, {"model": model, "messages": HELLO})

        assert all(chunk.choices for chunk in chunks)
        assert not any(chunk.usage for chunk in chunks)
        assert {chunk.model for chunk in chunks} == {model}

    @BOTH
    def test_a_stream_with_usage_ends_with_it_and_the_cost(
        self, gateway: Gateway, model: str
    ) -> None:
        """In a chunk of its own, without a choice."""
        request = {"model": model, "messages": HELLO}
        asked = {**request, "stream_options": {"include_usage": True}}

        *chunks, last = streamed(gateway, asked)

        assert all(chunk.choices for chunk in chunks)
        assert last.choices == []
        assert last.usage is not None
        assert last.usage.total_tokens > 0
        assert last.usage.model_extra["cost"] > 0

    @BOTH
    async def test_the_asynchronous_client_works_too(
        self, gateway: Gateway, model: str
    ) -> None:
        """Whole and streamed, the same words."""
        async with gateway.async_openai() as client:
            whole = await client.chat.completions.create(model=model, messages=HELLO)
            stream = await client.chat.completions.create(
                model=model, messages=HELLO, stream=True
            )
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]

        assert "".join(pieces) == whole.choices[0].message.content

    @BOTH
    def test_tools_are_called_and_their_results_taken(
        self, client: openai.OpenAI, model: str
    ) -> None:
        """A call, its result handed back, an answer in words."""
        asked = {"model": model, "tools": [WEATHER]}
        called = client.chat.completions.create(
            messages=HELLO, tool_choice="required", **asked
        )
        message = called.choices[0].message
        assert message.tool_calls is not None
        (call,) = message.tool_calls

        told = client.chat.completions.create(
            messages=[
                *HELLO,
                message.model_dump(exclude_none=True),
                {"role": "tool", "tool_call_id": call.id, "content": "Rain."},
            ],
            **asked,
        )

        assert called.choices[0].finish_reason == "tool_calls"
        assert call.function.name == "weather"
        assert json.loads(call.function.arguments) == {"place": "example"}
        assert told.choices[0].message.content

    @BOTH
    def test_a_streamed_tool_call_is_put_together_by_the_sdk(
        self, client: openai.OpenAI, model: str
    ) -> None:
        """The SDK's own accumulator takes the pieces."""
        with client.chat.completions.stream(
            model=model, messages=HELLO, tools=[WEATHER], tool_choice="required"
        ) as stream:
            completion = stream.get_final_completion()

        calls = completion.choices[0].message.tool_calls
        assert calls is not None
        assert json.loads(calls[0].function.arguments) == {"place": "example"}

    @BOTH
    def test_an_answer_is_parsed_into_the_callers_own_type(
        self, client: openai.OpenAI, model: str
    ) -> None:
        """`response_format` with a schema, by the SDK's `parse`."""
        completion = client.chat.completions.parse(
            model=model, messages=HELLO, response_format=Forecast
        )

        assert isinstance(completion.choices[0].message.parsed, Forecast)

    @BOTH
    def test_an_image_reaches_the_provider_in_its_own_format(
        self, client: openai.OpenAI, sim: SimulatedProviders, model: str
    ) -> None:
        """The bytes of the picture are the same whatever is written round them."""
        parts = [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": PIXEL}},
        ]

        client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": parts}]
        )

        (received,) = sim.received()
        kinds = [part["type"] for part in received.parsed["messages"][0]["content"]]
        assert kinds == ["text", "image_url" if model == "gpt" else "image"]
        assert PIXEL.partition(",")[2] in received.body

    def test_several_answers_with_log_probabilities(
        self, gateway: Gateway, client: openai.OpenAI
    ) -> None:
        """`n` and `logprobs`, whole and streamed."""
        request = {"model": "gpt", "messages": HELLO, "n": 2, "logprobs": True}

        whole = client.chat.completions.create(**request)
        chunks = streamed(gateway, request)

        assert [choice.index for choice in whole.choices] == [0, 1]
        assert all(choice.logprobs for choice in whole.choices)
        assert {chunk.choices[0].index for chunk in chunks} == {0, 1}
        assert any(chunk.choices[0].logprobs for chunk in chunks)

    @BOTH
    def test_a_seed_is_no_reason_to_refuse(
        self, client: openai.OpenAI, model: str
    ) -> None:
        """It is a best effort with OpenAI, too; Claude has none."""
        answer = client.chat.completions.create(model=model, messages=HELLO, seed=7)

        assert answer.choices[0].message.content

    def test_the_callers_time_runs_out_in_time(
        self, gateway: Gateway, sim: SimulatedProviders
    ) -> None:
        """`x-request-timeout` is kept although the provider says nothing at all."""
        sim.fail("mute", "hang")

        with pytest.raises(openai.APIStatusError) as raised:
            gateway.openai().chat.completions.create(
                model="mute", messages=HELLO, extra_headers={"x-request-timeout": "0.3"}
            )

        assert raised.value.status_code == 504
        assert raised.value.code == "deadline_exceeded"


class Forecast(BaseModel):
    """What an answer is parsed into."""

    place: str
    degrees: int


class TestPassingThrough:
    """What a provider gets is what the caller sent."""

    def test_the_bytes_are_the_callers_but_for_the_model(
        self, gateway: Gateway, sim: SimulatedProviders
    ) -> None:
        """Spacing, escapes, 1.0 and 1, order, and fields nobody has heard of."""
        answer = post(gateway, ODD_SPELLING.replace('"gpt"', '"openai/gpt"', 1))

        assert answer.status_code == 200, answer.text
        (received,) = sim.received("openai")
        assert received.body == ODD_SPELLING

    def test_a_stream_is_asked_for_its_usage_and_nothing_else_changes(
        self, gateway: Gateway, sim: SimulatedProviders
    ) -> None:
        """The cost of an answer is to be known even where the caller does not ask."""
        streaming = ODD_SPELLING.replace('"stop": [ ]', '"stream" : true')

        answer = post(gateway, streaming)

        assert answer.status_code == 200, answer.text
        (received,) = sim.received("openai")
        added = ',"stream_options":{"include_usage":true}'
        assert received.body.replace(added, "", 1) == streaming
        assert received.parsed["stream_options"] == {"include_usage": True}

    @pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
    def test_every_parameter_of_the_sdk_arrives(
        self, client: openai.OpenAI, sim: SimulatedProviders, stream: bool
    ) -> None:
        """With the value it was given, and nothing beside it."""
        sent = {**EVERY_PARAMETER, "stream": stream}
        if stream:
            sent["stream_options"] = {
                "include_usage": True,
                "include_obfuscation": False,
            }

        answer = client.chat.completions.create(model="gpt", **sent)
        if stream:
            list(answer)

        (received,) = sim.received("openai")
        assert received.parsed == {**sent, "model": "gpt"}

    def test_those_are_all_the_parameters_there_are(self) -> None:
        """A new version of the SDK that has more is noticed here."""
        taken = inspect.signature(Completions.create).parameters
        transport = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}

        assert taken.keys() - transport == EVERY_PARAMETER.keys() | {
            *("model", "stream", "stream_options")
        }

    def test_what_claude_has_no_word_for_does_not_reach_it(
        self, client: openai.OpenAI, sim: SimulatedProviders
    ) -> None:
        """Anthropic refuses fields it does not know."""
        unserved = {"audio", "web_search_options"}
        sent = {k: v for k, v in EVERY_PARAMETER.items() if k not in unserved}

        client.chat.completions.create(model="claude", **sent)

        (received,) = sim.received("anthropic")
        assert received.headers["x-api-key"] == "key-of-anthropic"
        assert received.parsed["system"]
        assert received.parsed["max_tokens"] == 64
        assert received.parsed["tools"][0]["name"] == "weather"
        assert not received.parsed.keys() & {
            *("functions", "logit_bias", "logprobs", "n", "seed", "store", "user"),
            *("max_completion_tokens", "presence_penalty", "stream_options", "stop"),
        }


class TestNames:
    """What may stand in the model line."""

    def test_the_list_holds_every_kind_of_name(self, client: openai.OpenAI) -> None:
        """Aliases, plain names, custom models and pinned ids, each once."""
        listed = [model.id for model in client.models.list()]

        assert sorted(listed) == [
            *("acme/tuned", "anthropic/claude-eu", "claude", "default-llm", "gpt"),
            *("mute", "mute/mute", "openai/gpt"),
        ]

    @pytest.mark.parametrize(
        "name", ["gpt", "anthropic/claude-eu", "default-llm", "acme/tuned"]
    )
    def test_each_can_be_retrieved(self, client: openai.OpenAI, name: str) -> None:
        """Also the names that have a slash in them."""
        model = client.models.retrieve(name)

        assert (model.id, model.object) == (name, "model")

    def test_an_alias_is_tried_in_its_order(
        self, client: openai.OpenAI, sim: SimulatedProviders
    ) -> None:
        """And the answer says which member gave it."""
        answers = [
            client.chat.completions.create(model="default-llm", messages=HELLO)
            for _ in range(3)
        ]

        assert {answer.model for answer in answers} == {"claude"}
        assert sim.received("openai") == []

    def test_a_custom_model_is_called_where_its_organization_runs_it(
        self, client: openai.OpenAI, sim: SimulatedProviders
    ) -> None:
        """With the name that it has there, and its own credential."""
        answer = client.chat.completions.create(model="acme/tuned", messages=HELLO)

        (received,) = sim.received("acme")
        assert answer.model == "acme/tuned"
        assert received.model == "tuned-7b"
        assert received.headers["authorization"] == "Bearer key-of-acme"


class TestReachingIt:
    """Where clients look for an OpenAI, and how they say who they are."""

    @pytest.mark.parametrize(
        "base", ["/v1", "/compat/openai", "/v3/compat", "/session/s-1/v1"]
    )
    def test_each_base_path_serves_chats_and_models(
        self, gateway: Gateway, base: str
    ) -> None:
        """They are names of one thing."""
        client = gateway.openai(base_url=gateway.base_url + base)

        answer = client.chat.completions.create(model="gpt", messages=HELLO)

        assert answer.choices[0].message.content
        assert client.models.retrieve("gpt").id == "gpt"

    def test_the_session_in_the_path_is_the_session(self, gateway: Gateway) -> None:
        """Its second turn meets what served the first."""
        client = gateway.openai(base_url=f"{gateway.base_url}/session/s-2/v1")

        turns = [
            client.chat.completions.with_raw_response.create(
                model="claude", messages=HELLO
            ).headers["x-holdfast-session-affinity"]
            for _ in range(2)
        ]

        assert turns == ["new", "kept"]

    @pytest.mark.parametrize(
        "headers",
        [
            {"x-opper-api-key": KEY, "authorization": "Bearer -"},
            {"x-api-key": KEY},
            {"authorization": f"Bearer {KEY}"},
            {"x-opper-api-key": KEY, "authorization": "Bearer sk-someone-elses"},
            {"x-opper-api-key": "-", "authorization": f"Bearer {KEY}"},
        ],
        ids=["opper", "anthropic", "bearer", "both", "dash"],
    )
    def test_the_key_may_be_in_either_header(
        self, gateway: Gateway, headers: dict[str, str]
    ) -> None:
        """What is only a dash counts as none."""
        answer = httpx.get(f"{gateway.base_url}/v1/models", headers=headers)

        assert answer.status_code == 200, answer.text


def post(gateway: Gateway, body: str) -> httpx.Response:
    """Send a body as it stands."""
    return gateway.http.post(
        "/v1/chat/completions",
        content=body.encode(),
        headers={"content-type": "application/json"},
    )


def streamed(gateway: Gateway, request: dict[str, Any]) -> list[ChatCompletionChunk]:
    """Return the chunks of a stream, each validated strictly."""
    *events, done = event_stream.events(
        post(gateway, json.dumps({**request, "stream": True})).text
    )
    assert done == event_stream.DONE
    return [
        ChatCompletionChunk.model_validate_json(event, strict=True) for event in events
    ]
