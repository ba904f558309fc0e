"""A caller's embeddings request, as it came.

The bytes are the caller's own and nothing changes them: each attempt is
translated afresh from here.
"""

import dataclasses
import functools
from dataclasses import dataclass

import msgspec

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode

BASE64 = "base64"
"""The `encoding_format` whose vectors are 32-bit floats, little-endian, as text."""


class _Read(msgspec.Struct):
    """The fields that some dialect, or the writer of the answer, acts upon."""

    input: msgspec.Raw
    encoding_format: str | None = None
    dimensions: int | None = None
    input_type: str | None = None
    task_type: str | None = None


def opening(written: msgspec.Raw) -> str:
    """Return the character that a JSON value begins with, which tells its kind."""
    return chr(memoryview(written)[0]) if written else ""


_READ_FIELDS = _Read.__struct_fields__

_decode_read = msgspec.json.Decoder(_Read).decode


@dataclass(frozen=True)
class Embeddings:
    """An OpenAI Embeddings request.

    Attributes:
        body: The caller's JSON object, byte for byte.
        fields: Its top-level fields in order, each as its own bytes. Not to be
            changed.
        written_input: The JSON of `input`.
        is_base64: Whether vectors are wanted in base64, else as numbers.
        dimensions: How long vectors are to be. Zero if not said.
        input_type: What the texts are to be used for, in Cohere's words; OpenAI
            has none. Empty if not said.
        task_type: The same in Google's.
    """

    body: bytes
    fields: dict[str, msgspec.Raw]
    written_input: msgspec.Raw
    is_base64: bool = False
    dimensions: int = 0
    input_type: str = ""
    task_type: str = ""

    @classmethod
    def parse(cls, body: bytes) -> "Embeddings":
        """Read what decides how the request is carried out.

        Raises:
            msgspec.DecodeError: The body is no such JSON object.
        """
        fields = _decode_fields(body)
        few = {name: fields[name] for name in _READ_FIELDS if name in fields}
        read = _decode_read(_encode(few))
        return cls(
            body,
            fields,
            fields["input"],
            is_base64=read.encoding_format == BASE64,
            dimensions=read.dimensions or 0,
            input_type=read.input_type or "",
            task_type=read.task_type or "",
        )

    @functools.cached_property
    def inputs(self) -> list[msgspec.Raw]:
        """What gets a vector each: texts, or lists of tokens."""
        if opening(self.written_input) != "[":
            return [self.written_input]
        items = _decode_list(self.written_input)
        if items and opening(items[0]) not in {'"', "["}:
            # One list of tokens.
            return [self.written_input]
        return items

    def parts(self, most: int | None) -> list["Embeddings"]:
        """Cut the request into ones of so many inputs at most, in their order."""
        inputs = self.inputs
        if most is None or len(inputs) <= most:
            return [self]
        return [
            self._with(inputs[at : at + most]) for at in range(0, len(inputs), most)
        ]

    def _with(self, inputs: list[msgspec.Raw]) -> "Embeddings":
        written = msgspec.Raw(_encode(inputs))
        fields = {**self.fields, "input": written}
        return dataclasses.replace(self, fields=fields, written_input=written)
