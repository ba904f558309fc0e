"""What a conversation says, apart from the wire format it is written in.

    meaning_of("gemini", body) == meaning_of("openai-chat", other_body)

A reader for each format, written from the providers' documents and not from the
gateway's code. Turns of one speaker are one; calls go by their number, since ids
may differ; the results of calls come first in a turn, in the order of the calls.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Item = tuple[Any, ...]


@dataclass
class Meaning:
    """What is said.

    Attributes:
        system: What stands above the conversation.
        turns: Who says what: texts, images, calls and results.
    """

    system: list[str] = field(default_factory=list)
    turns: list[tuple[str, list[Item]]] = field(default_factory=list)
    _calls: dict[str, int] = field(default_factory=dict, compare=False)

    def say(self, speaker: str, items: Iterable[Item]) -> None:
        """Add to the speaker's turn, or begin one."""
        listed = list(items)
        if not listed:
            return
        if self.turns and self.turns[-1][0] == speaker:
            self.turns[-1][1].extend(listed)
        else:
            self.turns.append((speaker, listed))

    def call(self, call_id: str, name: str, arguments: Any) -> Item:
        """Number a call."""
        self._calls[call_id] = len(self._calls)
        return ("call", self._calls[call_id], name, arguments)

    def result(self, call_id: str, text: str) -> Item:
        """Find the call of a result."""
        return ("result", self._calls[call_id], _value(text))

    def ordered(self) -> "Meaning":
        """Put results first, in the order of their calls."""
        for _, items in self.turns:
            items.sort(key=lambda item: item[1] if item[0] == "result" else 10_000)
        return self


def meaning_of(dialect: str, body: Mapping[str, Any]) -> Meaning:
    """Read the body of a request."""
    meaning = Meaning()
    _READERS[dialect](body, meaning)
    return meaning.ordered()


def _value(text: str) -> Any:
    """Read a result, which may be an object: its spelling does not matter."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) else text


def _openai(body: Mapping[str, Any], meaning: Meaning) -> None:
    for message in body["messages"]:
        content = message.get("content") or []
        parts = (
            [{"type": "text", "text": content}] if isinstance(content, str) else content
        )
        match message["role"]:
            case "system" | "developer":
                meaning.system += [part["text"] for part in parts]
            case "tool":
                text = "".join(part["text"] for part in parts)
                meaning.say("user", [meaning.result(message["tool_call_id"], text)])
            case role:
                meaning.say(role, map(_openai_part, parts))
                meaning.say(
                    role,
                    [
                        meaning.call(
                            call["id"],
                            call["function"]["name"],
                            json.loads(call["function"]["arguments"]),
                        )
                        for call in message.get("tool_calls", ())
                    ],
                )


def _openai_part(part: Mapping[str, Any]) -> Item:
    if part["type"] == "text":
        return ("text", part["text"])
    return ("image", part["image_url"]["url"].partition("base64,")[2])


def _anthropic(body: Mapping[str, Any], meaning: Meaning) -> None:
    meaning.system += [block["text"] for block in body.get("system", ())]
    for message in body["messages"]:
        meaning.say(message["role"], _anthropic_blocks(message["content"], meaning))


def _anthropic_blocks(blocks: list[Any], meaning: Meaning) -> Iterator[Item]:
    for block in blocks:
        match block["type"]:
            case "text":
                yield ("text", block["text"])
            case "image":
                yield ("image", block["source"]["data"])
            case "tool_use":
                yield meaning.call(block["id"], block["name"], block["input"])
            case "tool_result":
                text = "".join(part["text"] for part in block.get("content", ()))
                yield meaning.result(block["tool_use_id"], text)


def _converse(body: Mapping[str, Any], meaning: Meaning) -> None:
    meaning.system += [block["text"] for block in body.get("system", ())]
    for message in body["messages"]:
        meaning.say(message["role"], _converse_blocks(message["content"], meaning))


def _converse_blocks(blocks: list[Any], meaning: Meaning) -> Iterator[Item]:
    for block in blocks:
        match block:
            case {"text": text}:
                yield ("text", text)
            case {"image": image}:
                yield ("image", image["source"]["bytes"])
            case {"toolUse": use}:
                yield meaning.call(use["toolUseId"], use["name"], use["input"])
            case {"toolResult": result}:
                text = "".join(part["text"] for part in result["content"])
                yield meaning.result(result["toolUseId"], text)


def _gemini(body: Mapping[str, Any], meaning: Meaning) -> None:
    system = body.get("systemInstruction") or {"parts": []}
    meaning.system += [part["text"] for part in system["parts"]]
    for content in body["contents"]:
        speaker = "assistant" if content["role"] == "model" else "user"
        meaning.say(speaker, _gemini_parts(content["parts"], meaning))


def _gemini_parts(parts: list[Any], meaning: Meaning) -> Iterator[Item]:
    for part in parts:
        match part:
            case {"functionCall": call}:
                yield meaning.call(call["id"], call["name"], call["args"])
            case {"functionResponse": {"id": call_id, "response": response}}:
                plain = response.keys() == {"output"}
                text = response["output"] if plain else json.dumps(response)
                yield meaning.result(call_id, text)
            case {"inlineData": data}:
                yield ("image", data["data"])
            case {"text": text}:
                yield ("text", text)


def _responses(body: Mapping[str, Any], meaning: Meaning) -> None:
    for item in body["input"]:
        match item.get("type", "message"):
            case "function_call":
                arguments = json.loads(item["arguments"])
                call = meaning.call(item["call_id"], item["name"], arguments)
                meaning.say("assistant", [call])
            case "function_call_output":
                output = item["output"]
                text = (
                    output
                    if isinstance(output, str)
                    else "".join(part["text"] for part in output)
                )
                meaning.say("user", [meaning.result(item["call_id"], text)])
            case "message" if item["role"] in {"system", "developer"}:
                meaning.system += [text for _, text in _responses_parts(item)]
            case "message":
                meaning.say(item["role"], _responses_parts(item))


def _responses_parts(item: Mapping[str, Any]) -> Iterator[Item]:
    if isinstance(item["content"], str):
        yield ("text", item["content"])
        return
    for part in item["content"]:
        if part["type"] == "input_image":
            yield ("image", part["image_url"].partition("base64,")[2])
        else:
            yield ("text", part["text"])


_READERS: Mapping[str, Callable[[Mapping[str, Any], Meaning], None]] = {
    "anthropic-messages": _anthropic,
    "anthropic-vertex": _anthropic,
    "bedrock-converse": _converse,
    "bedrock-invoke": _anthropic,
    "gemini": _gemini,
    "openai-chat": _openai,
    "openai-responses": _responses,
}
