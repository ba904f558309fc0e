"""AWS's binary event streams, from bytes cut anywhere to whole frames.

botocore reads them, both checksums of each frame included. What is none of its
frames, such as the JSON of an error that came with a status of success, is
kept apart, so that it can be read for what it is.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

_BODY_OPENINGS = (b"{", b"[", b"<")
"""What JSON and HTML begin with. A frame begins with its length, of which the first
byte is at most 1: the longest frame has 24 MiB."""

_BODY_BYTES_MAX = 64 * 1024
"""Of a body that is no event stream: enough for any message."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a stream.

    Attributes:
        kind: `event`, or how it went wrong: `exception` (one that the service
            knows) or `error` (any other, and damage to the stream).
        name: Which event, exception or error it is.
        payload: JSON.
    """

    kind: str
    name: str
    payload: bytes


class FrameReader:
    """Puts one stream's frames together."""

    __slots__ = ("_body", "_buffer", "_faults", "_started")

    def __init__(self) -> None:
        # Here, for botocore costs 30 ms and 3 MB, and only a deployment of
        # Bedrock's needs it.
        from botocore.eventstream import (  # noqa: PLC0415
            EventStreamBuffer,
            ParserError,
        )

        self._buffer = EventStreamBuffer()
        self._faults = (ParserError, LookupError, ValueError, struct.error)
        self._body = b""
        self._started = False

    def feed(self, block: bytes) -> list[Frame]:
        """Take bytes, cut anywhere, and return the frames they complete.

        Where a length or checksum is wrong, an `error` says so, and is the last.
        """
        if not self._started and block:
            self._started = True
            if block.startswith(_BODY_OPENINGS):
                self._body = block[:1]
                block = block[1:]
        if self._body:
            self._body += block[: _BODY_BYTES_MAX - len(self._body)]
            return []
        self._buffer.add_data(block)
        return list(self._frames())

    def body(self) -> bytes:
        """Return what came in place of a stream. Empty if a stream came."""
        return self._body

    def _frames(self) -> Iterator[Frame]:
        try:
            for message in self._buffer:
                yield _frame(message.headers, message.payload)
        except self._faults:
            yield _DAMAGED


_DAMAGED = Frame(
    "error", "", b'{"message":"The stream is damaged, or none of AWS\'s."}'
)


def _frame(headers: dict[str, Any], payload: bytes) -> Frame:
    match headers.get(":message-type"):
        case "exception":
            return Frame("exception", str(headers.get(":exception-type", "")), payload)
        case "error":
            message = {"message": str(headers.get(":error-message", ""))}
            code = str(headers.get(":error-code", ""))
            return Frame("error", code, msgspec.json.encode(message))
    return Frame("event", str(headers.get(":event-type", "")), payload)
