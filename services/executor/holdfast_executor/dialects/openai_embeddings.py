"""Embeddings of OpenAI, and of most providers after it.

The caller's own format: all goes through but the model's name. Mistral's own API
calls one field by another name, and refuses those that it does not know.
"""

from collections.abc import Mapping, Sequence

import msgspec

from holdfast.model import Deployment
from holdfast_executor.chat import Encoded
from holdfast_executor.dialects import CapabilityMissingError, ProviderError
from holdfast_executor.dialects.embedding import EmbeddingCall, Vectors, no_vectors
from holdfast_executor.embeddings import Embeddings, opening
from holdfast_executor.failures import classify_in_band

_encode = msgspec.json.Encoder().encode


class _Item(msgspec.Struct):
    embedding: msgspec.Raw
    index: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Item] = []
    usage: _Usage | None = None
    error: msgspec.Raw = msgspec.Raw()


_decode_answer = msgspec.json.Decoder(_Answer).decode

_MISTRAL = "mistral"
_MISTRAL_TAKES = frozenset(
    {"model", "input", "encoding_format", "metadata", "output_dtype"}
)
"""https://docs.mistral.ai/api/endpoint/embeddings; any other field is refused."""


class OpenAIEmbeddings:
    """Translates to and from OpenAI's format. Holds nothing."""

    def calls(
        self, asked: Embeddings, deployment: Deployment
    ) -> Sequence[EmbeddingCall]:
        """Write the one call.

        Raises:
            CapabilityMissingError: The deployment takes no tokens.
        """
        changed = {"model": msgspec.Raw(_encode(deployment.provider_model))}
        if deployment.provider_id == _MISTRAL:
            body = _encode({**_of_mistral(asked), **changed})
        else:
            body = _encode({**asked.fields, **changed})
        return [EmbeddingCall(Encoded("/embeddings", body), len(asked.inputs))]

    def decode(
        self, body: bytes, headers: Mapping[str, str]
    ) -> Vectors | ProviderError:
        """Read an answer that came with a status of success."""
        try:
            answer = _decode_answer(body)
        except (msgspec.DecodeError, RecursionError):
            return no_vectors(body)
        if answer.error and bytes(answer.error) != b"null":
            return classify_in_band(body)
        items = answer.data
        if sorted(item.index or 0 for item in items) == list(range(len(items))):
            items = sorted(items, key=lambda item: item.index or 0)
        usage = answer.usage or _Usage()
        tokens = usage.prompt_tokens
        return Vectors(
            [item.embedding for item in items],
            usage.total_tokens if tokens is None else tokens,
        )


def _of_mistral(asked: Embeddings) -> dict[str, msgspec.Raw]:
    """Return the fields as Mistral's own API has them."""
    if opening(asked.inputs[0]) != '"':
        raise CapabilityMissingError(
            "This deployment embeds text, and `input` holds tokens.", "input"
        )
    fields = {
        name: value for name, value in asked.fields.items() if name in _MISTRAL_TAKES
    }
    if asked.dimensions:
        fields["output_dimension"] = asked.fields["dimensions"]
    return fields
