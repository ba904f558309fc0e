"""A streamed answer, put together as it comes, and written as a stream once more.

An answer that is held back until it is known to fit is kept as the text that it is,
a fiftieth of the events that it came in.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from holdfast.events import data_of
from holdfast_executor.answer import ChunkWriter

_decode = msgspec.json.Decoder().decode

_PIECE = 256
"""Characters of a delta: some sixty tokens. The whole answer is there, so smaller ones
would only be more."""

_JOINED = frozenset({"content", "reasoning", "reasoning_content", "refusal"})
"""What a delta says in pieces of one text."""


class Choice:
    """One of the answers, as far as it has come.

    Attributes:
        texts: The texts that it consists of, by their name in a message.
        deltas: What else it has said, in the order it came.
        logprobs: Of its tokens.
        finish_reason: Empty until it has said why it ended.
    """

    def __init__(self) -> None:
        self.deltas: list[dict[str, Any]] = []
        self.logprobs: list[Any] = []
        self.finish_reason = ""
        self._pieces: dict[str, list[str]] = {}

    @property
    def texts(self) -> dict[str, str]:
        """The texts that it consists of, by their name in a message."""
        return {name: "".join(pieces) for name, pieces in self._pieces.items()}

    def add(self, choice: Mapping[str, Any]) -> None:
        """Take a choice of a chunk."""
        rest = {}
        for name, value in (choice.get("delta") or {}).items():
            if name in _JOINED and isinstance(value, str):
                if value:
                    self._pieces.setdefault(name, []).append(value)
            elif value and name != "role":
                rest[name] = value
        if rest:
            self.deltas.append(rest)
        told = choice.get("logprobs")
        if isinstance(told, dict) and isinstance(told.get("content"), list):
            self.logprobs += told["content"]
        self.finish_reason = choice.get("finish_reason") or self.finish_reason

    def calls(self) -> list[str]:
        """Return the arguments of the tools that it calls."""
        arguments: dict[int, list[str]] = {}
        for delta in self.deltas:
            for call in delta.get("tool_calls", ()):
                function = call.get("function") or {}
                into = arguments.setdefault(call.get("index", 0), [])
                into.append(function.get("arguments") or "")
        return ["".join(pieces) for pieces in arguments.values()]

    def become(self, text: str) -> None:
        """Say another text, and nothing but that and what was thought before it."""
        self._pieces["content"] = [text]
        self.logprobs.clear()
        self.deltas = [d for d in self.deltas if not d.keys() & {"tool_calls"}]
        self.finish_reason = _ENDED.get(self.finish_reason, self.finish_reason)

    def events(self, writer: ChunkWriter) -> Iterator[bytes]:
        """Write it as a stream."""
        yield writer.event({"role": "assistant", "content": ""})
        texts = self.texts
        content = texts.pop("content", "")
        for name, text in texts.items():
            for piece in _cut(text):
                yield writer.event({name: piece})
        for delta in self.deltas:
            yield writer.event(delta)
        logprobs = (
            {"content": self.logprobs, "refusal": None} if self.logprobs else None
        )
        for piece in _cut(content):
            yield writer.event({"content": piece}, None, logprobs)
            logprobs = None
        yield writer.event({}, self.finish_reason or "stop")


_ENDED = {"tool_calls": "stop", "function_call": "stop"}
"""Why an answer ended that is no call of a tool after all."""


class Collected:
    """A stream's answers, as far as they have come.

    Attributes:
        choices: By their place.
        answer_id: The `id` of the chunks; likewise `created` and `model`.
    """

    def __init__(self) -> None:
        self.choices: dict[int, Choice] = {}
        self.answer_id = ""
        self.created = 0
        self.model = ""

    def add(self, events: bytes) -> None:
        """Take whole events."""
        for data in data_of(events):
            if data.startswith(b"{"):
                self.add_chunk(_decode(data))

    def add_chunk(self, chunk: Mapping[str, Any]) -> None:
        """Take one chunk."""
        self.answer_id = self.answer_id or str(chunk.get("id") or "")
        self.created = self.created or int(chunk.get("created") or 0)
        self.model = self.model or str(chunk.get("model") or "")
        for choice in chunk.get("choices") or ():
            index = choice.get("index") or 0
            self.choices.setdefault(index, Choice()).add(choice)

    def events(self) -> Iterator[bytes]:
        """Write the answers as a stream, one after another."""
        for index, choice in sorted(self.choices.items()):
            writer = ChunkWriter(
                answer_id=self.answer_id,
                created=self.created,
                model=self.model,
                index=index,
            )
            yield from choice.events(writer)


def _cut(text: str) -> Iterator[str]:
    for at in range(0, len(text), _PIECE):
        yield text[at : at + _PIECE]
