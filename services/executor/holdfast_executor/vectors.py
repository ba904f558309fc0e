"""Writing an answer of vectors as OpenAI does, in the encoding that was asked for."""

import base64
import binascii
import sys
from array import array
from collections.abc import Sequence

import msgspec

from holdfast.model import Outcome, Usage
from holdfast_executor.answer import cost_number
from holdfast_executor.dialects import ProviderError
from holdfast_executor.dialects.embedding import Vectors, no_vectors
from holdfast_executor.embeddings import Embeddings, opening

_FLOAT_BYTES = 4
_FLOATS = "f"
"""32-bit floats, as `array` calls them and OpenAI has them in base64."""

_decode_floats = msgspec.json.Decoder(list[float]).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


class _Item(msgspec.Struct):
    object: str
    index: int
    embedding: msgspec.Raw


def answer_body(
    asked: Embeddings,
    vectors: Sequence[msgspec.Raw],
    *,
    model: str,
    usage: Usage | None,
    cost_usd_nanos: int | None,
) -> bytes:
    """Write OpenAI's answer.

    Args:
        asked: What was asked.
        vectors: In order, each as it came, and as `misfit` has let through.
        model: What its `model` says.
        usage: None if unknown. The members are there all the same, since OpenAI's
            SDK requires them, and are zero; there is then no cost.
        cost_usd_nanos: What `usage.cost` says. None leaves it out.
    """
    tokens = usage.input_tokens if usage else 0
    counts: dict[str, int | msgspec.Raw] = {
        "prompt_tokens": tokens,
        "total_tokens": tokens,
    }
    if cost_usd_nanos is not None:
        counts["cost"] = cost_number(cost_usd_nanos)
    return _encode(
        {
            "object": "list",
            "data": [
                _Item("embedding", index, _encoded(vector, is_base64=asked.is_base64))
                for index, vector in enumerate(vectors)
            ],
            "model": model,
            "usage": counts,
        }
    )


def misfit(asked: Embeddings, found: Vectors, count: int) -> ProviderError | None:
    """Say what is wrong with what a provider gave, None if nothing is.

    Args:
        asked: What was asked.
        found: What came of one call.
        count: How many vectors the call was for.
    """
    if len(found.written) != count or not all(map(_is_vector, found.written)):
        return no_vectors(b"{}")
    if not asked.dimensions:
        return None
    try:
        lengths = set(map(_length, found.written))
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return no_vectors(b"{}")
    if lengths <= {asked.dimensions}:
        return None
    # Beside other vectors it would be of no use, and nothing would say so.
    return ProviderError(
        Outcome.CAPABILITY_MISSING,
        f"This deployment gave vectors of another length than the {asked.dimensions} "
        "asked for.",
        http_status=200,
        param="dimensions",
    )


def _is_vector(written: msgspec.Raw) -> bool:
    return len(written) > len("[]") and opening(written) in {"[", '"'}


def _length(written: msgspec.Raw) -> int:
    if opening(written) == "[":
        return bytes(written).count(b",") + 1
    return len(base64.b64decode(_decode_text(written))) // _FLOAT_BYTES


def _encoded(written: msgspec.Raw, *, is_base64: bool) -> msgspec.Raw:
    """Return a vector as it is wanted; most are as they came.

    Raises:
        ValueError: It holds what is no number.
    """
    if is_base64 == (opening(written) == '"'):
        return written
    if is_base64:
        floats = array(_FLOATS, _decode_floats(written))
        return msgspec.Raw(_encode(base64.b64encode(_little_endian(floats)).decode()))
    floats = array(_FLOATS)
    floats.frombytes(base64.b64decode(_decode_text(written), validate=True))
    return msgspec.Raw(_encode(array(_FLOATS, _little_endian(floats)).tolist()))


def _little_endian(floats: "array[float]") -> bytes:
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tobytes()
