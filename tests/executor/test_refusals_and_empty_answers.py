"""What becomes of answers that hold none: refusals, empty ones, and half of several."""

import json
from datetime import timedelta

import msgspec
import pytest

from fakes.scene import BODY, STREAMED, Scene, messages, scene, text
from fakes.scripted_provider import (
    ENDING,
    ROLE,
    Reply,
    completion,
    delta,
    event,
    stream,
    streamed,
    whole,
)
from holdfast.errors import StreamInterruptedError
from holdfast.events import data_of
from holdfast.model import Limits, Outcome
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import Decoded
from holdfast_executor.dialects.anthropic_messages import AnthropicMessages
from holdfast_executor.dialects.bedrock_converse import BedrockConverse
from holdfast_executor.dialects.gemini_generate import Gemini
from holdfast_executor.dialects.openai_chat import OpenAIChat

FALLING_BACK = Limits(fall_back_on_content_filter=True)
CONTEXT = AnswerContext("m", "chatcmpl-ours", 1)


def answer(finish_reason: str = "stop", **message: object) -> dict[str, object]:
    said = {"role": "assistant", "content": "", **message}
    choice = {"index": 0, "message": said, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-theirs",
        "object": "chat.completion",
        "created": 1,
        "model": "upstream",
        "choices": [choice],
    }


FILTERED = whole(200, answer("content_filter"))
REFUSED = whole(200, answer(content=None, refusal="No."))
FILTERED_STREAM = stream(ROLE, delta("content_filter"), *ENDING[1:])
REFUSED_STREAM = stream(ROLE, delta(refusal="No."), *ENDING)
EMPTY = completion("")
SPEECH = {"id": "a", "data": "x", "expires_at": 1, "transcript": "Hello"}
EMPTY_STREAM = stream(ROLE, *ENDING)


async def said(s: Scene, *, streams: bool, body: bytes = b"", **plan: object) -> str:
    """Ask, and return what the caller reads."""
    if streams:
        return text(await messages(s.stream(body or STREAMED, **plan)))
    response = await s.execute(body or BODY, **plan)
    message = msgspec.json.decode(response.body)["choices"][0]["message"]
    return message["content"] or ""


@pytest.mark.parametrize(
    ("refusal", "good", "streams"),
    [
        (FILTERED, completion("Hello"), False),
        (REFUSED, completion("Hello"), False),
        (FILTERED_STREAM, streamed("Hello"), True),
        (REFUSED_STREAM, streamed("Hello"), True),
    ],
    ids=["filtered", "refused", "filtered-stream", "refused-stream"],
)
async def test_a_refusal_is_routed_around_where_the_policy_says(
    refusal: Reply, good: Reply, streams: bool
) -> None:
    """Whole and streamed alike, though it came as a success."""
    async with scene(refusal, good) as s:
        heard = await said(s, streams=streams, limits=FALLING_BACK)

    assert heard == "Hello"
    assert s.outcomes == [("a/m-eu", Outcome.FILTERED), ("b/m-eu", Outcome.SUCCEEDED)]


@pytest.mark.parametrize(
    ("refusal", "streams"),
    [
        (FILTERED, False),
        (REFUSED, False),
        (FILTERED_STREAM, True),
        (REFUSED_STREAM, True),
    ],
    ids=["filtered", "refused", "filtered-stream", "refused-stream"],
)
async def test_a_refusal_is_the_answer_otherwise(refusal: Reply, streams: bool) -> None:
    """As it came."""
    async with scene(refusal, completion("Hello")) as s:
        assert await said(s, streams=streams) == ""

    assert s.outcomes == [("a/m-eu", Outcome.SUCCEEDED)]


async def test_a_filter_that_cut_an_answer_short_shows_in_its_stream() -> None:
    """What was said was said: the reason is passed on, and nobody else is asked."""
    cut = stream(ROLE, delta(content="Hel"), delta("content_filter"), *ENDING[1:])
    async with scene(cut, streamed("Hello")) as s:
        taken = await messages(s.stream(limits=FALLING_BACK))

    assert text(taken) == "Hel"
    reasons = [
        choice["finish_reason"]
        for message in taken
        for chunk in data_of(message.chunks.events)
        for choice in json.loads(chunk)["choices"]
    ]
    assert reasons[-1] == "content_filter"


@pytest.mark.parametrize(
    ("empty", "good", "streams"),
    [(EMPTY, completion("Hello"), False), (EMPTY_STREAM, streamed("Hello"), True)],
    ids=["whole", "streamed"],
)
async def test_an_empty_answer_is_asked_of_the_next(
    empty: Reply, good: Reply, streams: bool
) -> None:
    """What it cost counts, and no deployment is blamed."""
    async with scene(empty, good) as s:
        assert await said(s, streams=streams) == "Hello"

    assert s.outcomes == [
        ("a/m-eu", Outcome.PARSE_FAILED),
        ("b/m-eu", Outcome.SUCCEEDED),
    ]
    assert s.told[0].cost_usd_nanos > 0


@pytest.mark.parametrize(
    ("empty", "streams"),
    [(EMPTY, False), (EMPTY_STREAM, True)],
    ids=["whole", "stream"],
)
async def test_an_empty_answer_is_the_answer_where_nobody_has_a_better_one(
    empty: Reply, streams: bool
) -> None:
    """As it came, rather than an error; each attempt is told once."""
    broken = whole(500, {})
    async with scene(empty) as alone:
        assert await said(alone, streams=streams) == ""
    async with scene(empty, broken) as s:
        assert await said(s, streams=streams) == ""

    assert alone.outcomes == [("a/m-eu", Outcome.SUCCEEDED)]
    assert s.outcomes == [
        ("a/m-eu", Outcome.PARSE_FAILED),
        ("b/m-eu", Outcome.SERVER_ERROR),
    ]


async def test_an_answer_that_was_told_where_to_stop_may_be_empty() -> None:
    """It may have begun with just that."""
    async with scene(EMPTY, completion("Hello")) as s:
        body = BODY[:-1] + b',"stop":["\\n"]}'
        assert await said(s, streams=False, body=body) == ""

    assert len(s.told) == 1


@pytest.mark.parametrize(
    "body",
    [
        answer("length"),
        answer(reasoning_content="Hm."),
        answer(content=None, audio=SPEECH),
        answer(
            "tool_calls",
            tool_calls=[
                {
                    "id": "c",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                }
            ],
        ),
    ],
    ids=["cut-short", "thought", "spoken", "calls"],
)
async def test_an_answer_without_text_may_say_something(body: object) -> None:
    """Room that was used up, thoughts, sound and calls are answers."""
    async with scene(whole(200, body), completion("Hello")) as s:
        await said(s, streams=False)

    assert s.outcomes == [("a/m-eu", Outcome.SUCCEEDED)]


DECODED = {
    "openai": (OpenAIChat(), answer()),
    "anthropic": (
        AnthropicMessages(),
        {"id": "1", "type": "message", "content": [], "stop_reason": "end_turn"},
    ),
    "bedrock": (
        BedrockConverse(),
        {"output": {"message": {"content": []}}, "stopReason": "end_turn"},
    ),
    "gemini": (Gemini(), {"candidates": [{"finishReason": "STOP"}]}),
}


@pytest.mark.parametrize(("dialect", "body"), DECODED.values(), ids=DECODED)
def test_every_dialect_knows_an_empty_answer(dialect, body) -> None:
    """`content: []`, no parts, an empty text: one and the same."""
    decoded = dialect.decode(json.dumps(body).encode(), CONTEXT)

    assert isinstance(decoded, Decoded)
    assert decoded.says_nothing
    assert not decoded.is_refusal


STREAMS = {
    "anthropic": (
        AnthropicMessages(),
        (
            b'data: {"type":"message_start","message":{}}\n\n'
            b'data: {"type":"message_delta","delta":{"stop_reason":"%s"}}\n\n'
        ),
        (b"end_turn", b"stop_sequence"),
    ),
    "gemini": (
        Gemini(),
        b'data: {"candidates":[{"finishReason":"%s"}]}\n\n',
        (b"STOP", b"MAX_TOKENS"),
    ),
    "openai": (
        OpenAIChat(),
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"%s"}]}\n\n',
        (b"stop", b"length"),
    ),
}


@pytest.mark.parametrize(("dialect", "raw", "reasons"), STREAMS.values(), ids=STREAMS)
def test_every_dialect_knows_an_empty_stream(dialect, raw, reasons) -> None:
    """And tells it from one that ended early for a reason."""
    empty, other = (dialect.decode_stream(CONTEXT) for _ in range(2))

    empty.feed(raw % reasons[0])
    other.feed(raw % reasons[1])

    assert empty.is_complete
    assert empty.says_nothing
    assert not other.says_nothing


def of_choice(index: int, finish_reason: str | None = None, **told: object) -> bytes:
    choice = {"index": index, "delta": told, "finish_reason": finish_reason}
    return event({"id": "x", "created": 1, "choices": [choice]})


BOTH = STREAMED[:-1] + b',"n":2}'
FIRST = (
    of_choice(0, role="assistant", content=""),
    of_choice(0, content="One"),
    of_choice(0, "stop"),
)
SECOND = (
    of_choice(1, role="assistant", content=""),
    of_choice(1, content="Two"),
    of_choice(1, "stop"),
)
LAST_PIECE = ENDING[-1]
ALONE = Limits(rescue_streams=False, idle_timeout=timedelta(seconds=2))


async def test_half_of_two_answers_is_not_taken_for_both() -> None:
    """A stream that ends before the second has begun is cut off."""
    async with scene(stream(*FIRST, LAST_PIECE)) as s:
        with pytest.raises(StreamInterruptedError):
            await messages(s.stream(BOTH, limits=ALONE))

    assert s.outcomes == [("a/m-eu", Outcome.INTERRUPTED)]


@pytest.mark.parametrize(
    "ending",
    [(*SECOND, LAST_PIECE), (event("[DONE]"), LAST_PIECE), ENDING[1:2] + ENDING[3:]],
    ids=["both", "done", "usage"],
)
async def test_two_answers_are_whole_when_both_are_or_the_provider_says_so(
    ending: tuple[bytes, ...],
) -> None:
    """Some providers give one, however many they are asked for."""
    async with scene(stream(*FIRST, *ending)) as s:
        await messages(s.stream(BOTH, limits=ALONE))

    assert s.outcomes == [("a/m-eu", Outcome.SUCCEEDED)]
