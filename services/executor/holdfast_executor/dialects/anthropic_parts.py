"""Parts of a message as Anthropic's content blocks: text, images, documents.

The wire formats that take less, or more, than Anthropic's own say so in `Takes`.
"""

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.data_uris import data_of, is_bare, is_web
from holdfast_executor.dialects.links import Links

_IMAGE_TYPES = {
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/png": "image/png",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
}
"""What Anthropic takes, and how it spells it."""

_PDF = "application/pdf"


@dataclass(frozen=True, slots=True)
class Takes:
    """What a wire format takes beside text.

    Attributes:
        links: Where to find what is given by its address. None if the provider
            fetches that itself.
        documents: The media types of documents, which are sent in base64. Any
            other text is sent as text.
    """

    links: Links | None = None
    documents: frozenset[str] = frozenset({_PDF})


ANTHROPIC = Takes()


def blocks_of(
    content: object, field: str, takes: Takes = ANTHROPIC
) -> list[dict[str, Any]]:
    """Write a message's content as blocks. Blank text, which is refused, is left out.

    Raises:
        RequestMalformedError: The content is none that can be understood.
        CapabilityMissingError: Such a part is not taken.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    if not isinstance(content, list):
        raise read.malformed(field, "a string or an array of parts")
    return [
        block
        for place, part in enumerate(content)
        for block in _part(part, f"{field}[{place}]", takes)
    ]


def text_of(content: object, field: str) -> str:
    """Read content that may be text alone, as that of a refusal.

    Raises:
        RequestMalformedError: It is something else.
    """
    return "" if content is None else read.text(content, field)


def _part(part: object, field: str, takes: Takes) -> Iterator[dict[str, Any]]:
    if isinstance(part, str):
        part = {"type": "text", "text": part}
    part = read.mapping(part, field)
    kind = read.name(part.get("type"), f"{field}.type")
    write = _WRITERS.get(kind)
    if write is None:
        raise CapabilityMissingError(
            "The model takes no content parts of this type.", f"{field}.type"
        )
    block = write(part, field, takes)
    if block is not None:
        if isinstance(part.get("cache_control"), dict):
            block["cache_control"] = part["cache_control"]
        yield block


def _text(
    part: dict[str, Any],
    field: str,
    takes: Takes,  # noqa: ARG001 - every writer is told
) -> dict[str, Any] | None:
    text = read.text(part.get("text"), f"{field}.text")
    return {"type": "text", "text": text} if text.strip() else None


def _refusal(
    part: dict[str, Any],
    field: str,
    takes: Takes,  # noqa: ARG001 - every writer is told
) -> dict[str, Any] | None:
    text = read.text(part.get("refusal"), f"{field}.refusal")
    return {"type": "text", "text": text} if text.strip() else None


def _image(part: dict[str, Any], field: str, takes: Takes) -> dict[str, Any]:
    image, field = part.get("image_url"), f"{field}.image_url"
    if isinstance(image, dict):
        image, field = image.get("url"), f"{field}.url"
    uri = read.name(image, field)
    if is_web(uri) and takes.links is None:
        return {"type": "image", "source": _link(uri)}
    media_type, data = _content(uri, field, takes, "image/png")
    if media_type not in _IMAGE_TYPES:
        raise CapabilityMissingError(
            "The model takes images as JPEG, PNG, GIF or WebP.", field
        )
    source = {
        "type": "base64",
        "media_type": _IMAGE_TYPES[media_type],
        "data": data,
    }
    return {"type": "image", "source": source}


def _file(part: dict[str, Any], field: str, takes: Takes) -> dict[str, Any]:
    field = f"{field}.file"
    file = read.mapping(part.get("file"), field)
    if file.get("file_data") is None:
        raise CapabilityMissingError(
            "A file that another provider stores cannot be read.",
            f"{field}.file_id",
        )
    content = read.name(file["file_data"], f"{field}.file_data")
    title = file.get("filename")
    block = {"type": "document", "source": _document(content, title, field, takes)}
    if isinstance(title, str) and title:
        block["title"] = title
    return block


def _document(content: str, title: object, field: str, takes: Takes) -> dict[str, Any]:
    field = f"{field}.file_data"
    if is_web(content) and takes.links is None:
        return _link(content)
    if isinstance(title, str) and title.lower().endswith(".pdf") and is_bare(content):
        return {"type": "base64", "media_type": _PDF, "data": content}
    media_type, data = _content(content, field, takes, _PDF)
    if media_type in takes.documents:
        return {"type": "base64", "media_type": media_type, "data": data}
    if not media_type.startswith("text/"):
        raise CapabilityMissingError("The model takes no files of this type.", field)
    try:
        text = base64.b64decode(data).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise read.malformed(field, "text in UTF-8, in base64") from error
    return {"type": "text", "media_type": "text/plain", "data": text}


def _content(uri: str, field: str, takes: Takes, stand_in: str) -> tuple[str, str]:
    """Return media type and base64 of what a URI holds, or of what is there."""
    if takes.links is not None and is_web(uri):
        fetched = takes.links.content(uri, field, stand_in)
        return fetched.media_type, fetched.data
    return data_of(uri, field)


def _link(uri: str) -> dict[str, Any]:
    """Leave it to the provider to fetch."""
    return {"type": "url", "url": uri}


_WRITERS: dict[str, Callable[[dict[str, Any], str, Takes], dict[str, Any] | None]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "file": _file,
}
"""Each type of part and what writes it. Audio and video are in it nowhere."""
