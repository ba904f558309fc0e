"""What tests of the transport share: it, a certificate, and both event loops."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvloop

from holdfast_executor.transport import Transport


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each test on both: services run on uvloop, whoever debugs on the other."""
    factories: dict[str, Any] = {
        "asyncio": asyncio.new_event_loop,
        "uvloop": uvloop.new_event_loop,
    }
    return factories


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport()
    await transport.start()
    yield transport
    await transport.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for `provider.test`, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    arguments = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=provider.test"
    subprocess.run(
        [
            *(openssl, *arguments.split(), "-keyout", path, "-out", f"{path}.crt"),
            *("-addext", "subjectAltName=DNS:provider.test"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
async def trusting(certificate: Path) -> AsyncIterator[Transport]:
    """A transport that trusts the certificate and finds its host."""

    async def resolve(host: str) -> list[str]:
        return ["127.0.0.1"]

    tls = ssl.create_default_context(cafile=certificate)
    transport = Transport(resolve=resolve, tls=tls)
    await transport.start()
    yield transport
    await transport.close()
