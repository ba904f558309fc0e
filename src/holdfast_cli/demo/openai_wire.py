"""OpenAI's Chat Completions, as a provider speaks it."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast_cli.demo.faults import Fault
from holdfast_cli.demo.prompt import Answer, Prompt, PromptError, piece, text_of
from holdfast_cli.demo.wires import EVENT_STREAM, Events, event, fragments

_MOST_COPIES = 128
"""What OpenAI gives at most."""


class OpenAIWire:
    """Requests and answers of `/v1/chat/completions`."""

    stream_type = EVENT_STREAM

    def read(self, body: Any, headers: Mapping[str, str]) -> Prompt:
        """Read a request."""
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise PromptError("'messages' must hold at least one message", "messages")
        if not all(isinstance(message, dict) for message in messages):
            raise PromptError("'messages' must hold objects", "messages")
        if any(_FOREIGN & message.keys() for message in messages):
            raise PromptError("Extra inputs are not permitted", "messages")
        _check_calls(messages)
        if "stream_validation" in body:
            raise PromptError("Unrecognized request argument", "stream_validation")
        users = [each for each in messages if each.get("role") == "user"]
        if messages[-1].get("role") == "tool":
            # What the user asked for has been done.
            users = []
        copies = int(body.get("n") or 1)
        if not 1 <= copies <= _MOST_COPIES:
            raise PromptError(f"'n' must be from 1 to {_MOST_COPIES}", "n")
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        return Prompt(
            model=str(body.get("model", "")),
            pieces=[piece(body.get("tools")), *(piece(each) for each in messages)],
            last_words=text_of(users[-1].get("content")) if users else "",
            tools={
                tool["function"]["name"]: tool["function"].get("parameters", {})
                for tool in body.get("tools") or []
                if tool.get("type") == "function"
            },
            forced_tool=_forced_tool(body.get("tool_choice")),
            schema=_schema(body.get("response_format")),
            stream=bool(body.get("stream")),
            copies=copies,
            logprobs=bool(body.get("logprobs")),
            include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            max_tokens=limit,
        )

    def whole(self, prompt: Prompt, answer: Answer) -> dict[str, Any]:
        """Write a `chat.completion`."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if answer.tool_call else answer.text,
            "refusal": None,
        }
        if answer.tool_call:
            message["tool_calls"] = [_tool_call(answer, answer.tool_call.arguments)]
        return {
            "id": f"chatcmpl-sim-{answer.number}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": answer.model,
            "choices": [
                {
                    "index": index,
                    "message": message,
                    "logprobs": _logprobs(answer.words) if prompt.logprobs else None,
                    "finish_reason": _finish_reason(answer),
                }
                for index in range(prompt.copies)
            ],
            "usage": _usage(prompt, answer),
        }

    def events(self, prompt: Prompt, answer: Answer) -> Events:
        """Write `chat.completion.chunk`s."""
        indexes = range(prompt.copies)
        opening = {"role": "assistant", "content": "", "refusal": None}
        if answer.tool_call:
            opening["content"] = None
        content = [
            _chunk(answer, delta, index, logprobs=logprobs)
            for delta, logprobs in _deltas(prompt, answer)
            for index in indexes
        ]
        ending = [
            _chunk(answer, {}, index, finish_reason=_finish_reason(answer))
            for index in indexes
        ]
        if prompt.include_usage:
            last = _frame(answer, [])
            ending.append(event({**last, "usage": _usage(prompt, answer)}))
        return Events(
            opening=[_chunk(answer, opening, index) for index in indexes],
            content=content,
            ending=ending,
            closing=[_DONE],
        )

    def error(self, fault: Fault, param: str | None = None) -> dict[str, Any]:
        """Write an error object."""
        kind, code = fault.openai
        return {
            "error": {
                "message": fault.message,
                "type": kind,
                "param": param,
                "code": code,
            }
        }

    def error_headers(self, fault: Fault) -> Mapping[str, str]:
        """Say nothing in headers."""
        return {}

    def error_event(self, fault: Fault) -> bytes:
        """Write the event OpenAI's SDK raises on."""
        return event(self.error(fault))

    def hollow(self, answer: Answer) -> dict[str, Any]:
        """Write a completion without choices."""
        return {**_frame(answer, []), "object": "chat.completion"}

    def hollow_events(self, prompt: Prompt, answer: Answer) -> Sequence[bytes]:
        """Write a stream of one chunk without choices."""
        return [event(_frame(answer, [])), _DONE]

    def filtered(self, prompt: Prompt, answer: Answer) -> None:
        """Refuse with an error, as Azure does."""

    def models(self, ids: Sequence[str]) -> dict[str, Any]:
        """Write OpenAI's list."""
        data = [
            {"id": each, "object": "model", "created": 0, "owned_by": "simulated"}
            for each in ids
        ]
        return {"object": "list", "data": data}


_DONE = b"data: [DONE]\n\n"

_FOREIGN = frozenset({"thinking_blocks", "extra_content"})
"""What others sign, and a strict provider does not know."""

_OF_SCHEMAS = frozenset({"description", "name", "schema", "strict"})
"""The fields of `json_schema`."""

_LOGPROB = -0.105
"""Of every token: about nine in ten, which no test should depend on."""


def _check_calls(messages: list[dict[str, Any]]) -> None:
    """See that each call has its result, and no result comes without a call."""
    open_calls: list[str] = []
    for message in messages:
        if message.get("role") == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise PromptError("a 'tool' message must follow its call", "messages")
            open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            raise PromptError("'tool_calls' must be followed by results", "messages")
        calls = message.get("tool_calls") or []
        open_calls = [call["id"] for call in calls]
        if any(_FOREIGN & call.keys() for call in calls):
            raise PromptError("Extra inputs are not permitted", "messages")


def _forced_tool(choice: Any) -> str | None:
    if choice == "required":
        return ""
    if isinstance(choice, dict) and "function" in choice:
        return str(choice["function"].get("name", ""))
    return None


def _schema(response_format: Any) -> Any:
    wanted = response_format if isinstance(response_format, dict) else {}
    match wanted.get("type", "text"):
        case "json_schema":
            named = wanted.get("json_schema", {})
            if not named.keys() <= _OF_SCHEMAS:
                raise PromptError("Unknown parameter", "response_format.json_schema")
            return named.get("schema", {"type": "object"})
        case "json_object":
            return {"type": "object"}
        case "text":
            return None
    raise PromptError("Invalid value", "response_format.type")


def _finish_reason(answer: Answer) -> str:
    if answer.tool_call:
        return "tool_calls"
    return "length" if answer.cut_short else "stop"


def _usage(prompt: Prompt, answer: Answer) -> dict[str, Any]:
    output = answer.output_tokens * prompt.copies
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": output,
        "total_tokens": answer.input_tokens + output,
        "prompt_tokens_details": {
            "cached_tokens": answer.cached_tokens,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _logprobs(words: Sequence[str]) -> dict[str, Any]:
    return {
        "content": [
            {
                "token": word,
                "logprob": _LOGPROB,
                "bytes": list(word.encode()),
                "top_logprobs": [],
            }
            for word in words
        ],
        "refusal": None,
    }


def _tool_call(answer: Answer, arguments: str) -> dict[str, Any]:
    name = answer.tool_call.name if answer.tool_call else ""
    return {
        "id": f"call_sim{answer.number:06d}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _deltas(
    prompt: Prompt, answer: Answer
) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    if answer.tool_call:
        first = {"tool_calls": [{"index": 0, **_tool_call(answer, "")}]}
        rest = [
            {"tool_calls": [{"index": 0, "function": {"arguments": fragment}}]}
            for fragment in fragments(answer.tool_call.arguments)
        ]
        return [(delta, None) for delta in (first, *rest)]
    return [
        ({"content": word}, _logprobs([word]) if prompt.logprobs else None)
        for word in answer.words
    ]


def _frame(answer: Answer, choices: list[Any]) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-sim-{answer.number}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": answer.model,
        "choices": choices,
    }


def _chunk(
    answer: Answer,
    delta: Mapping[str, Any],
    index: int,
    *,
    finish_reason: str | None = None,
    logprobs: dict[str, Any] | None = None,
) -> bytes:
    choice = {
        "index": index,
        "delta": delta,
        "logprobs": logprobs,
        "finish_reason": finish_reason,
    }
    return event(_frame(answer, [choice]))
