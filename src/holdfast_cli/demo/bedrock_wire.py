"""Bedrock's Converse, and Claude's own format in Bedrock's frames."""

import base64
import json
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast_cli.demo.anthropic_wire import AnthropicWire
from holdfast_cli.demo.faults import Fault
from holdfast_cli.demo.prompt import Answer, Prompt, PromptError, piece, text_of
from holdfast_cli.demo.signatures import CLAUDE, check, signature
from holdfast_cli.demo.wires import Events, fragments

_TEXT = 7
"""The type of a header that is a string, in `application/vnd.amazon.eventstream`."""

_CODES = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    413: "ValidationException",
    422: "ValidationException",
    429: "ThrottlingException",
    500: "InternalServerException",
}
"""By HTTP status; any other failure is `ServiceUnavailableException`."""

_TOOL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")


class _Bedrock:
    """What all operations of Bedrock have in common."""

    stream_type = "application/vnd.amazon.eventstream"

    def error(self, fault: Fault, param: str | None = None) -> dict[str, Any]:
        """Write an error, whose kind is in a header."""
        return {"message": fault.message}

    def error_headers(self, fault: Fault) -> Mapping[str, str]:
        """Name the kind of an error."""
        return {"x-amzn-errortype": _code(fault)}

    def error_event(self, fault: Fault) -> bytes:
        """Write an exception within a stream."""
        name = _code(fault)
        headers = {
            ":exception-type": name[0].lower() + name[1:],
            ":content-type": "application/json",
            ":message-type": "exception",
        }
        return _frame(headers, json.dumps(self.error(fault)).encode())


class ConverseWire(_Bedrock):
    """Requests and answers of `/model/{id}/converse` and `converse-stream`."""

    def read(self, body: Any, headers: Mapping[str, str]) -> Prompt:
        """Read a request, as strict as AWS is about calls and their results."""
        check_signed(headers)
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise PromptError("messages must hold at least one message")
        config = body.get("toolConfig") or {}
        _check_conversation(messages, has_tools=bool(config.get("tools")))
        tools = [tool["toolSpec"] for tool in config.get("tools", ())]
        more = body.get("additionalModelRequestFields") or {}
        last = messages[-1]["content"]
        return Prompt(
            model=str(body["model"]),
            pieces=[
                piece([tools, body.get("system")]),
                *(piece(each) for each in messages),
            ],
            last_words=text_of(last),
            tools={t["name"]: t.get("inputSchema", {}).get("json", {}) for t in tools},
            forced_tool=_forced_tool(config.get("toolChoice") or {}),
            schema=_schema(body),
            stream=bool(body["stream"]),
            writes_cache='"cachePoint"' in json.dumps(body),
            max_tokens=(body.get("inferenceConfig") or {}).get("maxTokens"),
            thinks="thinking" in more,
        )

    def whole(self, prompt: Prompt, answer: Answer) -> dict[str, Any]:
        """Write an answer in one piece."""
        content: list[dict[str, Any]] = []
        if answer.thought:
            signed = {"text": answer.thought, "signature": signature(CLAUDE)}
            content.append({"reasoningContent": {"reasoningText": signed}})
        if call := answer.tool_call:
            tool_use = {**_tool_use(answer), "input": json.loads(call.arguments)}
            content.append({"toolUse": tool_use})
        else:
            content.append({"text": answer.text})
        return {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": _stop_reason(answer),
            "usage": _usage(prompt, answer),
            "metrics": {"latencyMs": 1},
        }

    def events(self, prompt: Prompt, answer: Answer) -> Events:
        """Write the frames of a message."""
        place, thinking = 0, []
        if answer.thought:
            place = 1
            deltas: list[dict[str, Any]] = [
                {"text": answer.thought},
                {"signature": signature(CLAUDE)},
            ]
            thinking = [_delta(0, {"reasoningContent": each}) for each in deltas]
            thinking.append(_event("contentBlockStop", contentBlockIndex=0))
        opening = [_event("messageStart", role="assistant")]
        if call := answer.tool_call:
            start = {"toolUse": _tool_use(answer)}
            content = [
                _event("contentBlockStart", contentBlockIndex=place, start=start),
                *(
                    _delta(place, {"toolUse": {"input": fragment}})
                    for fragment in fragments(call.arguments)
                ),
            ]
        else:
            content = [_delta(place, {"text": word}) for word in answer.words]
        return Events(
            opening=opening,
            content=[*thinking, *content],
            ending=[
                _event("contentBlockStop", contentBlockIndex=place),
                _event("messageStop", stopReason=_stop_reason(answer)),
            ],
            closing=[_event("metadata", usage=_usage(prompt, answer))],
        )

    def hollow(self, answer: Answer) -> dict[str, Any]:
        """Write a success without an output."""
        return {"metrics": {"latencyMs": 1}}

    def hollow_events(self, prompt: Prompt, answer: Answer) -> Sequence[bytes]:
        """Write a stream without a block."""
        return _without_content("end_turn")

    def filtered(
        self, prompt: Prompt, answer: Answer
    ) -> tuple[dict[str, Any], Sequence[bytes]]:
        """Refuse within an answer, as Bedrock does."""
        whole = self.whole(prompt, answer)
        whole["output"]["message"]["content"] = []
        whole["stopReason"] = "content_filtered"
        return whole, _without_content("content_filtered")

    def models(self, ids: Sequence[str]) -> dict[str, Any]:
        """Write AWS's list."""
        return {"modelSummaries": [{"modelId": each} for each in ids]}


class InvokeWire(_Bedrock, AnthropicWire):
    """Requests and answers of `/model/{id}/invoke`, for Claude."""

    def read(self, body: Any, headers: Mapping[str, str]) -> Prompt:
        """Read a request, whose version is in the body."""
        check_signed(headers)
        version = str(body.get("anthropic_version"))
        if version != "bedrock-2023-05-31":
            raise PromptError("anthropic_version: must be bedrock-2023-05-31")
        return super().read(body, {**headers, "anthropic-version": version})

    def events(self, prompt: Prompt, answer: Answer) -> Events:
        """Write Claude's events, each in a frame."""
        plain = super().events(prompt, answer)
        return Events(
            *(
                [_chunk(event) for event in part]
                for part in (plain.opening, plain.content, plain.ending, plain.closing)
            )
        )

    def hollow_events(self, prompt: Prompt, answer: Answer) -> Sequence[bytes]:
        """Write a stream without a block."""
        return [_chunk(event) for event in super().hollow_events(prompt, answer)]

    def filtered(
        self, prompt: Prompt, answer: Answer
    ) -> tuple[dict[str, Any], Sequence[bytes]]:
        """Refuse within a message."""
        whole, events = super().filtered(prompt, answer)
        return whole, [_chunk(event) for event in events]


def check_signed(headers: Mapping[str, str]) -> None:
    """Refuse who shows nothing. Whose signature it is does not matter: none is real.

    Raises:
        PromptError: There is neither a signature nor a key of Bedrock's.
    """
    shown = headers.get("authorization", "")
    if not shown.startswith(("AWS4-HMAC-SHA256 Credential=", "Bearer ")):
        raise PromptError("Missing Authentication Token")


def _check_conversation(messages: list[Any], *, has_tools: bool) -> None:
    called: list[str] = []
    for position, message in enumerate(messages):
        role = "user" if position % 2 == 0 else "assistant"
        if message.get("role") != role or not message.get("content"):
            raise PromptError(f"messages.{position}: a turn of the {role}'s is due")
        blocks = message["content"]
        results = [b["toolResult"]["toolUseId"] for b in blocks if "toolResult" in b]
        if sorted(results) != sorted(called):
            raise PromptError(f"messages.{position}: toolResult and toolUse differ")
        called = [b["toolUse"]["toolUseId"] for b in blocks if "toolUse" in b]
        if not all(map(_TOOL_ID.fullmatch, called)) or (called and not has_tools):
            raise PromptError("The toolConfig field must be defined, and ids be valid")
        for block in blocks:
            if "reasoningContent" in block:
                text = block["reasoningContent"].get("reasoningText") or {}
                check(text.get("signature"), CLAUDE)


def _forced_tool(choice: Mapping[str, Any]) -> str | None:
    if "any" in choice:
        return ""
    return str(choice["tool"]["name"]) if "tool" in choice else None


def _schema(body: Mapping[str, Any]) -> Any:
    wanted = (body.get("outputConfig") or {}).get("textFormat")
    return json.loads(wanted["structure"]["jsonSchema"]["schema"]) if wanted else None


def _stop_reason(answer: Answer) -> str:
    if answer.tool_call:
        return "tool_use"
    return "max_tokens" if answer.cut_short else "end_turn"


def _usage(prompt: Prompt, answer: Answer) -> dict[str, int]:
    fresh = answer.input_tokens - answer.cached_tokens
    return {
        "inputTokens": 0 if prompt.writes_cache else fresh,
        "outputTokens": answer.output_tokens,
        "totalTokens": answer.input_tokens + answer.output_tokens,
        "cacheReadInputTokens": answer.cached_tokens,
        "cacheWriteInputTokens": fresh if prompt.writes_cache else 0,
    }


def _tool_use(answer: Answer) -> dict[str, str]:
    name = answer.tool_call.name if answer.tool_call else ""
    return {"toolUseId": f"tooluse_sim{answer.number:06d}", "name": name}


def _without_content(reason: str) -> list[bytes]:
    usage = {"inputTokens": 1, "outputTokens": 0, "totalTokens": 1}
    return [
        _event("messageStart", role="assistant"),
        _event("messageStop", stopReason=reason),
        _event("metadata", usage=usage),
    ]


def _code(fault: Fault) -> str:
    status = fault.status if fault.status != 200 else 503
    return _CODES.get(status, "ServiceUnavailableException")


def _delta(place: int, delta: dict[str, Any]) -> bytes:
    return _event("contentBlockDelta", contentBlockIndex=place, delta=delta)


def _chunk(event: bytes) -> bytes:
    data = event.partition(b"data: ")[2].strip()
    return _event("chunk", bytes=base64.b64encode(data).decode())


def _event(name: str, **fields: Any) -> bytes:
    headers = {
        ":event-type": name,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return _frame(headers, json.dumps(fields).encode())


def _frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Write a frame: lengths and their checksum, headers, payload, a checksum."""
    written = b"".join(
        struct.pack(">B", len(name))
        + name.encode()
        + struct.pack(">BH", _TEXT, len(value.encode()))
        + value.encode()
        for name, value in headers.items()
    )
    lengths = struct.pack(">II", 16 + len(written) + len(payload), len(written))
    whole = lengths + struct.pack(">I", zlib.crc32(lengths)) + written + payload
    return whole + struct.pack(">I", zlib.crc32(whole))
