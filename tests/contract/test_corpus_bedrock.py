"""The Bedrock dialects against recorded traffic of the real service.

The recordings are no part of the project: `HOLDFAST_CORPUS` names the folder
that holds them and their loader, else `shared/corpus` beside the project.
No exception within a stream is on record anywhere; `test_bedrock_stream` makes
them from the service model.
"""

import importlib.util
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from fakes import aws_frames
from fakes.aws_model import faults_of
from fakes.bedrock_chats import named
from holdfast.events import data_of
from holdfast.model import Outcome
from holdfast_executor.chat import AnswerContext, Chat
from holdfast_executor.dialects import CapabilityMissingError, Decoded, Dialect
from holdfast_executor.dialects.bedrock_converse import BedrockConverse
from holdfast_executor.dialects.bedrock_invoke import BedrockInvoke
from holdfast_executor.dialects.bedrock_stream import BedrockStream

CORPUS = Path(
    os.environ.get("HOLDFAST_CORPUS")
    or Path(__file__).resolve().parents[3] / "shared" / "corpus"
)
pytestmark = pytest.mark.skipif(
    not (CORPUS / "load.py").exists(), reason=f"no recordings in {CORPUS}"
)

CONTEXT = AnswerContext("claude-sonnet-4-5", "chatcmpl-held", 1_700_000_000)
FINISH_REASONS = {
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
}

DIFFERENCES = {
    "chatCompletionsAssistantCacheControlParam": "the peer drops the cache point",
    "chatCompletionsGcsBackedVideoFileParam": "a video; the peer refuses it too",
    "nMultipleCompletionsParam": "the peer sends n=2 as if it were 1",
    "parallelToolCallsDisabledParam": "the peer drops it, and got two calls",
    "reasoningSummaryParam": "our budget is larger, and so is the limit we name",
    "textFormatJsonObjectParam": "the peer asks for nothing, and got a fence",
    "textFormatJsonSchemaParam": "the peer asks for nothing, and got Markdown",
    "textFormatJsonSchemaWithDescriptionParam": "likewise",
    "toolChoiceRequiredWithReasoningParam": "the peer drops the forced tool",
}
"""Where our request differs from the one that was recorded, and why."""


class Row:
    """One recorded call that succeeded."""

    def __init__(self, row: dict[str, Any], body: bytes, frames: list[Any]) -> None:
        self.id: str = row["id"]
        self.dialect: Dialect = (
            BedrockConverse() if "converse" in row["provider"] else BedrockInvoke()
        )
        self.body = body
        self.frames = frames

    def read(self, wire: bytes, size: int = 1 << 20) -> tuple[BedrockStream, list[Any]]:
        stream = self.dialect.decode_stream(CONTEXT)
        assert isinstance(stream, BedrockStream)
        blocks = [wire[at : at + size] for at in range(0, len(wire), size)]
        events = b"".join(map(stream.feed, blocks)) + stream.finish()
        return stream, [json.loads(data) for data in data_of(events)]

    @property
    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """What the frames of Converse hold."""
        return [
            (headers[":event-type"], json.loads(data)) for headers, data in self.frames
        ]


def is_chat(row: dict[str, Any]) -> bool:
    """Whether a call is of the formats spoken: Converse, or Anthropic's Messages."""
    provider = row["provider"]
    if provider.startswith("bedrock:converse"):
        return True
    return (
        provider.startswith("bedrock:invoke") and "anthropic_version" in row["request"]
    )


class Recordings:
    """What the corpus holds of Bedrock's formats."""

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("corpus_load", CORPUS / "load.py")
        assert spec is not None
        assert spec.loader is not None
        load = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(load)
        rows = [(row, load.body(row)) for row in load.recordings() if is_chat(row)]
        self.answers, self.streams = [], []
        for row, body in rows:
            if row["status"] == 200 and "stream" in row["provider"]:
                self.streams.append(Row(row, body, list(load.aws_frames(body))))
            elif row["status"] == 200:
                self.answers.append(Row(row, body, []))
        self.failures = [(row, body) for row, body in rows if row["status"] >= 400]
        self.vectors = [
            vector
            for vector in load.translation_vectors()
            if vector["target"] == "bedrock"
        ]


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    return Recordings()


def texts(chunks: list[Any], field: str) -> str:
    return "".join(chunk["choices"][0]["delta"].get(field) or "" for chunk in chunks)


def in_and_out(usage: dict[str, Any]) -> tuple[int, int]:
    if "inputTokens" in usage:
        names = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
        return sum(usage.get(name) or 0 for name in names), usage["outputTokens"]
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return sum(usage.get(name) or 0 for name in names), usage["output_tokens"]


def test_every_recorded_answer_is_a_chat_completion(recordings: Recordings) -> None:
    """The SDK accepts all; text, calls, ends and tokens are those of the provider."""
    for row in recordings.answers:
        told = json.loads(row.body)
        answer = row.dialect.decode(row.body, CONTEXT)

        assert isinstance(answer, Decoded), row.id
        completion = ChatCompletion.model_validate_json(answer.body)
        choice = completion.choices[0]
        stop = told.get("stopReason") or told["stop_reason"]
        assert choice.finish_reason == FINISH_REASONS[stop], row.id
        assert completion.usage is not None
        counts = completion.usage.prompt_tokens, completion.usage.completion_tokens
        assert counts == in_and_out(told["usage"]), row.id
        if "output" in told:
            blocks = told["output"]["message"]["content"]
            # The law of Bedrock's usage: nothing is counted twice.
            assert completion.usage.total_tokens == told["usage"]["totalTokens"], row.id
            calls = [b["toolUse"] for b in blocks if "toolUse" in b]
            calls = [c for c in calls if c.get("type") != "server_tool_use"]
            said = "".join(
                block.get("text")
                or "".join(
                    quoted["text"]
                    for quoted in block.get("citationsContent", {}).get("content", ())
                )
                for block in blocks
            )
        else:
            calls = [b for b in told["content"] if b["type"] == "tool_use"]
            said = "".join(b["text"] for b in told["content"] if b["type"] == "text")
        assert (choice.message.content or "") == said, row.id
        assert [
            json.loads(call.function.arguments)
            for call in choice.message.tool_calls or []
            if call.type == "function"
        ] == [call["input"] for call in calls], row.id
    assert len(recordings.answers) > 150


def test_every_recorded_stream_is_chunks(recordings: Recordings) -> None:
    """One role, one finish reason, all that was said, and usage at the end."""
    for row in recordings.streams:
        stream, chunks = row.read(row.body)

        for chunk in chunks:
            ChatCompletionChunk.model_validate(chunk)
        assert stream.is_complete, row.id
        assert stream.has_content, row.id
        assert stream.failure is None, row.id
        roles = [chunk["choices"][0]["delta"].get("role") for chunk in chunks]
        assert roles == ["assistant", *[None] * (len(roles) - 1)], row.id
        reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
        assert [bool(reason) for reason in reasons] == [
            *[False] * (len(reasons) - 1),
            True,
        ], row.id
        assert stream.usage is not None, row.id
        [last] = data_of(stream.usage_event(1))
        assert json.loads(last)["choices"] == [], row.id
    assert len(recordings.streams) > 30


def test_recorded_streams_of_converse_keep_their_words(recordings: Recordings) -> None:
    """Text, thinking, arguments, the reason of the end and the tokens."""
    streams = [
        row for row in recordings.streams if row.frames[0][0][":event-type"] != "chunk"
    ]
    for row in streams:
        stream, chunks = row.read(row.body)
        deltas = [
            data["delta"] for name, data in row.events if name == "contentBlockDelta"
        ]
        told = dict(row.events)

        thought = [delta.get("reasoningContent", {}) for delta in deltas]
        assert texts(chunks, "content") == "".join(d.get("text", "") for d in deltas)
        assert texts(chunks, "reasoning_content") == "".join(
            one.get("text", "") for one in thought
        )
        reason = told["messageStop"]["stopReason"]
        assert chunks[-1]["choices"][0]["finish_reason"] == FINISH_REASONS[reason]
        usage = told["metadata"]["usage"]
        assert stream.usage is not None
        counts = stream.usage.input_tokens, stream.usage.output_tokens
        assert counts == in_and_out(usage), row.id
        assert sum(counts) == usage["totalTokens"], row.id
        # It is the order of the wire: usage comes after the end.
        assert [name for name, _ in row.events][-2:] == ["messageStop", "metadata"]
    assert len(streams) > 20


def test_every_recorded_call_keeps_its_arguments(recordings: Recordings) -> None:
    """They parse, unless the answer was cut off, and calls count from zero."""
    for row in recordings.streams:
        _, chunks = row.read(row.body)
        gathered: dict[int, str] = {}
        for chunk in chunks:
            for call in chunk["choices"][0]["delta"].get("tool_calls", []):
                gathered[call["index"]] = (
                    gathered.get(call["index"], "") + call["function"]["arguments"]
                )

        assert list(gathered) == list(range(len(gathered))), row.id
        if chunks[-1]["choices"][0]["finish_reason"] != "length":
            for arguments in gathered.values():
                assert isinstance(json.loads(arguments), dict), row.id


def test_bytes_may_be_cut_anywhere(recordings: Recordings) -> None:
    """One byte at a time reads the same."""
    for row in recordings.streams:
        assert row.read(row.body, size=1)[1] == row.read(row.body)[1], row.id


def test_a_stream_that_is_cut_is_never_whole(recordings: Recordings) -> None:
    """Not before the provider has said why it ended, wherever it broke off."""
    for row in recordings.streams:
        outcomes = []
        at = 0
        while at < len(row.body):
            stream, chunks = row.read(row.body[:at])
            ended = any(chunk["choices"][0]["finish_reason"] for chunk in chunks)
            assert stream.failure is None, row.id
            assert ended == stream.is_complete, row.id
            outcomes.append(stream.is_complete)
            at += int.from_bytes(row.body[at : at + 4])

        assert outcomes == sorted(outcomes), row.id
        assert not outcomes[0], row.id


def test_every_recorded_failure_is_classed(recordings: Recordings) -> None:
    """A key or a model that is refused says nothing against the request."""
    classed = Counter(
        (
            row["status"],
            BedrockConverse()
            .decode_error(row["status"], row["resp_headers"], body)
            .outcome,
        )
        for row, body in recordings.failures
    )

    assert classed == {
        (403, Outcome.UNUSABLE): 2,
        (400, Outcome.UNUSABLE): 1,
        (400, Outcome.CAPABILITY_MISSING): 3,
    }


def test_a_call_without_arguments_in_a_stream_without_an_order() -> None:
    """An empty opening, empty arguments, and usage before the end."""
    path = CORPUS / "odd-streams" / "bedrock-tool-no-args.chunks.txt"
    held = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    wire = b"".join(aws_frames.event(*item) for each in held for item in each.items())
    stream = BedrockConverse().decode_stream(CONTEXT)

    chunks = [json.loads(data) for data in data_of(stream.feed(wire))]

    assert stream.is_complete
    assert stream.usage is not None
    assert chunks[-2]["choices"][0]["delta"]["tool_calls"][0]["function"] == {
        "arguments": "{}"
    }
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_requests_mean_what_the_api_has_accepted(recordings: Recordings) -> None:
    """But for a written list of differences, ours is the request that was recorded,
    and AWS's service model accepts it."""
    differing = set()
    for vector in recordings.vectors:
        accepted = vector.get("peer_provider_request") or {
            "modelId": "us.anthropic.claude"
        }
        model = accepted["modelId"]
        chat = Chat.parse(json.dumps(vector["openai_request"]).encode())
        try:
            body = BedrockConverse().encode(chat, named(model)).body
            ours = {**json.loads(body), "modelId": model}
        except CapabilityMissingError:
            ours = None
        else:
            assert faults_of("Converse", ours) == [], vector["case"]

        if ours != accepted:
            differing.add(vector["case"])

    assert differing == DIFFERENCES.keys()
    assert len(recordings.vectors) > len(differing) * 2
