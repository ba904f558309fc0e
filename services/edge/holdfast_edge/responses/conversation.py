"""From the items of a conversation to the messages of a chat.

An assistant's items make one message. Those that a chat has no word for, of tools that
are the provider's own, stand in it as they are, in `extra_content.openai.items`, with
pointers to what the chat does have where the order of both matters. A provider that
speaks Responses gets them back; others never see them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from holdfast_edge.carried import joined, opened
from holdfast_edge.decoding import malformed
from holdfast_edge.responses.parts import content_of, required
from holdfast_edge.responses.stored import refuse_stored
from holdfast_edge.responses.summaries import COMPACTION, as_message, summary_of

REFERENCE = "item_reference"
"""The type of an item that stands for one that was given before."""

EXTRA = "extra_content"
OWNER = "openai"

_ROLES = frozenset({"user", "assistant", "system", "developer"})

_SAID = ("thinking_blocks", "reasoning_content", EXTRA)
"""What a reasoning item bears of the message that it belongs to."""

_NATIVE_CALLS = (
    "apply_patch_call",
    "code_interpreter_call",
    "computer_call",
    "file_search_call",
    "image_generation_call",
    "local_shell_call",
    "mcp_approval_request",
    "mcp_call",
    "mcp_list_tools",
    "program",
    "program_output",
    "shell_call",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
)
"""Items of an assistant's turn that providers' own tools lead to."""

NATIVE_RESULTS = frozenset(
    {
        "apply_patch_call_output",
        "computer_call_output",
        "local_shell_call_output",
        "mcp_approval_response",
        "shell_call_output",
    }
)
"""Items with which a caller answers them. Who did not make the call cannot read one."""


def messages_of(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write the messages that items come to.

    Raises:
        RequestMalformedError: An item is none that can be understood.
    """
    conversation = _Conversation()
    for place, item in enumerate(items):
        take = TAKERS[item["type"]]
        take(conversation, item, f"input[{place}]")
    return conversation.messages()


@dataclass(slots=True)
class _Turn:
    """An assistant's message being put together.

    Attributes:
        carried: What was carried for providers, by the call it is of.
        kept: The items in it that a chat has no word for, and pointers.
        passed: Pointers to what has come since the last of those.
    """

    message: dict[str, Any] = field(
        default_factory=lambda: {"role": "assistant", "content": None}
    )
    carried: dict[str, Any] = field(default_factory=dict)
    kept: list[dict[str, Any]] = field(default_factory=list)
    passed: list[dict[str, Any]] = field(default_factory=list)

    @property
    def has_spoken(self) -> bool:
        """Whether it says or calls anything that a chat has a word for."""
        return self.message["content"] is not None or "tool_calls" in self.message

    def say(self, content: Any, phase: object) -> None:
        """Add to what is said."""
        known = self.message["content"]
        if known is None:
            self.message["content"] = content
        else:
            self.message["content"] = [*_parts(known), *_parts(content)]
        characters = sum(len(part.get("text", "")) for part in _parts(content))
        self.passed.append({"type": "message", "characters": characters})
        if phase:
            self.passed[-1]["phase"] = phase
            self._point()

    def call(self, kind: str, call: dict[str, Any]) -> None:
        """Add a call."""
        if call["id"] in self.carried:
            call[EXTRA] = self.carried[call["id"]]
        self.message.setdefault("tool_calls", []).append(call)
        self.passed.append({"type": kind, "call_id": call["id"]})

    def keep(self, item: dict[str, Any]) -> None:
        """Add an item as it is."""
        self._point()
        self.kept.append(item)

    def _point(self) -> None:
        self.kept += self.passed
        self.passed.clear()

    def finished(self) -> dict[str, Any] | None:
        """Return the message; None if it comes to nothing."""
        acts = any(item.get("type") in _NATIVE_CALLS for item in self.kept)
        if not self.has_spoken and not acts:
            return None
        message = self.message
        if self.kept:
            extra = {**message.get(EXTRA, {}), OWNER: {"items": self.kept}}
            message = {**message, EXTRA: extra}
        return message if self.has_spoken else {**message, "content": ""}


@dataclass(slots=True)
class _Conversation:
    """A chat's messages being put together."""

    written: list[dict[str, Any] | _Turn] = field(default_factory=list)
    turn: _Turn | None = None

    def assistant(self) -> _Turn:
        """Return the assistant's message that is being written, or begin one."""
        if self.turn is None:
            self.turn = _Turn()
            self.written.append(self.turn)
        return self.turn

    def hears(self, message: dict[str, Any]) -> None:
        self.turn = None
        self.written.append(message)

    def says(self, item: dict[str, Any], at: str) -> None:
        role = item.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            raise malformed(f"{at}.role", f"must be one of {', '.join(sorted(_ROLES))}")
        content = content_of(item.get("content"), f"{at}.content")
        if role != "assistant":
            self.hears({"role": role, "content": content})
            return
        if self.turn is not None and self.turn.has_spoken and not self.turn.kept:
            self.turn = None
        self.assistant().say(content, item.get("phase"))

    def calls(self, item: dict[str, Any], at: str) -> None:
        function = {
            "name": required(item, "name", at),
            "arguments": item.get("arguments") or "{}",
        }
        self._calls(item, at, {"type": "function", "function": function})

    def calls_custom(self, item: dict[str, Any], at: str) -> None:
        custom = {
            "name": required(item, "name", at),
            "input": required(item, "input", at, may_be_empty=True),
        }
        self._calls(item, at, {"type": "custom", "custom": custom})

    def _calls(self, item: dict[str, Any], at: str, call: dict[str, Any]) -> None:
        call_id = required(item, "call_id", at)
        self.assistant().call(item["type"], {"id": call_id, **call})

    def results(self, item: dict[str, Any], at: str) -> None:
        result = {
            "role": "tool",
            "tool_call_id": required(item, "call_id", at),
            "content": content_of(item.get("output"), f"{at}.output"),
        }
        self.hears(result)

    def thinks(self, item: dict[str, Any], _at: str) -> None:
        carried = opened(item.get("encrypted_content"))
        if carried is None:
            return
        said = {name: carried[name] for name in _SAID if name in carried}
        native = _native(said)
        if said and self.turn is not None and "tool_calls" in self.turn.message:
            self.turn = None
        turn = self.assistant()
        turn.message = joined(turn.message, said)
        turn.carried |= carried.get("calls") or {}
        for each in native:
            turn.keep(each)

    def acts(self, item: dict[str, Any], at: str) -> None:
        refuse_stored(item, at)
        self.assistant().keep(item)

    def answers(self, item: dict[str, Any], at: str) -> None:
        refuse_stored(item, at)
        extra = {OWNER: {"items": [item]}}
        self.hears({"role": "user", "content": "", EXTRA: extra})

    def summarizes(self, item: dict[str, Any], at: str) -> None:
        summary = summary_of(item)
        if summary is None:
            raise malformed(
                f"{at}.encrypted_content",
                "is no summary of this gateway's `/v1/responses/compact`: what another "
                "service has compacted, only that one can read",
            )
        self.hears(as_message(summary))

    def refers(self, _item: dict[str, Any], at: str) -> None:
        raise malformed(
            f"{at}.id",
            "names an item that is not kept: items are kept where the project's "
            "`retention.content_days` is more than 0 and the request that led to them "
            "did not say `store: false`. Say `store: false`, and send the items "
            "themselves",
        )

    def messages(self) -> list[dict[str, Any]]:
        finished = (
            each.finished() if isinstance(each, _Turn) else each
            for each in self.written
        )
        return [message for message in finished if message is not None]


def _native(said: dict[str, Any]) -> list[dict[str, Any]]:
    """Take the items of Responses out of what a reasoning item bears."""
    extra = said.get(EXTRA)
    if not isinstance(extra, dict) or not isinstance(extra.get(OWNER), dict):
        return []
    rest = {name: value for name, value in extra.items() if name != OWNER}
    if rest:
        said[EXTRA] = rest
    else:
        del said[EXTRA]
    items = extra[OWNER].get("items")
    return [
        each
        for each in (items if isinstance(items, list) else ())
        if isinstance(each, dict)
    ]


def _parts(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


TAKERS: Mapping[str, Callable[[_Conversation, dict[str, Any], str], None]] = {
    "message": _Conversation.says,
    "function_call": _Conversation.calls,
    "function_call_output": _Conversation.results,
    "custom_tool_call": _Conversation.calls_custom,
    "custom_tool_call_output": _Conversation.results,
    "reasoning": _Conversation.thinks,
    COMPACTION: _Conversation.summarizes,
    REFERENCE: _Conversation.refers,
    **dict.fromkeys(_NATIVE_CALLS, _Conversation.acts),
    **dict.fromkeys(sorted(NATIVE_RESULTS), _Conversation.answers),
}
"""What an item does, by its type."""
