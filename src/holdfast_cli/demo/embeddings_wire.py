"""Embeddings as providers speak them: OpenAI's format, and Vertex's."""

import base64
import hashlib
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast_cli.demo.gemini_wire import GeminiWire, check_shown
from holdfast_cli.demo.openai_wire import OpenAIWire
from holdfast_cli.demo.prompt import Answer, Prompt, PromptError, VectorWish

_DIMENSIONS = 1536
"""Of a vector where nothing is said: those of OpenAI's smaller model."""

_MOST_DIMENSIONS = 4096


class EmbeddingsWire(OpenAIWire):
    """Requests and answers of `/v1/embeddings`; errors are as for chats."""

    def read(self, body: Any, headers: Mapping[str, str]) -> Prompt:
        """Read a request."""
        texts = _texts(body.get("input"))
        dimensions = body.get("dimensions") or _DIMENSIONS
        if not isinstance(dimensions, int) or not 1 <= dimensions <= _MOST_DIMENSIONS:
            raise PromptError(
                f"'dimensions' must be from 1 to {_MOST_DIMENSIONS}", "dimensions"
            )
        return Prompt(
            model=str(body.get("model", "")),
            pieces=[text.encode() for text in texts],
            last_words="",
            tools={},
            forced_tool=None,
            schema=None,
            stream=False,
            vectors=VectorWish(
                texts, dimensions, is_base64=body.get("encoding_format") == "base64"
            ),
        )

    def whole(self, prompt: Prompt, answer: Answer) -> dict[str, Any]:
        """Write a list of vectors: the same one for the same text and model."""
        wish = prompt.vectors or VectorWish((), _DIMENSIONS, is_base64=False)
        data = []
        for index, text in enumerate(wish.texts):
            vector = _vector(f"{answer.model}/{text}", wish.dimensions)
            packed = struct.pack(f"<{len(vector)}f", *vector)
            written = base64.b64encode(packed).decode() if wish.is_base64 else vector
            data.append({"object": "embedding", "index": index, "embedding": written})
        return {
            "object": "list",
            "data": data,
            "model": answer.model,
            "usage": {
                "prompt_tokens": answer.input_tokens,
                "total_tokens": answer.input_tokens,
            },
        }

    def hollow(self, answer: Answer) -> dict[str, Any]:
        """Write a list of nothing."""
        return {"object": "list", "data": [], "model": answer.model}


class PredictWire(GeminiWire):
    """Requests and answers of Vertex's `:predict`; errors are as for chats."""

    def read(self, body: Any, headers: Mapping[str, str]) -> Prompt:
        """Read a request."""
        check_shown(headers)
        wish = body.get("parameters") or {}
        return EmbeddingsWire().read(
            {
                "model": body["model"],
                "input": [each["content"] for each in body["instances"]],
                "dimensions": wish.get("outputDimensionality"),
            },
            headers,
        )

    def whole(self, prompt: Prompt, answer: Answer) -> dict[str, Any]:
        """Write a prediction for each text."""
        data = EmbeddingsWire().whole(prompt, answer)["data"]
        tokens = max(1, answer.input_tokens // max(1, len(data)))
        return {
            "predictions": [
                {
                    "embeddings": {
                        "values": each["embedding"],
                        "statistics": {"token_count": tokens, "truncated": False},
                    }
                }
                for each in data
            ]
        }

    def hollow(self, answer: Answer) -> dict[str, Any]:
        """Write a list of nothing."""
        return {"predictions": []}


def _texts(given: Any) -> Sequence[str]:
    items = given if isinstance(given, list) else [given]
    if items and isinstance(items[0], int):
        items = [items]
    if not items or not all(isinstance(item, str | list) and item for item in items):
        raise PromptError("'input' must hold texts or tokens", "input")
    return [item if isinstance(item, str) else str(item) for item in items]


def _vector(seed: str, dimensions: int) -> list[float]:
    """Return a vector of length one that looks like chance."""
    noise = hashlib.shake_256(seed.encode()).digest(dimensions)
    values = [byte - 127.5 for byte in noise]
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]
