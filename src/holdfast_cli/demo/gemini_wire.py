"""Google's `generateContent`, and Claude's own format under Google's addresses."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast_cli.demo.anthropic_wire import AnthropicWire
from holdfast_cli.demo.faults import Fault
from holdfast_cli.demo.prompt import Answer, Prompt, PromptError, piece, text_of
from holdfast_cli.demo.signatures import check, signature
from holdfast_cli.demo.wires import EVENT_STREAM, Events, event

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
}
"""By HTTP status; any other failure is `UNAVAILABLE`."""

_UNCHECKED = "skip_thought_signature_validator"
_WANTS_SIGNATURES = re.compile(r"gemini-[3-9]")


class GeminiWire:
    """Requests and answers of `:generateContent` and `:streamGenerateContent`."""

    stream_type = EVENT_STREAM

    def read(self, body: Any, headers: Mapping[str, str]) -> Prompt:
        """Read a request, as strict as Google is about calls and their results."""
        check_shown(headers)
        model, contents = str(body["model"]), body.get("contents")
        if not isinstance(contents, list) or not contents:
            raise PromptError("contents is not specified")
        _check_contents(contents, model)
        declared = [
            each
            for tool in body.get("tools") or []
            for each in tool.get("functionDeclarations", ())
        ]
        config = body.get("generationConfig") or {}
        is_json = config.get("responseMimeType") == "application/json"
        return Prompt(
            model=model,
            pieces=[
                piece([declared, body.get("systemInstruction")]),
                *(piece(each) for each in contents),
            ],
            last_words=text_of(contents[-1]["parts"]),
            tools={each["name"]: _parameters(each) for each in declared},
            forced_tool=_forced_tool(body.get("toolConfig") or {}),
            schema=config.get("responseJsonSchema", {"type": "object"})
            if is_json
            else None,
            stream=bool(body["stream"]),
            copies=int(config.get("candidateCount") or 1),
            max_tokens=config.get("maxOutputTokens"),
            thinks=bool((config.get("thinkingConfig") or {}).get("includeThoughts")),
        )

    def whole(self, prompt: Prompt, answer: Answer) -> dict[str, Any]:
        """Write a `GenerateContentResponse`."""
        parts = [*_thoughts(answer), *_said(answer, [answer.text])]
        return _response(answer, prompt.copies, parts, usage=True)

    def events(self, prompt: Prompt, answer: Answer) -> Events:
        """Write `GenerateContentResponse`s, of which the last says why it ended."""
        parts = [*_thoughts(answer), *_said(answer, answer.words)]
        return Events(
            opening=[],
            content=[event(_response(answer, prompt.copies, [each])) for each in parts],
            ending=[event(_response(answer, prompt.copies, [], usage=True))],
            closing=[],
        )

    def error(self, fault: Fault, param: str | None = None) -> dict[str, Any]:
        """Write an error object."""
        code = fault.status if fault.status != 200 else 503
        status = _STATUSES.get(code, "UNAVAILABLE")
        return {"error": {"code": code, "message": fault.message, "status": status}}

    def error_headers(self, fault: Fault) -> Mapping[str, str]:
        """Say nothing in headers."""
        return {}

    def error_event(self, fault: Fault) -> bytes:
        """Write an error within a stream."""
        return event(self.error(fault))

    def hollow(self, answer: Answer) -> dict[str, Any]:
        """Write a response without candidates."""
        return _response(answer, 0, [], usage=True)

    def hollow_events(self, prompt: Prompt, answer: Answer) -> Sequence[bytes]:
        """Write a stream without candidates."""
        return [event(self.hollow(answer))]

    def filtered(
        self, prompt: Prompt, answer: Answer
    ) -> tuple[dict[str, Any], Sequence[bytes]]:
        """Refuse within a response, as Google does."""
        refused = {**self.hollow(answer), "promptFeedback": {"blockReason": "SAFETY"}}
        return refused, [event(refused)]

    def models(self, ids: Sequence[str]) -> dict[str, Any]:
        """Write Google's list."""
        return {"models": [{"name": f"models/{each}"} for each in ids]}


class VertexClaudeWire(AnthropicWire):
    """Requests and answers of `:rawPredict` and `:streamRawPredict`."""

    def read(self, body: Any, headers: Mapping[str, str]) -> Prompt:
        """Read a request, whose version is in the body."""
        check_shown(headers)
        version = str(body.get("anthropic_version"))
        if version != "vertex-2023-10-16":
            raise PromptError("anthropic_version: must be vertex-2023-10-16")
        return super().read(body, {**headers, "anthropic-version": version})


def check_shown(headers: Mapping[str, str]) -> None:
    """Refuse who shows nothing. Whose key or token it is does not matter.

    Raises:
        PromptError: There is neither.
    """
    bears = headers.get("authorization", "").startswith("Bearer ")
    if not bears and "x-goog-api-key" not in headers:
        raise PromptError("Method doesn't allow unregistered callers.")


def _check_contents(contents: list[Any], model: str) -> None:
    called: list[str] = []
    for position, content in enumerate(contents):
        parts = content.get("parts")
        if content.get("role") not in {"user", "model"} or not parts:
            raise PromptError(f"contents[{position}]: no role or no parts")
        results = [p["functionResponse"] for p in parts if "functionResponse" in p]
        if [each["name"] for each in results] != called:
            raise PromptError(
                "the number of function response parts must be equal to the number "
                "of function call parts of the function call turn"
            )
        calls = [part for part in parts if "functionCall" in part]
        called = [part["functionCall"]["name"] for part in calls]
        if calls and _WANTS_SIGNATURES.search(model):
            _check_signature(calls[0].get("thoughtSignature"), model)
        for part in calls[1:]:
            if "thoughtSignature" in part:
                _check_signature(part["thoughtSignature"], model)


def _check_signature(shown: Any, model: str) -> None:
    if shown != _UNCHECKED:
        check(shown, model)


def _parameters(declared: Mapping[str, Any]) -> Any:
    return declared.get("parametersJsonSchema") or declared.get("parameters") or {}


def _forced_tool(config: Mapping[str, Any]) -> str | None:
    calling = config.get("functionCallingConfig") or {}
    if calling.get("mode") != "ANY":
        return None
    return str(next(iter(calling.get("allowedFunctionNames") or [""])))


def _thoughts(answer: Answer) -> list[dict[str, Any]]:
    return [{"text": answer.thought, "thought": True}] if answer.thought else []


def _said(answer: Answer, words: Sequence[str]) -> list[dict[str, Any]]:
    if (call := answer.tool_call) is None:
        return [{"text": word} for word in words if word]
    made = {"name": call.name, "args": json.loads(call.arguments)}
    return [{"functionCall": made, "thoughtSignature": signature(answer.model)}]


def _response(
    answer: Answer, copies: int, parts: list[dict[str, Any]], *, usage: bool = False
) -> dict[str, Any]:
    """Write a response; the one with the usage is the last."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}}
    if usage:
        candidate["finishReason"] = "MAX_TOKENS" if answer.cut_short else "STOP"
    written: dict[str, Any] = {
        "candidates": [{"index": index, **candidate} for index in range(copies)],
        "modelVersion": answer.model,
        "responseId": f"sim-{answer.number}",
    }
    if usage:
        written["usageMetadata"] = {
            "promptTokenCount": answer.input_tokens,
            "candidatesTokenCount": answer.output_tokens,
            "totalTokenCount": answer.input_tokens + answer.output_tokens,
            "cachedContentTokenCount": answer.cached_tokens,
        }
    return written
