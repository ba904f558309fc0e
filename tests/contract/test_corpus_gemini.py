"""The Gemini dialect against recorded traffic of the Gemini API and Vertex AI.

The recordings are no part of the project: `HOLDFAST_CORPUS` names the folder
that holds them and their loader, else `shared/corpus` beside the project.
"""

import importlib.util
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from fakes.google_types import assert_google_accepts
from holdfast.errors import RequestMalformedError
from holdfast.events import data_of
from holdfast.model import Deployment, Outcome, Usage
from holdfast_executor.chat import AnswerContext, Chat
from holdfast_executor.dialects import CapabilityMissingError, Decoded, ProviderError
from holdfast_executor.dialects.gemini_generate import Gemini
from holdfast_executor.dialects.gemini_stream import GeminiStream
from holdfast_executor.dialects.links import MediaWantedError

CORPUS = Path(
    os.environ.get("HOLDFAST_CORPUS")
    or Path(__file__).resolve().parents[3] / "shared" / "corpus"
)
pytestmark = pytest.mark.skipif(
    not (CORPUS / "load.py").exists(), reason=f"no recordings in {CORPUS}"
)

DIALECT = Gemini()
CONTEXT = AnswerContext("gemini-2.5-flash", "chatcmpl-held", 1_700_000_000)
KINDS = (
    "gemini:generateContent",
    "gemini:streamGenerateContent",
    "vertex:gemini:",
)
FINISH_REASONS = {
    "STOP": "stop",
    1: "stop",
    "MAX_TOKENS": "length",
    2: "length",
    "SAFETY": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "UNEXPECTED_TOOL_CALL": "stop",
}

DIFFERENCES = {
    "chatCompletionsGcsBackedVideoFileParam": "the Gemini API refused to read gs://",
    "nMultipleCompletionsParam": "the peer left out that there are to be two answers",
    "textFormatJsonSchemaParam": "the peer says the schema's name as its title",
    "textFormatJsonSchemaWithDescriptionParam": "likewise, and its description",
}
"""Where our request differs from the one that was recorded, and why."""

Part = dict[str, Any]


class Row:
    """One recorded call that succeeded."""

    def __init__(self, row: dict[str, Any], body: bytes) -> None:
        self.id: str = row["id"]
        self.body = body
        self.is_stream = "stream" in row["provider"]

    @property
    def chunks(self) -> list[dict[str, Any]]:
        if not self.body.startswith(b"data:"):
            whole = json.loads(self.body)
            return whole if isinstance(whole, list) else [whole]
        return [
            json.loads(line[5:])
            for line in self.body.decode().splitlines()
            if line.startswith("data:")
        ]

    @property
    def parts(self) -> list[Part]:
        return [
            part
            for chunk in self.chunks
            for candidate in chunk.get("candidates") or []
            for part in (candidate.get("content") or {}).get("parts") or []
        ]

    def text(self, *, thought: bool) -> str:
        return "".join(
            part.get("text") or ""
            for part in self.parts
            if bool(part.get("thought")) is thought
        )

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [part["functionCall"] for part in self.parts if "functionCall" in part]

    @property
    def usage(self) -> dict[str, int]:
        return [one["usageMetadata"] for one in self.chunks if "usageMetadata" in one][
            -1
        ]

    @property
    def finish_reason(self) -> str:
        """What OpenAI's word for the end is to be."""
        reasons = [
            candidate["finishReason"]
            for chunk in self.chunks
            for candidate in chunk.get("candidates") or []
            if candidate.get("finishReason")
        ]
        if not reasons:
            assert any("promptFeedback" in chunk for chunk in self.chunks), self.id
            return "content_filter"
        word = FINISH_REASONS[reasons[-1]]
        return "tool_calls" if word == "stop" and self.calls else word


class Recordings:
    """What the corpus holds of Gemini's format, and requests in OpenAI's."""

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("corpus_load", CORPUS / "load.py")
        assert spec is not None
        assert spec.loader is not None
        load = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(load)
        rows = list(load.recordings())
        ours = [row for row in rows if row["provider"].startswith(KINDS)]
        good = [Row(row, load.body(row)) for row in ours if row["status"] == 200]
        self.answers = [row for row in good if not row.is_stream]
        self.streams = [row for row in good if row.is_stream]
        self.failures = [(row, load.body(row)) for row in ours if row["status"] >= 400]
        self.openai_requests = [
            row["request"]
            for row in rows
            if row["provider"] in {"openai:chat", "azure:deployments", "groq:chat"}
            and isinstance(row["request"], dict)
        ]
        self.vectors = [
            vector
            for vector in load.translation_vectors()
            if vector["target"] == "google"
        ]


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    return Recordings()


def deployment(model: str = "gemini-2.5-flash", *, vertex: bool = False) -> Deployment:
    base = "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers"
    return Deployment(
        "google/x",
        model,
        "google",
        model,
        "gemini",
        f"{base}/google" if vertex else "https://x/v1beta",
    )


def read(raw: bytes, size: int = 1 << 20) -> tuple[GeminiStream, list[Any]]:
    stream = DIALECT.decode_stream(CONTEXT)
    blocks = (raw[start : start + size] for start in range(0, len(raw), size))
    chunks = data_of(b"".join(map(stream.feed, blocks)) + stream.finish())
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(chunk)
    return stream, [json.loads(chunk) for chunk in chunks]


def texts(chunks: list[Any], field: str) -> str:
    return "".join(chunk["choices"][0]["delta"].get(field) or "" for chunk in chunks)


def assert_usage_holds(usage: Usage, reported: dict[str, int], row: str) -> None:
    """What is counted in and out is the provider's own total."""
    thoughts = reported.get("thoughtsTokenCount", 0)
    answered = reported.get("candidatesTokenCount", 0)
    total = usage.input_tokens + usage.output_tokens
    assert total == reported.get("totalTokenCount", total), row
    assert usage.output_tokens == answered + thoughts, row
    assert usage.reasoning_output_tokens == thoughts, row
    cached = reported.get("cachedContentTokenCount", 0)
    assert usage.cache_read_input_tokens == cached, row


def test_every_recorded_answer_is_a_chat_completion(recordings: Recordings) -> None:
    """The SDK accepts all; text, thoughts, calls and ends are those of the provider."""
    for row in recordings.answers:
        answer = DIALECT.decode(row.body, CONTEXT)

        assert isinstance(answer, Decoded), row.id
        choice = ChatCompletion.model_validate_json(answer.body).choices[0]
        message = json.loads(answer.body)["choices"][0]["message"]
        assert (choice.message.content or "") == row.text(thought=False), row.id
        assert message.get("reasoning_content", "") == row.text(thought=True), row.id
        assert [
            (call.function.name, json.loads(call.function.arguments))
            for call in choice.message.tool_calls or []
            if call.type == "function"
        ] == [(call["name"], call.get("args") or {}) for call in row.calls], row.id
        assert choice.finish_reason == row.finish_reason, row.id
        assert answer.is_refusal == (choice.finish_reason == "content_filter"), row.id
    assert len(recordings.answers) > 400


def test_every_recorded_usage_adds_up(recordings: Recordings) -> None:
    """Prompt, tools' reading, answer and thoughts are the total the provider says."""
    for row in recordings.answers:
        answer = DIALECT.decode(row.body, CONTEXT)

        assert isinstance(answer, Decoded), row.id
        if "totalTokenCount" in row.usage:
            assert answer.usage is not None, row.id
            assert_usage_holds(answer.usage, row.usage, row.id)
        else:
            assert answer.usage is None, row.id
    for row in recordings.streams:
        stream, _ = read(row.body)

        assert stream.usage is not None, row.id
        assert_usage_holds(stream.usage, row.usage, row.id)


def test_every_recorded_stream_is_chunks(recordings: Recordings) -> None:
    """One role, one finish reason, every text, thought and call, the last usage."""
    for row in recordings.streams:
        stream, chunks = read(row.body)

        assert stream.is_complete, row.id
        assert stream.has_content, row.id
        assert stream.failure is None, row.id
        roles = [chunk["choices"][0]["delta"].get("role") for chunk in chunks]
        assert roles == ["assistant", *[None] * (len(roles) - 1)], row.id
        reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
        assert reasons == [*[None] * (len(reasons) - 1), row.finish_reason], row.id
        assert texts(chunks, "content") == row.text(thought=False), row.id
        assert texts(chunks, "reasoning_content") == row.text(thought=True), row.id
        calls = [
            call
            for chunk in chunks
            for call in chunk["choices"][0]["delta"].get("tool_calls", ())
        ]
        assert [call["index"] for call in calls] == list(range(len(row.calls))), row.id
        assert len({call["id"] for call in calls}) == len(calls), row.id
        assert [json.loads(call["function"]["arguments"]) for call in calls] == [
            call.get("args") or {} for call in row.calls
        ], row.id
        last = data_of(stream.usage_event(1))
        assert json.loads(last[0])["choices"] == [], row.id
    assert len(recordings.streams) > 100


def test_bytes_may_be_cut_anywhere(recordings: Recordings) -> None:
    """One byte at a time reads the same."""
    for row in recordings.streams:
        if len(row.body) < 12_000:
            assert read(row.body, size=1)[1] == read(row.body)[1], row.id


def test_a_stream_that_is_cut_is_never_whole(recordings: Recordings) -> None:
    """Not before the provider has said why it ended, wherever it broke off."""
    for row in recordings.streams:
        stream = DIALECT.decode_stream(CONTEXT)
        for event in row.body.replace(b"\r\n", b"\n").split(b"\n\n"):
            if b"finishReason" in event or b"promptFeedback" in event:
                break
            stream.feed(event + b"\n\n")

            assert not stream.is_complete, row.id
        stream.finish()

        assert not stream.is_complete, row.id


def test_every_recorded_failure_is_classed(recordings: Recordings) -> None:
    """A wrong key, no such model, an empty bucket, a page that Google may not read."""
    classed = Counter(
        (
            row["provider"].partition(":")[0],
            row["status"],
            DIALECT.decode_error(row["status"], row["resp_headers"], raw).outcome,
        )
        for row, raw in recordings.failures
    )

    assert classed == {
        ("gemini", 400, Outcome.UNUSABLE): 1,
        ("gemini", 404, Outcome.UNUSABLE): 2,
        ("gemini", 429, Outcome.RATE_LIMITED): 1,
        ("vertex", 404, Outcome.UNUSABLE): 1,
        ("vertex", 400, Outcome.CAPABILITY_MISSING): 1,
    }


def odd(name: str) -> bytes:
    lines = (CORPUS / "odd-streams" / name).read_text().splitlines()
    return b"".join(f"data: {line}\n\n".encode() for line in lines if line.strip())


def test_a_recorded_call_in_pieces_is_whole() -> None:
    """Its arguments come at once, as soon as the last piece is there."""
    stream, chunks = read(odd("google-missing-terminal-function-call.chunks.txt"))

    calls = [
        call
        for chunk in chunks
        for call in chunk["choices"][0]["delta"].get("tool_calls", ())
    ]
    arguments = json.loads("".join(call["function"]["arguments"] for call in calls))
    assert [call["index"] for call in calls] == [0, 0]
    assert calls[0]["function"]["name"] == "writeItems"
    assert calls[0]["extra_content"]["google"]["thought_signature"]
    assert [one["itemid"] for one in arguments["operations"]] == [
        "apple_001",
        "banana_001",
    ]
    assert arguments["operations"][0]["price"] == 0.5
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert stream.is_complete
    assert stream.usage == Usage(54, 195, 0, 0, 121)


def test_a_recorded_call_of_the_third_generation() -> None:
    """It keeps its signature, and the text without a word says nothing."""
    stream, chunks = read(odd("google-tool-call-gemini3.chunks.txt"))

    (call,) = chunks[1]["choices"][0]["delta"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"location": "San Francisco"}
    assert call["extra_content"]["google"]["thought_signature"].startswith("EpEgCo4g")
    assert len(chunks) == 3
    assert stream.is_complete


def test_a_recorded_wait_is_read() -> None:
    """From RetryInfo, for Google sends no header."""
    body = (CORPUS / "odd-streams" / "google-429-retry-info.json").read_bytes()

    failure = DIALECT.decode_error(429, {}, body)

    assert failure.outcome is Outcome.RATE_LIMITED
    assert failure.retry_after is not None
    assert failure.retry_after.total_seconds() == 34.4


def test_requests_mean_what_the_api_has_accepted(recordings: Recordings) -> None:
    """But for a written list of differences, ours is the request that was recorded."""
    differing = set()
    for vector in recordings.vectors:
        accepted = vector["peer_provider_request"]
        chat = Chat.parse(json.dumps(vector["openai_request"]).encode())
        model = accepted["model"]
        try:
            ours = json.loads(DIALECT.encode(chat, deployment(model)).body)
        except CapabilityMissingError:
            ours = None

        if ours != said(accepted):
            differing.add(vector["case"])

    assert differing == DIFFERENCES.keys()
    assert len(recordings.vectors) > len(differing) * 4


def said(request: Any) -> Any:
    """Leave out what is null, and the model, which the path names."""
    if isinstance(request, list):
        return [said(item) for item in request]
    if not isinstance(request, dict):
        return request
    return {
        name: said(value)
        for name, value in request.items()
        if value is not None and name != "model"
    }


@pytest.mark.parametrize("vertex", [False, True])
@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-3-pro-preview"])
def test_recorded_requests_become_ones_that_google_knows(
    recordings: Recordings, model: str, vertex: bool
) -> None:
    """Every request that was made of OpenAI and its like, or it says why not."""
    outcomes: Counter[str] = Counter()
    for request in recordings.openai_requests:
        chat = Chat.parse(json.dumps(request).encode())
        try:
            ours = DIALECT.encode(chat, deployment(model, vertex=vertex))
        except (CapabilityMissingError, MediaWantedError):
            outcomes["not here"] += 1
            continue
        except RequestMalformedError:
            outcomes["malformed"] += 1
            continue

        assert_google_accepts(json.loads(ours.body))
        outcomes["sent"] += 1
    assert outcomes["sent"] > 900
    assert outcomes["not here"] < 120
    assert outcomes["malformed"] < 10


def test_recorded_signatures_can_be_handed_back(recordings: Recordings) -> None:
    """The signed parts of an answer are sent as they were signed."""
    count = 0
    for row in recordings.answers:
        signed = [
            part
            for part in row.parts
            if "thoughtSignature" in part and {"text", "functionCall"} & part.keys()
        ]
        answer = DIALECT.decode(row.body, CONTEXT)
        if not signed or not isinstance(answer, Decoded):
            continue
        count += 1
        message = json.loads(answer.body)["choices"][0]["message"]
        chat = Chat(json.dumps({"messages": [message]}).encode())

        sent = json.loads(DIALECT.encode(chat, deployment()).body)["contents"][-1]

        assert [
            (part["thoughtSignature"], part.get("functionCall", {}).get("args"))
            for part in sent["parts"]
            if "thoughtSignature" in part
        ] == [
            (part["thoughtSignature"], part.get("functionCall", {}).get("args"))
            for part in signed
        ], row.id
    assert count > 200


def test_no_recorded_answer_is_read_as_a_failure(recordings: Recordings) -> None:
    """Nor is one in a stream: what was answered with success was an answer."""
    failures = [
        row.id
        for row in recordings.answers
        if isinstance(DIALECT.decode(row.body, CONTEXT), ProviderError)
    ]

    assert failures == []
