"""Parts of a message as Anthropic's content blocks: text, images, documents."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any

from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects import request_fields as read

_DATA_URI = re.compile(r"data:([^;,]*)(?:;[^;,]*)*?(;base64)?,", re.IGNORECASE)
_IMAGE_TYPES = {
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/png": "image/png",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
}
"""What Anthropic takes, and how it spells it."""

_PDF = "application/pdf"


def blocks_of(content: object, field: str) -> list[dict[str, Any]]:
    """Write a message's content as blocks. Blank text, which is refused, is left out.

    Raises:
        RequestMalformedError: The content is none that can be understood.
        CapabilityMissingError: Claude does not take such a part.
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
        for block in _part(part, f"{field}[{place}]")
    ]


def text_of(content: object, field: str) -> str:
    """Read content that may be text alone, as that of a refusal.

    Raises:
        RequestMalformedError: It is something else.
    """
    return "" if content is None else read.text(content, field)


def _part(part: object, field: str) -> Iterator[dict[str, Any]]:
    if isinstance(part, str):
        part = {"type": "text", "text": part}
    part = read.mapping(part, field)
    kind = read.name(part.get("type"), f"{field}.type")
    write = _WRITERS.get(kind)
    if write is None:
        raise CapabilityMissingError(
            "Claude takes no content parts of this type.", f"{field}.type"
        )
    block = write(part, field)
    if block is not None:
        if isinstance(part.get("cache_control"), dict):
            block["cache_control"] = part["cache_control"]
        yield block


def _text(part: dict[str, Any], field: str) -> dict[str, Any] | None:
    text = read.text(part.get("text"), f"{field}.text")
    return {"type": "text", "text": text} if text.strip() else None


def _refusal(part: dict[str, Any], field: str) -> dict[str, Any] | None:
    text = read.text(part.get("refusal"), f"{field}.refusal")
    return {"type": "text", "text": text} if text.strip() else None


def _image(part: dict[str, Any], field: str) -> dict[str, Any]:
    image, field = part.get("image_url"), f"{field}.image_url"
    if isinstance(image, dict):
        image, field = image.get("url"), f"{field}.url"
    uri = read.name(image, field)
    if _is_web(uri):
        return {"type": "image", "source": {"type": "url", "url": uri}}
    media_type, data = _data(uri, field)
    if media_type not in _IMAGE_TYPES:
        raise CapabilityMissingError(
            "Claude takes images as JPEG, PNG, GIF or WebP.", field
        )
    source = {
        "type": "base64",
        "media_type": _IMAGE_TYPES[media_type],
        "data": data,
    }
    return {"type": "image", "source": source}


def _file(part: dict[str, Any], field: str) -> dict[str, Any]:
    field = f"{field}.file"
    file = read.mapping(part.get("file"), field)
    if file.get("file_data") is None:
        raise CapabilityMissingError(
            "A file that another provider stores cannot be read by Claude.",
            f"{field}.file_id",
        )
    content = read.name(file["file_data"], f"{field}.file_data")
    title = file.get("filename")
    block = {"type": "document", "source": _document(content, title, field)}
    if isinstance(title, str) and title:
        block["title"] = title
    return block


def _document(content: str, title: object, field: str) -> dict[str, Any]:
    field = f"{field}.file_data"
    if _is_web(content):
        return {"type": "url", "url": content}
    if isinstance(title, str) and title.lower().endswith(".pdf") and _is_bare(content):
        return {"type": "base64", "media_type": _PDF, "data": content}
    media_type, data = _data(content, field)
    if media_type in _IMAGE_TYPES or not media_type.startswith(("text/", _PDF)):
        raise CapabilityMissingError("Claude takes files as PDF or text.", field)
    if media_type == _PDF:
        return {"type": "base64", "media_type": _PDF, "data": data}
    try:
        text = base64.b64decode(data).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise read.malformed(field, "text in UTF-8, in base64") from error
    return {"type": "text", "media_type": "text/plain", "data": text}


def _is_web(uri: str) -> bool:
    return uri[:8].lower().startswith(("https://", "http://"))


def _is_bare(content: str) -> bool:
    """Whether content is base64 without the frame of a data URI."""
    return ":" not in content[:64]


def _data(uri: str, field: str) -> tuple[str, str]:
    """Take a data URI apart into media type and base64."""
    frame = _DATA_URI.match(uri)
    if frame is None or not frame[2]:
        raise CapabilityMissingError(
            "Claude reads http, https and base64 data URIs alone.", field
        )
    return frame[1].lower(), uri[frame.end() :]


_WRITERS: dict[str, Callable[[dict[str, Any], str], dict[str, Any] | None]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "file": _file,
}
"""Each type of part and what writes it. Audio and video are in it nowhere."""
