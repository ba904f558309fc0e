"""Which wire format a path asks for, and what a path says in place of the body."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from holdfast_cli.demo.anthropic_wire import AnthropicWire
from holdfast_cli.demo.bedrock_wire import ConverseWire, InvokeWire
from holdfast_cli.demo.embeddings_wire import EmbeddingsWire, PredictWire
from holdfast_cli.demo.gemini_wire import GeminiWire, VertexClaudeWire
from holdfast_cli.demo.openai_wire import OpenAIWire
from holdfast_cli.demo.responses_wire import ResponsesWire
from holdfast_cli.demo.wires import Wire

_CONVERSE, _INVOKE = ConverseWire(), InvokeWire()
_GEMINI, _VERTEX_CLAUDE = GeminiWire(), VertexClaudeWire()

OPENAI = OpenAIWire()
ANTHROPIC = AnthropicWire()

_PATHS: Mapping[tuple[str, ...], Wire] = {
    ("chat", "completions"): OPENAI,
    ("embeddings",): EmbeddingsWire(),
    ("messages",): ANTHROPIC,
    ("responses",): ResponsesWire(),
}
"""Below `/v1`, where the body says all there is to say."""

_METHODS: Mapping[str, tuple[Wire, bool]] = {
    "converse": (_CONVERSE, False),
    "converse-stream": (_CONVERSE, True),
    "invoke": (_INVOKE, False),
    "invoke-with-response-stream": (_INVOKE, True),
    "generateContent": (_GEMINI, False),
    "streamGenerateContent": (_GEMINI, True),
    "predict": (PredictWire(), False),
    "rawPredict": (_VERTEX_CLAUDE, False),
    "streamRawPredict": (_VERTEX_CLAUDE, True),
}
"""Of a model that the path names, and whether the answer is streamed."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What a path asks for.

    Attributes:
        said: What the path says in place of the body.
    """

    wire: Wire
    said: Mapping[str, Any]


def operation_of(path: Sequence[str]) -> Operation | None:
    """Read what comes after a provider and its region; None if it is nothing.

    Args:
        path: E.g. `v1 chat completions`, `model ID converse` or `v1 projects p
            models ID:generateContent`.
    """
    match path:
        case ["model", model, method]:
            pass
        case ["v1", "projects", _, "models", place]:
            model, _, method = place.rpartition(":")
        case ["v1", "projects", _, *operation] | ["v1", *operation]:
            wire = _PATHS.get(tuple(operation))
            return None if wire is None else Operation(wire, {})
        case _:
            return None
    if method not in _METHODS:
        return None
    wire, stream = _METHODS[method]
    return Operation(wire, {"model": unquote(model), "stream": stream})
