"""OpenAI's own client speaking Responses, where deployments speak it themselves."""

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

BOTH_WAYS = pytest.mark.parametrize("streamed", [False, True])
NATIVE = pytest.mark.parametrize("model", ["gpt", "codex"])

PRICES = {"input": "3.00", "output": "15.00", "cache_read": "0.30"}
ABLE = ["tools", "json_schema", "reasoning"]
KEEPING_KEY = "hf-keeping-key"

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string"}},
        "required": ["place"],
        "additionalProperties": False,
    },
}
SEARCH: Any = {"type": "web_search"}


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
    """Give a gateway in front of providers that speak Responses, or do not."""
    told = {"pricing": PRICES, "capabilities": ABLE}
    both = {"pricing": PRICES, "capabilities": [*ABLE, "responses"]}
    begun = {"pricing": PRICES, "capabilities": [*ABLE, "assistant_prefix"]}
    config = configuration(
        shared_sim,
        {
            "gpt": [{"id": "openai/gpt", "provider": "openai", **both}],
            "codex": [{"id": "lab/codex", "provider": "lab", **told}],
            "claude": [
                {
                    "id": "anthropic/claude",
                    "provider": "anthropic",
                    "provider_model": "claude-sonnet-4-5",
                    **begun,
                }
            ],
            "open": [{"id": "host/open", "provider": "host"}],
        },
        dialects={"anthropic": "anthropic-messages", "lab": "openai-responses"},
    )
    config["organizations"][0]["aliases"] = [
        {"name": "first-gpt", "fallback_models": ["gpt", "claude"]},
        {"name": "first-open", "fallback_models": ["open", "claude", "gpt"]},
        {"name": "none-native", "fallback_models": ["open", "claude"]},
        {"name": "both-native", "fallback_models": ["gpt", "codex"]},
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


@BOTH_WAYS
def test_a_deployment_is_asked_in_the_api_of_its_caller(
    client: OpenAI, shared_sim: SimulatedProviders, streamed: bool
) -> None:
    """One that speaks both is asked over Responses for Responses, else for a chat."""
    response = _ask(client, streamed=streamed, model="gpt", input="Hello")
    client.chat.completions.create(
        model="gpt", messages=[{"role": "user", "content": "Hello"}]
    )

    over_responses, over_chats = shared_sim.received("openai")
    assert response.output_text.startswith("Hello from openai.")
    assert over_responses.path.endswith("/v1/responses")
    assert over_responses.parsed["store"] is False
    assert over_responses.parsed["include"] == ["reasoning.encrypted_content"]
    assert over_chats.path.endswith("/v1/chat/completions")


@NATIVE
@BOTH_WAYS
def test_a_response_is_what_the_provider_gave(
    client: OpenAI, model: str, streamed: bool
) -> None:
    """Text, tokens, and thoughts as far as they are shown."""
    response = _ask(
        client,
        streamed=streamed,
        model=model,
        input="Hello",
        reasoning={"effort": "low", "summary": "auto"},
    )

    thoughts, said = response.output
    assert response.status == "completed"
    assert response.model == model
    assert response.usage is not None
    assert response.usage.output_tokens > 0
    assert thoughts.type == "reasoning"
    assert thoughts.summary[0].text == "What would a real model think here?"
    assert said.type == "message"
    assert said.content[0].type == "output_text"


@NATIVE
def test_a_structured_answer_is_parsed(client: OpenAI, model: str) -> None:
    """The client's own parsing gets what the schema asks for, whole and streamed."""
    whole = client.responses.parse(model=model, input="Which place?", text_format=Place)
    with client.responses.stream(
        model=model, input="Which place?", text_format=Place
    ) as stream:
        stream.until_done()
        streamed = stream.get_final_response()

    assert isinstance(whole.output_parsed, Place)
    assert isinstance(streamed.output_parsed, Place)


@BOTH_WAYS
def test_a_tool_loop_goes_elsewhere_and_comes_back(
    client: OpenAI, shared_sim: SimulatedProviders, streamed: bool
) -> None:
    """Each provider gets back what it has thought, and nothing of another's."""
    asked: list[Any] = [{"role": "user", "content": "Weather in Paris?"}]
    servers = []
    for down in (None, "openai", None, None):
        shared_sim.recover()
        if down:
            shared_sim.fail(down, "503", times=1)
        answer = _ask(
            client,
            streamed=streamed,
            model="first-gpt",
            input=asked,
            tools=[WEATHER],
            tool_choice="required",
            reasoning={"effort": "low", "summary": "auto"},
            extra_headers={"x-holdfast-session": f"loop-{streamed}-{len(servers)}"},
        )
        servers.append(answer.model)
        asked += [_given(item) for item in answer.output]
        asked += [
            {"type": "function_call_output", "call_id": call.call_id, "output": "Sun"}
            for call in answer.output
            if call.type == "function_call"
        ]

    last = shared_sim.received("openai")[-1]
    kinds = [item.get("type", "message") for item in last.parsed["input"]]
    assert servers == ["gpt", "claude", "gpt", "gpt"]
    assert last.path.endswith("/v1/responses")
    assert kinds == [
        "message",
        *("reasoning", "function_call", "function_call_output"),
        *("function_call", "function_call_output"),
        *("reasoning", "function_call", "function_call_output"),
    ]
    assert all(
        item["id"].startswith("rs_sim") and item["encrypted_content"]
        for item in last.parsed["input"]
        if item.get("type") == "reasoning"
    )
    assert "signed-by-claude" not in last.body


def test_thoughts_are_not_shown_to_another_account(
    client: OpenAI, shared_sim: SimulatedProviders
) -> None:
    """Who speaks the same format cannot read them, and is not sent them."""
    first = client.responses.create(
        model="both-native",
        input="Weather?",
        tools=[WEATHER],
        tool_choice="required",
    )
    shared_sim.fail("openai", "503", times=1)
    call = next(item for item in first.output if item.type == "function_call")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "Sun"}

    second = client.responses.create(
        model="both-native",
        input=[
            {"role": "user", "content": "Weather?"},
            *map(_given, first.output),
            result,
        ],
        tools=[WEATHER],
    )

    (sent,) = shared_sim.received("lab")
    assert second.model == "codex"
    assert [item.get("type", "message") for item in sent.parsed["input"]] == [
        "message",
        "function_call",
        "function_call_output",
    ]


@NATIVE
@BOTH_WAYS
def test_a_providers_own_tool_is_used(
    client: OpenAI, shared_sim: SimulatedProviders, model: str, streamed: bool
) -> None:
    """What it did and where words come from are handed on, and handed back."""
    asked: list[Any] = [{"role": "user", "content": "What is new?"}]
    first = _ask(client, streamed=streamed, model=model, input=asked, tools=[SEARCH])
    asked += [*map(_given, first.output), {"role": "user", "content": "And then?"}]
    _ask(client, streamed=streamed, model=model, input=asked, tools=[SEARCH])

    thoughts, search, said = first.output
    sent = shared_sim.received()[-1].parsed
    assert search.type == "web_search_call"
    assert search.status == "completed"
    assert search.action.model_dump()["query"] == "What is new?"
    assert said.type == "message"
    assert said.content[0].type == "output_text"
    (cited,) = said.content[0].annotations
    assert cited.type == "url_citation"
    assert cited.url == "https://example.com/found"
    assert thoughts.type == "reasoning"
    assert sent["tools"] == [SEARCH]
    kinds = [item.get("type", "message") for item in sent["input"]]
    assert kinds == ["message", "reasoning", "web_search_call", "message", "message"]


def test_only_who_has_it_is_asked_for_a_providers_own_tool(
    client: OpenAI, shared_sim: SimulatedProviders
) -> None:
    """Others of the name are left out, also one of which nothing is known."""
    response = client.responses.create(model="first-open", input="Hi", tools=[SEARCH])

    assert response.model == "gpt"
    assert {each.provider for each in shared_sim.received()} == {"openai"}


def test_a_providers_own_tool_that_nobody_has_is_an_error(client: OpenAI) -> None:
    """It says what is missing."""
    with pytest.raises(openai.PermissionDeniedError) as raised:
        client.responses.create(model="none-native", input="Hi", tools=[SEARCH])

    assert "does not speak OpenAI's Responses" in raised.value.message


@BOTH_WAYS
def test_what_only_the_api_can_say_goes_through(
    client: OpenAI, shared_sim: SimulatedProviders, streamed: bool
) -> None:
    """Fields without a counterpart in a chat arrive where the API is spoken."""
    _ask(
        client,
        streamed=streamed,
        model="gpt",
        input="Hi",
        truncation="auto",
        max_tool_calls=3,
        include=["web_search_call.action.sources"],
        text={"verbosity": "low"},
        service_tier="flex",
        max_output_tokens=99,
    )

    sent = shared_sim.received("openai")[-1].parsed
    assert sent["truncation"] == "auto"
    assert sent["max_tool_calls"] == 3
    assert sent["include"][0] == "web_search_call.action.sources"
    assert sent["text"] == {"verbosity": "low"}
    assert sent["service_tier"] == "flex"
    assert sent["max_output_tokens"] == 99


@BOTH_WAYS
def test_what_only_the_api_can_say_is_left_out_elsewhere(
    client: OpenAI, shared_sim: SimulatedProviders, streamed: bool
) -> None:
    """A fallback to a chat is answered all the same."""
    shared_sim.fail("openai", "503", times=1)

    response = _ask(
        client, streamed=streamed, model="first-gpt", input="Hi", truncation="auto"
    )

    assert response.model == "claude"


@BOTH_WAYS
def test_a_kept_response_is_gone_on_from(
    gateway: Gateway, shared_sim: SimulatedProviders, streamed: bool
) -> None:
    """What the provider has thought is kept with it, and sent again."""
    with gateway.openai(KEEPING_KEY) as client:
        first = _ask(client, streamed=streamed, model="gpt", input="My name is Ada.")
        _ask(
            client,
            streamed=streamed,
            model="gpt",
            input="What is it?",
            previous_response_id=first.id,
        )

    sent = shared_sim.received("openai")[-1].parsed
    assert [item.get("type", "message") for item in sent["input"]] == [
        "message",
        "reasoning",
        "message",
        "message",
    ]


@BOTH_WAYS
def test_a_chat_with_tools_keeps_the_thoughts_of_a_model_that_has_only_responses(
    client: OpenAI, shared_sim: SimulatedProviders, streamed: bool
) -> None:
    """A message that is handed back as it was brings them back."""
    tool: Any = {
        "type": "function",
        "function": {
            "name": "weather",
            "strict": True,
            "parameters": WEATHER["parameters"],
        },
    }
    messages: list[Any] = [{"role": "user", "content": "Weather in Paris?"}]
    for choice in ("required", "auto"):
        message = _chat(
            client,
            streamed=streamed,
            model="codex",
            messages=messages,
            tools=[tool],
            tool_choice=choice,
        )
        messages.append(message)
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": "Sun"}
            for call in message.get("tool_calls") or ()
        ]

    sent = shared_sim.received("lab")[-1]
    kinds = [item.get("type", "message") for item in sent.parsed["input"]]
    assert kinds == ["message", "reasoning", "function_call", "function_call_output"]
    assert messages[-1]["content"].startswith("Hello from lab.")


def test_messages_keep_the_thoughts_of_a_model_that_has_only_responses(
    gateway: Gateway, shared_sim: SimulatedProviders
) -> None:
    """They travel in a block of redacted thinking."""
    tool = {"name": "weather", "input_schema": WEATHER["parameters"]}
    asked: dict[str, Any] = {
        "model": "codex",
        "max_tokens": 99,
        "tools": [tool],
        "tool_choice": {"type": "any"},
        "messages": [{"role": "user", "content": "Weather?"}],
    }
    given = gateway.http.post("/v1/messages", json=asked).json()["content"]
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "Sun"}
        for block in given
        if block["type"] == "tool_use"
    ]
    asked["messages"] += [
        {"role": "assistant", "content": given},
        {"role": "user", "content": results},
    ]

    gateway.http.post("/v1/messages", json=asked).raise_for_status()

    sent = shared_sim.received("lab")[-1].parsed["input"]
    kinds = [item.get("type", "message") for item in sent]
    assert kinds == ["message", "reasoning", "function_call", "function_call_output"]


def test_a_stream_that_breaks_off_is_taken_up(
    client: OpenAI, shared_sim: SimulatedProviders
) -> None:
    """Also after thoughts that nobody else can read have gone out."""
    shared_sim.fail("openai", "cut", after=3, times=1)

    response = _ask(
        client,
        streamed=True,
        model="first-gpt",
        input="Hello",
        reasoning={"effort": "low", "summary": "auto"},
    )

    assert response.status == "completed"
    assert response.output_text.startswith("Hello from openai.")
    assert "Hello from anthropic" in response.output_text


def test_a_failed_stream_raises(client: OpenAI, shared_sim: SimulatedProviders) -> None:
    """A truncated response never looks whole."""
    shared_sim.fail("lab", "cut", after=2)
    kinds = []

    with pytest.raises(openai.APIError) as raised:
        kinds.extend(
            event.type
            for event in client.responses.create(model="codex", input="Hi", stream=True)
        )

    assert raised.value.code == "stream_interrupted"
    assert kinds[-1] == "response.failed"


@pytest.mark.parametrize("fault", ["404", "429", "503", "error-mid-stream", "no-done"])
@BOTH_WAYS
def test_a_failure_before_the_first_word_is_not_seen(
    client: OpenAI, shared_sim: SimulatedProviders, fault: str, streamed: bool
) -> None:
    """A response that was only created commits to nothing."""
    shared_sim.fail("openai", fault, times=1, after=0)

    response = _ask(
        client,
        streamed=streamed,
        model="first-gpt",
        input="Hello",
        tools=[WEATHER],
    )

    assert response.status == "completed"


def _ask(client: OpenAI, *, streamed: bool, **asked: Any) -> Response:
    if not streamed:
        whole: Response = client.responses.create(**asked)
        Response.model_validate(whole.model_dump())
        return whole
    with client.responses.stream(**asked) as stream:
        for event in stream:
            if event.type == "response.completed":
                Response.model_validate(event.response.model_dump())
        return stream.get_final_response()


def _chat(client: OpenAI, *, streamed: bool, **asked: Any) -> dict[str, Any]:
    answer: Any
    if streamed:
        with client.chat.completions.stream(**asked) as stream:
            answer = stream.until_done().get_final_completion()
    else:
        answer = client.chat.completions.create(**asked)
    message: dict[str, Any] = answer.choices[0].message.model_dump(exclude_none=True)
    return message


def _given(item: Any) -> Any:
    """Return an output item as a client sends it back."""
    return item.model_dump(exclude_none=True, exclude={"parsed_arguments"})
