"""Embeddings of Google's models, on the Gemini API and on Vertex AI.

The Gemini API has `batchEmbedContents`. Vertex AI has `predict` for its older models
and `embedContent` for those that embed more than text.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from holdfast.model import Deployment
from holdfast_executor.chat import Encoded
from holdfast_executor.dialects import ProviderError
from holdfast_executor.dialects.embedding import (
    EmbeddingCall,
    Vectors,
    batches,
    no_vectors,
    texts_of,
)
from holdfast_executor.dialects.gemini_generate import place_of
from holdfast_executor.dialects.gemini_models import is_vertex
from holdfast_executor.embeddings import Embeddings
from holdfast_executor.failures import classify_in_band

_encode = msgspec.json.Encoder().encode

_GEMINI_API_TEXTS = 100
"""Requests of a `batchEmbedContents`."""

_PREDICT_TEXTS = 5
"""Instances of a `predict`: what every region takes, though one takes 250
(https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api)."""

_ONE_INSTANCE = re.compile("gemini-embedding-001")
"""What takes one instance a call; the same page."""

_EMBED_CONTENT = re.compile("gemini(?!-embedding-001)")
"""What Vertex AI has no `predict` for."""


class _Statistics(msgspec.Struct):
    token_count: float | None = None


class _Embedding(msgspec.Struct):
    values: msgspec.Raw
    statistics: _Statistics | None = None


class _Prediction(msgspec.Struct):
    embeddings: _Embedding


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None


class _Answer(msgspec.Struct, rename="camel"):
    """Whichever of the three it is."""

    predictions: list[_Prediction] = []
    embeddings: list[_Embedding] = []
    embedding: _Embedding | None = None
    usage_metadata: _Usage | None = None
    error: msgspec.Raw = msgspec.Raw()


_decode_answer = msgspec.json.Decoder(_Answer).decode


class GeminiEmbeddings:
    """Translates to and from Google's formats. Holds nothing."""

    def calls(
        self, asked: Embeddings, deployment: Deployment
    ) -> Sequence[EmbeddingCall]:
        """Write the calls.

        Raises:
            CapabilityMissingError: The deployment takes no tokens, or too few texts.
            RequestMalformedError: The texts are none.
        """
        texts = texts_of(asked)
        place = place_of(deployment.provider_model)
        if not is_vertex(deployment):
            return [
                _call(f"/{place}:batchEmbedContents", _batch(some, place, asked), some)
                for some in batches(texts, _GEMINI_API_TEXTS)
            ]
        if _EMBED_CONTENT.search(deployment.provider_model):
            return [
                _call(f"/{place}:embedContent", _content(some[0], asked), some)
                for some in batches(texts, 1)
            ]
        is_alone = _ONE_INSTANCE.search(deployment.provider_model)
        return [
            _call(f"/{place}:predict", _instances(some, asked), some)
            for some in batches(texts, 1 if is_alone else _PREDICT_TEXTS)
        ]

    def decode(
        self, body: bytes, headers: Mapping[str, str]
    ) -> Vectors | ProviderError:
        """Read an answer that came with a status of success."""
        try:
            answer = _decode_answer(body)
        except (msgspec.DecodeError, RecursionError):
            return no_vectors(body)
        if answer.error:
            return classify_in_band(body)
        found = [prediction.embeddings for prediction in answer.predictions]
        found += answer.embeddings
        if answer.embedding is not None:
            found.append(answer.embedding)
        return Vectors([one.values for one in found], _tokens(answer, found))


def _tokens(answer: _Answer, found: Sequence[_Embedding]) -> int | None:
    if answer.usage_metadata is not None:
        return answer.usage_metadata.prompt_token_count
    told = [one.statistics for one in found if one.statistics is not None]
    counts = [one.token_count for one in told if one.token_count is not None]
    return int(sum(counts)) if counts and len(counts) == len(found) else None


def _call(path: str, body: dict[str, Any], texts: Sequence[str]) -> EmbeddingCall:
    return EmbeddingCall(Encoded(path, _encode(body)), len(texts))


def _batch(texts: Sequence[str], place: str, asked: Embeddings) -> dict[str, Any]:
    wish = _wish(asked, "taskType", "outputDimensionality")
    return {
        "requests": [
            {"model": place, "content": {"parts": [{"text": text}]}, **wish}
            for text in texts
        ]
    }


def _content(text: str, asked: Embeddings) -> dict[str, Any]:
    # A text that is cut to fit would give a vector of something else.
    config = {
        **_wish(asked, "taskType", "outputDimensionality"),
        "autoTruncate": False,
    }
    return {"content": {"parts": [{"text": text}]}, "embedContentConfig": config}


def _instances(texts: Sequence[str], asked: Embeddings) -> dict[str, Any]:
    wish = {"task_type": asked.task_type} if asked.task_type else {}
    parameters: dict[str, Any] = {"autoTruncate": False}
    if asked.dimensions:
        parameters["outputDimensionality"] = asked.dimensions
    return {
        "instances": [{"content": text, **wish} for text in texts],
        "parameters": parameters,
    }


def _wish(asked: Embeddings, task: str, dimensions: str) -> dict[str, Any]:
    wish: dict[str, Any] = {}
    if asked.task_type:
        wish[task] = asked.task_type
    if asked.dimensions:
        wish[dimensions] = asked.dimensions
    return wish
