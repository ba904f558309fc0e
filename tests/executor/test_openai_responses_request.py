"""What a chat becomes for a deployment that speaks OpenAI's Responses."""

import json
from dataclasses import replace
from typing import Any

import pytest

from fakes.every_dialect import deployment_of
from holdfast.errors import RequestMalformedError
from holdfast.model import Capability
from holdfast_executor.chat import Chat, Encoded
from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects.openai_responses import OpenAIResponses
from holdfast_executor.dialects.openai_responses_items import issuer_of
from holdfast_executor.dialects.openai_responses_request import LEFT_OUT, SPOKEN
from holdfast_executor.dialects.signatures import unsent

PLACE = deployment_of("openai-responses")
HERE = issuer_of(PLACE)
HI = {"role": "user", "content": "Hi"}
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [],
    "encrypted_content": "gAAAA",
}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed"}


def encoded(place: Any = PLACE, **request: Any) -> Encoded:
    asked = {"model": "m", "messages": [HI], **request}
    return OpenAIResponses().encode(Chat.parse(json.dumps(asked).encode()), place)


def sent(place: Any = PLACE, **request: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encoded(place, **request).body)
    return body


def items_of(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = sent(messages=[HI, *messages])["input"]
    return items[1:]


def call(call_id: str) -> dict[str, Any]:
    function = {"name": "f", "arguments": "{}"}
    return {"id": call_id, "type": "function", "function": function}


def keeping(*items: dict[str, Any], **said: Any) -> dict[str, Any]:
    extra = {"openai": {"items": list(items)}}
    return {"role": "assistant", "content": None, "extra_content": extra, **said}


def kinds(items: list[dict[str, Any]]) -> list[str]:
    return [item.get("type", "message") for item in items]


def test_nothing_is_stored_with_the_provider() -> None:
    """What it wants back comes with the conversation."""
    assert sent() == {
        "model": PLACE.provider_model,
        "input": [HI],
        "store": False,
    }


@pytest.mark.parametrize(
    ("capabilities", "effort", "expected"),
    [
        ({Capability.REASONING}, None, True),
        ({Capability.TOOLS}, None, False),
        (set(), None, False),
        (set(), "low", True),
        (set(), "none", False),
    ],
)
def test_encrypted_thoughts_are_asked_for_where_a_model_thinks(
    capabilities: set[Capability], effort: str | None, expected: bool
) -> None:
    """One that does not would refuse the request."""
    place = replace(PLACE, capabilities=frozenset(capabilities))

    asked = sent(place, reasoning_effort=effort).get("include", [])

    assert ("reasoning.encrypted_content" in asked) is expected


def test_fields_have_their_names() -> None:
    """Each as Responses calls it."""
    request = sent(
        max_tokens=500,
        temperature=0.5,
        top_p=0.9,
        reasoning_effort="low",
        reasoning={"summary": "auto"},
        verbosity="low",
        service_tier="flex",
        prompt_cache_key="k",
        parallel_tool_calls=False,
        logprobs=True,
        top_logprobs=2,
        truncation="auto",
        max_tool_calls=3,
        include=["web_search_call.action.sources"],
        response_format={"type": "json_schema", "json_schema": {"schema": {}}},
        tools=[{"type": "function", "function": {"name": "f"}}],
        tool_choice="required",
    )

    assert {k: v for k, v in request.items() if k not in ("model", "input")} == {
        "store": False,
        "max_output_tokens": 500,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning": {"summary": "auto", "effort": "low"},
        "text": {
            "verbosity": "low",
            "format": {"type": "json_schema", "name": "answer", "schema": {}},
        },
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "parallel_tool_calls": False,
        "top_logprobs": 2,
        "truncation": "auto",
        "max_tool_calls": 3,
        "include": [
            "web_search_call.action.sources",
            "reasoning.encrypted_content",
            "message.output_text.logprobs",
        ],
        "tools": [
            {
                "type": "function",
                "name": "f",
                "parameters": {"type": "object", "properties": {}},
                "strict": False,
            }
        ],
        "tool_choice": "required",
    }


def test_a_limit_is_as_low_as_the_api_has_it() -> None:
    """Fewer than 16 tokens would be refused."""
    assert sent(max_tokens=1)["max_output_tokens"] == 16


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"n": 2}, "n"),
        ({"stop": ["."]}, "stop"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"tools": [{"type": "web_search_20250305"}]}, "tools[0].type"),
        ({"tools": [{"type": 7}]}, "tools[0].type"),
        *(
            (
                {"messages": [{"role": "user", "content": [{"type": kind, kind: {}}]}]},
                "messages[0].content[0].type",
            )
            for kind in ("input_audio", "video_url")
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "file", "file": {"file_id": "f"}}],
                    }
                ]
            },
            "messages[0].content[0].file.file_id",
        ),
    ],
)
def test_what_cannot_be_said_goes_elsewhere(asked: dict[str, Any], param: str) -> None:
    """Another deployment may well be able to."""
    with pytest.raises(CapabilityMissingError) as raised:
        encoded(**asked)

    assert raised.value.param == param


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "judge"}]}, "messages[0].role"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"response_format": {"type": "poem"}}, "response_format.type"),
        ({"n": 0}, "n"),
    ],
)
def test_what_cannot_be_understood_is_named(asked: dict[str, Any], field: str) -> None:
    """It is the caller's to mend."""
    with pytest.raises(RequestMalformedError) as raised:
        encoded(**asked)

    assert raised.value.metadata["field"] == field


def test_what_has_no_counterpart_is_named() -> None:
    """And nothing of it is said to be spoken."""
    asked = dict.fromkeys(sorted(LEFT_OUT.keys() - {"stream_options"}), 1)

    assert encoded(**asked).left_out == tuple(asked)
    assert not SPOKEN & LEFT_OUT.keys()


def test_a_providers_own_tool_is_left_as_it_is() -> None:
    """And so is the wish that it be used."""
    search = {"type": "web_search", "search_context_size": "low"}

    request = sent(tools=[search], tool_choice={"type": "web_search"})

    assert request["tools"] == [search]
    assert request["tool_choice"] == {"type": "web_search"}


def test_a_custom_tool_lies_flat() -> None:
    """Its grammar too, and the choice of it."""
    grammar = {"definition": "start: WORD", "syntax": "lark"}
    custom = {"name": "c", "format": {"type": "grammar", "grammar": grammar}}

    request = sent(
        tools=[{"type": "custom", "custom": custom}],
        tool_choice={"type": "custom", "custom": {"name": "c"}},
    )

    assert request["tools"] == [
        {"type": "custom", "name": "c", "format": {"type": "grammar", **grammar}}
    ]
    assert request["tool_choice"] == {"type": "custom", "name": "c"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", "auto"),
        ({"type": "any"}, "required"),
        (
            {"type": "function", "function": {"name": "f"}},
            {"type": "function", "name": "f"},
        ),
        ({"type": "tool", "name": "f"}, {"type": "function", "name": "f"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [
                        {"type": "function", "function": {"name": "f"}},
                        {"type": "web_search"},
                    ],
                },
            },
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}],
            },
        ),
    ],
)
def test_a_choice_of_tools_means_the_same(choice: Any, expected: Any) -> None:
    """In whichever words it is said."""
    tools = [{"type": "function", "function": {"name": "f"}}]

    assert sent(tools=tools, tool_choice=choice)["tool_choice"] == expected


def test_parts_have_their_types() -> None:
    """Pictures and files, by their address or whole."""
    url = "https://files.example/a"
    content = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "file", "file": {"file_data": url}},
        {"type": "file", "file": {"file_data": "JVBERi0=", "filename": "a.pdf"}},
    ]

    request = sent(messages=[{"role": "user", "content": content}])

    assert request["input"][0]["content"] == [
        {"type": "input_image", "image_url": url, "detail": "auto"},
        {"type": "input_file", "file_url": url},
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,JVBERi0=",
        },
    ]


def test_thoughts_stand_before_what_they_led_to() -> None:
    """As they were given, without what the gateway notes of them."""
    own = {**THOUGHT, "index": 0, "issuer": HERE}

    items = items_of(
        keeping(own, tool_calls=[call("c1")]),
        {"role": "tool", "tool_call_id": "c1", "content": "4"},
    )

    assert items[0] == THOUGHT
    assert kinds(items) == ["reasoning", "function_call", "function_call_output"]


def test_thoughts_between_calls_stay_between_them() -> None:
    """Pointers say where each item stood, and a text may be in several."""
    second = {**THOUGHT, "id": "rs_2", "issuer": HERE}
    message = keeping(
        {**THOUGHT, "issuer": HERE},
        {"type": "message", "characters": 5, "phase": "commentary"},
        {"type": "function_call", "call_id": "c1"},
        second,
        content="First, then.",
        tool_calls=[call("c1"), call("c2")],
    )

    items = items_of(message)

    assert kinds(items) == [
        *("reasoning", "message", "function_call"),
        *("reasoning", "message", "function_call"),
    ]
    assert items[1] == {"role": "assistant", "content": "First", "phase": "commentary"}
    assert items[4] == {"role": "assistant", "content": ", then."}
    assert items[5]["call_id"] == "c2"


@pytest.mark.parametrize(
    "thought",
    [
        {**THOUGHT, "issuer": "another"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
    ],
)
def test_thoughts_that_nobody_here_can_read_are_left_out(
    thought: dict[str, Any],
) -> None:
    """Another's, and those that were not given but stored."""
    items = items_of(keeping(thought, content="Hello"))

    assert items == [{"role": "assistant", "content": "Hello"}]


def test_thoughts_of_anothers_are_said_to_be_left_out() -> None:
    """The attempt tells of it."""
    message = keeping({**THOUGHT, "issuer": "another"}, content="Hello")
    chat = Chat.parse(json.dumps({"model": "m", "messages": [HI, message]}).encode())

    assert unsent(chat, OpenAIResponses().encode(chat, PLACE).body) == ("signature",)


def test_thoughts_that_led_to_nothing_are_left_out() -> None:
    """Alone they are refused."""
    assert items_of(keeping({**THOUGHT, "issuer": HERE}), HI) == [HI]


def test_what_a_providers_tool_did_is_handed_back() -> None:
    """To whoever has such tools: it is no secret of anybody's."""
    items = items_of(keeping(SEARCH, content="Found it."))

    assert items == [SEARCH, {"role": "assistant", "content": "Found it."}]


def test_what_a_caller_answers_such_a_tool_is_handed_on() -> None:
    """It stands for itself, and no empty message beside it."""
    result = {"type": "mcp_approval_response", "approve": True}
    extra = {"openai": {"items": [result]}}

    assert items_of({"role": "user", "content": "", "extra_content": extra}) == [result]


def test_a_refusal_is_one() -> None:
    """Beside what was said, if anything was."""
    message = {"role": "assistant", "content": "Well.", "refusal": "No."}

    (item,) = items_of(message)

    assert [part["type"] for part in item["content"]] == ["output_text", "refusal"]


def test_results_go_to_calls_of_their_kind() -> None:
    """A custom tool's is another's; a call that has no id is found by its place."""
    custom = {"id": "c1", "type": "custom", "custom": {"name": "c", "input": "x"}}
    long = "x" * 65

    items = items_of(
        {"role": "assistant", "tool_calls": [custom, call(long)]},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": long, "content": "2"},
        {"role": "assistant", "function_call": {"name": "f", "arguments": ""}},
        {"role": "function", "name": "f", "content": "3"},
    )

    assert kinds(items) == [
        "custom_tool_call",
        "function_call",
        "custom_tool_call_output",
        "function_call_output",
        "function_call",
        "function_call_output",
    ]
    assert items[0]["input"] == "x"
    assert items[1]["call_id"] == items[3]["call_id"] != long
    assert items[4]["call_id"] == items[5]["call_id"]
    assert items[4]["arguments"] == "{}"


def test_who_encrypts_is_told_by_address_and_credential() -> None:
    """Nothing is told of either."""
    elsewhere = replace(PLACE, base_uri="https://b.example/v1")
    other_account = replace(PLACE, credential_id="b")
    other_model = replace(PLACE, id="p/b", model_id="b", provider_model="b")

    assert issuer_of(other_model) == HERE
    assert len({issuer_of(each) for each in (PLACE, elsewhere, other_account)}) == 3
    assert "b.example" not in issuer_of(elsewhere)
