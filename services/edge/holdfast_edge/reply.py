"""Sending an answer that is whole."""

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.types import Send

from holdfast_edge.headers import Header

_encode = msgspec.json.Encoder().encode


async def send_json(send: Send, value: Any, *, headers: Sequence[Header] = ()) -> None:
    """Send a value as JSON, with status 200."""
    await send_bytes(send, _encode(value), headers=headers)


async def send_bytes(
    send: Send,
    body: bytes,
    *,
    content_type: bytes = b"application/json",
    headers: Sequence[Header] = (),
) -> None:
    """Send bytes as they are, with status 200."""
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
