"""The dialect `openai-chat` against recorded traffic of real providers.

The recordings are no part of the project: `HOLDFAST_CORPUS` names the folder
that holds them and their loader, else `shared/corpus` beside the project.
"""

import functools
import importlib.util
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from holdfast.events import data_of
from holdfast.model import Deployment, Outcome, Pricing, Usage
from holdfast_executor.chat import AnswerContext, Chat
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects.openai_chat import OpenAIChat
from holdfast_executor.dialects.openai_stream import OpenAIChatStream
from holdfast_executor.failures import classify, fitted

CORPUS = Path(
    os.environ.get("HOLDFAST_CORPUS")
    or Path(__file__).resolve().parents[3] / "shared" / "corpus"
)
pytestmark = pytest.mark.skipif(
    not (CORPUS / "load.py").exists(), reason=f"no recordings in {CORPUS}"
)

DIALECT = OpenAIChat()
CONTEXT = AnswerContext(
    model="plain-name",
    answer_id="chatcmpl-held",
    created=1_700_000_000,
    pricing=Pricing(3_000_000, 15_000_000, 300_000, 3_750_000),
)
DEPLOYMENT = Deployment("d", "m", "p", "up/stream", "openai-chat", "http://127.0.0.1")

EVERY = 7
"""Of the streams, which are read byte by byte: all of them take a minute."""

BYTEWISE_MAX = 20_000
"""Bytes of a stream that is read byte by byte."""

# No OpenAI-compatible format, though `chat` is in the name.
OTHER_FORMATS = frozenset({"cohere:chat"})

Row = dict[str, Any]


def is_no_answer(found: Decoded | ProviderError, raw: bytes) -> bool:
    """A filter took the only choice: it has no message."""
    return (
        isinstance(found, ProviderError)
        and found.outcome is Outcome.FILTERED
        and b'"finish_reason":"content_filter"' in raw
        and b'"message"' not in raw
    )


@functools.cache
def loader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("corpus_load", CORPUS / "load.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def rows() -> list[Row]:
    """Every row, with its body in bytes as `raw`."""
    load = loader()
    return [{**row, "raw": load.body(row)} for row in load.recordings()]


def is_openai(row: Row) -> bool:
    provider = row["provider"]
    if provider in OTHER_FORMATS:
        return False
    return provider.startswith("azure:") or provider.endswith(
        (":chat", ":openai-compat", "/v1/chat/completions")
    )


def successes(*, streamed: bool) -> list[Row]:
    return [
        row
        for row in rows()
        if is_openai(row)
        and row["status"] < 300
        and row["raw"].lstrip().startswith(b"{") != streamed
    ]


def failures() -> list[Row]:
    return [row for row in rows() if row["status"] >= 300]


def classified(row: Row) -> ProviderError:
    headers = {name.lower(): value for name, value in row["resp_headers"].items()}
    return classify(row["status"], headers, row["raw"])


def read(raw: bytes, size: int = 1 << 20) -> tuple[OpenAIChatStream, list[bytes]]:
    stream = DIALECT.decode_stream(CONTEXT)
    blocks = [raw[at : at + size] for at in range(0, len(raw), size)]
    events = b"".join(map(stream.feed, blocks)) + stream.finish()
    return stream, data_of(events)


def their_chunks(raw: bytes) -> list[Any]:
    lines = raw.replace(b"\r\n", b"\n").split(b"\n")
    data = [line[5:].strip() for line in lines if line.startswith(b"data:")]
    return [json.loads(piece) for piece in data if piece != b"[DONE]"]


def finish_reasons(chunks: list[Any]) -> list[Any]:
    return [
        choice.get("finish_reason")
        for chunk in chunks
        for choice in chunk.get("choices") or ()
        if choice.get("finish_reason")
    ]


def added_up(chunks: list[Any], field: str) -> str:
    """Put a field of the deltas together, content in parts too."""
    found = []
    for chunk in chunks:
        for choice in chunk.get("choices") or ():
            value = choice["delta"].get(field)
            if isinstance(value, list):
                value = "".join(part.get("text", "") for part in value)
            found.append(value or "")
    return "".join(found)


def test_every_answer_is_one_that_the_sdk_accepts() -> None:
    """Whoever wrote it; and it says what the provider said."""
    found = [
        (row, DIALECT.decode(row["raw"], CONTEXT)) for row in successes(streamed=False)
    ]

    assert len(found) > 500
    for row, answer in found:
        if is_no_answer(answer, row["raw"]):
            continue
        assert isinstance(answer, Decoded), (row["id"], answer)
        ours, theirs = json.loads(answer.body), json.loads(row["raw"])
        ChatCompletion.model_validate(ours)
        assert ours["model"] == "plain-name"
        for our, their in zip(ours["choices"], theirs["choices"], strict=True):
            if isinstance(their["message"].get("content"), str):
                assert our["message"]["content"] == their["message"]["content"]


def test_openais_own_answers_are_not_touched() -> None:
    """Nothing but the model's name and the cost, law 8 and 11."""
    named_tool = 0
    for row in successes(streamed=False):
        theirs = json.loads(row["raw"])
        if row["provider"] != "openai:chat" or not _fits(theirs):
            continue

        answer = DIALECT.decode(row["raw"], CONTEXT)

        assert isinstance(answer, Decoded)
        ours = json.loads(answer.body)
        ours.get("usage", {}).pop("cost", None)
        theirs.get("usage", {}).pop("cost", None)
        assert ours == {**theirs, "model": "plain-name"}
        [first, *_] = ours["choices"]
        named_tool += first["finish_reason"] == "stop" and bool(
            first["message"].get("tool_calls")
        )
    assert named_tool > 0


def _fits(theirs: Any) -> bool:
    try:
        ChatCompletion.model_validate(theirs)
    except ValueError:
        return False
    return bool(theirs["id"] and theirs.get("usage"))


def test_every_stream_is_one_that_the_sdk_accepts() -> None:
    """One frame, one role, one end for each choice, the usage apart."""
    for row in successes(streamed=True):
        stream, raw_chunks = read(row["raw"])

        chunks = [json.loads(chunk) for chunk in raw_chunks]
        roles = Counter(
            choice["index"]
            for chunk in chunks
            for choice in chunk["choices"]
            if choice["delta"].get("role")
        )
        for chunk in chunks:
            ChatCompletionChunk.model_validate(chunk)
            assert (chunk["id"], chunk["model"]) == (stream.answer_id, "plain-name")
            assert chunk["choices"]
            assert "usage" not in chunk
        assert len({chunk["created"] for chunk in chunks}) == 1
        assert set(roles.values()) == {1}
        for usage in data_of(stream.usage_event(1)):
            ChatCompletionChunk.model_validate(json.loads(usage))


def test_a_stream_says_what_the_provider_said() -> None:
    """Nothing is lost or said twice."""
    for row in successes(streamed=True):
        theirs = their_chunks(row["raw"])

        _, raw_chunks = read(row["raw"])

        ours = [json.loads(chunk) for chunk in raw_chunks]
        for field in ("content", "reasoning", "reasoning_content", "refusal"):
            if field == "reasoning_content" and row["provider"] == "mistral:chat":
                continue
            assert added_up(ours, field) == added_up(theirs, field), row["id"]


def test_a_stream_is_complete_if_and_only_if_it_had_a_finish_reason() -> None:
    """Neither [DONE] nor the usage proves that it ended."""
    complete = Counter[bool]()
    for row in successes(streamed=True):
        stream, chunks = read(row["raw"])

        reasons = finish_reasons(their_chunks(row["raw"]))
        assert stream.is_complete == bool(reasons), row["id"]
        ours = finish_reasons([json.loads(chunk) for chunk in chunks])
        choices = {
            choice["index"] for c in chunks for choice in json.loads(c)["choices"]
        }
        assert len(ours) == (len(choices) if reasons else 0)
        complete[stream.is_complete] += 1
    assert complete[True] > 250


def test_a_stream_cut_before_its_end_is_not_complete() -> None:
    """Before the event that bears the last finish reason."""
    for row in successes(streamed=True):
        raw = row["raw"].replace(b"\r\n", b"\n")
        events = raw.split(b"\n\n")
        ends = [at for at, event in enumerate(events) if finish_reasons(_chunks(event))]
        if not ends:
            continue

        cut, _ = read(b"\n\n".join(events[: ends[0]]))
        torn, _ = read(b"\n\n".join(events[: ends[0] + 1])[:-30])

        assert not cut.is_complete
        assert cut.failure is None
        assert not torn.is_complete or len(ends) > 1


def _chunks(event: bytes) -> list[Any]:
    return [] if b"event: error" in event else their_chunks(event)


def test_where_a_stream_is_cut_changes_nothing() -> None:
    """Read byte by byte it is the same."""
    sample = [
        row for row in successes(streamed=True) if len(row["raw"]) < BYTEWISE_MAX
    ][::EVERY]
    for row in sample:
        whole, chunks = read(row["raw"])

        bytewise, same_chunks = read(row["raw"], 1)

        assert same_chunks == chunks
        assert bytewise.is_complete == whole.is_complete
        assert bytewise.has_content == whole.has_content
        assert bytewise.usage == whole.usage
        assert bytewise.failure == whole.failure


def test_usage_adds_up() -> None:
    """Input and output are all that the provider counts."""
    counted = 0
    for row in successes(streamed=False):
        answer = DIALECT.decode(row["raw"], CONTEXT)
        theirs = json.loads(row["raw"]).get("usage")
        if not isinstance(answer, Decoded) or answer.usage is None:
            continue

        usage: Usage = answer.usage
        details = theirs.get("completion_tokens_details") or {}
        left_out = details.get("reasoning_tokens") or 0
        if left_out <= theirs["completion_tokens"] or row["provider"] == "x.ai:chat":
            left_out = 0
        total = theirs["total_tokens"] + left_out
        assert usage.input_tokens + usage.output_tokens == total
        assert usage.cache_read_input_tokens <= usage.input_tokens
        assert usage.reasoning_output_tokens <= usage.output_tokens, row["id"]
        assert answer.cost_usd_nanos is not None
        counted += 1
    assert counted > 500


def test_azures_first_chunk_commits_nothing() -> None:
    """Law 7: it has no choice, no id and no model."""
    first = [
        row["raw"].split(b"\n\n")[0] + b"\n\n"
        for row in successes(streamed=True)
        if row["provider"].startswith("azure:") and b'"choices":[]' in row["raw"][:30]
    ]

    assert first
    for raw in first:
        stream, chunks = read(raw)
        assert chunks == []
        assert not stream.has_content
        assert stream.answer_id == "chatcmpl-held"


def test_a_wait_hint_on_a_success_is_not_believed() -> None:
    """Law 9: some providers send Retry-After with every answer."""
    hinted = [
        row
        for row in rows()
        if row["status"] == 200
        and "retry-after" in {name.lower() for name in row["resp_headers"]}
    ]

    assert hinted
    for row in hinted:
        assert classified(row).retry_after is None


def test_every_request_is_sent_as_it_came_but_for_two_values() -> None:
    """Real requests, to their bytes."""
    for row in [row for row in rows() if is_openai(row)][::EVERY]:
        if not isinstance(row["request"], dict) or "model" not in row["request"]:
            continue
        body = json.dumps(row["request"], ensure_ascii=False).encode()

        sent = DIALECT.encode(Chat.parse(body), DEPLOYMENT).body

        expected = {**row["request"], "model": "up/stream"}
        if row["request"].get("stream"):
            options = row["request"].get("stream_options") or {}
            expected["stream_options"] = {**options, "include_usage": True}
        assert json.loads(sent) == expected


CLASSES: list[tuple[str, Callable[[Row], bool], Outcome]] = [
    ("wrong key", lambda row: row["status"] == 401, Outcome.UNUSABLE),
    ("no right", lambda row: row["status"] == 403, Outcome.UNUSABLE),
    ("no such model", lambda row: row["status"] == 404, Outcome.UNUSABLE),
    ("Gemini's wrong key", lambda r: b"API_KEY_INVALID" in r["raw"], Outcome.UNUSABLE),
    (
        "Bedrock's wrong model",
        lambda row: b"model identifier is invalid" in row["raw"],
        Outcome.UNUSABLE,
    ),
    (
        "no tool called",
        lambda row: b"tool_use_failed" in row["raw"],
        Outcome.PARSE_FAILED,
    ),
    ("too long", lambda row: b"prompt too long" in row["raw"], Outcome.TOO_LONG),
    (
        "unsupported",
        lambda row: row["status"] == 400 and b" support" in row["raw"],
        Outcome.CAPABILITY_MISSING,
    ),
    ("rate limited", lambda row: row["status"] == 429, Outcome.RATE_LIMITED),
    (
        "malformed",
        lambda row: b"missing_required_parameter" in row["raw"],
        Outcome.REJECTED,
    ),
    ("no content", lambda row: b"non-empty content" in row["raw"], Outcome.REJECTED),
]


@pytest.mark.parametrize(("name", "is_member", "outcome"), CLASSES)
def test_recorded_errors_are_told_apart(
    name: str, is_member: Callable[[Row], bool], outcome: Outcome
) -> None:
    """Each class has members on record, and all of them are in it."""
    members = [row for row in failures() if is_member(row)]

    found = {(row["id"], classified(row).outcome) for row in members}

    assert members
    assert {of for _, of in found} == {outcome}, (name, found)


def test_every_recorded_error_has_a_message_of_the_providers() -> None:
    """And none of them is taken for a passing one."""
    for row in failures():
        failure = classified(row)

        assert not failure.message.startswith("The provider answered with")
        assert failure.outcome is not Outcome.SERVER_ERROR, row["id"]


def test_the_recorded_requests_that_were_too_long_are_known() -> None:
    """Each by the words or the sizes it came with, and no other is taken for one."""
    sized = {
        row["provider"]
        for row in failures()
        if fitted(classified(row), b"word " * 1_000_000).outcome is Outcome.TOO_LONG
    }

    assert sized == {"ollama:chat", "gemini:generateContent"}


def test_geminis_bucket_that_is_too_small_is_told_by_the_requests_size() -> None:
    """429 with a wait that never helps; without an estimate it is a rate limit."""
    [row] = [row for row in failures() if b"input_token_count, limit" in row["raw"]]

    failure = classify(429, {}, row["raw"])
    sized = fitted(failure, b"word " * 1_000_000)

    assert failure.outcome is Outcome.RATE_LIMITED
    assert failure.retry_after is not None
    assert sized.outcome is Outcome.TOO_LONG


def odd(name: str) -> bytes:
    """Read a stream of the odd ones, its chunks made into events."""
    raw = (CORPUS / "odd-streams" / name).read_bytes()
    if not name.endswith(".chunks.txt"):
        return raw
    return b"".join(b"data: " + line + b"\n\n" for line in raw.splitlines() if line)


@pytest.mark.parametrize(
    "name",
    [
        "azure-model-router.chunks.txt",
        "mistral-incremental-tool-call.chunks.txt",
        "mistral-reasoning.chunks.txt",
        "openai-compatible-anthropic-toolcall-index1.sse",
    ],
)
def test_odd_streams_come_out_even(name: str) -> None:
    """Calls are numbered from zero, thoughts are no content."""
    stream, chunks = read(odd(name))

    found = [json.loads(chunk) for chunk in chunks]
    calls: dict[int, list[str]] = {}
    for chunk in found:
        ChatCompletionChunk.model_validate(chunk)
        for call in chunk["choices"][0]["delta"].get("tool_calls", ()):
            function = call.get("function", {})
            call_id, arguments = calls.setdefault(call["index"], ["", ""])
            calls[call["index"]] = [
                call_id + (call.get("id") or ""),
                arguments + (function.get("arguments") or ""),
            ]
    assert stream.is_complete
    assert stream.has_content
    assert list(calls) == list(range(len(calls)))
    for call_id, arguments in calls.values():
        assert call_id
        assert isinstance(json.loads(arguments), dict)
    if "reasoning" in name:
        assert added_up(found, "reasoning_content")
        assert added_up(found, "content")


@pytest.mark.parametrize(
    ("name", "status", "outcome"),
    [
        ("openai-insufficient_quota.json", 429, Outcome.UNUSABLE),
        ("google-429-retry-info.json", 429, Outcome.RATE_LIMITED),
    ],
)
def test_odd_errors_are_told_apart(name: str, status: int, outcome: Outcome) -> None:
    """A quota that is used up is not cured by waiting."""
    assert classify(status, {}, odd(name)).outcome is outcome
