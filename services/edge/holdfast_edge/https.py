"""The edge's own HTTPS, for where nothing that ends TLS stands before it."""

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from holdfast.certificates import CertificateFiles, Certificates, followed
from holdfast.settings import CertificatePaths


@asynccontextmanager
async def https(paths: CertificatePaths | None) -> AsyncIterator[ssl.SSLContext | None]:
    """Give what TLS is spoken with, and keep it as its files are.

    Gives None where there are no files.

    Raises:
        CertificateError: They cannot be used.
    """
    if paths is None:
        yield None
        return
    async with followed(paths) as files:
        yield context(files)


def context(files: CertificateFiles) -> ssl.SSLContext:
    """Make what shows a certificate, the one of that moment for each connection."""
    shown = files.current
    fresh = _context(shown)

    def choose(
        connection: ssl.SSLSocket | ssl.SSLObject,
        _name: str | None,
        _context_of_server: ssl.SSLContext,
    ) -> None:
        nonlocal shown, fresh
        if files.current is not shown:
            shown = files.current
            fresh = _context(shown)
        connection.context = fresh

    first = _context(shown)
    # Told of each connection's beginning, whether it names a host or not.
    first.sni_callback = choose
    return first


def _context(certificates: Certificates) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    # OpenSSL reads files alone, and those on the disk may be others by now.
    with os.fdopen(os.memfd_create("certificate"), "wb") as file:
        file.write(
            b"\n".join((certificates.chain or b"", certificates.private_key or b""))
        )
        file.flush()
        made.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    return made
