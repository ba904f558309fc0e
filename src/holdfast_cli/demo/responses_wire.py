"""OpenAI's Responses, as a provider speaks it that stores nothing."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from holdfast_cli.demo.faults import Fault
from holdfast_cli.demo.openai_wire import OpenAIWire
from holdfast_cli.demo.prompt import Answer, Prompt, PromptError, piece, text_of
from holdfast_cli.demo.responses_events import (
    call_events,
    message_events,
    typed,
    whole_item,
)
from holdfast_cli.demo.signatures import signature
from holdfast_cli.demo.wires import EVENT_STREAM, Events

_LEAST_TOKENS = 16
"""What OpenAI takes at least for `max_output_tokens`."""

_LONGEST_CALL_ID = 64

_KNOWN = frozenset(
    {
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "model",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    }
)
"""The fields of a request; any other is refused."""

_FOREIGN = frozenset({"extra_content", "index", "issuer", "thinking_blocks"})
"""What others sign or a gateway notes, and a strict provider does not know."""

_ENCRYPTED = "reasoning.encrypted_content"
_FOUND = "https://example.com/found"


class ResponsesWire:
    """Requests and answers of `/v1/responses`."""

    stream_type = EVENT_STREAM

    def __init__(self) -> None:
        self._chats = OpenAIWire()

    def read(self, body: Any, headers: Mapping[str, str]) -> Prompt:
        """Read a request, as strict as OpenAI is about its fields and items."""
        for name in body:
            if name not in _KNOWN:
                raise PromptError(f"Unknown parameter: '{name}'.", name)
        caller = _caller(headers)
        items = _checked(body.get("input"), caller)
        most = body.get("max_output_tokens")
        if most is not None and most < _LEAST_TOKENS:
            raise PromptError("integer below minimum value", "max_output_tokens")
        users = [each for each in items if each.get("role") == "user"]
        if items[-1].get("type") == "function_call_output":
            # What the user asked for has been done.
            users = []
        tools = body.get("tools") or []
        reasoning = body.get("reasoning") or {}
        return Prompt(
            model=str(body.get("model", "")),
            pieces=[piece(tools), *(piece(each) for each in items)],
            last_words=text_of(users[-1].get("content")) if users else "",
            tools={
                tool["name"]: tool["parameters"]
                for tool in tools
                if tool["type"] == "function"
            },
            forced_tool=_forced_tool(body.get("tool_choice")),
            schema=_schema((body.get("text") or {}).get("format") or {}),
            stream=bool(body.get("stream")),
            max_tokens=most,
            thinks=_ENCRYPTED in (body.get("include") or ()),
            shows_thoughts=bool(reasoning.get("summary")),
            caller=caller,
            searches=any(tool["type"] == "web_search" for tool in tools),
        )

    def whole(self, prompt: Prompt, answer: Answer) -> dict[str, Any]:
        """Write a response."""
        status = "incomplete" if answer.cut_short else "completed"
        return {
            **_response(answer, status),
            "incomplete_details": {"reason": "max_output_tokens"}
            if answer.cut_short
            else None,
            "output": _output(prompt, answer),
            "usage": _usage(answer),
        }

    def events(self, prompt: Prompt, answer: Answer) -> Events:
        """Write the events of a response: its life, and item by item what is in it."""
        *before, last = _output(prompt, answer)
        opening = [
            typed("response.created", response=_response(answer, "in_progress")),
            typed("response.in_progress", response=_response(answer, "in_progress")),
        ]
        for place, item in enumerate(before):
            opening += whole_item(place, item)
        write = call_events if answer.tool_call else message_events
        begun, content, ending = write(len(before), last, answer)
        end = self.whole(prompt, answer)
        return Events(
            opening=[*opening, *begun],
            content=content,
            ending=ending,
            closing=[typed(f"response.{end['status']}", response=end)],
        )

    def error(self, fault: Fault, param: str | None = None) -> dict[str, Any]:
        """Write an error object."""
        return self._chats.error(fault, param)

    def error_headers(self, fault: Fault) -> Mapping[str, str]:
        """Say nothing in headers."""
        return {}

    def error_event(self, fault: Fault) -> bytes:
        """Write an `error` event."""
        _, code = fault.openai
        return typed("error", code=code, message=fault.message, param=None)

    def hollow(self, answer: Answer) -> dict[str, Any]:
        """Write a response without output."""
        return {**_response(answer, "completed"), "usage": _usage(answer)}

    def hollow_events(self, prompt: Prompt, answer: Answer) -> Sequence[bytes]:
        """Write a stream without an item."""
        created = typed("response.created", response=_response(answer, "in_progress"))
        return [created, typed("response.completed", response=self.hollow(answer))]

    def filtered(self, prompt: Prompt, answer: Answer) -> None:
        """Refuse with an error, as Azure does."""

    def models(self, ids: Sequence[str]) -> dict[str, Any]:
        """Write OpenAI's list."""
        return self._chats.models(ids)


def _caller(headers: Mapping[str, str]) -> str:
    """Tell callers apart, who can read what was encrypted for them alone."""
    shown = headers.get("authorization") or headers.get("api-key") or ""
    return hashlib.sha256(shown.encode()).hexdigest()[:8]


def _checked(given: Any, caller: str) -> list[dict[str, Any]]:
    if isinstance(given, str) and given:
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise PromptError("'input' must be text or hold items", "input")
    for place, item in enumerate(given):
        at = f"input[{place}]"
        if not isinstance(item, dict) or _FOREIGN & item.keys():
            raise PromptError("Unknown parameter", at)
        if item.get("type") == "reasoning":
            if item.get("encrypted_content") != signature(caller):
                raise PromptError("The encrypted content could not be verified.", at)
            following = given[place + 1] if place + 1 < len(given) else {}
            if following.get("role") not in {None, "assistant"} or not following:
                raise PromptError(
                    "Item of type 'reasoning' was provided without its required "
                    "following item.",
                    at,
                )
    _check_calls(given)
    return given


def _check_calls(items: list[dict[str, Any]]) -> None:
    """See that each call has its result, and no result comes without a call."""
    open_calls: list[str] = []
    for item in items:
        match item.get("type"):
            case "function_call":
                open_calls.append(item["call_id"])
                if len(item["call_id"]) > _LONGEST_CALL_ID:
                    raise PromptError("string too long", "input")
            case "function_call_output":
                if item["call_id"] not in open_calls:
                    raise PromptError("No tool call found for this output", "input")
                open_calls.remove(item["call_id"])
    if open_calls:
        raise PromptError("No tool output found for function call", "input")


def _forced_tool(choice: Any) -> str | None:
    if choice == "required":
        return ""
    if isinstance(choice, dict) and choice.get("type") == "function":
        return str(choice["name"])
    return None


def _schema(wanted: Mapping[str, Any]) -> Any:
    match wanted.get("type", "text"):
        case "json_schema":
            return wanted["schema"]
        case "json_object":
            return {"type": "object"}
        case "text":
            return None
    raise PromptError("Invalid value", "text.format.type")


def _response(answer: Answer, status: str) -> dict[str, Any]:
    return {
        "id": f"resp_sim{answer.number:06d}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": answer.model,
        "output": [],
        "store": False,
        "usage": None,
    }


def _output(prompt: Prompt, answer: Answer) -> list[dict[str, Any]]:
    last = _call(answer) if answer.tool_call else _message(prompt, answer)
    return [*_thinking(prompt, answer), *_searching(prompt, answer), last]


def _thinking(prompt: Prompt, answer: Answer) -> Iterator[dict[str, Any]]:
    if answer.thought:
        part = {"type": "summary_text", "text": answer.thought}
        yield {
            "id": f"rs_sim{answer.number:06d}",
            "type": "reasoning",
            "summary": [part] if prompt.shows_thoughts else [],
            "encrypted_content": signature(prompt.caller),
        }


def _searching(prompt: Prompt, answer: Answer) -> Iterator[dict[str, Any]]:
    if prompt.searches and not answer.tool_call:
        yield {
            "id": f"ws_sim{answer.number:06d}",
            "type": "web_search_call",
            "status": "completed",
            "action": {"type": "search", "query": prompt.last_words},
        }


def _message(prompt: Prompt, answer: Answer) -> dict[str, Any]:
    cited = {
        "type": "url_citation",
        "start_index": 0,
        "end_index": 5,
        "title": "Found",
        "url": _FOUND,
    }
    part = {
        "type": "output_text",
        "text": answer.text,
        "annotations": [cited] if prompt.searches else [],
        "logprobs": [],
    }
    return {
        "id": f"msg_sim{answer.number:06d}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


def _call(answer: Answer) -> dict[str, Any]:
    call = answer.tool_call
    return {
        "id": f"fc_sim{answer.number:06d}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_sim{answer.number:06d}",
        "name": call.name if call else "",
        "arguments": call.arguments if call else "",
    }


def _usage(answer: Answer) -> dict[str, Any]:
    return {
        "input_tokens": answer.input_tokens,
        "input_tokens_details": {"cached_tokens": answer.cached_tokens},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }
