"""Reading a request's body: as much as may be, as JSON and nothing else."""

import asyncio
from collections.abc import Callable

from starlette.types import Message, Receive

from holdfast.errors import NotServedError, RequestTooLargeError
from holdfast_edge.headers import Head
from holdfast_edge.presence import CallerGoneError

LIMIT_BYTES = 32 * 1024 * 1024
"""The largest body: what the executor's protocol carries."""

_DRAIN_BYTES = 128 * 1024 * 1024
"""How much of a refused body is read and dropped, so that a client that sends
all before it reads finds the refusal and no reset connection."""

_DRAIN_SECONDS = 60
"""How long that is done: a client that sends 128 MiB at 20 Mbit/s is done."""

_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii"})
"""JSON is UTF-8 (RFC 8259 section 8.1), of which ASCII is a part."""


class Inbound:
    """What a client sends, and whether all of it has come."""

    def __init__(self, receive: Receive, *, has_body: bool) -> None:
        self._receive = receive
        self.ended = not has_body

    async def __call__(self) -> Message:
        """Receive what comes next."""
        message = await self._receive()
        if not message.get("more_body", False):
            self.ended = True
        return message

    async def drain(self) -> None:
        """Read and drop what still comes, within bounds."""
        dropped = 0
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self.ended and dropped < _DRAIN_BYTES:
                    message = await self()
                    dropped += len(message.get("body", b""))
        except TimeoutError:
            return


async def read_json_body(head: Head, receive: Receive) -> bytes:
    """Read a body that says it is JSON.

    Raises:
        NotServedError: It says it is something else, or is compressed.
        RequestTooLargeError: It is larger than `LIMIT_BYTES`.
        CallerGoneError: The caller went away before all had come.
    """
    _check_media_type(head)
    length = head.headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > LIMIT_BYTES:
        raise _too_large()
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        return _within_limit(message.get("body", b""))
    return await _read_rest(message, receive)


async def _read_rest(message: Message, receive: Receive) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        if message["type"] != "http.request":
            raise CallerGoneError
        piece = message.get("body", b"")
        size += len(piece)
        if size > LIMIT_BYTES:
            raise _too_large()
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)
        message = await receive()


def _within_limit(body: bytes) -> bytes:
    if len(body) > LIMIT_BYTES:
        raise _too_large()
    return body


def _too_large() -> RequestTooLargeError:
    return RequestTooLargeError(
        f"The body is larger than {LIMIT_BYTES // 1024 // 1024} MiB.",
        limit_bytes=str(LIMIT_BYTES),
    )


def _check_media_type(head: Head) -> None:
    """Refuse what is not plain JSON. No content type at all is taken for JSON."""
    for name, is_served, remedy in _MEDIA_HEADERS:
        value = head.headers.get(name)
        if value is not None and not is_served(value.decode("latin-1")):
            raise NotServedError(remedy, field=name.decode())


def _is_json(content_type: str) -> bool:
    media_type, *parameters = (part.strip() for part in content_type.lower().split(";"))
    is_json = media_type in ("", "application/json") or media_type.endswith("+json")
    return is_json and all(
        parameter.removeprefix("charset=").strip('"') in _CHARSETS
        for parameter in parameters
        if parameter.startswith("charset=")
    )


def _is_plain(content_encoding: str) -> bool:
    return content_encoding.strip().lower() in ("", "identity")


_MEDIA_HEADERS: tuple[tuple[bytes, Callable[[str], bool], str], ...] = (
    (
        b"content-type",
        _is_json,
        "The body must be JSON in UTF-8: send `content-type: application/json`.",
    ),
    (
        b"content-encoding",
        _is_plain,
        "Compressed bodies are not taken: send it without a content-encoding.",
    ),
)
"""What a head may say of its body: the header, the test, and what to do."""
