"""OpenAI's own client asking more of Responses than to make them, whoever answers."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from fakes.gateway import KEY, Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

DIALECTS = {
    "openai": "openai-chat",
    "anthropic": "anthropic-messages",
    "gcp": "gemini",
}
MODELS = {"gpt": "openai", "claude": "anthropic", "gemini": "gcp"}
EVERYBODY = pytest.mark.parametrize("model", MODELS)
PRICES = {"input": "3.00", "output": "15.00"}
STRICT_KEY = "hf-strict-key"
POOR_KEY = "hf-poor-key"
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
}


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway that keeps responses, in front of a provider of each format."""
    config = configuration(
        shared_sim,
        {
            model: [
                {
                    "id": f"{provider}/{model}",
                    "provider": provider,
                    "pricing": PRICES,
                    "capabilities": ["tools", "image_input"],
                }
            ]
            for model, provider in MODELS.items()
        },
        dialects=DIALECTS,
    )
    (organization,) = config["organizations"]
    organization["projects"] = [
        {
            "id": "web",
            "retention": {"content_days": 1},
            "keys": [
                {"id": "web-1", "key": KEY},
                {
                    "id": "strict",
                    "key": STRICT_KEY,
                    "policy": {"models": {"allow": ["gpt"]}},
                },
                {"id": "poor", "key": POOR_KEY, "budget": {"monthly_usd": "0"}},
            ],
        },
        {"id": "other", "keys": [{"id": "other-1", "key": "hf-other-key"}]},
    ]
    folder = tmp_path_factory.mktemp("gateway")
    with Gateway(config, folder, separate=separate) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> OpenAI:
    """Give OpenAI's client."""
    return gateway.openai()


def _called(client: OpenAI, model: str) -> tuple[list[Any], Any]:
    """Have a tool called; return the items up to its result, and the response."""
    asked: list[Any] = [{"role": "user", "content": "Weather in Paris?"}]
    first = client.responses.create(
        model=model, input=asked, tools=[WEATHER], tool_choice="required"
    )
    asked += [item.model_dump(exclude_none=True) for item in first.output]
    asked += [
        {"type": "function_call_output", "call_id": item.call_id, "output": "Sunny"}
        for item in first.output
        if item.type == "function_call"
    ]
    return asked, first


def _given(item: Any) -> Any:
    """Return an item as a client sends it back.

    The client has no type for a user's message in an output, and warns of it.
    """
    return item.model_dump(exclude_none=True, warnings=False)


@EVERYBODY
def test_the_items_of_a_conversation_are_listed(client: OpenAI, model: str) -> None:
    """All that the last answer was made of, each of the client's own types."""
    asked, _ = _called(client, model)
    second = client.responses.create(model=model, input=asked)
    third = client.responses.create(
        model=model, input="And tomorrow?", previous_response_id=second.id
    )

    listed = list(client.responses.input_items.list(third.id, order="asc", limit=2))

    kinds = [item.type for item in listed if item.type != "reasoning"]
    assert kinds == [
        "message",
        "function_call",
        "function_call_output",
        "message",
        "message",
    ]
    assert listed[0].model_dump()["content"][0]["text"] == "Weather in Paris?"
    assert listed[-1].model_dump()["content"][0]["text"] == "And tomorrow?"
    assert len({item.id for item in listed}) == len(listed)


def test_tokens_are_counted_before_a_request_is_made(client: OpenAI) -> None:
    """More words are more tokens."""
    few = client.responses.input_tokens.count(model="gpt", input="Hello")
    many = client.responses.input_tokens.count(model="gpt", input="Hello " * 200)

    assert few.object == "response.input_tokens"
    assert 0 < few.input_tokens < many.input_tokens - 250


def test_there_is_nothing_to_cancel(client: OpenAI) -> None:
    """A response that is whole says so; one that is none is not found."""
    made = client.responses.create(model="gpt", input="Hello")

    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.cancel("resp_none")


@EVERYBODY
def test_a_conversation_is_compacted_and_gone_on_from_elsewhere(
    client: OpenAI, shared_sim: SimulatedProviders, model: str
) -> None:
    """Every provider can sum up, and every other reads the summary."""
    asked, _ = _called(client, model)
    compacted = client.responses.compact(model=model, input=asked)
    shared_sim.forget()
    then = [_given(item) for item in compacted.output]

    for other, provider in MODELS.items():
        answer = client.responses.create(
            model=other, input=[*then, {"role": "user", "content": "And tomorrow?"}]
        )

        sent = shared_sim.received(provider)[-1].body
        assert answer.output_text
        assert "Weather in Paris?" in sent
        assert "in this conversation so far" in sent
    *said, summary = compacted.output
    assert compacted.object == "response.compaction"
    assert compacted.usage.output_tokens > 0
    assert [item.type for item in said] == ["message"]
    assert summary.type == "compaction"


def test_a_kept_conversation_is_compacted_by_its_name(client: OpenAI) -> None:
    """With nothing sent again."""
    first = client.responses.create(model="gpt", input="My name is Ada.")

    compacted = client.responses.compact(model="claude", previous_response_id=first.id)

    said = _given(compacted.output[0])
    assert said["content"][0]["text"] == "My name is Ada."


def test_compacting_is_a_call_like_any_other(
    gateway: Gateway, client: OpenAI, shared_sim: SimulatedProviders
) -> None:
    """It is on a trace with its cost, and under budgets and policies."""
    shared_sim.forget()
    with gateway.openai(STRICT_KEY) as strict:
        with pytest.raises(openai.PermissionDeniedError):
            strict.responses.compact(model="claude", input="Hello")
        with pytest.raises(openai.PermissionDeniedError):
            strict.responses.input_tokens.count(model="claude", input="Hello")
    with (
        gateway.openai(POOR_KEY) as poor,
        pytest.raises(openai.APIStatusError) as raised,
    ):
        poor.responses.compact(model="gpt", input="Hello")
    assert shared_sim.received() == []

    made = client.responses.with_raw_response.compact(model="gpt", input="Hello")

    shown = gateway.http.get(f"/v2/traces/{made.headers['x-holdfast-trace-id']}").json()
    assert raised.value.status_code == 402
    assert shown["cost"] == made.headers["x-holdfast-cost-usd"]
    assert float(shown["cost"]) > 0


def test_a_response_is_its_projects_alone(gateway: Gateway, client: OpenAI) -> None:
    """Another project's key finds nothing to list or to go on from."""
    made = client.responses.create(model="gpt", input="Secret")

    with gateway.openai("hf-other-key") as other:
        with pytest.raises(openai.NotFoundError):
            list(other.responses.input_items.list(made.id))
        with pytest.raises(openai.NotFoundError):
            other.responses.cancel(made.id)
        with pytest.raises(openai.BadRequestError):
            other.responses.compact(model="gpt", previous_response_id=made.id)
