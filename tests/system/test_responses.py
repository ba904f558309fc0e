"""OpenAI's own client speaking Responses to the running gateway, whoever answers."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response
from pydantic import BaseModel

from fakes.gateway import Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

PRICES = {"input": "3.00", "output": "15.00", "cache_read": "0.30"}
DIALECTS = {
    "openai": "openai-chat",
    "anthropic": "anthropic-messages",
    "gcp": "gemini",
}
EVERYBODY = pytest.mark.parametrize("model", ["gpt", "claude", "gemini"])
BOTH_WAYS = pytest.mark.parametrize("streamed", [False, True])
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "Tells the weather of a place.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string"}},
        "required": ["place"],
        "additionalProperties": False,
    },
}

KEEPING_KEY = "hf-keeping-key"

_FORCED_TURNS = 3
"""How many turns of a loop call a tool; the next one answers."""


class Place(BaseModel):
    """What a structured answer holds."""

    name: str
    population: int


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway in front of a provider of each format."""
    capabilities = ["tools", "json_schema", "image_input", "pdf_input", "reasoning"]
    config = configuration(
        shared_sim,
        {
            "gpt": [
                {
                    "id": "openai/gpt",
                    "provider": "openai",
                    "pricing": PRICES,
                    "capabilities": capabilities,
                }
            ],
            "claude": [
                {
                    "id": "anthropic/claude",
                    "provider": "anthropic",
                    "provider_model": "claude-sonnet-4-5",
                    "pricing": PRICES,
                    "capabilities": capabilities,
                }
            ],
            "gemini": [
                {
                    "provider": "gcp",
                    "provider_model": "gemini-3-pro",
                    "pricing": PRICES,
                    "capabilities": capabilities,
                }
            ],
        },
        dialects=DIALECTS,
    )
    config["organizations"][0]["aliases"] = [
        {"name": "first-gpt", "fallback_models": ["gpt", "claude"]},
        {"name": "first-claude", "fallback_models": ["claude", "gemini", "gpt"]},
    ]
    config["organizations"][0]["projects"].append(
        {
            "id": "keeps",
            "retention": {"content_days": 1},
            "keys": [{"id": "keeps-1", "key": KEEPING_KEY}],
        }
    )
    folder = tmp_path_factory.mktemp("gateway")
    with Gateway(config, folder, separate=separate) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[OpenAI]:
    """Give OpenAI's client."""
    with gateway.openai(max_retries=0) as made:
        yield made


@pytest.fixture(autouse=True)
def _well(shared_sim: SimulatedProviders) -> None:
    shared_sim.recover()
    shared_sim.forget()


@EVERYBODY
@BOTH_WAYS
def test_a_response_is_given_whoever_serves(
    client: OpenAI, model: str, streamed: bool
) -> None:
    """The answer is a Response with text, tokens and what was asked for."""
    response = _ask(client, streamed=streamed, model=model, input="Hello")

    assert response.object == "response"
    assert response.id.startswith("resp_")
    assert response.status == "completed"
    assert response.model == model
    assert response.output_text
    assert response.usage is not None
    assert response.usage.input_tokens > 0
    assert response.usage.output_tokens > 0
    assert not response.store


@EVERYBODY
@BOTH_WAYS
def test_a_function_is_called_and_its_result_is_heard(
    client: OpenAI, model: str, streamed: bool
) -> None:
    """A loop of a call and its result goes through, with what was thought kept."""
    asked: list[Any] = [{"role": "user", "content": "Weather in Paris?"}]
    first = _ask(
        client,
        streamed=streamed,
        model=model,
        input=asked,
        tools=[WEATHER],
        tool_choice="required",
    )
    calls = [item for item in first.output if item.type == "function_call"]
    asked += [_given(item) for item in first.output]
    asked += [
        {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": "Sunny",
        }
        for call in calls
    ]

    second = _ask(client, streamed=streamed, model=model, input=asked, tools=[WEATHER])

    assert calls[0].name == "weather"
    assert isinstance(json.loads(calls[0].arguments), dict)
    assert second.output_text


@BOTH_WAYS
def test_a_tool_loop_goes_on_elsewhere_at_every_step(
    client: OpenAI, shared_sim: SimulatedProviders, streamed: bool
) -> None:
    """Each turn meets another provider than the last, and the loop comes to its end."""
    asked: list[Any] = [{"role": "user", "content": "Weather in Paris?"}]
    servers = []
    for turn, down in enumerate([(), ("anthropic",), ("anthropic", "gcp"), ("gcp",)]):
        shared_sim.recover()
        for provider in down:
            shared_sim.fail(provider, "503")
        answer = _ask(
            client,
            streamed=streamed,
            model="first-claude",
            input=asked,
            tools=[WEATHER],
            tool_choice="required" if turn < _FORCED_TURNS else "auto",
        )
        servers.append(answer.model)
        asked += [_given(item) for item in answer.output]
        asked += [
            {"type": "function_call_output", "call_id": call.call_id, "output": "Sun"}
            for call in answer.output
            if call.type == "function_call"
        ]

    assert servers[:3] == ["claude", "gemini", "gpt"]
    assert answer.output_text


@EVERYBODY
def test_a_structured_answer_is_parsed(client: OpenAI, model: str) -> None:
    """The client's own parsing gets what the schema asks for."""
    response = client.responses.parse(
        model=model, input="Which place?", text_format=Place
    )

    assert isinstance(response.output_parsed, Place)


def test_instructions_and_parts_arrive(
    client: OpenAI, shared_sim: SimulatedProviders
) -> None:
    """What the caller says of how to answer is what the provider is asked."""
    client.responses.create(
        model="gpt",
        instructions="Be brief.",
        input=[
            {"role": "developer", "content": "No lists."},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is it?"},
                    {
                        "type": "input_image",
                        "image_url": "https://example.com/a.png",
                        "detail": "low",
                    },
                ],
            },
        ],
        max_output_tokens=77,
        reasoning={"effort": "low"},
        text={"verbosity": "low"},
        temperature=0.5,
    )

    sent = shared_sim.received("openai")[-1].parsed
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "No lists."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {
                    "type": "image_url",
                    "image_url": {"url": "https://example.com/a.png", "detail": "low"},
                },
            ],
        },
    ]
    assert sent["max_completion_tokens"] == 77
    assert sent["reasoning_effort"] == "low"
    assert sent["verbosity"] == "low"
    assert sent["temperature"] == 0.5


def test_a_failure_falls_back_unseen(
    client: OpenAI, shared_sim: SimulatedProviders
) -> None:
    """The caller of an alias gets the next member's answer."""
    shared_sim.fail("openai", "503")

    response = client.responses.create(model="first-gpt", input="Hello")

    assert response.model == "claude"


def test_a_failed_stream_raises(client: OpenAI, shared_sim: SimulatedProviders) -> None:
    """A truncated response never looks whole."""
    shared_sim.fail("openai", "cut", after=2)
    kinds = []

    with pytest.raises(openai.APIError) as raised:
        kinds.extend(
            event.type
            for event in client.responses.create(model="gpt", input="Hi", stream=True)
        )

    assert raised.value.code == "stream_interrupted"
    assert kinds[-1] == "response.failed"
    assert "response.completed" not in kinds


@BOTH_WAYS
def test_a_kept_response_is_gone_on_from(
    gateway: Gateway, shared_sim: SimulatedProviders, streamed: bool
) -> None:
    """The provider is sent all that was said, in the session it began in."""
    with gateway.openai(KEEPING_KEY) as client:
        first = _ask(client, streamed=streamed, model="claude", input="My name is Ada.")
        second = _ask(
            client,
            streamed=streamed,
            model="claude",
            input="What is my name?",
            previous_response_id=first.id,
        )
        third = client.responses.with_raw_response.create(
            model="claude", input="Sure?", previous_response_id=second.id
        )

    sent = json.dumps(shared_sim.received("anthropic")[-1].parsed["messages"])
    assert first.store
    assert second.previous_response_id == first.id
    assert third.headers["x-holdfast-session-affinity"] == "kept"
    assert [word in sent for word in ("Ada", "What is my name", "Sure")] == [True] * 3
    assert first.output_text in sent


def test_a_kept_response_is_shown_and_deleted(gateway: Gateway) -> None:
    """It can be asked for by its id, until it is deleted."""
    with gateway.openai(KEEPING_KEY) as client:
        made = client.responses.create(model="gpt", input="Hello")
        shown = client.responses.retrieve(made.id)
        client.responses.delete(made.id)

        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)

    assert shown.output_text == made.output_text


def test_a_response_is_its_projects_alone(gateway: Gateway, client: OpenAI) -> None:
    """Another project's key neither sees nor goes on from it."""
    with gateway.openai(KEEPING_KEY) as keeping:
        made = keeping.responses.create(model="gpt", input="Secret")

    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="gpt", input="And?", previous_response_id=made.id)


def test_what_is_not_to_be_stored_is_not(gateway: Gateway) -> None:
    """A caller that says so leaves nothing behind."""
    with gateway.openai(KEEPING_KEY) as client:
        made = client.responses.create(model="gpt", input="Hello", store=False)

        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)

    assert not made.store


def test_a_response_that_is_not_kept_cannot_be_gone_on_from(client: OpenAI) -> None:
    """The error says why, and what to do."""
    first = client.responses.create(model="gpt", input="Hello")

    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(
            model="gpt", input="And?", previous_response_id=first.id
        )

    assert raised.value.param == "previous_response_id"
    assert "retention" in raised.value.message


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"input": None}, "input"),
        ({"input": [{"type": "odd"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": 7}]}, "input[0].content"),
        ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
        ({"background": True}, "background"),
        ({"tool_choice": 7}, "tool_choice"),
    ],
)
def test_a_fault_is_named(client: OpenAI, asked: dict[str, Any], field: str) -> None:
    """The error names the field that is wrong."""
    body = {"model": "gpt", "input": "Hello"} | asked

    with pytest.raises(openai.BadRequestError) as raised:
        client.post("/responses", cast_to=Response, body=body)

    assert raised.value.param == field


def _ask(client: OpenAI, *, streamed: bool, **asked: Any) -> Response:
    if not streamed:
        whole: Response = client.responses.create(**asked)
        return whole
    with client.responses.stream(**asked) as stream:
        for _ in stream:
            pass
        return stream.get_final_response()


def _given(item: Any) -> Any:
    """Return an output item as a client sends it back."""
    return item.model_dump(exclude_none=True, exclude={"status", "parsed_arguments"})
