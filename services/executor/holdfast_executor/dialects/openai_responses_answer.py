"""OpenAI's Responses as chat completions.

What is said here of an end, of usage and of citations holds for streams too.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.model import Outcome, Usage
from holdfast.pricing import cost_usd_nanos
from holdfast_executor.answer import usage_object
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects.openai_responses_items import (
    CALLS,
    Keeper,
    issuer_of,
    parts_of,
    placed,
    text_of,
)
from holdfast_executor.failures import classify_in_band

_encode = msgspec.json.Encoder().encode

_INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}
"""Why an answer is not whole, in a chat's words. Any other reason is a failure."""

_TIERS = frozenset({"auto", "default", "fast", "flex", "priority", "scale"})
"""What OpenAI's SDK takes for a tier."""


def completion(body: bytes, context: AnswerContext) -> Decoded | ProviderError:
    """Read a whole answer that came with a status of success."""
    try:
        response = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return not_an_answer()
    if not isinstance(response, dict):
        return not_an_answer()
    if response.get("error"):
        return classify_in_band(response)
    output = response.get("output")
    finish = finish_of(response)
    if isinstance(finish, ProviderError) or not isinstance(output, list):
        return finish if isinstance(finish, ProviderError) else not_an_answer()
    usage = usage_of(response.get("usage"))
    cost = (
        cost_usd_nanos(usage, context.pricing)
        if usage is not None and context.pricing is not None
        else None
    )
    choice = _choice(response, finish, context)
    written: dict[str, Any] = {
        "id": answer_id(response.get("id"), context),
        "object": "chat.completion",
        "created": context.created,
        "model": context.model,
        "choices": [choice],
    }
    if response.get("service_tier") in _TIERS:
        written["service_tier"] = response["service_tier"]
    if usage is not None:
        whole = None if cost is None else cost + context.earlier_cost_usd_nanos
        written["usage"] = usage_object(usage, whole)
    message = choice["message"]
    says = any(
        message.get(name)
        for name in ("content", "refusal", "tool_calls", "reasoning_content")
    )
    return Decoded(
        _encode(written),
        usage,
        cost,
        is_refusal=refuses(
            choice["finish_reason"],
            has_content=bool(message["content"] or message.get("tool_calls")),
            has_refusal=bool(message["refusal"]),
        ),
        says_nothing=choice["finish_reason"] == "stop"
        and not says
        and not _has_acted(message),
    )


def not_an_answer() -> ProviderError:
    """Say that what came under a status of success is no answer."""
    return ProviderError(
        Outcome.SERVER_ERROR,
        "The provider's answer is none in the format of Responses.",
        http_status=200,
    )


def answer_id(provider_id: object, context: AnswerContext) -> str:
    """Write the id of an answer: the provider's own, marked as a chat's is."""
    if isinstance(provider_id, str) and provider_id:
        return f"chatcmpl-{provider_id}"
    return context.answer_id


def finish_of(response: Mapping[str, Any]) -> str | ProviderError:
    """Say why a response ended, but for calls of tools; or how it failed."""
    match response.get("status"):
        case "completed":
            return "stop"
        case "incomplete":
            details = response.get("incomplete_details")
            reason = details.get("reason") if isinstance(details, dict) else None
            if reason in _INCOMPLETE:
                return _INCOMPLETE[reason]
    return not_an_answer()


def refuses(finish: str, *, has_content: bool, has_refusal: bool) -> bool:
    """Tell whether an answer is that there is none."""
    return not has_content and (has_refusal or finish == "content_filter")


def usage_of(reported: object) -> Usage | None:
    """Read usage; None if nothing is reported."""
    if not isinstance(reported, dict) or "input_tokens" not in reported:
        return None
    read = _details(reported, "input_tokens_details")
    written = _details(reported, "output_tokens_details")
    return Usage(
        input_tokens=_count(reported, "input_tokens"),
        output_tokens=_count(reported, "output_tokens"),
        cache_read_input_tokens=_count(read, "cached_tokens"),
        cache_creation_input_tokens=_count(read, "cache_write_tokens"),
        reasoning_output_tokens=_count(written, "reasoning_tokens"),
    )


def _details(reported: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    details = reported.get(field)
    return details if isinstance(details, dict) else {}


def _count(reported: Mapping[str, Any], field: str) -> int:
    value = reported.get(field)
    return value if isinstance(value, int) and value > 0 else 0


def citation(annotation: Mapping[str, Any], before: int) -> dict[str, Any] | None:
    """Write where a passage comes from as a chat does. None: a chat has no such word.

    Args:
        annotation: As Responses has it.
        before: How many characters stand before the text that it is of.
    """
    if annotation.get("type") != "url_citation":
        return None
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": _count(annotation, "start_index") + before,
            "end_index": _count(annotation, "end_index") + before,
            "title": str(annotation.get("title") or ""),
            "url": str(annotation.get("url") or ""),
        },
    }


def thoughts_of(item: Mapping[str, Any]) -> str:
    """Return what a reasoning item shows: its summary, or the thoughts themselves."""
    parts = [*parts_of(item, "summary")] or [*parts_of(item, "content")]
    texts = (part.get("text") for part in parts)
    return "\n\n".join(text for text in texts if isinstance(text, str) and text)


def logprobs_of(listed: object) -> dict[str, Any] | None:
    """Write the probabilities of a text's tokens; None if there are none."""
    if not isinstance(listed, list) or not listed:
        return None
    return {"content": listed, "refusal": None}


def call_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """Write a call as a chat has it."""
    call_id, name = str(item.get("call_id") or ""), str(item.get("name") or "")
    if item.get("type") == "custom_tool_call":
        custom = {"name": name, "input": str(item.get("input") or "")}
        return {"id": call_id, "type": "custom", "custom": custom}
    function = {"name": name, "arguments": str(item.get("arguments") or "")}
    return {"id": call_id, "type": "function", "function": function}


class _Message:
    """A whole answer's message, put together item by item."""

    def __init__(self, context: AnswerContext) -> None:
        self.calls: list[dict[str, Any]] = []
        self.logprobs: list[Any] = []
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._thoughts: list[str] = []
        self._citations: list[dict[str, Any]] = []
        self._kept: list[dict[str, Any]] = []
        self._keeper = Keeper(issuer_of(context.deployment))

    def add(self, item: dict[str, Any]) -> None:
        kind = item.get("type")
        if kind == "message":
            for part in parts_of(item, "content"):
                self._add_part(part)
        elif kind in CALLS:
            self.calls.append(call_of(item))
        elif kind == "reasoning" and (thoughts := thoughts_of(item)):
            self._thoughts.append(thoughts)
        self._kept += self._keeper.pass_by(item)

    def _add_part(self, part: dict[str, Any]) -> None:
        if part.get("type") == "refusal":
            self._refusals.append(str(part.get("refusal") or ""))
        before = sum(map(len, self._texts))
        for annotation in parts_of(part, "annotations"):
            if cited := citation(annotation, before):
                self._citations.append(cited)
        self._texts.append(text_of(part))
        self.logprobs += part.get("logprobs") or ()

    def written(self) -> dict[str, Any]:
        text = "".join(self._texts)
        # A place in the list is for who puts a stream together.
        kept = [{k: v for k, v in one.items() if k != "index"} for one in self._kept]
        extras = {
            "reasoning_content": "\n\n".join(self._thoughts),
            "annotations": self._citations,
            "tool_calls": self.calls,
        }
        return {
            "role": "assistant",
            "content": text if text or not self.calls else None,
            "refusal": "".join(self._refusals) or None,
            **{name: value for name, value in extras.items() if value},
            **placed(kept),
        }


def _choice(
    response: dict[str, Any], finish: str, context: AnswerContext
) -> dict[str, Any]:
    message = _Message(context)
    for item in parts_of(response, "output"):
        message.add(item)
    return {
        "index": 0,
        "message": message.written(),
        "logprobs": logprobs_of(message.logprobs),
        "finish_reason": "tool_calls" if finish == "stop" and message.calls else finish,
    }


def _has_acted(message: Mapping[str, Any]) -> bool:
    """Whether the provider's own tools did something, with or without a word on it."""
    kept = message.get("extra_content") or {"openai": {"items": ()}}
    return any(
        item["type"] not in ("reasoning", "message") for item in kept["openai"]["items"]
    )
