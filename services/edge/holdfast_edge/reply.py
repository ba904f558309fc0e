"""Sending an answer that is whole."""

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.types import Send

from holdfast_edge.headers import Header

_encode = msgspec.json.Encoder().encode


async def send_json(
    send: Send, value: Any, *, status: int = 200, headers: Sequence[Header] = ()
) -> None:
    """Send a value as JSON."""
    await send_bytes(send, _encode(value), status=status, headers=headers)


async def send_bytes(
    send: Send,
    body: bytes,
    *,
    status: int = 200,
    content_type: bytes = b"application/json",
    headers: Sequence[Header] = (),
) -> None:
    """Send bytes as they are."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def send_nothing(
    send: Send, status: int, *, headers: Sequence[Header] = ()
) -> None:
    """Send an answer that has no body: 204 or 304."""
    await send({"type": "http.response.start", "status": status, "headers": [*headers]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
