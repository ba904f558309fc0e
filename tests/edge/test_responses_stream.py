"""A streamed Response says what the whole one does, wherever it is looked at."""

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.response_reader import ResponseReader
from fakes.translated_chats import ANSWERS, ChatAnswer, grouped, native_answers
from holdfast_edge.responses.answer import response_of
from holdfast_edge.responses.items import Frame
from holdfast_edge.responses.request import Asked, chat_of, read
from holdfast_edge.responses.stream import ResponseStream

MANY = settings(deadline=None, max_examples=300)

RESPONSE_ID = "resp_" + "7" * 48
FRAME = Frame(read(b'{"model":"m","input":"Hi"}'), RESPONSE_ID, is_stored=False)
ERROR = {"code": "stream_interrupted", "message": "It broke off.", "trace_id": "t-1"}


@MANY
@given(answer=ANSWERS | native_answers(), data=st.data())
def test_a_streamed_response_is_the_whole_one(
    answer: ChatAnswer, data: st.DataObject
) -> None:
    """It ended likewise, and sent back it says the same of what was said before."""
    stream, reader = ResponseStream(FRAME), ResponseReader()

    for frames in data.draw(grouped(answer.frames)):
        reader.read(stream.feed(frames))
    reader.read(stream.end())

    whole, streamed = response_of(answer.body, FRAME), reader.last
    assert streamed is not None
    assert streamed == stream.response
    assert streamed["output"] == reader.output
    assert _without_output(streamed) == _without_output(whole)
    assert _said_again(streamed["output"]) == _said_again(whole["output"])


@MANY
@given(answer=ANSWERS, data=st.data())
def test_a_response_that_breaks_off_never_looks_whole(
    answer: ChatAnswer, data: st.DataObject
) -> None:
    """After any event there is an error, and nothing says that the response ended."""
    stream, reader = ResponseStream(FRAME), ResponseReader()
    frames = answer.frames[: data.draw(st.integers(1, len(answer.frames)))]

    reader.read(stream.feed(b"".join(frames)))
    reader.read(stream.failed(ERROR))

    assert reader.kinds[-2:] == ["response.failed", "error"]
    assert not {"response.completed", "response.incomplete"} & set(reader.kinds)
    assert reader.error is not None
    assert reader.error["code"] == "stream_interrupted"
    assert stream.response is None


@MANY
@given(answer=ANSWERS)
def test_what_was_answered_comes_back_as_it_was(answer: ChatAnswer) -> None:
    """A client that sends the items back makes the message that the model gave."""
    response = response_of(answer.body, FRAME)

    (message,) = _said_again(response["output"]) or [{"role": "assistant"}]
    given = answer.message
    assert [_call_of(each) for each in message.get("tool_calls", ())] == [
        _call_of(each) for each in given.get("tool_calls", ())
    ]
    for field in ("thinking_blocks", "extra_content"):
        if field in message or given.get("tool_calls") or given.get("content"):
            assert message.get(field) == given.get(field)
    said = "".join(
        part.get("text", "") + part.get("refusal", "")
        for part in message.get("content") or ()
    )
    assert said == (given.get("content") or given.get("refusal") or "")


@MANY
@given(answer=native_answers(), data=st.data())
def test_what_a_provider_gave_over_responses_comes_back_in_its_order(
    answer: ChatAnswer, data: st.DataObject
) -> None:
    """Whole and streamed: what only the provider can read, where it stood."""
    stream, reader = ResponseStream(FRAME), ResponseReader()
    for frames in data.draw(grouped(answer.frames)):
        reader.read(stream.feed(frames))
    reader.read(stream.end())

    whole = response_of(answer.body, FRAME)["output"]

    for output in (reader.output, whole):
        (message,) = _said_again(output) or [{}]
        if message:
            said = message["content"] or ""
            text = said if isinstance(said, str) else "".join(p["text"] for p in said)
            assert text == (answer.message["content"] or "")
            assert message.get("tool_calls") == answer.message.get("tool_calls")
            kept = message.get("extra_content", {}).get("openai", {}).get("items", [])
            assert [_placeless(item) for item in kept] == (
                answer.message.get("extra_content", {"openai": {"items": []}})
            )["openai"]["items"]


def test_items_are_named_after_their_response() -> None:
    """Whoever names an item names the response that it is kept with."""
    chat = {
        "created": 1,
        "model": "m",
        "choices": [
            {
                "message": {
                    "content": "a",
                    "reasoning_content": "b",
                    "tool_calls": [{"id": "c", "function": {"name": "d"}}],
                },
                "finish_reason": "stop",
            }
        ],
    }

    output = response_of(json.dumps(chat).encode(), FRAME)["output"]

    sevens = "7" * 48
    assert [item["id"] for item in output] == [
        f"rs_{sevens}00",
        f"msg_{sevens}01",
        f"fc_{sevens}02",
    ]


def _without_output(response: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in response.items() if name != "output"}


def _said_again(output: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages that the items are, where they say anything at all."""
    asked = Asked({"model": "m"}, tuple(output))
    messages: list[dict[str, Any]] = json.loads(chat_of(asked))["messages"]
    nothing = {"role": "assistant", "content": [{"type": "text", "text": ""}]}
    return [message for message in messages if message != nothing]


def _placeless(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "index"}


def _call_of(call: dict[str, Any]) -> tuple[Any, ...]:
    function = call["function"]
    arguments = json.loads(function["arguments"])
    return call["id"], function["name"], arguments, call.get("extra_content")
