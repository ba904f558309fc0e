"""The edge's own HTTPS."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from fakes.certificates import Authority, Issued
from holdfast.certificates import CertificateFiles
from holdfast_edge.https import context
from holdfast_edge.server import EdgeServer

AUTHORITY = Authority()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Say how one was asked; at `/stream` in many pieces."""

    async def pieces() -> AsyncIterator[str]:
        for number in range(1_000):
            yield f"{number}\n"

    said = PlainTextResponse(scope["scheme"])
    streamed = StreamingResponse(pieces())
    await (streamed if scope["path"] == "/stream" else said)(scope, receive, send)


@contextlib.asynccontextmanager
async def served(
    issued: Issued, folder: Path
) -> AsyncIterator[tuple[str, CertificateFiles]]:
    """Serve over HTTPS; give the URL and the files of the certificate."""
    files = CertificateFiles(issued.write(folder))
    server = EdgeServer(
        app, "127.0.0.1:0", grace=timedelta(seconds=1), tls=context(files)
    )
    following = asyncio.create_task(files.follow(0.01))
    address = await server.start()
    try:
        yield f"https://{address}".replace("127.0.0.1", "localhost"), files
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await server.stop()


def believing(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.pem.decode())


async def shown(url: str) -> bytes:
    """Return the certificate that a new connection is shown."""
    host, _, port = url.removeprefix("https://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=believing(AUTHORITY))
    found: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate = found.getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    assert certificate is not None
    return certificate


async def test_answers_come_over_https(tmp_path: Path) -> None:
    """Whole and streamed; who speaks HTTP there is not answered."""
    async with served(AUTHORITY.issue("localhost"), tmp_path / "tls") as (url, _):
        async with httpx.AsyncClient(verify=believing(AUTHORITY)) as client:
            whole = await client.get(url)
            streamed = await client.get(f"{url}/stream")
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(url.replace("https", "http"))
        async with httpx.AsyncClient(verify=believing(Authority())) as stranger:
            with pytest.raises(httpx.ConnectError):
                await stranger.get(url)

    assert whole.text == "https"
    assert streamed.text.split() == [str(number) for number in range(1_000)]


async def test_a_renewed_certificate_is_shown_to_who_comes_next(tmp_path: Path) -> None:
    """Connections there are go on as they were."""
    first, second = AUTHORITY.issue("localhost"), AUTHORITY.issue("localhost")
    async with (
        served(first, tmp_path / "tls") as (url, files),
        httpx.AsyncClient(verify=believing(AUTHORITY)) as client,
    ):
        before = await shown(url)
        assert (await client.get(url)).text == "https"
        known = files.current
        second.write(tmp_path / "tls")
        await asyncio.wait_for(files.renewed(known), 10)
        after = await shown(url)

        assert (await client.get(url)).text == "https"

    assert x509.load_der_x509_certificate(before) == certificate_of(first)
    assert x509.load_der_x509_certificate(after) == certificate_of(second)


def certificate_of(issued: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.chain)
