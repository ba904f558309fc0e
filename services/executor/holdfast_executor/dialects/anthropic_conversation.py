"""A caller's `messages` as Anthropic's `system` and its turns by two speakers.

What Anthropic demands and OpenAI does not: system text stands apart, whatever
its place; two speakers take turns, so neighbours of one role are one turn; the
results of tools come first in the turn that follows the calls; no turn is
empty; an answer begun by the caller ends without white space.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.anthropic_parts import (
    ANTHROPIC,
    Takes,
    blocks_of,
    text_of,
)

_EMPTY_TURN = "."
"""What stands for a turn of the user's that says nothing. Leaving the turn out
would have Claude continue its own words instead of answering them."""

_TOOL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""Anthropic's characters, and the length that Bedrock's service model allows."""

_THINKING_KEYS = {
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
}
"""What Anthropic takes of each type of thinking block."""


@dataclass(slots=True)
class Conversation:
    """What was said, in Anthropic's form.

    Attributes:
        system: Text blocks.
        turns: Messages of `user` and `assistant`, whose content is blocks.
        called: The names of the tools that were called, in order.
    """

    system: list[dict[str, Any]] = field(default_factory=list)
    turns: list[dict[str, Any]] = field(default_factory=list)
    called: list[str] = field(default_factory=list)

    @property
    def prefixed(self) -> bool:
        """Whether the caller begins the answer: the last words are the assistant's."""
        return bool(self.turns) and _ends_with_words(self.turns[-1])

    @property
    def resumes_unthought_calls(self) -> bool:
        """Whether it goes on after tool calls that bear no thinking.

        A budget of thinking is refused then: the calls would have to begin
        with the thinking that led to them.
        """
        calls = [turn for turn in self.turns if _has(turn, "tool_use")]
        return bool(
            calls
            and _has(self.turns[-1], "tool_result")
            and calls[-1]["content"][0]["type"] not in _THINKING_KEYS
        )


def _has(turn: dict[str, Any], kind: str) -> bool:
    return any(block["type"] == kind for block in turn["content"])


def _ends_with_words(turn: dict[str, Any]) -> bool:
    return turn["role"] == "assistant" and not _has(turn, "tool_use")


def conversation_of(
    messages: object, issuer: str, takes: Takes = ANTHROPIC
) -> Conversation:
    """Write a caller's messages.

    Args:
        messages: The field of that name.
        issuer: Who can verify signatures on thinking; other thinking is
            left out.
        takes: What content the wire format takes.

    Raises:
        RequestMalformedError: A message is none that can be understood.
        CapabilityMissingError: One holds what is not taken.
    """
    listed = read.items(messages, "messages")
    if not listed:
        raise read.malformed("messages", "an array of at least one message")
    writer = _Writer(issuer, takes)
    for place, message in enumerate(listed):
        writer.add(read.mapping(message, f"messages[{place}]"), f"messages[{place}]")
    return writer.finished()


class _Writer:
    """Puts one conversation together, message by message."""

    def __init__(self, issuer: str, takes: Takes) -> None:
        self._issuer = issuer
        self._takes = takes
        self._conversation = Conversation()
        self._function_calls = 0
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
        add(message, at)

    def finished(self) -> Conversation:
        conversation = self._conversation
        if not conversation.turns:
            # A request of system text alone asks for an answer to that text.
            conversation.turns = [{"role": "user", "content": conversation.system}]
            conversation.system = []
        for turn in conversation.turns:
            turn["content"].sort(key=_is_no_tool_result)
            if not turn["content"]:
                turn["content"].append({"type": "text", "text": _EMPTY_TURN})
        if conversation.prefixed:
            last = conversation.turns[-1]["content"][-1]
            if last["type"] == "text":
                last["text"] = last["text"].rstrip()
        return conversation

    def _say(self, role: str, blocks: list[dict[str, Any]]) -> None:
        turns = self._conversation.turns
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})

    def _add_system(self, message: dict[str, Any], at: str) -> None:
        blocks = self._blocks(message, at)
        if any(block["type"] != "text" for block in blocks):
            raise CapabilityMissingError(
                "The model takes text alone as system message.", f"{at}.content"
            )
        self._conversation.system += _cached(blocks, message)

    def _add_user(self, message: dict[str, Any], at: str) -> None:
        self._say("user", _cached(self._blocks(message, at), message))

    def _add_assistant(self, message: dict[str, Any], at: str) -> None:
        if message.get("audio") is not None:
            raise CapabilityMissingError("The model takes no audio.", f"{at}.audio")
        blocks = self._thinking(message)
        blocks += self._blocks(message, at)
        blocks += blocks_of(
            text_of(message.get("refusal"), f"{at}.refusal"), f"{at}.refusal"
        )
        blocks += self._calls(message, at)
        if blocks:
            self._say("assistant", _cached(blocks, message))

    def _thinking(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        """Keep the thinking that Anthropic can verify, as it was signed."""
        written = []
        listed = message.get("thinking_blocks")
        for block in listed if isinstance(listed, list) else []:
            keys = isinstance(block, dict) and _THINKING_KEYS.get(
                str(block.get("type"))
            )
            if (
                keys
                and block.get("issuer", "anthropic") == self._issuer
                and all(isinstance(block.get(key), str) for key in keys)
                and block[keys[-1]]
            ):
                written.append({key: block[key] for key in ("type", *keys)})
        return written

    def _calls(self, message: dict[str, Any], at: str) -> list[dict[str, Any]]:
        written = []
        calls = message.get("tool_calls")
        at_calls = f"{at}.tool_calls"
        listed = [] if calls is None else read.items(calls, at_calls)
        for place, call in enumerate(listed):
            at_call = f"{at_calls}[{place}]"
            call = read.mapping(call, at_call)  # noqa: PLW2901 - its type made sure of
            if call.get("type", "function") != "function":
                raise CapabilityMissingError(
                    "The model has no tools of this kind.", f"{at_call}.type"
                )
            tool_id = _tool_id(call.get("id"), f"{at_call}.id")
            written.append(
                self._call(tool_id, call.get("function"), f"{at_call}.function")
            )
        if message.get("function_call") is not None:
            self._function_calls += 1
            tool_id = f"function_{self._function_calls}"
            written.append(
                self._call(tool_id, message["function_call"], f"{at}.function_call")
            )
        return written

    def _call(self, tool_id: str, function: object, at: str) -> dict[str, Any]:
        function = read.mapping(function, at)
        name = read.name(function.get("name"), f"{at}.name")
        self._conversation.called.append(name)
        return {
            "type": "tool_use",
            "id": tool_id,
            "name": name,
            "input": read.arguments(function.get("arguments"), f"{at}.arguments"),
        }

    def _add_tool_result(self, message: dict[str, Any], at: str) -> None:
        tool_id = _tool_id(message.get("tool_call_id"), f"{at}.tool_call_id")
        self._say("user", [self._result(tool_id, message, at)])

    def _add_function_result(self, message: dict[str, Any], at: str) -> None:
        tool_id = f"function_{self._function_calls}"
        self._say("user", [self._result(tool_id, message, at)])

    def _result(self, tool_id: str, message: dict[str, Any], at: str) -> dict[str, Any]:
        result: dict[str, Any] = {"type": "tool_result", "tool_use_id": tool_id}
        if blocks := self._blocks(message, at):
            result["content"] = blocks
        if message.get("is_error") is True:
            result["is_error"] = True
        return _cached([result], message)[0]

    def _blocks(self, message: dict[str, Any], at: str) -> list[dict[str, Any]]:
        return blocks_of(message.get("content"), f"{at}.content", self._takes)


def _is_no_tool_result(block: dict[str, Any]) -> bool:
    return bool(block["type"] != "tool_result")


def _cached(
    blocks: list[dict[str, Any]], message: dict[str, Any]
) -> list[dict[str, Any]]:
    """Put a message's own `cache_control` on its last block."""
    mark = message.get("cache_control")
    if isinstance(mark, dict) and blocks and blocks[-1]["type"] not in _THINKING_KEYS:
        blocks[-1].setdefault("cache_control", mark)
    return blocks


def _tool_id(value: object, at: str) -> str:
    """Write an id in the characters that are taken, the same one each time.

    A digest stands for an id with others, such as another provider may mint:
    two ids that differ stay different.
    """
    tool_id = read.text(value, at)
    if _TOOL_ID.fullmatch(tool_id):
        return tool_id
    return f"call_{hashlib.sha256(tool_id.encode()).hexdigest()[:24]}"
