"""What a simulated provider understands of a request, and what it answers.

The same for every wire format: `openai_wire` and `anthropic_wire` read a
`Prompt` and write an `Answer`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast_cli.demo.instances import least_instance
from holdfast_cli.demo.wording import Wording, wording_of, written

_THOUGHT = "What would a real model think here?"


class PromptError(Exception):
    """A request that a real provider would refuse as malformed."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


@dataclass(frozen=True, slots=True)
class VectorWish:
    """Vectors that are asked for, one for each text.

    Attributes:
        texts: Tokens are taken for the text of their numbers.
        is_base64: Whether they are wanted in base64, else as numbers.
    """

    texts: Sequence[str]
    dimensions: int
    is_base64: bool


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request, as far as the answer depends on it.

    Attributes:
        pieces: Tools and system prompt, then each message: what a prompt cache
            compares.
        last_words: The text of the last user message.
        tools: The parameters' schema of each tool by name.
        forced_tool: The tool that must be called; an empty name means any.
            None: the model may choose.
        schema: What the answer has to fit. None: it is free text.
        copies: How many answers are wanted.
        max_tokens: None if the answer may be as long as it likes.
        vectors: None: an answer in words is asked for.
        thinks: Whether it is to be shown what the model thinks first, in words or so
            that only its issuer can read it.
        shows_thoughts: Whether in words, where that is asked for apart.
        caller: Who asks, where what is encrypted is for the caller alone.
        searches: Whether the model may search the web, and then does.
    """

    model: str
    pieces: Sequence[bytes]
    last_words: str
    tools: Mapping[str, Any]
    forced_tool: str | None
    schema: Any
    stream: bool
    copies: int = 1
    logprobs: bool = False
    include_usage: bool = False
    writes_cache: bool = False
    max_tokens: int | None = None
    vectors: VectorWish | None = None
    thinks: bool = False
    shows_thoughts: bool = False
    caller: str = ""
    searches: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool; the arguments are JSON text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered.

    Attributes:
        words: The text, in the pieces it is streamed in.
        cut_short: Whether it ended for `max_tokens`.
        input_tokens: Cached ones included.
        thought: What comes before all else. Empty if it is not to be shown.
    """

    number: int
    model: str
    words: Sequence[str]
    tool_call: ToolCall | None
    cut_short: bool
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    thought: str = ""

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.words)


def answer(prompt: Prompt, *, place: str, number: int, cached_pieces: int) -> Answer:
    """Answer a prompt: the same words for the same prompt at the same place.

    Args:
        prompt: What is asked.
        place: Who answers and where, for people.
        number: Of the request, to make ids from.
        cached_pieces: How many of the prompt's pieces are in the prompt cache.
    """
    call = _tool_call(prompt)
    words = [] if call else _words(prompt, place)
    cut_short = prompt.max_tokens is not None and len(words) > prompt.max_tokens
    words = words[: prompt.max_tokens]
    sizes = [_tokens(piece) for piece in prompt.pieces]
    return Answer(
        number=number,
        model=prompt.model,
        words=words,
        tool_call=call,
        cut_short=cut_short,
        input_tokens=sum(sizes),
        cached_tokens=sum(sizes[:cached_pieces]),
        output_tokens=_tokens(call.arguments.encode()) if call else len(words),
        thought=_THOUGHT if prompt.thinks else "",
    )


def piece(value: Any) -> bytes:
    """Write a part of a prompt the same way each time.

    Marks for the prompt cache move from turn to turn and are left out.
    """
    return json.dumps(_without_marks(value), sort_keys=True).encode()


def text_of(content: Any) -> str:
    """Return the text of a message's content, which may come in parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(
        part["text"]
        for part in parts
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    )


def _tool_call(prompt: Prompt) -> ToolCall | None:
    wanted = prompt.forced_tool
    if wanted is None and re.search(r"\btools?\b", prompt.last_words, re.IGNORECASE):
        wanted = ""
    if wanted is None or not prompt.tools:
        return None
    name = wanted or next(iter(prompt.tools))
    arguments = least_instance(prompt.tools.get(name, {"type": "object"}))
    return ToolCall(name, json.dumps(arguments))


def asks_for_form(prompt: Prompt) -> bool:
    """Tell whether an answer is to be JSON or XML."""
    return prompt.schema is not None or wording_of(prompt.pieces) is not None


def _words(prompt: Prompt, place: str) -> list[str]:
    greeting = f"Hello from {place}."
    wording = wording_of(prompt.pieces)
    if prompt.schema is not None or wording is not None:
        told = wording or Wording()
        schema = told.schema if prompt.schema is None else prompt.schema
        return re.findall(r"\s*\S{1,12}", written(_value(schema, greeting), told.root))
    said = (
        f"{greeting} This is a simulated provider, standing in for {prompt.model}: "
        f"no model was called."
    )
    return re.findall(r"\s*\S+", said)


def _value(schema: Any, greeting: str) -> Any:
    """Answer in a form; with a greeting where the form leaves it open what is in it."""
    value = least_instance(schema or {"type": "object"})
    is_open = not isinstance(schema, dict) or "properties" not in schema
    return {"message": greeting} if is_open and value in (None, {}) else value


def _tokens(text: bytes) -> int:
    # Four bytes a token: the usual rule of thumb for English.
    return 1 + len(text) // 4


def _without_marks(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_marks(below)
            for key, below in value.items()
            if key != "cache_control"
        }
    if isinstance(value, list):
        return [_without_marks(below) for below in value]
    return value
