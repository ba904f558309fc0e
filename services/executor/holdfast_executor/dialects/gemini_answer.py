"""Gemini's answers as OpenAI's chat completions.

What is said here of a finish, of usage and of a refusal holds for streams too.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from holdfast.model import Outcome, Usage
from holdfast.pricing import cost_usd_nanos
from holdfast_executor.answer import says_nothing, usage_object
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects.gemini_models import issuer_of
from holdfast_executor.dialects.gemini_signatures import signed
from holdfast_executor.failures import classify_in_band

_encode = msgspec.json.Encoder().encode

_FILTERS = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MODEL_ARMOR",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
    }
)
_BROKEN = frozenset({"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE"})
"""What the model has written is not what it meant, and cannot be mended."""

_NUMBERED = {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION", 5: "OTHER"}
"""The enumeration, where a proxy has it as numbers. Above these the Gemini API and
Vertex AI count differently."""

_REFUSED = "The model refused to answer."
"""For a refusal that comes without an explanation."""


def completion(body: bytes, context: AnswerContext) -> Decoded | ProviderError:
    """Read a whole answer that came with a status of success."""
    try:
        answer = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return not_an_answer()
    if not isinstance(answer, dict):
        return not_an_answer()
    if answer.get("error"):
        return classify_in_band(answer)
    usage = usage_of(answer.get("usageMetadata"))
    candidates = [one for one in listed(answer, "candidates") if isinstance(one, dict)]
    refusal = refusal_of_prompt(answer) if not candidates else None
    if not candidates and refusal is None:
        return not_an_answer()
    written: dict[str, Any] = {
        "id": answer_id(answer.get("responseId"), context),
        "object": "chat.completion",
        "created": context.created,
        "model": context.model,
        "choices": [] if refusal is None else [_refused_choice(refusal)],
    }
    for place, candidate in enumerate(candidates):
        choice = _choice(candidate, place, written["id"], context)
        if isinstance(choice, ProviderError):
            return choice
        written["choices"].append(choice)
    cost = (
        cost_usd_nanos(usage, context.pricing)
        if usage is not None and context.pricing is not None
        else None
    )
    if usage is not None:
        whole = None if cost is None else cost + context.earlier_cost_usd_nanos
        written["usage"] = usage_object(usage, whole)
    is_refusal = all(choice["message"]["refusal"] for choice in written["choices"])
    is_empty = all(map(says_nothing, written["choices"]))
    return Decoded(_encode(written), usage, cost, is_refusal, is_empty)


def not_an_answer() -> ProviderError:
    """Say that what came under a status of success is no answer."""
    return ProviderError(
        Outcome.SERVER_ERROR,
        "The provider's answer is none in Gemini's format.",
        http_status=200,
    )


def answer_id(provider_id: object, context: AnswerContext) -> str:
    """Write the id of an answer: the provider's own, marked as OpenAI marks it."""
    if isinstance(provider_id, str) and provider_id:
        return f"chatcmpl-{provider_id}"
    return context.answer_id


def call_id(call: Mapping[str, Any], answer: str, index: int, place: int) -> str:
    """Return the id of a call; most have none, and get one that nobody else has.

    Args:
        call: The `functionCall`.
        answer: The id of the answer.
        index: Of the choice.
        place: Of the call among those of the choice.
    """
    own = call.get("id")
    if isinstance(own, str) and own:
        return own
    digest = hashlib.sha256(f"{answer}/{index}/{place}".encode()).hexdigest()
    return f"call_{digest[:24]}"


def usage_of(reported: object) -> Usage | None:
    """Read usage; None if nothing is reported.

    What Gemini thinks is not among its candidates' tokens, and what its own tools
    have read is not in the prompt's; each is part of what OpenAI counts.
    """
    if not isinstance(reported, dict) or not reported.keys() & _COUNTED:
        return None
    thoughts = _count(reported, "thoughtsTokenCount")
    return Usage(
        input_tokens=_count(reported, "promptTokenCount")
        + _count(reported, "toolUsePromptTokenCount"),
        output_tokens=_count(reported, "candidatesTokenCount") + thoughts,
        cache_read_input_tokens=_count(reported, "cachedContentTokenCount"),
        cache_creation_input_tokens=0,
        reasoning_output_tokens=thoughts,
    )


_COUNTED = frozenset({"promptTokenCount", "candidatesTokenCount"})


def _count(reported: Mapping[str, Any], field: str) -> int:
    value = reported.get(field)
    return value if isinstance(value, int) and value > 0 else 0


def reason_of(candidate: Mapping[str, Any]) -> str:
    """Return why a candidate has ended, in Gemini's word. Empty if it has not."""
    reason = candidate.get("finishReason")
    if isinstance(reason, str):
        return reason
    return _NUMBERED.get(reason, "OTHER") if isinstance(reason, int) and reason else ""


def finish_of(
    reason: str, *, calls_tools: bool, has_content: bool
) -> str | ProviderError:
    """Translate why an answer has ended, or say that it is none.

    Args:
        reason: Gemini's word for it.
        calls_tools: Whether the answer calls tools, of which Gemini says nothing
            here.
        has_content: Whether it says anything at all.
    """
    if reason in _FILTERS:
        return "content_filter"
    if reason == "MAX_TOKENS":
        return "length"
    if reason in _BROKEN or not (has_content or reason == "STOP"):
        # Such as a call where there are no tools, or no reason that is given.
        return ProviderError(
            Outcome.PARSE_FAILED,
            f"The model's answer ended with {reason or 'no reason'}.",
            http_status=200,
            code=reason.lower(),
        )
    return "tool_calls" if calls_tools else "stop"


def refusal_of(candidate: Mapping[str, Any]) -> str | None:
    """Return what is said in refusal, None unless a candidate is one."""
    if reason_of(candidate) not in _FILTERS:
        return None
    message = candidate.get("finishMessage")
    return message if isinstance(message, str) and message else _REFUSED


def refusal_of_prompt(answer: Mapping[str, Any]) -> str | None:
    """Return what is said in refusal of a prompt, None unless it was blocked."""
    feedback = answer.get("promptFeedback")
    if not isinstance(feedback, dict) or not feedback.get("blockReason"):
        return None
    message = feedback.get("blockReasonMessage")
    return message if isinstance(message, str) and message else _REFUSED


def parts_of(candidate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a candidate, which may have none, nor any content."""
    content = candidate.get("content")
    found = listed(content, "parts") if isinstance(content, dict) else []
    return [part for part in found if isinstance(part, dict)]


def text_of(part: Mapping[str, Any]) -> str:
    """Return the text of a part, thought or said. Empty if it has none."""
    text = part.get("text")
    return text if isinstance(text, str) else ""


def listed(holder: Mapping[str, Any], field: str) -> list[Any]:
    """Return an array, an empty one in place of anything else."""
    value = holder.get(field)
    return value if isinstance(value, list) else []


def logprobs_of(candidate: Mapping[str, Any]) -> dict[str, Any] | None:
    """Write the probabilities of an answer's tokens as OpenAI does."""
    result = candidate.get("logprobsResult")
    if not isinstance(result, dict):
        return None
    chosen = listed(result, "chosenCandidates")
    others = listed(result, "topCandidates")
    content = []
    for place, token in enumerate(chosen):
        top = others[place] if place < len(others) else {}
        likely = listed(top, "candidates") if isinstance(top, dict) else []
        content.append({**_token(token), "top_logprobs": [*map(_token, likely)]})
    return {"content": content, "refusal": None}


def _token(token: object) -> dict[str, Any]:
    known = token if isinstance(token, dict) else {}
    text = known.get("token")
    text = text if isinstance(text, str) else ""
    probability = known.get("logProbability")
    return {
        "token": text,
        "logprob": probability if isinstance(probability, int | float) else -9999.0,
        "bytes": list(text.encode("utf-8", "replace")),
    }


def _refused_choice(refusal: str) -> dict[str, Any]:
    return {
        "index": 0,
        "message": {"role": "assistant", "content": None, "refusal": refusal},
        "logprobs": None,
        "finish_reason": "content_filter",
    }


def _choice(
    candidate: dict[str, Any], place: int, answer: str, context: AnswerContext
) -> dict[str, Any] | ProviderError:
    parts = parts_of(candidate)
    spoken = [part for part in parts if not part.get("thought")]
    text = "".join(map(text_of, spoken))
    reasoning = "".join(text_of(part) for part in parts if part.get("thought"))
    issuer = issuer_of(context.model)
    calls = _calls(spoken, answer, place, issuer)
    finish = finish_of(
        reason_of(candidate),
        calls_tools=bool(calls),
        has_content=bool(text or calls),
    )
    if isinstance(finish, ProviderError):
        return finish
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text if text or not calls else None,
        "refusal": refusal_of(candidate),
    }
    if reasoning:
        message["reasoning_content"] = reasoning
    if calls:
        message["tool_calls"] = calls
    for part in spoken:
        if "functionCall" not in part:
            message.update(signed(part.get("thoughtSignature"), issuer))
    return {
        "index": place,
        "message": message,
        "logprobs": logprobs_of(candidate),
        "finish_reason": finish,
    }


def _calls(
    parts: Sequence[dict[str, Any]], answer: str, index: int, issuer: str
) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = []
    for part in parts:
        call = part.get("functionCall")
        if isinstance(call, dict):
            written.append(
                {
                    "id": call_id(call, answer, index, len(written)),
                    "type": "function",
                    "function": {
                        "name": str(call.get("name") or ""),
                        "arguments": _encode(call.get("args") or {}).decode(),
                    },
                    **signed(part.get("thoughtSignature"), issuer),
                }
            )
    return written
