"""What a Messages request becomes, and what is wrong with one."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.anthropic_chats import SONNET
from holdfast.errors import RequestMalformedError
from holdfast_edge.messages.answer import message_of
from holdfast_edge.messages.request import chat_fields, chat_of
from holdfast_executor.chat import Chat
from holdfast_executor.dialects.anthropic_messages import AnthropicMessages

HELLO = {"role": "user", "content": "Hi"}
MARK = {"type": "ephemeral"}
PIXEL = {"type": "base64", "media_type": "image/png", "data": "aGk="}

_WORDS = st.text("abc xyz", min_size=1, max_size=9).map(lambda text: f"a{text}z")
_NAMES = st.text("abcxyz_", min_size=1, max_size=6)
_INPUTS = st.dictionaries(_NAMES, st.integers(-9, 9) | _WORDS, max_size=2)


def _marked(draw: st.DrawFn, block: dict[str, Any]) -> dict[str, Any]:
    return block | ({"cache_control": MARK} if draw(st.booleans()) else {})


@st.composite
def _text(draw: st.DrawFn) -> dict[str, Any]:
    return _marked(draw, {"type": "text", "text": draw(_WORDS)})


_THOUGHTS = st.builds(
    lambda thinking, signature: {
        "type": "thinking",
        "thinking": thinking,
        "signature": signature,
    },
    _WORDS,
    _NAMES,
) | st.builds(lambda data: {"type": "redacted_thinking", "data": data}, _NAMES)

_MEDIA = st.sampled_from(
    [
        {"type": "image", "source": PIXEL},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a"}},
        {
            "type": "document",
            "source": {**PIXEL, "media_type": "application/pdf"},
            "title": "a.pdf",
        },
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "words"},
            "title": "a.txt",
        },
    ]
)


@st.composite
def _bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Make a request as Anthropic's own documents write it, in its long form."""
    messages: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    thinks = draw(st.booleans())
    for turn in range(draw(st.integers(1, 3))):
        said = draw(st.lists(_text() | _MEDIA, min_size=1, max_size=2))
        messages.append({"role": "user", "content": [*results, *said]})
        calls = [
            {
                "type": "tool_use",
                "id": f"toolu_{turn}_{place}",
                "name": draw(_NAMES),
                "input": given,
            }
            for place, given in enumerate(draw(st.lists(_INPUTS, max_size=2)))
        ]
        # One that thinks begins with its thoughts, or Anthropic refuses its calls.
        thoughts = draw(st.lists(_THOUGHTS, min_size=int(thinks), max_size=2))
        content = [*thoughts, draw(_text()), *calls]
        messages.append({"role": "assistant", "content": content})
        results = [
            {
                "type": "tool_result",
                "tool_use_id": call["id"],
                "content": draw(st.lists(_text(), min_size=1, max_size=2)),
                **({"is_error": True} if draw(st.booleans()) else {}),
            }
            for call in calls
        ]
    messages.append({"role": "user", "content": [*results, draw(_text())]})
    tool = {
        "name": "weather",
        "description": "Tells the weather.",
        "input_schema": {"type": "object", "properties": {}},
    }
    more: dict[str, Any] = {
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-1"},
        "service_tier": "standard_only",
        "cache_control": MARK,
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    }
    chosen = draw(st.sets(st.sampled_from(sorted(more))))
    return {
        "model": SONNET.provider_model,
        "max_tokens": 4000,
        "system": draw(st.lists(_text(), min_size=1, max_size=2)),
        "messages": messages,
        "tools": [_marked(draw, tool)],
        **{name: more[name] for name in chosen},
        **({"thinking": {"type": "enabled", "budget_tokens": 2000}} if thinks else {}),
    }


@settings(deadline=None, max_examples=200)
@given(body=_bodies())
def test_anthropic_gets_what_its_client_wrote(body: dict[str, Any]) -> None:
    """Translated to a chat and back, a request is what it was."""
    chat = Chat.parse(chat_of(json.dumps(body).encode()), translated=True)

    sent = json.loads(AnthropicMessages().encode(chat, SONNET).body)

    assert sent == body


def test_short_forms_say_what_long_ones_do() -> None:
    """A text stands for a block of text, in what is said and in a tool's result."""
    call = {"type": "tool_use", "id": "t1", "name": "w", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1"}
    history = [HELLO, {"role": "assistant", "content": [call]}]

    said = _messages(*history, {"role": "user", "content": [result | {"content": "x"}]})
    empty = _messages(*history, {"role": "user", "content": [result]})

    assert said[0] == HELLO
    assert said[2] == {"role": "tool", "tool_call_id": "t1", "content": "x"}
    assert empty[2]["content"] == ""


def test_thinking_without_a_signature_goes_to_nobody_who_checks_it() -> None:
    """It is what was thought, as text, beside the blocks that were signed."""
    unsigned = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    said = {"type": "text", "text": "Well."}

    message = _messages(HELLO, {"role": "assistant", "content": [unsigned, said]})[1]

    assert message["reasoning_content"] == "Hm."
    assert "thinking_blocks" not in message


def test_another_providers_signatures_come_back_where_they_belong() -> None:
    """A client that hands back the content as it came hands back the signatures."""
    signed = {"google": {"thought_signature": "c2ln"}}
    of_all = {"google": {"thought_signature": "YWxs"}}
    calls = [
        {
            "id": name,
            "type": "function",
            "function": {"name": "weather", "arguments": "{}"},
            **({"extra_content": signed} if name == "one" else {}),
        }
        for name in ("one", "two")
    ]
    answered = {
        "role": "assistant",
        "content": "Well.",
        "tool_calls": calls,
        "extra_content": of_all,
    }

    content = json.loads(message_of(_completion(answered)))["content"]
    back = _messages(HELLO, {"role": "assistant", "content": content})[1]

    assert [block["type"] for block in content] == [
        "redacted_thinking",
        "text",
        "redacted_thinking",
        "tool_use",
        "tool_use",
    ]
    assert back["tool_calls"] == calls
    assert back["extra_content"] == of_all
    assert "thinking_blocks" not in back


@pytest.mark.parametrize("data", ["holdfast:", "holdfast:%%", "holdfast:W10="])
def test_a_spoilt_signature_is_left_out(data: str) -> None:
    """What the gateway wrote and a client has changed is nobody's."""
    block = {"type": "redacted_thinking", "data": data}
    said = {"type": "text", "text": "Well."}

    message = _messages(HELLO, {"role": "assistant", "content": [block, said]})[1]

    assert message == {"role": "assistant", "content": [said]}


def test_cached_tokens_are_told_apart_from_the_others() -> None:
    """`input_tokens` are those that neither came from a cache nor went into one."""
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_creation_tokens": 30},
    }

    message = json.loads(message_of(_completion({"content": "Hi"}, usage=usage)))

    assert message["usage"] == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 60,
        "output_tokens": 7,
    }


def test_a_refusal_is_the_text_and_the_reason_to_stop() -> None:
    """Anthropic has no other place for what a model says when it refuses."""
    answer = _completion({"refusal": "I will not."}, finish_reason="content_filter")

    message = json.loads(message_of(answer))

    assert message["content"] == [{"type": "text", "text": "I will not."}]
    assert message["stop_reason"] == "refusal"


def test_arguments_that_are_no_object_still_arrive() -> None:
    """A model wrote them badly; the caller sees what it wrote."""
    function = {"name": "weather", "arguments": '{"place": '}
    call = {"id": "c1", "type": "function", "function": function}

    message = json.loads(message_of(_completion({"tool_calls": [call]})))

    assert message["content"][0]["input"] == {"arguments": '{"place": '}


def test_a_document_of_text_is_a_file_of_it() -> None:
    """Dialects know files; what Anthropic writes in place has its words in one."""
    source = {"type": "text", "media_type": "text/plain", "data": "Überall"}

    (message,) = _messages(
        {"role": "user", "content": [{"type": "document", "source": source}]}
    )

    file = message["content"][0]["file"]
    encoded = file["file_data"].removeprefix("data:text/plain;base64,")
    assert base64.b64decode(encoded).decode() == "Überall"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"system": 7}, "system"),
        ({"system": [{"type": "text"}]}, "system[0].text"),
        ({"tools": [{"name": "w"}]}, "tools[0].input_schema"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tool_choice": {"type": "odd"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"output_config": {"format": {"type": "yaml"}}}, "output_config.format"),
        ({"stream": "yes"}, "stream"),
        ({"mcp_servers": [{"url": "https://example.com"}]}, "mcp_servers"),
        ({"container": "c-1"}, "container"),
        ({"thread": {"type": "create"}}, "thread"),
        ({"compaction": {"type": "summarize"}}, "compaction"),
        ({"inference_geo": "us"}, "inference_geo"),
    ],
)
def test_a_fault_is_named(asked: dict[str, Any], field: str) -> None:
    """The error names the field, and so does the one for what is not served."""
    body = {"model": "m", "max_tokens": 5, "messages": [HELLO]} | asked

    with pytest.raises(RequestMalformedError) as raised:
        chat_fields(body)

    assert raised.value.metadata["field"] == field


@pytest.mark.parametrize(
    ("block", "field"),
    [
        ({"type": "odd"}, "type"),
        ({}, "type"),
        ({"type": "text"}, "text"),
        ({"type": "image"}, "source"),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "source.type"),
        ({"type": "image", "source": {"type": "url"}}, "source.url"),
        ({"type": "tool_result", "content": "x"}, "tool_use_id"),
        ({"type": "tool_result", "tool_use_id": "t", "content": 7}, "content"),
    ],
)
def test_a_fault_of_a_block_is_named(block: dict[str, Any], field: str) -> None:
    """The error names the block by its place."""
    with pytest.raises(RequestMalformedError) as raised:
        _messages({"role": "user", "content": [block]})

    assert raised.value.metadata["field"] == f"messages[0].content[0].{field}"


def _messages(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    body = json.dumps({"model": "m", "max_tokens": 5, "messages": messages})
    chat: list[dict[str, Any]] = json.loads(chat_of(body.encode()))["messages"]
    return chat


def _completion(
    message: dict[str, Any],
    *,
    finish_reason: str = "stop",
    usage: dict[str, Any] | None = None,
) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    answer = {"id": "c-1", "model": "m", "choices": [choice], "usage": usage}
    return json.dumps(answer).encode()


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
XML = {"type": "xml", "xml": {"root": "a"}}


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({"type": "json_object"}, {"type": "json_object"}),
        (XML, XML),
        (
            {"type": "json_schema", "schema": SCHEMA, "via": "xml"},
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "schema": SCHEMA,
                    "strict": True,
                    "via": "xml",
                },
            },
        ),
    ],
    ids=["object", "xml", "by-way-of-xml"],
)
def test_every_form_of_an_answer_can_be_asked_for(asked: Any, meant: Any) -> None:
    """Those that Anthropic does not have, too, and to be told early."""
    body = {
        "model": "m",
        "max_tokens": 5,
        "messages": [HELLO],
        "output_config": {"format": asked},
        "stream_validation": "end",
    }

    chat = json.loads(chat_of(json.dumps(body).encode()))

    assert chat["response_format"] == meant
    assert chat["stream_validation"] == "end"
