"""Embeddings on Bedrock: `POST /model/{id}/invoke`, in the format of each family.

Titan and Nova embed one text a call, Cohere many. How many tokens there were is in
a header, whoever the model is of.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from holdfast.model import Deployment
from holdfast_executor.chat import Encoded
from holdfast_executor.dialects import CapabilityMissingError, ProviderError
from holdfast_executor.dialects.bedrock_converse import model_path
from holdfast_executor.dialects.embedding import (
    EmbeddingCall,
    Vectors,
    batches,
    no_vectors,
    texts_of,
)
from holdfast_executor.embeddings import Embeddings, opening

_encode = msgspec.json.Encoder().encode

_COHERE_TEXTS = 96
"""Of a call
(https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html)."""

_COHERE_PURPOSE = "search_document"
"""What texts are for where the request does not say, which Cohere requires: to be
found. The caller says `search_query` in `input_type` for what looks for them."""

_TOKENS_HEADER = "x-amzn-bedrock-input-token-count"


class _Embedding(msgspec.Struct):
    embedding: msgspec.Raw


class _ByType(msgspec.Struct, rename={"floats": "float"}):
    floats: list[msgspec.Raw] = []


class _Answer(msgspec.Struct):
    """Titan's, or the frame of Cohere's and Nova's."""

    embedding: msgspec.Raw = msgspec.Raw()
    embeddings: msgspec.Raw = msgspec.Raw()
    input_text_token_count: int | None = msgspec.field(
        default=None, name="inputTextTokenCount"
    )


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_by_type = msgspec.json.Decoder(_ByType).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_one = msgspec.json.Decoder(_Embedding).decode


class BedrockEmbeddings:
    """Translates to and from the formats of models on Bedrock. Holds nothing."""

    def calls(
        self, asked: Embeddings, deployment: Deployment
    ) -> Sequence[EmbeddingCall]:
        """Write the calls.

        Raises:
            CapabilityMissingError: The model is of no family that embeds, or not
                what is asked.
            RequestMalformedError: The texts are none.
        """
        name = deployment.provider_model.lower()
        path = model_path(deployment, "invoke")
        for family, bodies in _FAMILIES:
            if family.search(name):
                return [
                    EmbeddingCall(Encoded(path, _encode(body)), count)
                    for body, count in bodies(texts_of(asked), asked, name)
                ]
        raise CapabilityMissingError(
            f"{deployment.id} runs no model that is known to embed.", "model"
        )

    def decode(
        self, body: bytes, headers: Mapping[str, str]
    ) -> Vectors | ProviderError:
        """Read an answer that came with a status of success."""
        try:
            answer = _decode_answer(body)
            written = _written(answer)
        except (msgspec.DecodeError, RecursionError):
            return no_vectors(body)
        told = headers.get(_TOKENS_HEADER, "")
        tokens = int(told) if told.isdecimal() else answer.input_text_token_count
        return Vectors(written, tokens)


def _written(answer: _Answer) -> list[msgspec.Raw]:
    if answer.embedding:
        return [answer.embedding]
    if opening(answer.embeddings) == "{":
        return _decode_by_type(answer.embeddings).floats
    items = _decode_list(answer.embeddings)
    return [
        _decode_one(item).embedding if opening(item) == "{" else item for item in items
    ]


_Bodies = Iterable[tuple[dict[str, Any], int]]


def _of_titan(texts: Sequence[str], asked: Embeddings, name: str) -> _Bodies:
    wish = {"dimensions": asked.dimensions} if asked.dimensions else {}
    if wish and "v2" not in name:
        raise _fixed_length()
    for (text,) in batches(texts, 1):
        yield {"inputText": text, **wish}, 1


def _of_cohere(texts: Sequence[str], asked: Embeddings, name: str) -> _Bodies:
    wish = {"output_dimension": asked.dimensions} if asked.dimensions else {}
    if wish and "v3" in name:
        raise _fixed_length()
    for some in batches(texts, _COHERE_TEXTS):
        yield (
            {
                "texts": some,
                "input_type": asked.input_type or _COHERE_PURPOSE,
                # A text that is cut to fit would give a vector of something else.
                "truncate": "NONE",
                **wish,
            },
            len(some),
        )


def _of_nova(texts: Sequence[str], asked: Embeddings, _name: str) -> _Bodies:
    is_query = asked.input_type == "search_query"
    wish = {"embeddingDimension": asked.dimensions} if asked.dimensions else {}
    for (text,) in batches(texts, 1):
        said = {
            "embeddingPurpose": "GENERIC_RETRIEVAL" if is_query else "GENERIC_INDEX",
            "text": {"value": text, "truncationMode": "NONE"},
            **wish,
        }
        yield {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": said}, 1


_FAMILIES: Sequence[
    tuple[re.Pattern[str], Callable[[list[str], Embeddings, str], _Bodies]]
] = (
    (re.compile(r"titan-embed-(?:text|g1)"), _of_titan),
    (re.compile(r"cohere\.embed"), _of_cohere),
    (re.compile(r"nova-2-multimodal-embeddings"), _of_nova),
)
"""By the model's name. A tuned or provisioned model whose ARN does not say it is
of no family."""


def _fixed_length() -> CapabilityMissingError:
    return CapabilityMissingError(
        "This deployment's vectors have one length; leave `dimensions` out.",
        "dimensions",
    )
