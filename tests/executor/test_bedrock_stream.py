"""What a caller sees of Bedrock's streams."""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from fakes.aws_frames import chunk, error, event, exception, frame
from holdfast.events import data_of
from holdfast.model import Outcome, Usage
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects.anthropic_structure import JSON_TOOL
from holdfast_executor.dialects.bedrock_converse import BedrockConverse
from holdfast_executor.dialects.bedrock_invoke import BedrockInvoke
from holdfast_executor.dialects.bedrock_stream import BedrockStream

CONTEXT = AnswerContext("claude-sonnet-4-5", "chatcmpl-held", 1_700_000_000)
START = event("messageStart", {"role": "assistant"})


def delta(index: int = 0, **said: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": said})


def opened(index: int, **start: Any) -> bytes:
    return event("contentBlockStart", {"contentBlockIndex": index, "start": start})


def closed(index: int = 0) -> bytes:
    return event("contentBlockStop", {"contentBlockIndex": index})


def stopped(reason: str = "end_turn") -> bytes:
    return event("messageStop", {"stopReason": reason})


HELLO = delta(text="Hello")
USAGE = event(
    "metadata",
    {
        "usage": {
            "inputTokens": 7,
            "outputTokens": 5,
            "totalTokens": 22,
            "cacheReadInputTokens": 8,
            "cacheWriteInputTokens": 2,
        }
    },
)


def fed(*frames: bytes, size: int = 1 << 20) -> tuple[BedrockStream, list[Any]]:
    stream = BedrockConverse().decode_stream(CONTEXT)
    return stream, read(stream, b"".join(frames), size)


def read(stream: BedrockStream, wire: bytes, size: int = 1 << 20) -> list[Any]:
    blocks = [wire[at : at + size] for at in range(0, len(wire), size)]
    events = b"".join(map(stream.feed, blocks)) + stream.finish()
    chunks = [json.loads(data) for data in data_of(events)]
    for each in chunks:
        ChatCompletionChunk.model_validate(each)
    return chunks


def deltas(chunks: list[Any]) -> list[dict[str, Any]]:
    return [each["choices"][0]["delta"] for each in chunks]


class TestCommitting:
    def test_a_role_is_no_content(self) -> None:
        """Another deployment may still take over."""
        stream, chunks = fed(START)

        assert not stream.has_content
        assert deltas(chunks) == [{"role": "assistant", "content": ""}]

    @pytest.mark.parametrize(
        "said",
        [
            delta(text="Hello"),
            delta(reasoningContent={"text": "Hm"}),
            opened(0, toolUse={"toolUseId": "t1", "name": "weather"}),
        ],
    )
    def test_text_reasoning_and_calls_commit(self, said: bytes) -> None:
        """Whichever comes first."""
        stream, _ = fed(START, said)

        assert stream.has_content

    def test_empty_text_commits_nothing(self) -> None:
        """Guardrails send it."""
        stream, _ = fed(
            START, delta(text=""), delta(reasoningContent={"signature": "s"})
        )

        assert not stream.has_content

    def test_no_answer_is_whole_before_its_stop_reason(self) -> None:
        """The usage comes after it, and is waited for no longer than it must."""
        stream = BedrockConverse().decode_stream(CONTEXT)

        stream.feed(START + HELLO + closed())
        assert not stream.is_complete
        stream.feed(stopped())
        assert stream.is_complete
        assert stream.usage is None
        stream.feed(USAGE)
        assert stream.usage == Usage(17, 5, 8, 2)

    def test_usage_may_come_before_the_stop_reason(self) -> None:
        """It is the last one that counts, and once."""
        stream, chunks = fed(START, HELLO, USAGE, stopped())

        assert stream.is_complete
        assert stream.usage == Usage(17, 5, 8, 2)
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


class TestContent:
    def test_text_needs_no_opened_block(self) -> None:
        """Bedrock opens blocks of calls alone; an empty opening means nothing."""
        stream, chunks = fed(opened(0), HELLO, delta(1, text=" you"), stopped())

        assert [one.get("content") for one in deltas(chunks)] == [
            "",
            "Hello",
            " you",
            None,
        ]
        assert stream.answer_id == "chatcmpl-held"

    def test_calls_count_from_zero(self) -> None:
        """Whatever the number of their block."""
        _, chunks = fed(
            START,
            HELLO,
            opened(1, toolUse={"toolUseId": "t1", "name": "weather"}),
            delta(1, toolUse={"input": '{"a":'}),
            delta(1, toolUse={"input": "1}"}),
            closed(1),
            opened(2, toolUse={"toolUseId": "t2", "name": "time"}),
            closed(2),
            stopped("tool_use"),
        )

        calls = [call for one in deltas(chunks) for call in one.get("tool_calls", ())]
        assert [call["index"] for call in calls] == [0, 0, 0, 1, 1]
        assert calls[0]["id"] == "t1"
        assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"

    @pytest.mark.parametrize("parts", [[], [""]])
    def test_a_call_without_arguments_has_an_empty_object(self, parts) -> None:
        """Callers parse what they get."""
        _, chunks = fed(
            opened(1, toolUse={"toolUseId": "t1", "name": "now"}),
            *(delta(1, toolUse={"input": part}) for part in parts),
            closed(1),
            stopped("tool_use"),
        )

        [*_, last, _] = deltas(chunks)
        assert last["tool_calls"][0]["function"]["arguments"] == "{}"

    def test_tools_that_aws_runs_are_no_calls(self) -> None:
        """Neither what they were asked nor what they found."""
        server = {"toolUseId": "t", "name": "search", "type": "server_tool_use"}
        stream, chunks = fed(
            opened(0, toolUse=server),
            delta(0, toolUse={"input": "{}"}),
            closed(0),
            opened(1, toolResult={"toolUseId": "t"}),
            delta(1, toolResult=[{"json": {}}]),
            delta(2, citation={"location": {}}),
            HELLO,
            stopped(),
        )

        assert [one for one in deltas(chunks) if "tool_calls" in one] == []
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
        assert stream.has_content

    def test_the_input_of_the_json_tool_is_the_answer(self) -> None:
        """Streamed as text."""
        _, chunks = fed(
            opened(0, toolUse={"toolUseId": "t", "name": JSON_TOOL}),
            delta(0, toolUse={"input": '{"age":3}'}),
            closed(0),
            stopped("tool_use"),
        )

        assert deltas(chunks)[1] == {"content": '{"age":3}'}
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"

    def test_thinking_is_kept_with_its_signature(self) -> None:
        """Once it is whole, so that the next turn can hand it back."""
        _, chunks = fed(
            delta(reasoningContent={"text": "2, "}),
            delta(reasoningContent={"text": "3"}),
            delta(reasoningContent={"signature": "sig"}),
            closed(0),
            delta(1, reasoningContent={"redactedContent": "YjNCaGNYVmw="}),
            closed(1),
            stopped(),
        )

        kept = [
            one["thinking_blocks"] for one in deltas(chunks) if "thinking_blocks" in one
        ]
        assert kept == [
            [
                {
                    "index": 0,
                    "type": "thinking",
                    "thinking": "2, 3",
                    "signature": "sig",
                    "issuer": "anthropic",
                }
            ],
            [
                {
                    "index": 1,
                    "type": "redacted_thinking",
                    "data": "b3BhcXVl",
                    "issuer": "anthropic",
                }
            ],
        ]

    def test_events_nobody_knows_are_passed_over(self) -> None:
        """AWS may add some at any time."""
        stream, chunks = fed(START, event("invented", {"a": 1}), HELLO, stopped())

        assert stream.failure is None
        assert len(chunks) == 3


class TestFailures:
    @pytest.mark.parametrize(
        ("name", "message", "outcome"),
        [
            ("throttlingException", "Too many requests.", Outcome.RATE_LIMITED),
            ("internalServerException", "Oops.", Outcome.SERVER_ERROR),
            ("modelStreamErrorException", "The model failed.", Outcome.SERVER_ERROR),
            ("modelTimeoutException", "Too slow.", Outcome.SERVER_ERROR),
            ("serviceUnavailableException", "Busy.", Outcome.SERVER_ERROR),
            ("validationException", "A field is wrong.", Outcome.REJECTED),
            ("validationException", "Input is too long.", Outcome.TOO_LONG),
            ("inventedTomorrowException", "Oops.", Outcome.SERVER_ERROR),
        ],
    )
    @pytest.mark.parametrize("dialect", [BedrockConverse(), BedrockInvoke()])
    def test_exceptions_end_a_stream(self, dialect, name, message, outcome) -> None:
        """Each in its class, with the service's own words; nothing after it counts."""
        stream = dialect.decode_stream(CONTEXT)

        chunks = read(stream, exception(name, message) + HELLO + stopped())

        assert stream.failure is not None
        assert stream.failure.outcome is outcome
        assert stream.failure.message == message
        assert stream.failure.code == name
        assert stream.failure.http_status == 200
        assert chunks == []
        assert not stream.is_complete

    def test_an_exception_after_content_breaks_the_answer_off(self) -> None:
        """What was said is said; it never looks like an end."""
        stream, chunks = fed(START, HELLO, exception("throttlingException", "no"))

        assert deltas(chunks)[-1] == {"content": "Hello"}
        assert stream.failure is not None
        assert not stream.is_complete

    def test_errors_without_a_payload(self) -> None:
        """What the service does not know comes in headers alone."""
        stream, _ = fed(START, error("InternalError", "An error in transit."))

        assert stream.failure is not None
        assert stream.failure.outcome is Outcome.SERVER_ERROR
        assert stream.failure.message == "An error in transit."

    @pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
    def test_malformed_output_is_a_failure(self, reason: str) -> None:
        """Though Bedrock calls it an end."""
        stream, _ = fed(START, stopped(reason))

        assert stream.failure is not None
        assert stream.failure.outcome is Outcome.PARSE_FAILED
        assert not stream.is_complete

    def test_filtered_content_is_a_refusal(self) -> None:
        """If nothing was said before."""
        silent, _ = fed(START, stopped("content_filtered"))
        broken, chunks = fed(START, HELLO, stopped("content_filtered"))

        assert silent.is_refusal
        assert not broken.is_refusal
        assert chunks[-1]["choices"][0]["finish_reason"] == "content_filter"

    def test_what_a_guardrail_put_in_place_is_no_refusal(self) -> None:
        """Another deployment would dodge the guardrail."""
        stream, chunks = fed(START, HELLO, stopped("guardrail_intervened"))

        assert not stream.is_refusal
        assert stream.is_complete
        assert chunks[-1]["choices"][0]["finish_reason"] == "content_filter"

    @pytest.mark.parametrize("place", [3, 9, 20, -2])
    def test_a_damaged_frame_is_a_failure(self, place: int) -> None:
        """In its length, its checksums, its headers or its payload."""
        damaged = bytearray(HELLO)
        damaged[place] ^= 0x55
        stream, _ = fed(START, bytes(damaged), stopped())

        assert not stream.is_complete
        if place != 3:
            # A frame that claims to be longer may be waited for.
            assert stream.failure is not None
            assert stream.failure.outcome is Outcome.SERVER_ERROR

    @pytest.mark.parametrize(
        ("body", "outcome"),
        [
            (b'{"message":"Too many requests"}', Outcome.SERVER_ERROR),
            (b'{"__type":"ThrottlingException"}', Outcome.RATE_LIMITED),
            (b"<html></html>", Outcome.SERVER_ERROR),
        ],
    )
    @pytest.mark.parametrize("size", [1, 1000])
    def test_a_body_in_place_of_a_stream_is_read_for_what_it_is(
        self, body: bytes, outcome: Outcome, size: int
    ) -> None:
        """As a proxy between may send it."""
        stream, chunks = fed(body, size=size)

        assert chunks == []
        assert stream.failure is not None
        assert stream.failure.outcome is outcome

    @pytest.mark.parametrize("payload", [b"", b"[]", b"\xff", b'"text"', b"{"])
    @pytest.mark.parametrize(
        ("dialect", "name"),
        [(BedrockConverse(), "messageStart"), (BedrockInvoke(), "chunk")],
    )
    def test_frames_that_hold_no_event_are_failures(
        self, dialect, name, payload
    ) -> None:
        """A sound checksum says nothing of what was sent."""
        stream = dialect.decode_stream(CONTEXT)

        stream.feed(frame({":message-type": "event", ":event-type": name}, payload))

        assert stream.failure is not None
        assert stream.failure.outcome is Outcome.SERVER_ERROR


class TestInvoke:
    def test_claudes_own_events_come_in_chunks(self) -> None:
        """The metrics at the end count what was counted before."""
        usage = {"input_tokens": 7, "cache_read_input_tokens": 8, "output_tokens": 1}
        stream = BedrockInvoke().decode_stream(CONTEXT)
        told = [
            {"type": "message_start", "message": {"id": "msg_1", "usage": usage}},
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "Hello"},
            },
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": 5},
            },
            {
                "type": "message_stop",
                "amazon-bedrock-invocationMetrics": {
                    "inputTokenCount": 7,
                    "outputTokenCount": 5,
                    "cacheReadInputTokenCount": 8,
                },
            },
        ]

        chunks = read(stream, b"".join(map(chunk, told)))

        assert stream.is_complete
        assert stream.usage == Usage(15, 5, 8)
        assert stream.answer_id == "chatcmpl-msg_1"
        assert deltas(chunks)[1] == {"content": "Hello"}

    def test_anthropics_own_errors_are_failures_too(self) -> None:
        """They may come where AWS's exceptions do."""
        stream = BedrockInvoke().decode_stream(CONTEXT)

        failed = {"type": "overloaded_error", "message": "Overloaded"}
        read(stream, chunk({"type": "error", "error": failed}))

        assert stream.failure is not None
        assert stream.failure.outcome is Outcome.SERVER_ERROR
