"""Anthropic's Messages, as a provider speaks it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from holdfast_cli.demo.faults import Fault
from holdfast_cli.demo.prompt import Answer, Prompt, PromptError, piece, text_of
from holdfast_cli.demo.signatures import CLAUDE, check, signature
from holdfast_cli.demo.wires import EVENT_STREAM, Events, event, fragments

_TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")


class AnthropicWire:
    """Requests and answers of `/v1/messages`."""

    stream_type = EVENT_STREAM

    def read(self, body: Any, headers: Mapping[str, str]) -> Prompt:
        """Read a request, as strict as Anthropic is about what others leave open."""
        if "anthropic-version" not in headers:
            raise PromptError("anthropic-version: header is required")
        limit = body.get("max_tokens")
        if not isinstance(limit, int) or limit < 1:
            raise PromptError("max_tokens: must be a whole number above 0")
        messages = _checked(body.get("messages"))
        users = [each for each in messages if each["role"] == "user"]
        tools = body.get("tools") or []
        return Prompt(
            model=str(body.get("model", "")),
            pieces=[
                piece([tools, body.get("system")]),
                *(piece(each) for each in messages),
            ],
            last_words=text_of(users[-1].get("content")) if users else "",
            tools={tool["name"]: tool.get("input_schema", {}) for tool in tools},
            forced_tool=_forced_tool(body.get("tool_choice") or {}),
            schema=_schema(body),
            stream=bool(body.get("stream")),
            writes_cache='"cache_control"' in json.dumps(body),
            max_tokens=limit,
            thinks=(body.get("thinking") or {}).get("type") in {"enabled", "adaptive"},
        )

    def whole(self, prompt: Prompt, answer: Answer) -> dict[str, Any]:
        """Write a message."""
        call = answer.tool_call
        block = (
            {**_tool_use(answer), "input": json.loads(call.arguments)}
            if call
            else {"type": "text", "text": answer.text}
        )
        return {
            **_message(answer),
            "content": [*_thinking(answer), block],
            "stop_reason": _stop_reason(answer),
            "usage": {
                **_input_usage(prompt, answer),
                "output_tokens": answer.output_tokens,
            },
        }

    def events(self, prompt: Prompt, answer: Answer) -> Events:
        """Write the events of a message: of its thinking, if it has, and its block."""
        call = answer.tool_call
        thinking = list(_thinking_events(answer))
        place = int(bool(thinking))
        block = (
            {**_tool_use(answer), "input": {}} if call else {"type": "text", "text": ""}
        )
        deltas = (
            [
                {"type": "input_json_delta", "partial_json": fragment}
                for fragment in ("", *fragments(call.arguments))
            ]
            if call
            else [{"type": "text_delta", "text": word} for word in answer.words]
        )
        return Events(
            opening=[
                _message_start(prompt, answer),
                *thinking,
                _typed("content_block_start", index=place, content_block=block),
                _typed("ping"),
            ],
            content=[
                _typed("content_block_delta", index=place, delta=delta)
                for delta in deltas
            ],
            ending=[
                _typed("content_block_stop", index=place),
                _message_delta(answer, _stop_reason(answer)),
            ],
            closing=[_typed("message_stop")],
        )

    def error(self, fault: Fault, param: str | None = None) -> dict[str, Any]:
        """Write an error object."""
        return {
            "type": "error",
            "error": {"type": fault.anthropic, "message": fault.message},
            "request_id": "req_sim",
        }

    def error_headers(self, fault: Fault) -> Mapping[str, str]:
        """Say nothing in headers."""
        return {}

    def error_event(self, fault: Fault) -> bytes:
        """Write an `error` event."""
        return event(self.error(fault), "error")

    def hollow(self, answer: Answer) -> dict[str, Any]:
        """Write a message without content."""
        usage = {"input_tokens": answer.input_tokens, "output_tokens": 0}
        return {**_message(answer), "stop_reason": "end_turn", "usage": usage}

    def hollow_events(self, prompt: Prompt, answer: Answer) -> Sequence[bytes]:
        """Write a stream without a block."""
        return _without_content(prompt, answer, "end_turn")

    def filtered(
        self, prompt: Prompt, answer: Answer
    ) -> tuple[dict[str, Any], Sequence[bytes]]:
        """Refuse within a message, as Anthropic does."""
        whole = {**self.hollow(answer), "stop_reason": "refusal"}
        return whole, _without_content(prompt, answer, "refusal")

    def models(self, ids: Sequence[str]) -> dict[str, Any]:
        """Write Anthropic's list."""
        data = [
            {
                "id": each,
                "type": "model",
                "display_name": each,
                "created_at": "2025-01-01T00:00:00Z",
            }
            for each in ids
        ]
        return {"data": data, "has_more": False, "first_id": None, "last_id": None}


def _checked(messages: Any) -> list[dict[str, Any]]:
    if not isinstance(messages, list) or not messages:
        raise PromptError("messages: at least one message is required")
    for position, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in {"user", "assistant"}:
            raise PromptError(f"messages.{position}.role: {role!r} is no role here")
        if not message.get("content"):
            raise PromptError(f"messages.{position}: content must not be empty")
    _check_calls(messages)
    return messages


def _check_calls(messages: list[dict[str, Any]]) -> None:
    """See that each call has its result in the next turn, and thinking its issuer."""
    called: list[str] = []
    for position, message in enumerate(messages):
        content = message["content"]
        blocks = content if isinstance(content, list) else []
        results = [b["tool_use_id"] for b in blocks if b.get("type") == "tool_result"]
        if sorted(results) != sorted(called):
            raise PromptError(f"messages.{position}: tool_use without tool_result")
        called = [b["id"] for b in blocks if b.get("type") == "tool_use"]
        if not all(map(_TOOL_ID.fullmatch, called)):
            raise PromptError(f"messages.{position}: tool_use.id is not valid")
        for block in blocks:
            if block.get("type") == "thinking":
                check(block.get("signature"), CLAUDE)


def _thinking(answer: Answer) -> list[dict[str, Any]]:
    if not answer.thought:
        return []
    signed = {"thinking": answer.thought, "signature": signature(CLAUDE)}
    return [{"type": "thinking", **signed}]


def _thinking_events(answer: Answer) -> Iterator[bytes]:
    for block in _thinking(answer):
        empty = {"type": "thinking", "thinking": "", "signature": ""}
        thinking, signed = block["thinking"], block["signature"]
        yield _typed("content_block_start", index=0, content_block=empty)
        for delta in (
            {"type": "thinking_delta", "thinking": thinking},
            {"type": "signature_delta", "signature": signed},
        ):
            yield _typed("content_block_delta", index=0, delta=delta)
        yield _typed("content_block_stop", index=0)


def _forced_tool(choice: Mapping[str, Any]) -> str | None:
    match choice.get("type"):
        case "any":
            return ""
        case "tool":
            return str(choice.get("name", ""))
        case _:
            return None


def _schema(body: Mapping[str, Any]) -> Any:
    config = body.get("output_config") or {}
    wanted = config.get("format") or body.get("output_format") or {}
    return wanted.get("schema") if wanted.get("type") == "json_schema" else None


def _stop_reason(answer: Answer) -> str:
    if answer.tool_call:
        return "tool_use"
    return "max_tokens" if answer.cut_short else "end_turn"


def _input_usage(prompt: Prompt, answer: Answer) -> dict[str, int]:
    fresh = answer.input_tokens - answer.cached_tokens
    return {
        "input_tokens": 0 if prompt.writes_cache else fresh,
        "cache_creation_input_tokens": fresh if prompt.writes_cache else 0,
        "cache_read_input_tokens": answer.cached_tokens,
    }


def _message(answer: Answer) -> dict[str, Any]:
    return {
        "id": f"msg_sim{answer.number:06d}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _tool_use(answer: Answer) -> dict[str, Any]:
    name = answer.tool_call.name if answer.tool_call else ""
    return {"type": "tool_use", "id": f"toolu_sim{answer.number:06d}", "name": name}


def _message_start(prompt: Prompt, answer: Answer) -> bytes:
    # A real one has counted its first token by then.
    usage = {**_input_usage(prompt, answer), "output_tokens": 1}
    return _typed("message_start", message={**_message(answer), "usage": usage})


def _message_delta(answer: Answer, stop_reason: str) -> bytes:
    return _typed(
        "message_delta",
        delta={"stop_reason": stop_reason, "stop_sequence": None},
        usage={"output_tokens": answer.output_tokens},
    )


def _without_content(prompt: Prompt, answer: Answer, reason: str) -> list[bytes]:
    return [
        _message_start(prompt, answer),
        _message_delta(answer, reason),
        _typed("message_stop"),
    ]


def _typed(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)
