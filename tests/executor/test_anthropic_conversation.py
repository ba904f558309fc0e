"""What Anthropic is sent of a caller's messages."""

from dataclasses import replace
from typing import Any

import pytest

from fakes.anthropic_chats import HELLO, WEATHER, call, encoded, named, text, turns
from holdfast_executor.dialects import CapabilityMissingError


def test_system_messages_anywhere_stand_apart() -> None:
    """System and developer messages are one system prompt, in their order."""
    sent = encoded(
        messages=[
            {"role": "system", "content": "one"},
            {"role": "user", "content": "a"},
            {"role": "developer", "content": [text("two")]},
            {"role": "user", "content": "b"},
        ]
    )

    assert sent["system"] == [text("one"), text("two")]
    assert sent["messages"] == [{"role": "user", "content": [text("a"), text("b")]}]


def test_system_messages_alone_are_asked_as_the_user() -> None:
    """Anthropic wants a turn to answer; OpenAI does without."""
    sent = encoded(messages=[{"role": "system", "content": "Tell a joke."}])

    assert "system" not in sent
    assert sent["messages"] == [{"role": "user", "content": [text("Tell a joke.")]}]


def test_results_of_parallel_calls_are_one_turn_and_come_first() -> None:
    """However the caller mixes them with words of the user's."""
    said = turns(
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "tool_calls": [call("1"), call("2")]},
        {"role": "tool", "tool_call_id": "1", "content": "sun"},
        {"role": "user", "content": "c"},
        {"role": "tool", "tool_call_id": "2", "content": [text("rain")]},
    )

    assert [turn["role"] for turn in said] == ["user", "assistant", "user"]
    assert [block["type"] for block in said[1]["content"]] == [
        "text",
        "tool_use",
        "tool_use",
    ]
    assert said[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "1", "content": [text("sun")]},
        {"type": "tool_result", "tool_use_id": "2", "content": [text("rain")]},
        text("c"),
    ]


def test_a_result_that_says_nothing_has_no_content() -> None:
    """Empty text is refused; a result without content is not."""
    said = turns(
        {"role": "assistant", "tool_calls": [call("1")]},
        {"role": "tool", "tool_call_id": "1", "content": ""},
    )

    assert said[1]["content"] == [{"type": "tool_result", "tool_use_id": "1"}]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ("", {}),
        (None, {}),
        ("null", {}),
        ('{"a": [1, 2.5]}', {"a": [1, 2.5]}),
        ({"a": 1}, {"a": 1}),
        ('{"a": "cut o', {"_raw": '{"a": "cut o'}),
        ("[1]", {"_raw": "[1]"}),
        ("[" * 5000, {"_raw": "[" * 5000}),
    ],
)
def test_arguments_are_always_an_object(arguments: object, sent: object) -> None:
    """What is none is kept as text, for the model to see what it wrote."""
    said = turns({"role": "assistant", "tool_calls": [call("1", arguments)]})

    assert said[0]["content"][0]["input"] == sent


def test_ids_of_other_providers_are_made_fit_and_stay_paired() -> None:
    """Two ids that differ stay different, and fit ones stay as they are."""
    ids = ["call.a:1", "call.a;1", "", "toolu_01-A"]

    said = turns(
        {"role": "assistant", "tool_calls": [call(one) for one in ids]},
        *({"role": "tool", "tool_call_id": one, "content": "x"} for one in ids),
    )

    called = [block["id"] for block in said[0]["content"]]
    assert called == [block["tool_use_id"] for block in said[1]["content"]]
    assert len(set(called)) == len(ids)
    assert all(one.replace("_", "").replace("-", "").isalnum() for one in called)
    assert called[3] == "toolu_01-A"


def test_functions_of_old_are_tools() -> None:
    """The forerunners of tools go the same way."""
    sent = encoded(
        functions=[{"name": "weather", "parameters": {"properties": {}}}],
        function_call={"name": "weather"},
        messages=[
            {"role": "user", "content": "a"},
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "weather", "arguments": "{}"},
            },
            {"role": "function", "name": "weather", "content": "sun"},
        ],
    )

    assert sent["tools"] == [
        {"name": "weather", "input_schema": {"type": "object", "properties": {}}}
    ]
    assert sent["tool_choice"] == {"type": "tool", "name": "weather"}
    used, result = (turn["content"][0] for turn in sent["messages"][1:])
    assert used["id"] == result["tool_use_id"]


@pytest.mark.parametrize("blank", ["", "  \n", None, [], [text("")]])
def test_turns_that_say_nothing(blank: object) -> None:
    """Empty content is refused: the user's is stood for, the assistant's left out."""
    said = turns(
        {"role": "user", "content": blank},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": blank},
        {"role": "user", "content": blank},
    )

    assert said == [
        {"role": "user", "content": [text(".")]},
        {"role": "assistant", "content": [text("a")]},
        {"role": "user", "content": [text("b")]},
    ]


def test_a_begun_answer_ends_without_white_space() -> None:
    """Anthropic refuses a prefix that ends with some."""
    said = turns(*HELLO, {"role": "assistant", "content": "It is \n"})

    assert said[-1] == {"role": "assistant", "content": [text("It is")]}


@pytest.mark.parametrize("model", ["claude-opus-4-6", "claude-sonnet-5"])
def test_a_begun_answer_goes_to_a_model_that_continues_it(model: str) -> None:
    """From 4.6 on Claude refuses a prefix."""
    begun = [*HELLO, {"role": "assistant", "content": "It is"}]

    with pytest.raises(CapabilityMissingError):
        encoded(named(model), messages=begun)


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://a.b/c.png", {"type": "url", "url": "https://a.b/c.png"}),
        (
            "data:image/jpg;base64,AAAA",
            {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"},
        ),
        (
            "data:image/webp;charset=x;base64,AAAA",
            {"type": "base64", "media_type": "image/webp", "data": "AAAA"},
        ),
    ],
)
def test_images(url: str, source: object) -> None:
    """By address and by value, with the media type as Anthropic spells it."""
    part = {"type": "image_url", "image_url": {"url": url, "detail": "low"}}

    said = turns({"role": "user", "content": [part]})

    assert said[0]["content"] == [{"type": "image", "source": source}]


@pytest.mark.parametrize(
    ("file", "block"),
    [
        (
            {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
            {
                "type": "document",
                "title": "a.pdf",
                "source": {
                    "type": "base64",
                    "media_type": "application/pdf",
                    "data": "AAAA",
                },
            },
        ),
        (
            {"filename": "a.PDF", "file_data": "AAAA"},
            {
                "type": "document",
                "title": "a.PDF",
                "source": {
                    "type": "base64",
                    "media_type": "application/pdf",
                    "data": "AAAA",
                },
            },
        ),
        (
            {"file_data": "data:text/csv;base64,YSxi"},
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "a,b"},
            },
        ),
        (
            {"file_data": "https://a.b/c.pdf"},
            {
                "type": "document",
                "source": {"type": "url", "url": "https://a.b/c.pdf"},
            },
        ),
    ],
)
def test_files(file: dict[str, str], block: object) -> None:
    """PDF and text are documents."""
    said = turns({"role": "user", "content": [{"type": "file", "file": file}]})

    assert said[0]["content"] == [block]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "https://a.b/c.mp4"}},
        {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "gs://bucket/a.png"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": "data:video/mp4;base64,AAAA"}},
    ],
)
def test_parts_that_claude_does_not_take(part: dict[str, Any]) -> None:
    """Another deployment may; the caller has made no mistake."""
    with pytest.raises(CapabilityMissingError) as raised:
        turns({"role": "user", "content": [text("look"), part]})

    assert raised.value.param.startswith("messages[0].content[1]")


def test_cache_marks_are_passed_on() -> None:
    """On parts, on whole messages, on tools and on the request."""
    mark = {"type": "ephemeral", "ttl": "1h"}
    marked = {**text("a"), "cache_control": mark}

    sent = encoded(
        messages=[
            {"role": "system", "content": [marked]},
            {"role": "user", "content": [marked, text("b")]},
            {"role": "assistant", "tool_calls": [call("1")]},
            {
                "role": "tool",
                "tool_call_id": "1",
                "content": "x",
                "cache_control": mark,
            },
        ],
        tools=[{**WEATHER, "cache_control": mark}],
        cache_control=mark,
    )

    assert sent["system"] == [marked]
    assert sent["messages"][0]["content"] == [marked, text("b")]
    assert sent["messages"][2]["content"][0]["cache_control"] == mark
    assert sent["tools"][0]["cache_control"] == mark
    assert sent["cache_control"] == mark


def test_signed_thinking_goes_back_to_its_issuer_alone() -> None:
    """A signature is verified; thinking without one, or of others, is left out."""
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "s", "index": 0},
        {"type": "redacted_thinking", "data": "d", "issuer": "anthropic"},
        {"type": "thinking", "thinking": "unsigned"},
        {"type": "thinking", "thinking": "x", "signature": "s", "issuer": "m2"},
    ]
    message = {
        "role": "assistant",
        "content": "a",
        "reasoning_content": "hm",
        "thinking_blocks": blocks,
    }
    messages = [*HELLO, message, *HELLO]

    to_claude = encoded(messages=messages)["messages"][1]["content"]
    elsewhere = encoded(replace(named("m2"), model_id="m2"), messages=messages)

    assert to_claude == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        text("a"),
    ]
    assert elsewhere["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "x", "signature": "s"},
        text("a"),
    ]
