"""Authorities and the certificates they make out, in files as a service finds them.

authority = Authority()
paths = authority.issue("edge").write(folder)
replaced(folder, authority.issue("edge"))     # as Kubernetes does it
"""

import datetime as dt
import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from holdfast.certificates import CertificateFiles
from holdfast.environment import Environment
from holdfast.rpc.tls import MutualTls
from holdfast.settings import CertificatePaths

A_DAY = dt.timedelta(days=1)
_numbers = itertools.count(1)


class Authority:
    """Makes out certificates that nobody else believes."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(f"authority {next(_numbers)}")
        constraint = x509.BasicConstraints(ca=True, path_length=None)
        self._certificate = (
            _beginning(self._name, self._name, self._key, A_DAY)
            .add_extension(constraint, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @cached_property
    def pem(self) -> bytes:
        """Its own certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        *names: str,
        uri: str = "",
        common_name: str = "",
        life: dt.timedelta = A_DAY,
    ) -> "Issued":
        """Make out a certificate.

        Args:
            names: What it is for, as DNS names; IP addresses as such.
            uri: What it is for besides.
            common_name: Whom it names otherwise.
            life: How long it counts from now on; less than nothing: it has run out.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        said = [*map(x509.DNSName, names), *map(x509.UniformResourceIdentifier, [uri])]
        certificate = (
            _beginning(_name(common_name or "nobody"), self._name, key, life)
            .add_extension(
                x509.SubjectAlternativeName(said if uri else said[:-1]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        return Issued(
            self.pem,
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key, and the authorities that its owner believes."""

    authorities: bytes
    chain: bytes
    key: bytes

    def believing(self, *authorities: Authority) -> "Issued":
        """Return the same, for an owner who believes these authorities."""
        pem = b"".join(authority.pem for authority in authorities)
        return Issued(pem, self.chain, self.key)

    def write(self, folder: Path) -> CertificatePaths:
        """Put the three in a folder, in place of those there all at once."""
        folder.mkdir(exist_ok=True)
        version = folder / f"..version-{next(_numbers)}"
        version.mkdir()
        files = {"ca.crt": self.authorities, "tls.crt": self.chain, "tls.key": self.key}
        for name, content in files.items():
            (version / name).write_bytes(content)
            link = folder / name
            if not link.is_symlink():
                link.symlink_to(Path("..data") / name)
        (folder / "..next").symlink_to(version.name)
        (folder / "..next").replace(folder / "..data")
        return CertificatePaths(
            *(folder / name for name in files), ("ca_file", "cert_file", "key_file")
        )

    def environment(self, folder: Path) -> Environment:
        """Put the three in a folder, and return what names them to a service."""
        paths = self.write(folder)
        return Environment(
            tls_ca_file=paths.ca, tls_cert_file=paths.cert, tls_key_file=paths.key
        )

    def tls(self, folder: Path) -> MutualTls:
        """Put the three in a folder, and return what speaks TLS with them."""
        return MutualTls(CertificateFiles(self.write(folder)))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _beginning(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    life: dt.timedelta,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * A_DAY)
        .not_valid_after(now + life)
    )
