"""What a Responses request becomes, and what is wrong with one."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from fakes.memory_responses import MemoryResponses
from holdfast.errors import RequestMalformedError
from holdfast_edge.responses.answer import response_of
from holdfast_edge.responses.items import Frame
from holdfast_edge.responses.references import with_items
from holdfast_edge.responses.request import Asked, chat_of, read
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
        ({"input": [{"type": "computer_call"}]}, "input[0].type"),
        ({"input": [{"type": 7}]}, "input[0].type"),
        ({"input": [{"role": "judge", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"type": "function_call", "name": "w"}]}, "input[0].call_id"),
        ({"instructions": 7}, "instructions"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
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
