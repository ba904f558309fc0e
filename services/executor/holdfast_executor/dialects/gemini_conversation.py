"""A caller's `messages` as Gemini's `systemInstruction` and `contents`.

What Gemini demands and OpenAI does not: system text stands apart, whatever its
place; neighbours of one role are one turn; the results of calls made together
are one turn, of their own, in the order of the calls, each with the function's
name; no turn is empty; the third generation wants a call to bear the
signature on the thought that led to it.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.gemini_models import Traits
from holdfast_executor.dialects.gemini_parts import Part, Parts
from holdfast_executor.dialects.gemini_signatures import UNCHECKED, signature_of

_EMPTY_TURN = "."
"""What stands for a turn of the user's that says nothing, and for the one that must
come before a call."""

_CALL = "functionCall"
_RESULT = "functionResponse"
_SIGNATURE = "thoughtSignature"


@dataclass(slots=True)
class Conversation:
    """What was said, in Gemini's form.

    Attributes:
        system: Parts, of text.
        turns: Contents of `user` and `model`.
    """

    system: list[Part] = field(default_factory=list)
    turns: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that has been made. `place` is its number among all of them."""

    name: str
    place: int


def conversation_of(
    messages: object, parts: Parts, traits: Traits, issuer: str
) -> Conversation:
    """Write a caller's messages.

    Args:
        messages: The field of that name.
        parts: Writes content, for the endpoint that is called.
        traits: What the model takes.
        issuer: Who can verify signatures; others are left out.

    Raises:
        RequestMalformedError: A message is none that can be understood.
        CapabilityMissingError: One holds what Gemini does not take.
    """
    listed = read.items(messages, "messages")
    if not listed:
        raise read.malformed("messages", "an array of at least one message")
    writer = _Writer(parts, traits, issuer)
    for place, message in enumerate(listed):
        writer.add(read.mapping(message, f"messages[{place}]"), f"messages[{place}]")
    return writer.finished()


class _Writer:
    """Puts one conversation together, message by message."""

    def __init__(self, parts: Parts, traits: Traits, issuer: str) -> None:
        self._parts = parts
        self._traits = traits
        self._issuer = issuer
        self._conversation = Conversation()
        self._calls: dict[str, _Call] = {}
        self._function_calls = 0
        # Of the calls made last, with their places; and media they cannot hold.
        self._results: list[tuple[int, Part]] = []
        self._beside: list[Part] = []
        self._roles: dict[str, Callable[[dict[str, Any], str], None]] = {
            "system": self._add_system,
            "developer": self._add_system,
            "user": self._add_user,
            "assistant": self._add_assistant,
            "tool": self._add_tool_result,
            "function": self._add_function_result,
        }

    def add(self, message: dict[str, Any], at: str) -> None:
        role = message.get("role")
        add = self._roles.get(role) if isinstance(role, str) else None
        if add is None:
            raise read.malformed(f"{at}.role", f"one of {', '.join(self._roles)}")
        if role in {"user", "assistant"}:
            self._say_results()
        add(message, at)

    def finished(self) -> Conversation:
        self._say_results()
        conversation = self._conversation
        if not conversation.turns:
            # A request of system text alone asks for an answer to that text.
            conversation.turns = [{"role": "user", "parts": conversation.system}]
            conversation.system = []
        for turn in conversation.turns:
            if not turn["parts"]:
                turn["parts"].append({"text": _EMPTY_TURN})
        first = conversation.turns[0]
        if any(_CALL in part for part in first["parts"]):
            # Gemini takes a call after a turn of the user's alone.
            opening = {"role": "user", "parts": [{"text": _EMPTY_TURN}]}
            conversation.turns.insert(0, opening)
        return conversation

    def _say(self, role: str, parts: list[Part]) -> None:
        """Add to the turn of this role, or begin one; results have theirs alone."""
        turns = self._conversation.turns
        if (
            turns
            and turns[-1]["role"] == role
            and (
                role == "model" or _is_results(turns[-1]["parts"]) == _is_results(parts)
            )
        ):
            turns[-1]["parts"] += parts
        else:
            turns.append({"role": role, "parts": parts})

    def _say_results(self) -> None:
        """Say what the calls made last have returned, in the order of the calls."""
        self._results.sort(key=operator.itemgetter(0))
        for parts in ([part for _, part in self._results], self._beside):
            if parts:
                self._say("user", parts)
        self._results, self._beside = [], []

    def _add_system(self, message: dict[str, Any], at: str) -> None:
        parts = self._parts.of(message.get("content"), f"{at}.content")
        if any("text" not in part for part in parts):
            raise CapabilityMissingError(
                "Gemini takes text alone as system message.", f"{at}.content"
            )
        self._conversation.system += parts

    def _add_user(self, message: dict[str, Any], at: str) -> None:
        self._say("user", self._parts.of(message.get("content"), f"{at}.content"))

    def _add_assistant(self, message: dict[str, Any], at: str) -> None:
        if message.get("audio") is not None:
            raise CapabilityMissingError(
                "Audio that another provider stores cannot be read by Gemini.",
                f"{at}.audio",
            )
        parts = self._parts.of(message.get("content"), f"{at}.content")
        if message.get("refusal") is not None:
            refusal = read.text(message["refusal"], f"{at}.refusal")
            parts += self._parts.of(refusal, f"{at}.refusal")
        signature = signature_of(message, self._issuer)
        if signature:
            # As it came: on the last text, or alone where there was none.
            parts = parts or [{"text": ""}]
            parts[-1][_SIGNATURE] = signature
        parts += self._calls_of(message, at)
        if parts:
            self._say("model", parts)

    def _calls_of(self, message: dict[str, Any], at: str) -> list[Part]:
        written: list[Part] = []
        calls = message.get("tool_calls")
        listed = [] if calls is None else read.items(calls, f"{at}.tool_calls")
        for place, one in enumerate(listed):
            at_call = f"{at}.tool_calls[{place}]"
            call = read.mapping(one, at_call)
            if call.get("type", "function") != "function":
                raise CapabilityMissingError(
                    "Gemini has no tools of this kind.", f"{at_call}.type"
                )
            call_id = read.text(call.get("id"), f"{at_call}.id")
            part = self._call(call_id, call.get("function"), f"{at_call}.function")
            if call_id:
                part[_CALL]["id"] = call_id
            if signature := signature_of(call, self._issuer):
                part[_SIGNATURE] = signature
            written.append(part)
        if message.get("function_call") is not None:
            self._function_calls += 1
            call_id = _function_id(self._function_calls)
            function = message["function_call"]
            written.append(self._call(call_id, function, f"{at}.function_call"))
        if (
            written
            and self._traits.wants_signatures
            and not any(_SIGNATURE in part for part in written)
        ):
            # One is wanted on the first of the calls that are made together.
            written[0][_SIGNATURE] = UNCHECKED
        return written

    def _call(self, call_id: str, function: object, at: str) -> Part:
        function = read.mapping(function, at)
        name = read.name(function.get("name"), f"{at}.name")
        self._calls[call_id] = _Call(name, len(self._calls))
        arguments = read.arguments(function.get("arguments"), f"{at}.arguments")
        return {_CALL: {"name": name, "args": arguments}}

    def _add_tool_result(self, message: dict[str, Any], at: str) -> None:
        call_id = read.text(message.get("tool_call_id"), f"{at}.tool_call_id")
        call = self._calls.get(call_id)
        if call is None:
            raise read.malformed(
                f"{at}.tool_call_id", "the id of a call in a message before it"
            )
        self._answer(call_id, call, message, at)

    def _add_function_result(self, message: dict[str, Any], at: str) -> None:
        call_id = _function_id(self._function_calls)
        call = self._calls.get(call_id)
        if call is None:
            raise read.malformed(f"{at}.role", "that of a message after a call")
        self._answer("", call, message, at)

    def _answer(
        self, call_id: str, call: _Call, message: dict[str, Any], at: str
    ) -> None:
        parts = self._parts.of(message.get("content"), f"{at}.content")
        media = [part for part in parts if "text" not in part]
        text = "".join(part.get("text", "") for part in parts)
        result: dict[str, Any] = {"name": call.name, "response": _response(text)}
        if call_id:
            result["id"] = call_id
        if media and self._traits.takes_media_results:
            result["parts"] = media
        else:
            self._beside += media
        self._results.append((call.place, {_RESULT: result}))


def _function_id(number: int) -> str:
    """Name a call of the kind that has no id, which OpenAI had before tools."""
    return f"function_{number}"


def _is_results(parts: list[Part]) -> bool:
    return bool(parts) and _RESULT in parts[0]


def _response(text: str) -> dict[str, Any]:
    """Write what a function returned, which must be an object to Gemini.

    What is none is `output`, the name that Gemini's documentation gives it.
    """
    try:
        response = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        response = text
    return response if isinstance(response, dict) else {"output": text}
