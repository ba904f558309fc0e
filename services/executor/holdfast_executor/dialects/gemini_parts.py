"""Parts of a message as Gemini's: text, and media whole or by address."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.data_uris import data_of, is_bare, is_web
from holdfast_executor.dialects.links import Links

_MEDIA_TYPES = {
    "image/jpg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
}
"""Spellings that Gemini does not know, and what it calls them."""

_TAKEN = re.compile(
    r"image/(?:png|jpeg|webp|heic|heif)|application/pdf|text/.+|audio/.+|video/.+"
)
"""ai.google.dev/gemini-api/docs, the pages on images, documents, audio and video."""

_TYPE_OF_ENDING = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "aac": "audio/aac",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "mpeg": "video/mpeg",
    "webm": "video/webm",
}
"""Of an address: Gemini must be told what is there before it looks."""

_AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg"}
"""OpenAI's two formats of `input_audio`."""

_STORE = "gs://"
_FILES = "https://generativelanguage.googleapis.com/"
"""Where what has been uploaded to the Gemini API is; it alone may read it."""

_VIDEO_SITES = frozenset({"youtube.com", "www.youtube.com", "youtu.be"})

Part = dict[str, Any]


class Parts:
    """Writes the parts of messages, for one kind of endpoint."""

    def __init__(self, links: Links, *, vertex: bool) -> None:
        """Write for Vertex AI or for the Gemini API.

        Args:
            links: Where to find what Google does not fetch.
            vertex: Whether for Vertex AI.
        """
        self._links = links
        self._vertex = vertex
        self._writers: dict[str, Callable[[dict[str, Any], str], Part | None]] = {
            "text": self._text,
            "input_text": self._text,
            "output_text": self._text,
            "refusal": self._refusal,
            "image_url": self._linked,
            "video_url": self._linked,
            "input_audio": self._audio,
            "file": self._file,
        }

    def of(self, content: object, field: str) -> list[Part]:
        """Write a message's content. Empty text, which is refused, is left out.

        Raises:
            RequestMalformedError: The content is none that can be understood.
            CapabilityMissingError: Gemini does not take such a part.
        """
        if content is None:
            return []
        if isinstance(content, str):
            return [{"text": content}] if content else []
        if not isinstance(content, list):
            raise read.malformed(field, "a string or an array of parts")
        written = (
            self._part(part, f"{field}[{place}]") for place, part in enumerate(content)
        )
        return [part for part in written if part is not None]

    def _part(self, part: object, field: str) -> Part | None:
        if isinstance(part, str):
            part = {"type": "text", "text": part}
        part = read.mapping(part, field)
        kind = read.name(part.get("type"), f"{field}.type")
        if kind not in self._writers:
            raise CapabilityMissingError(
                "Gemini takes no content parts of this type.", f"{field}.type"
            )
        return self._writers[kind](part, field)

    def _text(self, part: dict[str, Any], field: str) -> Part | None:
        text = read.text(part.get("text"), f"{field}.text")
        return {"text": text} if text else None

    def _refusal(self, part: dict[str, Any], field: str) -> Part | None:
        text = read.text(part.get("refusal"), f"{field}.refusal")
        return {"text": text} if text else None

    def _linked(self, part: dict[str, Any], field: str) -> Part:
        kind = part["type"]
        linked, field = part.get(kind), f"{field}.{kind}"
        if isinstance(linked, dict):
            linked, field = linked.get("url"), f"{field}.url"
        return self._media(read.name(linked, field), field)

    def _audio(self, part: dict[str, Any], field: str) -> Part:
        field = f"{field}.input_audio"
        audio = read.mapping(part.get("input_audio"), field)
        data = read.name(audio.get("data"), f"{field}.data")
        media_type = _AUDIO.get(read.name(audio.get("format"), f"{field}.format"))
        if media_type is None:
            raise read.malformed(f"{field}.format", "one of wav, mp3")
        return _inline(media_type, data, f"{field}.data")

    def _file(self, part: dict[str, Any], field: str) -> Part:
        field = f"{field}.file"
        file = read.mapping(part.get("file"), field)
        if file.get("file_data") is None:
            raise CapabilityMissingError(
                "A file that another provider stores cannot be read by Gemini.",
                f"{field}.file_id",
            )
        content = read.name(file["file_data"], f"{field}.file_data")
        title = file.get("filename")
        media_type = _type_of(title) if isinstance(title, str) else None
        if media_type is not None and is_bare(content):
            return _inline(media_type, content, f"{field}.file_data")
        return self._media(content, f"{field}.file_data")

    def _media(self, uri: str, field: str) -> Part:
        if is_web(uri) or uri.startswith(_STORE):
            return self._by_address(uri, field)
        return self._whole(*data_of(uri, field), field)

    def _whole(self, media_type: str, data: str, field: str) -> Part:
        media_type = _MEDIA_TYPES.get(media_type, media_type)
        if not _TAKEN.fullmatch(media_type):
            raise CapabilityMissingError(
                "Gemini takes images as PNG, JPEG, WebP or HEIC, and else PDF, text, "
                "audio and video.",
                field,
            )
        return _inline(media_type, data, field)

    def _by_address(self, uri: str, field: str) -> Part:
        """Have Google fetch what is at an address, where it would.

        It must be told what is there before it looks. Where the address does
        not say that, the content is sent.
        """
        if uri.startswith(_STORE) != self._vertex and uri.startswith((_STORE, _FILES)):
            raise CapabilityMissingError(
                "What is stored with Google is readable for the Gemini API or for "
                "Vertex AI, not for both.",
                field,
            )
        address = urlsplit(uri)
        media_type = _type_of(address.path)
        if address.hostname in _VIDEO_SITES:
            media_type = "video/mp4"
        elif uri.startswith(_FILES):
            # The API knows what has been uploaded to it.
            return {"fileData": {"fileUri": uri}}
        if media_type is None and not is_web(uri):
            raise CapabilityMissingError(
                "Gemini must be told what is at an address, and this one does not "
                "end in a way that says it.",
                field,
            )
        if media_type is None:
            fetched = self._links.content(uri, field, "image/png")
            return self._whole(fetched.media_type, fetched.data, field)
        return {"fileData": {"fileUri": uri, "mimeType": media_type}}


def _type_of(name: str) -> str | None:
    return _TYPE_OF_ENDING.get(name.rpartition(".")[2].lower())


def _inline(media_type: str, data: str, field: str) -> Part:
    if media_type.startswith("text/"):
        try:
            return {"text": base64.b64decode(data).decode()}
        except (binascii.Error, UnicodeDecodeError) as error:
            raise read.malformed(field, "text in UTF-8, in base64") from error
    return {"inlineData": {"mimeType": media_type, "data": data}}
