"""Certificates that are kept in files, as they are now.

Who issues them puts new ones in place while a process runs, as Kubernetes does
with a mounted Secret. They are used from the next connection on, without a
restart. Where the files cannot be read or do not belong together, what was read
before stays in use, and the log says so.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import prometheus_client
import structlog

from holdfast.settings import CertificatePaths

if TYPE_CHECKING:
    from cryptography import x509

_log = structlog.get_logger("holdfast.certificates")

_END = prometheus_client.Gauge(
    "holdfast_certificate_end_seconds",
    "When the certificate in use runs out, in Unix seconds, by what names its file",
    ["file"],
)


class CertificateError(Exception):
    """Certificates cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """What was read, as PEM.

    Attributes:
        authorities: Whose certificates are believed. None: the machine's.
        chain: One's own certificate, and those between it and its authority.
        private_key: Its key.
        end: When it runs out. None where there is none of one's own.
    """

    authorities: bytes | None = None
    chain: bytes | None = None
    private_key: bytes | None = field(default=None, repr=False)
    end: datetime | None = None


class CertificateFiles:
    """The certificates of one set of files.

    Attributes:
        current: What is to be used for the next connection. Replaced, never
            changed: who has kept it can tell by identity whether it is current.
    """

    def __init__(self, paths: CertificatePaths) -> None:
        """Read the files; `follow` notices when they change.

        Raises:
            CertificateError: They cannot be used.
        """
        self._paths = paths
        self._renewed = asyncio.Event()
        self._read = _read(paths)
        self._fault = ""
        self.current = _checked(paths, self._read)
        self._show()

    async def follow(self, period_s: float = 1.0) -> None:
        """Use what is in the files whenever that has changed, until cancelled.

        What is half replaced is looked at again when the rest has come.

        Args:
            period_s: How often is looked, in seconds. A mounted Secret itself
                takes up to a minute to change.
        """
        while True:
            await asyncio.sleep(period_s)
            try:
                read = await asyncio.to_thread(_read, self._paths)
                if read == self._read:
                    self._fault = ""
                    continue
                self._read = read
                self._take(_checked(self._paths, read))
            except CertificateError as error:
                self._say_unusable(str(error))

    async def renewed(self, known: Certificates) -> None:
        """Wait until others are current than those that are known."""
        while self.current is known:
            await self._renewed.wait()

    def _take(self, certificates: Certificates) -> None:
        self.current = certificates
        self._renewed.set()
        self._renewed = asyncio.Event()
        self._fault = ""
        self._show()
        end = certificates.end and certificates.end.isoformat()
        _log.info("certificates_renewed", file=str(self._paths.cert), end=end)

    def _say_unusable(self, fault: str) -> None:
        # Said once, and not again every second.
        if fault != self._fault:
            _log.warning("certificates_not_renewed", reason=fault)
        self._fault = fault

    def _show(self) -> None:
        if self.current.end is not None:
            _END.labels(self._paths.names[1]).set(self.current.end.timestamp())


@asynccontextmanager
async def followed(paths: CertificatePaths) -> AsyncIterator[CertificateFiles]:
    """Give a set of files, and follow them while the context lasts.

    Raises:
        CertificateError: They cannot be used.
    """
    files = CertificateFiles(paths)
    following = asyncio.create_task(files.follow())
    try:
        yield files
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


_Read = tuple[bytes | None, bytes | None, bytes | None]
"""What is in the three files."""


def _read(paths: CertificatePaths) -> _Read:
    """Read a set of files.

    Raises:
        CertificateError: One of them cannot be read.
    """
    ca_name, cert_name, key_name = paths.names
    return (
        _bytes(ca_name, paths.ca),
        _bytes(cert_name, paths.cert),
        _bytes(key_name, paths.key),
    )


def _checked(paths: CertificatePaths, read: _Read) -> Certificates:
    """Make certificates of what was read.

    Raises:
        CertificateError: It is none, or the key is another's.
    """
    # Not before it is needed: most gateways are on one machine and use none.
    from cryptography import x509  # noqa: PLC0415

    ca_name, cert_name, key_name = paths.names
    authorities, chain, private_key = read
    if authorities is not None:
        try:
            x509.load_pem_x509_certificates(authorities)
        except ValueError as error:
            raise CertificateError(
                f"{ca_name}: {paths.ca} holds no certificates; "
                "put the authorities' there, as PEM"
            ) from error
    if chain is None or private_key is None:
        return Certificates(authorities)
    try:
        own = x509.load_pem_x509_certificates(chain)[0]
    except ValueError as error:
        raise CertificateError(
            f"{cert_name}: {paths.cert} holds no certificate; put it there, as PEM"
        ) from error
    if not _is_key_of(own, private_key):
        raise CertificateError(
            f"{key_name}: {paths.key} holds no key of the certificate in "
            f"{paths.cert}; put the two there that belong together, as PEM, and "
            "without a passphrase"
        )
    return Certificates(authorities, chain, private_key, own.not_valid_after_utc)


def _is_key_of(certificate: "x509.Certificate", pem: bytes) -> bool:
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError):  # no key at all, or one with a passphrase
        return False
    return key.public_key() == certificate.public_key()


def _bytes(name: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(
            f"{name}: {path} cannot be read: {error.strerror}; "
            "name a file that is there and may be read"
        ) from error
