"""A whole answer of an OpenAI-compatible provider, as OpenAI's SDK accepts it.

One that fits is passed on in its own bytes but for the model's name and the
cost; only one that does not is parsed to the end and mended.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from holdfast.model import Outcome, Usage
from holdfast.pricing import cost_usd_nanos
from holdfast_executor import answer
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import Decoded, ProviderError, openai_mending
from holdfast_executor.dialects.openai_shapes import Completion
from holdfast_executor.dialects.openai_usage import read_usage, written_usage
from holdfast_executor.failures import classify_in_band

_decode_completion = msgspec.json.Decoder(Completion).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_SUCCESS = 200

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape of JSON: a surrogate pair, one of them alone, or any other."""

_REPLACEMENT = b"\\ufffd"


def decode_answer(body: bytes, context: AnswerContext) -> Decoded | ProviderError:
    """Read a whole answer that came with a status of success."""
    body = valid_unicode(body)
    try:
        completion = _decode_completion(body)
    except msgspec.ValidationError:
        return _mended(body, context)
    except (msgspec.DecodeError, RecursionError):
        return unreadable(body)
    if not (completion.choices and completion.id and completion.error is msgspec.UNSET):
        return _mended(body, context)
    members = _decode_object(body)
    usage = None if completion.usage is msgspec.UNSET else _decode(completion.usage)
    # Whatever else a message bears, it is not empty if this much is there.
    if any(choice.message.content for choice in completion.choices) and not any(
        choice.finish_reason == "content_filter" for choice in completion.choices
    ):
        return _written(dict(members), usage, context)
    return _written(dict(members), usage, context, _decode(members["choices"]))


def valid_unicode(body: bytes) -> bytes:
    """Replace what is no Unicode: bytes that are passed on unread must be some.

    Half of a surrogate pair is what is left of a character that was cut in two, as
    by a limit of tokens.
    """
    if b"\\ud" in body or b"\\uD" in body:
        body = _ESCAPE.sub(_whole, body)
    if body.isascii():
        return body
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace").encode()
    return body


def _whole(escape: re.Match[bytes]) -> bytes:
    return _REPLACEMENT if escape[1] else escape[0]


def unreadable(body: bytes) -> ProviderError:
    """Say that an answer of success is no JSON, in its own words if it has some."""
    if body.lstrip()[:1] == b"<":
        return classify_in_band(body)
    return _failed("The provider's answer is not JSON.")


def _mended(body: bytes, context: AnswerContext) -> Decoded | ProviderError:
    try:
        whole = _decode(body)
    except (msgspec.DecodeError, RecursionError):
        return unreadable(body)
    if not isinstance(whole, dict):
        return classify_in_band(body)
    if whole.get("error"):
        return classify_in_band(body)
    choices = whole.get("choices")
    choices = choices if isinstance(choices, list) else []
    if failure := _broken_off(choices):
        return failure
    if not any(isinstance(_of(choice, "message"), dict) for choice in choices):
        return _empty(body, whole, choices)
    mended = openai_mending.completion(whole, context)
    return _written(mended, whole.get("usage"), context, mended["choices"])


def _of(choice: object, name: str) -> Any:
    return choice.get(name) if isinstance(choice, dict) else None


def _broken_off(choices: list[Any]) -> ProviderError | None:
    for choice in choices:
        if isinstance(choice, dict) and openai_mending.is_broken_off(choice):
            return broken_off(choice)
    return None


def broken_off(choice: dict[str, Any]) -> ProviderError:
    """Say why a choice is not whole, in the provider's words if it has some."""
    if error := choice.get("error"):
        return classify_in_band(error if isinstance(error, dict) else str(error))
    return _failed("The provider broke off its answer.")


def _empty(
    body: bytes, whole: dict[str, Any], choices: list[Any]
) -> Decoded | ProviderError:
    if any(_of(choice, "finish_reason") == "content_filter" for choice in choices):
        return ProviderError(
            Outcome.FILTERED,
            "The provider's content filter withheld the answer.",
            http_status=_SUCCESS,
            code="content_filter",
        )
    if "message" in whole or "detail" in whole:
        return classify_in_band(body)
    return _failed("The provider's answer holds no message.")


def _written(
    members: dict[str, Any],
    reported: object,
    context: AnswerContext,
    choices: Sequence[dict[str, Any]] = (),
) -> Decoded:
    """Write an answer.

    Args:
        members: Of the answer.
        reported: Its usage.
        context: What its frame says.
        choices: To be looked at for a refusal, and for whether they say anything.
    """
    usage = read_usage(reported)
    cost = _cost(usage, context)
    members["model"] = context.model
    if usage is not None and isinstance(reported, dict):
        total = None if cost is None else cost + context.earlier_cost_usd_nanos
        members["usage"] = written_usage(reported, usage, total)
    else:
        members.pop("usage", None)
    return Decoded(
        _encode(members),
        usage,
        cost,
        is_refusal=bool(choices) and all(map(_refuses, choices)),
        says_nothing=bool(choices) and all(map(answer.says_nothing, choices)),
    )


def _refuses(choice: dict[str, Any]) -> bool:
    message = choice["message"]
    if choice["finish_reason"] == "content_filter":
        return True
    return bool(message.get("refusal")) and not message.get("content")


def _cost(usage: Usage | None, context: AnswerContext) -> int | None:
    if usage is None or context.pricing is None:
        return None
    return cost_usd_nanos(usage, context.pricing)


def _failed(message: str) -> ProviderError:
    return ProviderError(Outcome.SERVER_ERROR, message, http_status=_SUCCESS)
