"""Calls over the executor's transport, and what becomes of them."""

from collections.abc import Awaitable

import pytest

from holdfast_executor.transport import (
    FailureKind,
    HttpRequest,
    HttpResponse,
    Transport,
    TransportError,
)


async def send(
    transport: Transport,
    port: int,
    *,
    scheme: str = "http",
    host: str = "127.0.0.1",
    body: bytes = b"{}",
    headers: tuple[tuple[str, str], ...] = (),
    allow_private_network: bool = True,
    connect_timeout: float = 30,
    response_timeout: float = 30,
    path: str = "/v1/chat/completions",
) -> HttpResponse:
    """Send a POST; what it asks for matters to few."""
    request = HttpRequest(
        "POST",
        f"{scheme}://{host}:{port}{path}",
        headers,
        body,
        allow_private_network,
    )
    return await transport.send(
        request, connect_timeout=connect_timeout, response_timeout=response_timeout
    )


async def ask(transport: Transport, port: int) -> bytes:
    """Call and read the whole answer."""
    response = await send(transport, port)
    try:
        return await response.read()
    finally:
        await response.close()


async def failure(pending: Awaitable[object]) -> FailureKind:
    """Await what has to fail, and say how it did."""
    with pytest.raises(TransportError) as caught:
        await pending
    return caught.value.kind
