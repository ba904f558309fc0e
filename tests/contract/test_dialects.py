"""What every dialect owes a caller: the same chat, whoever serves it.

A case is a folder of `tests/golden`: the caller's `chat.json`, and for each
dialect what it sends (`.request.json`), what a provider answers, whole
(`.response.json`) and in a stream (`.stream.txt`, or `.stream.jsonl` where it is
binary: what the frames hold), and what the caller reads of it
(`.completion.json`, `.chunks.jsonl`). Answers are invented.
"""

import dataclasses
import functools
import json
import operator
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from fakes import aws_frames
from holdfast.events import data_of
from holdfast.model import DIALECTS as NAMES
from holdfast.model import Deployment, Pricing
from holdfast_executor.chat import AnswerContext, Chat
from holdfast_executor.dialects import Decoded
from holdfast_executor.dialects.registry import DIALECTS
from holdfast_executor.media import Fetched, Media

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/chat.json"))

ABSENT = {
    ("anthropic-messages", "images", "response"): "answered in text: `plain`",
    ("anthropic-messages", "images", "stream"): "answered in text: `plain`",
    ("anthropic-messages", "json-schema", "stream"): "streamed as text: `plain`",
    ("anthropic-messages", "multi-turn", "stream"): "streamed as text: `plain`",
    **{
        (dialect, case, kind): why
        for dialect in ("bedrock-converse", "bedrock-invoke")
        for case, kind, why in (
            ("images", "response", "answered in text: `plain`"),
            ("images", "stream", "answered in text: `plain`"),
            ("json-schema", "stream", "streamed as text: `plain`"),
            ("multi-turn", "stream", "streamed as text: `plain`"),
        )
    },
    **{
        ("anthropic-vertex", case, kind): "as Anthropic's own, which see"
        for case, kind in (
            ("images", "response"),
            ("images", "stream"),
            ("json-schema", "stream"),
            ("multi-turn", "stream"),
        )
    },
    ("gemini", "images", "response"): "answered in text: `plain`",
    ("gemini", "images", "stream"): "answered in text: `plain`",
    ("gemini", "json-schema", "stream"): "streamed as text: `plain`",
    ("gemini", "multi-turn", "response"): "writes no cache: `test_gemini_answer`",
    ("gemini", "multi-turn", "stream"): "streamed as text: `plain`",
    ("openai-chat", "images", "response"): "answered in text: `plain`",
    ("openai-chat", "images", "stream"): "answered in text: `plain`",
    ("openai-chat", "json-schema", "stream"): "streamed as text: `plain`",
    ("openai-chat", "multi-turn", "stream"): "streamed as text: `plain`",
    ("openai-responses", "images", "response"): "answered in text: `plain`",
    ("openai-responses", "images", "stream"): "answered in text: `plain`",
    ("openai-responses", "json-schema", "stream"): "streamed as text: `plain`",
    ("openai-responses", "multi-turn", "request"): "takes no stop sequences",
    ("openai-responses", "multi-turn", "stream"): "streamed as text: `plain`",
}
"""Why a dialect has no file of a kind in a case."""

PROVIDER_MODELS = {
    "anthropic-messages": "claude-sonnet-4-5-20250929",
    "anthropic-vertex": "claude-sonnet-4-5@20250929",
    "bedrock-converse": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "bedrock-invoke": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "gemini": "gemini-2.5-flash",
    "openai-chat": "lab/claude-sonnet-4-5",
    "openai-responses": "gpt-golden",
}
FETCHED = Media({"https://images.example/a.png": Fetched("image/png", "iVBORw0KGgoA")})
"""What is at the address that a case names, for who must be sent it."""
CONTEXT = AnswerContext(
    model="claude-sonnet-4-5",
    answer_id="chatcmpl-held",
    created=1_700_000_000,
    pricing=Pricing(3_000_000, 15_000_000, 300_000, 3_750_000),
)


def golden(dialect: str, case: str, kind: str) -> bytes:
    """Read a golden file, or skip with the reason why there is none."""
    path = next(GOLDEN.glob(f"{case}/{dialect}.{kind}.*"), None)
    if path is None:
        pytest.skip(ABSENT[dialect, case, kind])
    return path.read_bytes()


def deployment(dialect: str) -> Deployment:
    return Deployment(
        id=f"lab/{dialect}",
        model_id="claude-sonnet-4-5",
        provider_id="lab",
        provider_model=PROVIDER_MODELS[dialect],
        dialect=dialect,
        base_uri="http://127.0.0.1/v1",
        max_output_tokens=64_000,
    )


def test_every_dialect_that_a_deployment_may_name_is_there() -> None:
    """The catalog and the executor agree."""
    assert set(DIALECTS) == NAMES


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("kind", ["request", "response", "stream"])
def test_every_case_has_its_files_or_a_reason(
    dialect: str, case: str, kind: str
) -> None:
    """Who adds a dialect or a case fills the folder."""
    is_there = any(GOLDEN.glob(f"{case}/{dialect}.{kind}.*"))

    assert is_there != ((dialect, case, kind) in ABSENT)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_request_is_sent_as_the_file_says(dialect: str, case: str) -> None:
    """The same for every attempt, and from the caller's own bytes."""
    expected = golden(dialect, case, "request")
    asked = Chat.parse((GOLDEN / case / "chat.json").read_bytes())
    chat = dataclasses.replace(asked, media=FETCHED)

    first = DIALECTS[dialect].encode(chat, deployment(dialect))
    again = DIALECTS[dialect].encode(chat, deployment(dialect))

    assert json.loads(first.body) == json.loads(expected)
    assert first == again
    assert first.path.startswith("/")
    assert ("content-type", "application/json") in first.headers


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_answer_reads_as_the_file_says(dialect: str, case: str) -> None:
    """And OpenAI's SDK accepts it."""
    body = golden(dialect, case, "response")

    answer = DIALECTS[dialect].decode(body, CONTEXT)

    assert isinstance(answer, Decoded)
    ChatCompletion.model_validate(json.loads(answer.body))
    assert json.loads(answer.body) == json.loads(golden(dialect, case, "completion"))


def events_of(dialect: str, case: str) -> list[bytes]:
    """Read a golden stream as the events that came over the wire."""
    stream = golden(dialect, case, "stream")
    if not dialect.startswith("bedrock-"):
        *events, last = stream.split(b"\n\n")
        return [event + b"\n\n" for event in events] + ([last] if last else [])
    held = [json.loads(line) for line in stream.splitlines()]
    if dialect == "bedrock-invoke":
        return [aws_frames.chunk(each) for each in held]
    return [
        aws_frames.event(name, data) for each in held for name, data in each.items()
    ]


def streamed(dialect: str, stream: bytes, size: int) -> tuple[list[Any], Any]:
    """Read a stream in blocks of a size, to its end."""
    decoder = DIALECTS[dialect].decode_stream(CONTEXT)
    blocks = [stream[at : at + size] for at in range(0, len(stream), size)]
    events = b"".join(map(decoder.feed, blocks)) + decoder.finish()
    return data_of(events), decoder


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_reads_as_the_file_says(dialect: str, case: str, size: int) -> None:
    """Wherever it is cut, and OpenAI's SDK accepts every chunk."""
    stream = b"".join(events_of(dialect, case))

    chunks, decoder = streamed(dialect, stream, size)

    last = data_of(decoder.usage_event(None))
    found = [json.loads(chunk) for chunk in [*chunks, *last]]
    for chunk in found:
        ChatCompletionChunk.model_validate(chunk)
        assert chunk["id"] == decoder.answer_id
    lines = golden(dialect, case, "chunks").splitlines()
    assert found == [json.loads(line) for line in lines]
    assert decoder.has_content
    assert decoder.is_complete
    assert decoder.failure is None


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_cut_stream_never_looks_complete(dialect: str, case: str) -> None:
    """Up to the event that ends the answer, every cut is one that shows."""
    events = events_of(dialect, case)
    outcomes = []
    for count in range(len(events) + 1):
        cut = b"".join(events[:count])

        chunks, decoder = streamed(dialect, cut, 1 << 20)

        choices = [choice for c in chunks for choice in json.loads(c)["choices"]]
        outcomes.append(decoder.is_complete)
        has_ended = any(choice["finish_reason"] for choice in choices)
        assert has_ended <= decoder.is_complete
    assert outcomes == sorted(outcomes)
    assert outcomes[-1]


def said(message: dict[str, Any]) -> dict[str, Any]:
    """What a caller's program acts on, but for ids."""
    return {
        "content": message.get("content"),
        "reasoning": message.get("reasoning_content"),
        "calls": [
            (call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in message.get("tool_calls", ())
        ],
    }


def added_up(chunks: list[Any]) -> dict[str, Any]:
    """Put a streamed message together as a caller's program does."""
    message: dict[str, Any] = {}
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            delta = choice["delta"]
            for name in ("content", "reasoning_content"):
                if delta.get(name):
                    message[name] = message.get(name, "") + delta[name]
            for piece in delta.get("tool_calls", ()):
                call = calls.setdefault(piece["index"], {"name": "", "arguments": ""})
                for name, value in piece["function"].items():
                    call[name] += value
    tool_calls = [{"function": call} for call in calls.values()]
    return said({**message, "tool_calls": tool_calls})


def counted(usage: dict[str, Any]) -> dict[str, Any]:
    """Take the counts that every provider gives: not all tell reasoning apart."""
    usage = {**usage, "completion_tokens_details": {}}
    return {
        name: value for name, value in usage.items() if name.endswith("_tokens")
    } | functools.reduce(
        operator.or_,
        (value for name, value in usage.items() if name.endswith("_details")),
    )


@pytest.mark.parametrize("case", CASES)
def test_who_answers_makes_no_difference(case: str) -> None:
    """Whole answers of one case say and cost the same in every dialect."""
    paths = sorted(GOLDEN.glob(f"{case}/*.completion.json"))
    answers = [json.loads(path.read_text()) for path in paths]

    read = [
        (
            said(answer["choices"][0]["message"]),
            answer["choices"][0]["finish_reason"],
            counted(answer["usage"]),
            answer["usage"]["cost"],
            answer["model"],
        )
        for answer in answers
    ]

    assert all(one == read[0] for one in read)


@pytest.mark.parametrize("case", CASES)
def test_who_streams_makes_no_difference(case: str) -> None:
    """Added up, the streams of one case say the same in every dialect."""
    paths = sorted(GOLDEN.glob(f"{case}/*.chunks.jsonl"))
    streams = [
        [json.loads(line) for line in path.read_text().splitlines()] for path in paths
    ]

    read = [
        (
            added_up(chunks),
            [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]][-1],
            counted(chunks[-1]["usage"]),
        )
        for chunks in streams
    ]

    assert all(one == read[0] for one in read)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500, 503, 529])
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"<html></html>", b"\xff", b"null"]
)
def test_no_body_brings_a_dialect_down(dialect: str, status: int, body: bytes) -> None:
    """Each is a failure with a message, and never an answer."""
    spoken = DIALECTS[dialect]

    failure: Any = (
        spoken.decode(body, CONTEXT)
        if status == 200
        else spoken.decode_error(status, {}, body)
    )

    assert not isinstance(failure, Decoded)
    assert failure.message
    assert failure.http_status == status
