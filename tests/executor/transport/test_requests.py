"""What can be sent, and what is refused before it is."""

import pytest

from fakes.raw_provider import HELLO, Counted, serving
from fakes.transport_calls import failure, send
from holdfast_executor.transport import (
    FailureKind,
    HttpRequest,
    Transport,
    TransportError,
)


@pytest.mark.parametrize(
    "header",
    [
        ("x-key", "a\r\nx-evil: 1"),
        ("x-key", "a\nb"),
        ("x-key", "a\0b"),
        ("x-key: 1\r\nx-evil", "1"),
        ("", "1"),
        ("x-key", "evil\udc80"),
        ("x-\u212aey", "1"),
    ],
)
async def test_a_header_cannot_hold_another(
    transport: Transport, header: tuple[str, str]
) -> None:
    """A line break in a credential sends nothing, and its text is not told."""
    provider = Counted(HELLO)
    async with serving(provider) as port:
        with pytest.raises(TransportError) as caught:
            await send(transport, port, headers=(header,))

    assert (caught.value.kind, provider.requests) == (FailureKind.CONNECT, [])
    assert "evil" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/v1/models",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "http://",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\r\nx: y",
        "http://user:secret@127.0.0.1/",
        "http://a..b/",
        f"http://{'a' * 64}.test/",
    ],
)
async def test_an_url_that_leads_nowhere(transport: Transport, url: str) -> None:
    """A wrong URL is the deployment's failure, like a host that is away."""
    request = HttpRequest("POST", url, allow_private_network=True)
    with pytest.raises(TransportError) as caught:
        await transport.send(request, connect_timeout=5, response_timeout=5)

    assert caught.value.kind is FailureKind.CONNECT
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "name", ["Content-Length", "transfer-encoding", "host", "Upgrade"]
)
async def test_what_frames_a_request_cannot_be_set(
    transport: Transport, name: str
) -> None:
    """Nobody makes one request into two."""
    provider = Counted(HELLO)
    async with serving(provider) as port:
        pending = send(transport, port, headers=((name, "1"),))

        assert await failure(pending) is FailureKind.CONNECT
    assert provider.requests == []
