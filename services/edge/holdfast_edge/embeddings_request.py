"""An embeddings request as far as it is acted upon. The rest is carried unread."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from holdfast.model import Capability, Requirements
from holdfast_edge.decoding import decode, malformed

_MOST_INPUTS = 2_048
"""Of a request: OpenAI's own limit
(https://platform.openai.com/docs/api-reference/embeddings/create)."""

_BYTES_PER_TOKEN = 4
"""English text in the tokenizers in use runs to about four bytes a token."""

_ENCODINGS = ("float", "base64")

_Token = Annotated[int, msgspec.Meta(ge=0)]


class EmbeddingsRequest(msgspec.Struct):
    """The fields of an Embeddings request that are acted upon."""

    model: str
    input: str | list[str | int | list[_Token]]
    encoding_format: str | None = None
    dimensions: int | None = None
    user: str | None = None


_decoder = msgspec.json.Decoder(EmbeddingsRequest)


def parse_embeddings(body: bytes) -> EmbeddingsRequest:
    """Read an embeddings request.

    Raises:
        JsonInvalidError: The body is no JSON.
        RequestMalformedError: A field that is acted upon is missing or wrong.
    """
    asked = decode(_decoder, body)
    if not asked.model.strip():
        raise malformed("model", "must name a model")
    _check(asked.input)
    if asked.encoding_format is not None and asked.encoding_format not in _ENCODINGS:
        raise malformed("encoding_format", f"must be {' or '.join(_ENCODINGS)}")
    if asked.dimensions is not None and asked.dimensions < 1:
        raise malformed("dimensions", "must be a whole number of at least 1")
    return asked


def _check(given: str | Sequence[str | int | list[int]]) -> None:
    """Refuse what is neither a text, nor texts, nor tokens, nor lists of tokens."""
    if isinstance(given, str):
        if not given:
            raise malformed("input", "must not be an empty text")
        return
    if not given:
        raise malformed("input", "must hold at least one text")
    kind = type(given[0])
    if kind is not int and len(given) > _MOST_INPUTS:
        raise malformed("input", f"must hold at most {_MOST_INPUTS} inputs")
    for index, item in enumerate(given):
        if type(item) is not kind:
            raise malformed(
                f"input[{index}]",
                "is of another kind than the first: all must be texts"
                ", all tokens, or all lists of tokens",
            )
        if isinstance(item, int):
            if item < 0:
                raise malformed(f"input[{index}]", "is no token: it is negative")
        elif not item:
            raise malformed(f"input[{index}]", "must not be empty")


def embeddings_requirements(asked: EmbeddingsRequest) -> Requirements:
    """Say what a request needs, with an estimate of its longest input's tokens.

    A context window is each input's own here, not that of all together.
    """
    return Requirements(
        capabilities=frozenset({Capability.EMBEDDINGS}),
        input_tokens=max(_lengths(asked.input)),
    )


def _lengths(given: str | Sequence[str | int | list[int]]) -> list[int]:
    if isinstance(given, str):
        return [len(given) // _BYTES_PER_TOKEN]
    if isinstance(given[0], int):
        return [len(given)]
    return [
        len(item) // _BYTES_PER_TOKEN if isinstance(item, str) else len(item)
        for item in given
        if not isinstance(item, int)
    ]
