"""A caller's `messages` as the `input` of Responses, item by item.

Calls and their results are items of their own there, and so is what a model has
thought. What the caller hands back of an earlier answer's items stands again where
it stood.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.data_uris import is_bare, is_web
from holdfast_executor.dialects.openai_responses_items import kept_items

Item = dict[str, Any]

_ID_CHARACTERS = 64
"""Of a call's id, the most that OpenAI takes
(platform.openai.com/docs/api-reference/responses/create)."""

_THOUGHTS = "reasoning"


def input_of(messages: object, issuer: str) -> list[Item]:
    """Write a caller's messages.

    Args:
        messages: The field of that name.
        issuer: Whose encrypted items go back; others' are left out.

    Raises:
        RequestMalformedError: A message is none that can be understood.
        CapabilityMissingError: One holds what Responses does not take.
    """
    listed = read.items(messages, "messages")
    if not listed:
        raise read.malformed("messages", "an array of at least one message")
    writer = _Writer(issuer)
    for place, each in enumerate(listed):
        writer.add(read.mapping(each, f"messages[{place}]"), f"messages[{place}]")
    return writer.items


class _Writer:
    """Puts one conversation together, message by message."""

    def __init__(self, issuer: str) -> None:
        self.items: list[Item] = []
        self._issuer = issuer
        self._custom_calls: set[str] = set()
        self._function_calls = 0
        self._roles: Mapping[str, Callable[[dict[str, Any], str], None]] = {
            "system": self._add_said,
            "developer": self._add_said,
            "user": self._add_said,
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

    def _add_said(self, message: dict[str, Any], at: str) -> None:
        kept = [
            item for item, points in kept_items(message, self._issuer) if not points
        ]
        self.items += kept
        content = _content(message.get("content"), f"{at}.content")
        if content or not kept:
            self.items.append({"role": message["role"], "content": content})

    def _add_assistant(self, message: dict[str, Any], at: str) -> None:
        if message.get("audio") is not None:
            raise CapabilityMissingError(
                "Audio that another endpoint stores cannot be read.", f"{at}.audio"
            )
        said = _Said(message, at)
        calls = dict(self._calls(message, at))
        written: list[Item] = []
        for item, is_pointer in kept_items(message, self._issuer):
            if item["type"] == "message":
                written += said.take(item.get("characters"), item.get("phase"))
            elif not is_pointer:
                written.append(item)
            elif (call := calls.pop(str(item.get("call_id")), None)) is not None:
                written.append(call)
        written += said.take(None, None)
        written += calls.values()
        while written and written[-1].get("type") == _THOUGHTS:
            # What it led to is gone, and alone it is refused.
            written.pop()
        self.items += written

    def _calls(self, message: dict[str, Any], at: str) -> Iterator[tuple[str, Item]]:
        """Give calls as items, each with the id that the caller has."""
        calls = message.get("tool_calls")
        at_calls = f"{at}.tool_calls"
        for place, each in enumerate(
            [] if calls is None else read.items(calls, at_calls)
        ):
            at_call = f"{at_calls}[{place}]"
            call = read.mapping(each, at_call)
            call_id = read.text(call.get("id"), f"{at_call}.id")
            match call.get("type", "function"):
                case "function":
                    function = call.get("function")
                    yield call_id, _call(call_id, function, f"{at_call}.function")
                case "custom":
                    self._custom_calls.add(call_id)
                    custom = read.mapping(call.get("custom"), f"{at_call}.custom")
                    yield call_id, _custom_call(call_id, custom, f"{at_call}.custom")
                case _:
                    raise CapabilityMissingError(
                        "The model has no tools of this kind.", f"{at_call}.type"
                    )
        if message.get("function_call") is not None:
            self._function_calls += 1
            call_id = _function_id(self._function_calls)
            function = message["function_call"]
            yield call_id, _call(call_id, function, f"{at}.function_call")

    def _add_tool_result(self, message: dict[str, Any], at: str) -> None:
        call_id = read.text(message.get("tool_call_id"), f"{at}.tool_call_id")
        self._answer(call_id, message, at)

    def _add_function_result(self, message: dict[str, Any], at: str) -> None:
        self._answer(_function_id(self._function_calls), message, at)

    def _answer(self, call_id: str, message: dict[str, Any], at: str) -> None:
        kind = "custom_tool_call" if call_id in self._custom_calls else "function_call"
        self.items.append(
            {
                "type": f"{kind}_output",
                "call_id": _call_id(call_id),
                "output": _content(message.get("content"), f"{at}.content"),
            }
        )


class _Said:
    """What an assistant's message says, given out piece by piece."""

    def __init__(self, message: dict[str, Any], at: str) -> None:
        self._text, self._refusals = _spoken(message.get("content"), f"{at}.content")
        if message.get("refusal") is not None:
            refusal = read.text(message["refusal"], f"{at}.refusal")
            self._refusals += [refusal] if refusal else []

    def take(self, characters: object, phase: object) -> Iterator[Item]:
        """Give the next so many characters as a message; None: all there is.

        Args:
            characters: How many.
            phase: What OpenAI calls the part of the answer. None: nothing.
        """
        end = characters if isinstance(characters, int) else len(self._text)
        text, self._text = self._text[:end], self._text[end:]
        is_last = not self._text
        refusals = self._refusals if is_last else []
        if not text and not refusals:
            return
        item: Item = {"role": "assistant", "content": text}
        if refusals:
            parts: list[Item] = [{"type": "refusal", "refusal": r} for r in refusals]
            if text:
                said = {"type": "output_text", "text": text, "annotations": []}
                parts.insert(0, said)
            item = {"type": "message", "role": "assistant", "content": parts}
            self._refusals = []
        yield {**item, "phase": phase} if isinstance(phase, str) else item


def _spoken(content: object, at: str) -> tuple[str, list[str]]:
    """Read an assistant's content: its text, and what it says in refusal."""
    if content is None or isinstance(content, str):
        return content or "", []
    texts, refusals = [], []
    for place, each in enumerate(read.items(content, at)):
        at_part = f"{at}[{place}]"
        part = {"type": "text", "text": each} if isinstance(each, str) else each
        part = read.mapping(part, at_part)
        if part.get("type") == "refusal":
            refusals.append(read.text(part.get("refusal"), f"{at_part}.refusal"))
        elif part.get("type") in {"text", "output_text"}:
            texts.append(read.text(part.get("text"), f"{at_part}.text"))
        else:
            raise CapabilityMissingError(
                "The model takes no such content of an assistant.", f"{at_part}.type"
            )
    return "".join(texts), refusals


def _call(call_id: str, function: object, at: str) -> Item:
    function = read.mapping(function, at)
    arguments = function.get("arguments")
    return {
        "type": "function_call",
        "call_id": _call_id(call_id),
        "name": read.name(function.get("name"), f"{at}.name"),
        "arguments": "{}"
        if arguments in (None, "")
        else read.text(arguments, f"{at}.arguments"),
    }


def _custom_call(call_id: str, custom: dict[str, Any], at: str) -> Item:
    return {
        "type": "custom_tool_call",
        "call_id": _call_id(call_id),
        "name": read.name(custom.get("name"), f"{at}.name"),
        "input": read.text(custom.get("input"), f"{at}.input"),
    }


def _call_id(given: str) -> str:
    """Write an id that is not too long, the same one each time."""
    if len(given) <= _ID_CHARACTERS:
        return given
    return f"call_{hashlib.sha256(given.encode()).hexdigest()[:24]}"


def _function_id(number: int) -> str:
    """Name a call of the kind that has no id, which OpenAI had before tools."""
    return f"function_{number}"


def _content(content: object, at: str) -> Any:
    """Write content: a text, or its parts."""
    if content is None or isinstance(content, str):
        return content or ""
    return [
        _part(part, f"{at}[{place}]")
        for place, part in enumerate(read.items(content, at))
    ]


def _part(part: object, at: str) -> Item:
    if isinstance(part, str):
        part = {"type": "text", "text": part}
    part = read.mapping(part, at)
    write = _PARTS.get(read.name(part.get("type"), f"{at}.type"))
    if write is None:
        raise CapabilityMissingError(
            "Responses takes no content parts of this type.", f"{at}.type"
        )
    return write(part, at)


def _text(part: dict[str, Any], at: str) -> Item:
    return {"type": "input_text", "text": read.text(part.get("text"), f"{at}.text")}


def _image(part: dict[str, Any], at: str) -> Item:
    image, at = part.get("image_url"), f"{at}.image_url"
    given = image if isinstance(image, dict) else {"url": image}
    return {
        "type": "input_image",
        "image_url": read.name(given.get("url"), f"{at}.url"),
        "detail": given.get("detail") or "auto",
    }


def _file(part: dict[str, Any], at: str) -> Item:
    at = f"{at}.file"
    file = read.mapping(part.get("file"), at)
    if file.get("file_data") is None:
        raise CapabilityMissingError(
            "A file that another provider stores cannot be read.", f"{at}.file_id"
        )
    data = read.name(file["file_data"], f"{at}.file_data")
    if is_web(data):
        return {"type": "input_file", "file_url": data}
    if is_bare(data):
        data = f"data:application/pdf;base64,{data}"
    name = file.get("filename") or "file.pdf"
    return {"type": "input_file", "filename": name, "file_data": data}


_PARTS: Mapping[str, Callable[[dict[str, Any], str], Item]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "image_url": _image,
    "file": _file,
}
"""Each type of part and what writes it. Audio and video are in it nowhere."""
