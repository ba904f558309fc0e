"""AWS's event streams as the service writes them, frame by frame.

    frame({":message-type": "event", ":event-type": "messageStop"}, b"{}")
    event("messageStop", {"stopReason": "end_turn"})
    exception("throttlingException", "Too many requests")

A frame is a prelude (length of all, length of the headers, checksum of both),
the headers, the payload, and a checksum of all that.
"""

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

_TEXT = 7
"""The type of a header that is a string."""


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Write one frame."""
    written = b"".join(
        struct.pack(">B", len(name))
        + name.encode()
        + struct.pack(">BH", _TEXT, len(value.encode()))
        + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 12 + len(written) + len(payload) + 4, len(written))
    whole = prelude + struct.pack(">I", zlib.crc32(prelude)) + written + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


def event(name: str, data: Mapping[str, Any]) -> bytes:
    """Write an event, with padding as the service adds it."""
    headers = {
        ":event-type": name,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return frame(headers, json.dumps({**data, "p": "abcdefgh"}).encode())


def chunk(data: Mapping[str, Any]) -> bytes:
    """Write an event of a model's own, as `InvokeModelWithResponseStream` does."""
    return event(
        "chunk", {"bytes": base64.b64encode(json.dumps(data).encode()).decode()}
    )


def exception(name: str, message: str, **fields: Any) -> bytes:
    """Write a failure that the service knows, as its model has it: none is recorded."""
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return frame(headers, json.dumps({"message": message, **fields}).encode())


def error(code: str, message: str) -> bytes:
    """Write any other failure: it has no payload."""
    headers = {":message-type": "error", ":error-code": code, ":error-message": message}
    return frame(headers, b"")
