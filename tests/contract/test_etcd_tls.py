"""An etcd that wants to see certificates, and one's own change meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.certificates import A_DAY, Authority, Issued
from fakes.guarded_etcd import GuardedEtcd
from fakes.patience import until
from holdfast.certificates import CertificateError, CertificateFiles
from holdfast.settings import EtcdSettings, Secret
from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import RANGE, Access, EtcdClient
from holdfast_resolver.etcd.errors import EtcdUnavailableError
from holdfast_resolver.etcd_stores import EtcdStores

KEY = "a1" * 12
TTL = timedelta(minutes=30)
OURS, THEIRS = Authority(), Authority()
READ = wire.RangeRequest(key=b"k")


@pytest.fixture
async def etcd(tmp_path: Path) -> AsyncIterator[GuardedEtcd]:
    """Run an etcd that knows our authority alone."""
    async with GuardedEtcd(tmp_path, OURS) as guarded:
        yield guarded


def settings(etcd: GuardedEtcd, issued: Issued, folder: Path) -> EtcdSettings:
    return EtcdSettings((etcd.endpoint,), "/h", issued.write(folder))


async def test_with_a_certificate_of_its_authority_the_stores_work(
    etcd: GuardedEtcd, tmp_path: Path
) -> None:
    """As the configuration says, with nothing else to do."""
    stores = EtcdStores.of(settings(etcd, OURS.issue("gateway"), tmp_path / "tls"))
    await stores.start()
    assert await stores.wait_synced(10)
    stores.sessions.bind(KEY, "aws/a", TTL)

    await until(lambda: stores.sessions.counts.writing.won == 1)
    await stores.close()


@pytest.mark.parametrize(
    "issued",
    [
        pytest.param(THEIRS.issue("gateway").believing(OURS), id="another authority's"),
        pytest.param(OURS.issue("gateway", life=-A_DAY), id="run out"),
        pytest.param(
            OURS.issue("gateway").believing(THEIRS), id="who does not know etcd's"
        ),
    ],
)
async def test_without_the_right_certificate_there_is_no_etcd(
    etcd: GuardedEtcd, tmp_path: Path, issued: Issued
) -> None:
    """It is as if it were away."""
    files = CertificateFiles(issued.write(tmp_path / "tls"))
    stranger = EtcdClient([etcd.endpoint], access=Access(files), deadline_s=1)

    with pytest.raises(EtcdUnavailableError):
        await stranger.call(RANGE, READ)
    await stranger.close()


async def test_etcd_of_another_name_is_not_believed(
    etcd: GuardedEtcd, tmp_path: Path
) -> None:
    """A certificate of the right authority for something else is no etcd's."""
    files = CertificateFiles(OURS.issue("gateway").write(tmp_path / "tls"))
    elsewhere = etcd.endpoint.replace("localhost", "127.0.0.1")
    client = EtcdClient([elsewhere], access=Access(files), deadline_s=1)

    with pytest.raises(EtcdUnavailableError):
        await client.call(RANGE, READ)
    await client.close()


def won(stores: EtcdStores) -> int:
    return stores.sessions.counts.writing.won


async def test_certificates_are_renewed_under_way(
    etcd: GuardedEtcd, tmp_path: Path
) -> None:
    """No read fails, and what is watched goes on being watched."""
    tls = tmp_path / "tls"
    files = CertificateFiles(OURS.issue("gateway").write(tls))
    stores = EtcdStores([etcd.endpoint], "/h", access=Access(files))
    client = EtcdClient([etcd.endpoint], access=Access(files))
    following = asyncio.create_task(files.follow(0.01))
    await stores.start()
    assert await stores.wait_synced(10)

    async def read() -> None:
        while True:
            await client.call(RANGE, READ)

    reading = asyncio.create_task(read())
    for number in range(3):
        known = files.current
        OURS.issue("gateway").write(tls)
        OURS.issue("localhost").write(etcd.tls)
        await asyncio.wait_for(files.renewed(known), 10)
        stores.sessions.bind(f"{number:024x}", "aws/a", TTL)
        await until(lambda many=number + 1: won(stores) == many)
        assert not reading.done()

    assert stores.sessions.counts.reading.reconnects == 0
    for task in (reading, following):
        task.cancel()
    await asyncio.gather(reading, following, return_exceptions=True)
    await client.close()
    await stores.close()


async def test_one_whose_certificate_had_run_out_is_let_in_once_it_is_renewed(
    etcd: GuardedEtcd, tmp_path: Path
) -> None:
    """Without a restart, and what had waited meanwhile is written."""
    tls = tmp_path / "tls"
    stale = OURS.issue("gateway", life=-A_DAY)
    stores = EtcdStores.of(settings(etcd, stale, tls))
    await stores.start()
    stores.sessions.bind(KEY, "aws/a", TTL)
    await until(lambda: stores.sessions.counts.reading.reconnects > 1)
    OURS.issue("gateway").write(tls)

    assert await stores.wait_synced(20)
    await until(lambda: stores.sessions.counts.writing.won == 1)
    await stores.close()


async def test_user_with_a_password_beside_the_certificate(
    etcd: GuardedEtcd, tmp_path: Path
) -> None:
    """Who is let in to speak still has to say who it is; the password may change."""
    for command in ("user add root:first", "auth enable"):
        await etcd.control(*command.split())
    password = tmp_path / "password"
    password.write_text("first\n")
    nobody = settings(etcd, OURS.issue("gateway"), tmp_path / "tls")
    user = replace(nobody, user="root", password=Secret(file=password))
    stores, stranger = EtcdStores.of(user), EtcdStores.of(nobody)
    for each in (stores, stranger):
        await each.start()
    assert await stores.wait_synced(10)
    await until(lambda: stranger.sessions.counts.reading.reconnects > 1)
    change = "--user=root:first user passwd root --interactive=false"
    await etcd.control(*change.split(), typed="second\n")
    password.write_text("second\n")
    await etcd.control("--user=root:second", "auth", "disable")
    await etcd.control("auth", "enable")
    stores.sessions.bind(KEY, "aws/a", TTL)

    await until(lambda: stores.sessions.counts.writing.won == 1)
    assert not stranger.synced
    await stores.close()
    await stranger.close(flush_timeout_s=0.1)


def test_certificates_that_cannot_be_used_are_a_fault_at_start(tmp_path: Path) -> None:
    """And no etcd that seems to be away for ever."""
    paths = OURS.issue("gateway").write(tmp_path / "tls")
    assert paths.key is not None
    paths.key.unlink()

    with pytest.raises(CertificateError, match=r"key_file: .* cannot be read"):
        EtcdStores.of(EtcdSettings(("localhost:1",), "/h", paths))
