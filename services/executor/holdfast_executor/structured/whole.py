"""An attempt whose answer comes in one piece and is to have a form."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from holdfast_executor.attempts import Record
from holdfast_executor.calling import Caller, translated
from holdfast_executor.dialects import ProviderError
from holdfast_executor.structured.form import Form, Reply
from holdfast_executor.unary import Answer, ask

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


async def ask_formed(
    caller: Caller, form: Form, record: Record, trace_id: str
) -> Answer | ProviderError:
    """Ask one deployment, and return its answer if it fits."""
    deployment = record.step.deployment
    chat = translated(partial(form.chat_for, deployment))
    if isinstance(chat, ProviderError):
        return chat
    answer = await ask(caller, chat, record, trace_id)
    if isinstance(answer, ProviderError):
        return form.refused(answer, deployment)
    members = _decode_members(answer.decoded.body)
    choices: list[dict[str, Any]] = _decode(members["choices"])
    judged = await form.judged(deployment, [_reply(choice) for choice in choices])
    if isinstance(judged, ProviderError):
        record.usage = answer.decoded.usage
        return judged
    changed = [
        _become(choice, text)
        for choice, text in zip(choices, judged, strict=True)
        if text is not None
    ]
    if not any(changed):
        return answer
    members["choices"] = msgspec.Raw(_encode(choices))
    decoded = dataclasses.replace(answer.decoded, body=_encode(members))
    return dataclasses.replace(answer, decoded=decoded)


def _reply(choice: Mapping[str, Any]) -> Reply:
    message = choice["message"]
    content = message.get("content")
    calls = [
        (call.get("function") or {}).get("arguments") or ""
        for call in message.get("tool_calls") or ()
    ]
    if (called := message.get("function_call")) is not None:
        calls.append(called.get("arguments") or "")
    finish_reason = choice.get("finish_reason") or ""
    return Reply(
        content if isinstance(content, str) else "",
        finish_reason,
        calls,
        refuses=not content
        and (bool(message.get("refusal")) or finish_reason == "content_filter"),
    )


def _become(choice: dict[str, Any], text: str) -> bool:
    """Let a choice say a text, and tell whether it did not yet."""
    message = choice["message"]
    calls = message.pop("tool_calls", None) or message.pop("function_call", None)
    if message.get("content") == text and not calls:
        return False
    message["content"] = text
    if choice.get("logprobs"):
        choice["logprobs"] = None
    if calls:
        choice["finish_reason"] = "stop"
    return True
