"""The Anthropic dialect against recorded traffic of the real API.

The recordings are no part of the project: `HOLDFAST_CORPUS` names the folder
that holds them and their loader, else `shared/corpus` beside the project.
"""

import importlib.util
import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from holdfast.events import data_of
from holdfast.model import Deployment, Outcome
from holdfast_executor.chat import AnswerContext, Chat
from holdfast_executor.dialects import CapabilityMissingError, Decoded
from holdfast_executor.dialects.anthropic_messages import AnthropicMessages
from holdfast_executor.dialects.anthropic_stream import AnthropicStream

CORPUS = Path(
    os.environ.get("HOLDFAST_CORPUS")
    or Path(__file__).resolve().parents[3] / "shared" / "corpus"
)
pytestmark = pytest.mark.skipif(
    not (CORPUS / "load.py").exists(), reason=f"no recordings in {CORPUS}"
)

DIALECT = AnthropicMessages()
CONTEXT = AnswerContext("claude-sonnet-4-5", "chatcmpl-held", 1_700_000_000)
KINDS = ("anthropic:/v1/messages", "vertex:anthropic:")
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}

DIFFERENCES = {
    "chatCompletionsGcsBackedVideoFileParam": "a video; the peer refuses it too",
    "nMultipleCompletionsParam": "the peer sends n=2 as if it were 1",
    "reasoningSummaryParam": "the peer sends an effort without asking to think",
    "serviceTierParam": "the peer sends OpenAI's `default` as `auto`",
    "textFormatJsonObjectParam": "the peer forces a tool, and got a wrapped object",
}
"""Where our request differs from the one that was recorded, and why."""


class Row:
    """One recorded call that succeeded."""

    def __init__(self, row: dict[str, Any], body: bytes) -> None:
        self.id: str = row["id"]
        self.body = body
        self.is_stream = body.startswith((b"event:", b"data:"))

    @property
    def events(self) -> list[dict[str, Any]]:
        return [
            json.loads(line[5:])
            for line in self.body.decode().splitlines()
            if line.startswith("data:")
        ]


class Recordings:
    """What the corpus holds of Anthropic's format."""

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("corpus_load", CORPUS / "load.py")
        assert spec is not None
        assert spec.loader is not None
        load = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(load)
        rows = [row for row in load.recordings() if row["provider"].startswith(KINDS)]
        good = [Row(row, load.body(row)) for row in rows if row["status"] == 200]
        self.answers = [row for row in good if not row.is_stream]
        self.streams = [row for row in good if row.is_stream]
        self.failures = [(row, load.body(row)) for row in rows if row["status"] >= 400]
        self.vectors = [
            vector
            for vector in load.translation_vectors()
            if vector["target"] == "anthropic"
        ]


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    return Recordings()


def read(raw: bytes, size: int = 1 << 20) -> tuple[AnthropicStream, list[Any]]:
    stream = DIALECT.decode_stream(CONTEXT)
    blocks = [raw[start : start + size] for start in range(0, len(raw), size)]
    chunks = data_of(b"".join(map(stream.feed, blocks)) + stream.finish())
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(chunk)
    return stream, [json.loads(chunk) for chunk in chunks]


def texts(chunks: list[Any], field: str) -> str:
    return "".join(chunk["choices"][0]["delta"].get(field) or "" for chunk in chunks)


def input_of(usage: dict[str, Any]) -> int:
    fields = (
        "input_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
    )
    return sum(usage.get(field) or 0 for field in fields)


def test_every_recorded_answer_is_a_chat_completion(recordings: Recordings) -> None:
    """The SDK accepts all; text, calls, ends and tokens are those of the provider."""
    for row in recordings.answers:
        message = json.loads(row.body)
        answer = DIALECT.decode(row.body, CONTEXT)

        assert isinstance(answer, Decoded), row.id
        completion = ChatCompletion.model_validate_json(answer.body)
        choice = completion.choices[0]
        blocks = message["content"]
        said = "".join(block["text"] for block in blocks if block["type"] == "text")
        used = [block for block in blocks if block["type"] == "tool_use"]
        assert (choice.message.content or "") == said, row.id
        assert [
            json.loads(call.function.arguments)
            for call in choice.message.tool_calls or []
            if call.type == "function"
        ] == [block["input"] for block in used], row.id
        assert choice.finish_reason == FINISH_REASONS[message["stop_reason"]], row.id
        assert completion.usage is not None
        assert completion.usage.prompt_tokens == input_of(message["usage"]), row.id
        assert (
            completion.usage.completion_tokens == message["usage"]["output_tokens"]
        ), row.id
    assert len(recordings.answers) > 400


def test_every_recorded_stream_is_chunks(recordings: Recordings) -> None:
    """One role, one finish reason, every text and argument, the last usage."""
    for row in recordings.streams:
        stream, chunks = read(row.body)
        events = row.events
        deltas = [event["delta"] for event in events if "delta" in event]
        end = next(event for event in events if event["type"] == "message_delta")
        begun = next(event for event in events if event["type"] == "message_start")
        usage = begun["message"]["usage"] | {
            key: value for key, value in end["usage"].items() if value is not None
        }

        assert stream.is_complete, row.id
        assert stream.has_content, row.id
        assert stream.failure is None, row.id
        roles = [chunk["choices"][0]["delta"].get("role") for chunk in chunks]
        assert roles == ["assistant", *[None] * (len(roles) - 1)], row.id
        reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
        assert reasons == [
            *[None] * (len(reasons) - 1),
            FINISH_REASONS[end["delta"]["stop_reason"]],
        ], row.id
        for field, kind, key in (
            ("content", "text_delta", "text"),
            ("reasoning_content", "thinking_delta", "thinking"),
        ):
            said = "".join(one[key] for one in deltas if one.get("type") == kind)
            assert texts(chunks, field) == said, row.id
        assert stream.usage is not None
        assert stream.usage.input_tokens == input_of(usage), row.id
        assert stream.usage.output_tokens == usage["output_tokens"], row.id
        [last] = data_of(stream.usage_event(1))
        assert json.loads(last)["choices"] == [], row.id
    assert len(recordings.streams) > 160


def test_every_recorded_call_keeps_its_arguments(recordings: Recordings) -> None:
    """They parse, unless the answer was cut off, and calls count from zero."""
    for row in recordings.streams:
        _, chunks = read(row.body)
        gathered: dict[int, str] = {}
        for chunk in chunks:
            for call in chunk["choices"][0]["delta"].get("tool_calls", []):
                gathered[call["index"]] = (
                    gathered.get(call["index"], "") + call["function"]["arguments"]
                )

        used = [
            event
            for event in row.events
            if event["type"] == "content_block_start"
            and event["content_block"]["type"] == "tool_use"
        ]
        assert list(gathered) == list(range(len(used))), row.id
        if chunks[-1]["choices"][0]["finish_reason"] != "length":
            for arguments in gathered.values():
                assert isinstance(json.loads(arguments), dict), row.id


def test_bytes_may_be_cut_anywhere(recordings: Recordings) -> None:
    """One byte at a time reads the same."""
    for row in recordings.streams[::8]:
        assert read(row.body, size=1)[1] == read(row.body)[1], row.id


def test_a_stream_that_is_cut_is_never_whole(recordings: Recordings) -> None:
    """Not before the provider has said why it ended, wherever it broke off."""
    for row in recordings.streams[::8]:
        stream = DIALECT.decode_stream(CONTEXT)
        for event in row.body.split(b"\n\n"):
            if b'"message_delta"' in event or b'"message_stop"' in event:
                break
            stream.feed(event + b"\n\n")

            assert not stream.is_complete, row.id
        stream.finish()

        assert not stream.is_complete, row.id


def test_every_recorded_failure_is_classed(recordings: Recordings) -> None:
    """A key or a model that is refused says nothing against the request."""
    classed = Counter(
        (
            row["status"],
            DIALECT.decode_error(row["status"], row["resp_headers"], raw).outcome,
        )
        for row, raw in recordings.failures
    )

    assert classed == {
        (401, Outcome.UNUSABLE): 4,
        (404, Outcome.UNUSABLE): 7,
        (400, Outcome.CAPABILITY_MISSING): 1,
        (400, Outcome.REJECTED): 1,
    }


ODD_STREAMS = sorted(CORPUS.glob("odd-streams/anthropic-*.chunks.txt"))


@pytest.mark.parametrize("path", ODD_STREAMS, ids=lambda path: path.name)
def test_odd_streams(path: Path) -> None:
    """Repeated starts, late input counts, refusals, calls without arguments."""
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    stream, chunks = read(b"".join(f"data: {line}\n\n".encode() for line in lines))

    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert stream.is_complete
    assert stream.has_content
    assert [one for one in deltas if "role" in one] == deltas[:1]
    match path.name.split(".")[0]:
        case "anthropic-duplicate-message-start":
            assert texts(chunks, "content") == "Hello, World!"
        case "anthropic-message-delta-input-tokens":
            assert stream.usage is not None
            assert stream.usage.input_tokens == 61
        case "anthropic-refusal":
            assert "blocked" in texts(chunks, "refusal")
        case "anthropic-tool-no-args":
            assert deltas[-2]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_requests_mean_what_the_api_has_accepted(recordings: Recordings) -> None:
    """But for a written list of differences, ours is the request that was recorded."""
    differing = set()
    for vector in recordings.vectors:
        accepted = vector.get("peer_provider_request")
        model = accepted["model"] if accepted else "claude-sonnet-4-5"
        deployment = Deployment(
            "anthropic/x", model, "anthropic", model, "anthropic-messages", "https://x"
        )
        chat = Chat.parse(json.dumps(vector["openai_request"]).encode())
        try:
            ours = json.loads(DIALECT.encode(chat, deployment).body)
        except CapabilityMissingError:
            ours = None

        if ours != spelled_out(accepted):
            differing.add(vector["case"])

    assert differing == DIFFERENCES.keys()
    assert len(recordings.vectors) > len(differing) * 4


def spelled_out(request: dict[str, Any] | None) -> dict[str, Any] | None:
    """Write content that is a string as the block it stands for."""
    if request is None:
        return {}
    messages = [
        turn
        if isinstance(turn["content"], list)
        else {**turn, "content": [{"type": "text", "text": turn["content"]}]}
        for turn in request["messages"]
    ]
    return {**request, "messages": messages}


def test_recorded_thinking_can_be_handed_back(recordings: Recordings) -> None:
    """The blocks of an answer are sent as they were signed."""
    deployment = Deployment(
        "a/c", "claude-sonnet-4-5", "a", "claude-sonnet-4-5", "", "https://x"
    )
    count = 0
    for row in recordings.answers:
        blocks = json.loads(row.body)["content"]
        signed = [one for one in blocks if "thinking" in one["type"]]
        answer = DIALECT.decode(row.body, replace(CONTEXT))
        if not signed or not isinstance(answer, Decoded):
            continue
        count += 1
        message = json.loads(answer.body)["choices"][0]["message"]
        chat = Chat(json.dumps({"messages": [message]}).encode())
        sent = json.loads(DIALECT.encode(chat, deployment).body)

        kept = sent["messages"][0]["content"][: len(signed)]
        assert kept == [
            {key: one[key] for key in one if key != "caller"} for one in signed
        ], row.id
    assert count > 20
