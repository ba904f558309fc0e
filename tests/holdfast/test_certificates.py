"""Certificates in files, which change under a process that runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from fakes.certificates import A_DAY, Authority
from fakes.patience import until
from holdfast.certificates import CertificateError, CertificateFiles


@contextlib.asynccontextmanager
async def followed(files: CertificateFiles) -> AsyncIterator[None]:
    following = asyncio.create_task(files.follow(period_s=0.01))
    try:
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_a_new_certificate_is_current_once_its_file_is_in_place(tmp_path: Path):
    """Put there by a link, as Kubernetes does; whoever waits for it is told."""
    authority = Authority()
    files = CertificateFiles(authority.issue("edge").write(tmp_path / "tls"))
    first = files.current
    async with followed(files):
        waiting = asyncio.create_task(files.renewed(first))
        second = authority.issue("edge", life=3 * A_DAY)
        second.write(tmp_path / "tls")
        await asyncio.wait_for(waiting, 10)

    assert files.current.chain == second.chain
    assert files.current.private_key == second.key
    said = REGISTRY.get_sample_value(
        "holdfast_certificate_end_seconds", {"file": "cert_file"}
    )
    assert files.current.end is not None
    assert said == files.current.end.timestamp()


async def test_half_a_renewal_changes_nothing_until_the_rest_has_come(tmp_path: Path):
    """A certificate beside the key of the one before it is not used."""
    authority = Authority()
    paths = authority.issue("edge").write(tmp_path / "tls")
    files = CertificateFiles(paths)
    first, second, third = files.current, authority.issue("edge"), Authority().pem
    assert paths.ca is not None
    assert paths.cert is not None
    assert paths.key is not None
    with capture_logs() as log:
        async with followed(files):
            paths.cert.write_bytes(second.chain)
            await until(lambda: log)
            meanwhile = files.current
            paths.key.unlink()
            await until(lambda: len(log) > 1)
            without_a_key = files.current
    async with followed(files):
        paths.key.write_bytes(second.key)
        await until(lambda: files.current.chain == second.chain)
        paths.ca.write_bytes(third)
        await until(lambda: files.current.authorities == third)

    assert [entry["event"] for entry in log] == ["certificates_not_renewed"] * 2
    assert meanwhile is first
    assert without_a_key is first


@pytest.mark.parametrize(
    ("spoilt", "content", "said"),
    [
        ("ca", b"", "ca_file: .*ca.crt holds no certificates"),
        ("cert", b"-----BEGIN", "cert_file: .*tls.crt holds no certificate"),
        ("key", b"secret", "key_file: .*tls.key holds no key of the certificate in"),
        ("key", None, "key_file: .*tls.key cannot be read: No such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, spoilt, content, said):
    """By what the operator has named it with, and never by what it holds."""
    paths = Authority().issue("edge").write(tmp_path / "tls")
    file: Path = getattr(paths, spoilt)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)

    with pytest.raises(CertificateError, match=said) as raised:
        CertificateFiles(paths)

    assert "secret" not in str(raised.value)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path):
    """The message names both, for either may be the wrong one."""
    authority = Authority()
    one, other = authority.issue("edge"), authority.issue("edge")

    with pytest.raises(CertificateError, match=r"tls.key holds no key .*tls.crt"):
        CertificateFiles(replace(one, key=other.key).write(tmp_path / "tls"))


def test_a_key_does_not_show_in_what_is_printed(tmp_path: Path):
    """Certificates are public; a key is not."""
    issued = Authority().issue("edge")

    shown = repr(CertificateFiles(issued.write(tmp_path / "tls")).current)

    assert "PRIVATE KEY" not in shown
