"""What form a request wants its answer in, read from its `response_format`.

Beside OpenAI's `json_object` and `json_schema` there is `xml`, a schema may be asked
for by way of XML (`json_schema.via`), and a stream may be checked at its end rather
than before (`stream_validation`). Those are the gateway's own and go no further.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from holdfast.errors import RequestMalformedError
from holdfast_executor.chat import Chat
from holdfast_executor.dialects import request_fields as read

MOST_SCHEMA_BYTES = 256 * 1024
"""Of a caller's schema: twice the largest that OpenAI takes (120,000 characters)."""

EXTENSIONS = frozenset({"stream_validation"})
"""Top-level fields that are the gateway's own."""

_FORMAT = "response_format"
_NAMED = "response_format.json_schema"
_SCHEMA = "response_format.json_schema.schema"
_XML = "response_format.xml"

_ELEMENT = re.compile(r"[^\W\d][\w.-]*")
"""A name of an element, without a colon: a prefix means nothing by itself."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Kind(Enum):
    """What an answer has to be."""

    OBJECT = "a JSON object"
    SCHEMA = "JSON that fits a schema"
    XML = "XML"


@dataclass(frozen=True, slots=True)
class Wish:
    """The form of an answer.

    Attributes:
        schema: The JSON schema or XSD it has to fit. Empty for none.
        parsed: The JSON schema as Python values. Not to be changed.
        strict: Whether the caller wants what a schema says of formats kept, too.
        via_xml: Whether the model is asked for XML, which becomes the JSON.
        as_it_comes: Whether a stream is passed on as it comes, and checked at
            its end.
        root: The element that XML consists of.
        is_extended: Whether the request says something that no provider knows.
    """

    kind: Kind
    schema: bytes = b""
    parsed: Any = None
    strict: bool = False
    via_xml: bool = False
    as_it_comes: bool = False
    root: str = ""
    is_extended: bool = False

    @property
    def field(self) -> str:
        """Where the schema stands in a request."""
        return f"{_XML}.schema" if self.kind is Kind.XML else _SCHEMA

    @property
    def digest(self) -> bytes:
        """What tells this form from others."""
        said = (self.kind.name, str(self.via_xml), str(self.strict), self.root)
        return hashlib.sha256("\0".join(said).encode() + b"\0" + self.schema).digest()


def wish_of(chat: Chat) -> Wish | None:
    """Read what form a chat's answer is to have; None for any.

    What is of a type that only its provider knows is the provider's to see to.

    Raises:
        RequestMalformedError: It is none that can be understood.
    """
    raw = chat.fields.get(_FORMAT)
    if raw is None:
        return None
    wanted = _value(bytes(raw))
    if wanted is None:
        return None
    wanted = read.mapping(wanted, _FORMAT)
    as_it_comes = _as_it_comes(chat)
    is_extended = not EXTENSIONS.isdisjoint(chat.fields)
    match wanted.get("type"):
        case "json_object":
            return Wish(Kind.OBJECT, as_it_comes=as_it_comes, is_extended=is_extended)
        case "json_schema":
            named = read.mapping(wanted.get("json_schema"), _NAMED)
            return _schema(named, as_it_comes=as_it_comes, is_extended=is_extended)
        case "xml":
            return _xml(read.mapping(wanted.get("xml"), _XML), as_it_comes=as_it_comes)
    return None


def _value(raw: bytes) -> Any:
    try:
        return _decode(raw)
    except (ValueError, RecursionError) as error:
        raise read.malformed(
            _FORMAT, "an object of Unicode text that is not nested too deeply"
        ) from error


def _as_it_comes(chat: Chat) -> bool:
    raw = chat.fields.get("stream_validation")
    said = None if raw is None else _value(bytes(raw))
    if said not in (None, "before", "end"):
        raise read.malformed("stream_validation", "one of before, end")
    return chat.stream and said == "end"


def _schema(named: dict[str, Any], *, as_it_comes: bool, is_extended: bool) -> Wish:
    via = named.get("via")
    if via not in (None, "json", "xml"):
        raise read.malformed(f"{_NAMED}.via", "one of json, xml")
    if via == "xml" and as_it_comes:
        raise read.malformed(
            "stream_validation", "`before` where the answer is made from XML"
        )
    is_extended = is_extended or "via" in named
    if named.get("schema") is None:
        if via == "xml":
            raise read.malformed(_SCHEMA, "an object where `via` is `xml`")
        return Wish(Kind.OBJECT, as_it_comes=as_it_comes, is_extended=is_extended)
    parsed = read.mapping(named["schema"], _SCHEMA)
    schema = _encode(parsed)
    _check_size(schema, _SCHEMA)
    return Wish(
        Kind.SCHEMA,
        schema,
        parsed,
        strict=named.get("strict") is True,
        via_xml=via == "xml",
        as_it_comes=as_it_comes,
        is_extended=is_extended,
    )


def _xml(wanted: dict[str, Any], *, as_it_comes: bool) -> Wish:
    root = read.name(wanted.get("root"), f"{_XML}.root")
    if not _ELEMENT.fullmatch(root):
        raise read.malformed(f"{_XML}.root", "the name of an element, without a prefix")
    schema = b""
    if wanted.get("schema") is not None:
        schema = read.name(wanted["schema"], f"{_XML}.schema").encode(errors="replace")
        _check_size(schema, f"{_XML}.schema")
    return Wish(Kind.XML, schema, as_it_comes=as_it_comes, root=root, is_extended=True)


def _check_size(schema: bytes, field: str) -> None:
    if len(schema) > MOST_SCHEMA_BYTES:
        raise RequestMalformedError(
            f"`{field}` may have {MOST_SCHEMA_BYTES} bytes at most.", field=field
        )
