"""What a Responses request becomes, and what is wrong with one."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from fakes.memory_responses import MemoryResponses
from holdfast.errors import RequestMalformedError
from holdfast.model import Capability
from holdfast_edge.responses.answer import response_of
from holdfast_edge.responses.items import Frame
from holdfast_edge.responses.references import with_items
from holdfast_edge.responses.request import Asked, chat_of, needs_of, read
from holdfast_edge.responses.store import Keeping

RESPONSE_ID = "resp_" + "7" * 48
WHO = b"digest"


def test_a_text_is_a_message_of_the_user() -> None:
    """`input` may be a text, and messages may leave their type out."""
    short = _chat(input="Hi", instructions="Be brief.")
    long = _chat(
        input=[
            {"role": "system", "content": "Be brief."},
            {"type": "message", "role": "user", "content": "Hi"},
        ]
    )

    assert short["messages"] == long["messages"]


def test_parallel_calls_are_one_message_and_their_results_follow() -> None:
    """Items of one answer make one message of a chat, thoughts and all."""
    given = _answer(
        {
            "content": "Let me see.",
            "reasoning_content": "Two places.",
            "thinking_blocks": [
                {"type": "thinking", "thinking": "Two places.", "signature": "c2ln"}
            ],
            "tool_calls": [_call("one", {"google": 1}), _call("two")],
        }
    )

    messages = _chat(
        input=[
            {"role": "user", "content": "Weather?"},
            *given,
            {"type": "function_call_output", "call_id": "one", "output": "Sunny"},
            {
                "type": "function_call_output",
                "call_id": "two",
                "output": [{"type": "input_text", "text": "Rain"}],
            },
        ]
    )["messages"]

    assert [message["role"] for message in messages] == [
        "user",
        "assistant",
        "tool",
        "tool",
    ]
    assert messages[1]["content"] == [{"type": "text", "text": "Let me see."}]
    assert messages[1]["tool_calls"] == [_call("one", {"google": 1}), _call("two")]
    assert messages[1]["thinking_blocks"][0]["signature"] == "c2ln"
    assert messages[3]["content"] == [{"type": "text", "text": "Rain"}]


def test_thoughts_that_another_gateway_closed_are_left_out() -> None:
    """What cannot be opened here is nobody's; the conversation goes on."""
    reasoning = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}

    messages = _chat(input=[reasoning, {"role": "user", "content": "Hi"}])["messages"]

    assert messages == [{"role": "user", "content": "Hi"}]


def test_a_refusal_is_a_part_of_its_own() -> None:
    """It goes out as one and comes back as one."""
    (item,) = _answer({"content": None, "refusal": "I will not."})

    (message,) = _chat(input=[item])["messages"]

    assert item["content"] == [{"type": "refusal", "refusal": "I will not."}]
    assert message["content"] == [{"type": "refusal", "refusal": "I will not."}]


def test_tokens_are_counted_as_the_api_has_them() -> None:
    """Those from a cache and into one are details of the input."""
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_creation_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }

    counted = _response({"content": "Hi"}, usage=usage)["usage"]

    assert counted == {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 107,
    }


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_an_answer_that_is_cut_short_says_so(
    reason: str, status: str, details: dict[str, str] | None
) -> None:
    """Its status and the reason are those of the API."""
    response = _response({"content": "Hi"}, finish_reason=reason)

    assert response["status"] == status
    assert response["incomplete_details"] == details


def test_a_custom_tool_is_a_chats() -> None:
    """What it takes, the call of it and its result."""
    form = {"type": "grammar", "syntax": "regex", "definition": "a+"}

    chat = _chat(
        input=[
            {"role": "user", "content": "Patch it"},
            {"type": "custom_tool_call", "call_id": "c", "name": "p", "input": "a"},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "Done"},
        ],
        tools=[{"type": "custom", "name": "p", "format": form}],
        tool_choice={"type": "custom", "name": "p"},
    )

    grammar = {"syntax": "regex", "definition": "a+"}
    assert chat["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c", "type": "custom", "custom": {"name": "p", "input": "a"}}
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "Done"},
    ]
    assert chat["tools"] == [
        {
            "type": "custom",
            "custom": {"name": "p", "format": {"type": "grammar", "grammar": grammar}},
        }
    ]
    assert chat["tool_choice"] == {"type": "custom", "custom": {"name": "p"}}


def test_a_custom_tools_call_is_an_item_of_its_own() -> None:
    """Whole; its text is what it is called with."""
    call = {"id": "c", "type": "custom", "custom": {"name": "p", "input": "a"}}

    (item,) = _answer({"content": None, "tool_calls": [call]})

    assert item == {
        "id": item["id"],
        "type": "custom_tool_call",
        "status": "completed",
        "call_id": "c",
        "name": "p",
        "input": "a",
    }
    assert item["id"].startswith("ctc_")


def test_what_a_providers_own_tool_did_stays_in_its_turn() -> None:
    """Between the thoughts and the words, in the place where it stood."""
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}

    messages = _chat(
        input=[
            {"role": "user", "content": "What is new?"},
            {"role": "assistant", "content": "Let me see.", "phase": "commentary"},
            search,
            {"role": "assistant", "content": "This."},
        ]
    )["messages"]

    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert [part["text"] for part in messages[1]["content"]] == ["Let me see.", "This."]
    assert messages[1]["extra_content"]["openai"]["items"] == [
        {"type": "message", "characters": 11, "phase": "commentary"},
        search,
    ]


@pytest.mark.parametrize(
    ("asked", "needs"),
    [
        ({}, False),
        ({"tools": [{"type": "function", "name": "f"}]}, False),
        ({"tools": [{"type": "custom", "name": "f"}]}, False),
        ({"tools": [{"type": "web_search"}]}, True),
        ({"input": [{"type": "web_search_call", "id": "w"}]}, False),
        ({"input": [{"type": "mcp_approval_response", "approve": True}]}, True),
    ],
)
def test_a_request_says_when_only_the_api_itself_will_do(
    asked: dict[str, Any], needs: bool
) -> None:
    """For a provider's own tools, and for what answers one."""
    body = json.dumps({"model": "m", "input": "Hi"} | asked).encode()

    assert (Capability.RESPONSES in needs_of(read(body))) is needs


def test_what_a_chat_has_no_word_for_goes_beside_it() -> None:
    """What is always so is not said, and what a chat can say is said in its words."""
    chat = _chat(
        input="Hi",
        include=[
            "reasoning.encrypted_content",
            "message.output_text.logprobs",
            "web_search_call.action.sources",
        ],
        top_logprobs=2,
        truncation="auto",
        max_tool_calls=3,
        reasoning={"effort": "low", "summary": "auto"},
    )

    assert {k: v for k, v in chat.items() if k not in ("model", "messages")} == {
        "reasoning_effort": "low",
        "reasoning": {"summary": "auto"},
        "logprobs": True,
        "top_logprobs": 2,
        "include": ["web_search_call.action.sources"],
        "truncation": "auto",
        "max_tool_calls": 3,
    }


def test_a_secret_of_a_tool_is_not_repeated() -> None:
    """The response, which may be kept, says what was asked without it."""
    tool = {"type": "mcp", "server_label": "s", "server_url": "https://s.example"}
    asked = {"model": "m", "input": "Hi", "tools": [{**tool, "authorization": "t"}]}
    frame = Frame(read(json.dumps(asked).encode()), RESPONSE_ID, is_stored=False)

    response = response_of(_body({"content": "Hi"}), frame)

    assert response["tools"] == [tool]


async def test_items_that_are_kept_can_be_named_instead_of_sent() -> None:
    """One look finds all of a conversation, though its answers were several."""
    store = MemoryResponses()
    asked = read(b'{"model":"m","input":"Weather?"}')
    for number in ("7", "8"):
        frame = Frame(asked, "resp_" + number * 48, is_stored=True)
        keeping = Keeping(store, WHO, asked, "s-1")
        keeping.response = response_of(_body({"tool_calls": [_call(number)]}), frame)
        await keeping.settle()
        output = tuple(keeping.response["output"])
        asked = Asked(asked.fields, (*asked.items, *output, _result(number)))
    named = [
        {"type": "item_reference", "id": item["id"]}
        if item["type"] == "function_call"
        else item
        for item in asked.items
    ]

    found = await with_items(store, WHO, Asked(asked.fields, tuple(named)))

    assert found.items == asked.items
    assert store.looks == 1


@pytest.mark.parametrize("item_id", ["fc_" + "9" * 50, "odd", "", None])
async def test_an_item_that_is_not_kept_is_an_error_with_the_remedy(
    item_id: str | None,
) -> None:
    """It says which one it is, and how to do without."""
    body = {"model": "m", "input": [{"type": "item_reference", "id": item_id}]}
    asked = await with_items(MemoryResponses(), WHO, read(json.dumps(body).encode()))

    with pytest.raises(RequestMalformedError) as raised:
        chat_of(asked)

    assert raised.value.metadata["field"] == "input[0].id"
    assert "`store: false`" in raised.value.message


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"input": 7}, "input"),
        ({"input": ["Hi"]}, "input[0]"),
        ({"input": [{"type": "odd"}]}, "input[0].type"),
        ({"input": [{"type": 7}]}, "input[0].type"),
        ({"input": [{"role": "judge", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"type": "function_call", "name": "w"}]}, "input[0].call_id"),
        ({"instructions": 7}, "instructions"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
        ({"tools": [{"kind": "web_search"}]}, "tools[0].type"),
        (
            {"tools": [{"type": "code_interpreter", "container": "cntr_1"}]},
            "tools[0].container",
        ),
        (
            {
                "tools": [
                    {
                        "type": "code_interpreter",
                        "container": {"type": "auto", "file_ids": ["file_1"]},
                    }
                ]
            },
            "tools[0].container.file_ids",
        ),
        (
            {
                "input": [
                    {
                        "type": "computer_call_output",
                        "call_id": "c",
                        "output": {"type": "computer_screenshot", "file_id": "f"},
                    }
                ]
            },
            "input[0].output.file_id",
        ),
        ({"include": "reasoning.encrypted_content"}, "include"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"reasoning": "low"}, "reasoning"),
        ({"text": {"format": "json"}}, "text.format"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"previous_response_id": 7}, "previous_response_id"),
    ],
)
def test_a_fault_is_named(asked: dict[str, Any], field: str) -> None:
    """The error names the field, and so does the one for what is not served."""
    with pytest.raises(RequestMalformedError) as raised:
        _chat(**{"input": "Hi", **asked})

    assert raised.value.metadata["field"] == field


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"type": "odd"}, "type"),
        ("Hi", "type"),
        ({"type": "input_text"}, "text"),
        ({"type": "input_image", "file_id": "f"}, "image_url"),
        ({"type": "input_file", "file_id": "f"}, "file_data"),
    ],
)
def test_a_fault_of_a_part_is_named(part: Any, field: str) -> None:
    """The error names the part by its place."""
    with pytest.raises(RequestMalformedError) as raised:
        _chat(input=[{"role": "user", "content": [part]}])

    assert raised.value.metadata["field"] == f"input[0].content[0].{field}"


def _chat(**asked: Any) -> Any:
    body = {"model": "m"} | asked
    return json.loads(chat_of(read(json.dumps(body).encode())))


def _call(name: str, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    function = {"name": "weather", "arguments": '{"place":"Paris"}'}
    call = {"id": name, "type": "function", "function": function}
    return call | ({"extra_content": extra} if extra else {})


def _result(call_id: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "Sunny"}


def _answer(message: dict[str, Any]) -> Sequence[dict[str, Any]]:
    output: list[dict[str, Any]] = _response(message)["output"]
    return output


def _response(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    frame = Frame(read(b'{"model":"m","input":"Hi"}'), RESPONSE_ID, is_stored=False)
    return response_of(_body(message, **more), frame)


def _body(
    message: dict[str, Any],
    *,
    finish_reason: str = "stop",
    usage: dict[str, Any] | None = None,
) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    answer = {"created": 1, "model": "m", "choices": [choice], "usage": usage}
    return json.dumps(answer).encode()
