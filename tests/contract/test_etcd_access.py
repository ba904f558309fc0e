"""An etcd that wants to know who calls."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.patience import until
from holdfast.settings import Secret
from holdfast_cli.etcd_binary import find_etcd
from holdfast_cli.etcd_process import EtcdProcess
from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import ANYBODY, RANGE, Access, EtcdClient, Login
from holdfast_resolver.etcd_stores import EtcdStores

KEY = "a1" * 12
TTL = timedelta(minutes=30)
ROOT = Access(login=Login("root", Secret("secret")))


async def etcdctl(endpoint: str, *command: str) -> None:
    """Run the command that comes with etcd."""
    process = await asyncio.create_subprocess_exec(
        str(find_etcd().with_name("etcdctl")),
        f"--endpoints={endpoint}",
        *command,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0


@pytest.fixture
async def guarded_etcd(tmp_path: Path) -> AsyncIterator[EtcdProcess]:
    """Run an etcd that knows one user, root, by the password `secret`."""
    etcd = EtcdProcess(tmp_path)
    await etcd.start()
    assert await etcd.wait_ready(10)
    for command in ("user add root:secret", "auth enable"):
        await etcdctl(etcd.endpoint, *command.split())
    yield etcd
    await etcd.stop()


async def test_user_of_etcd(guarded_etcd: EtcdProcess) -> None:
    """With a password the stores work, also after etcd was killed."""
    user = EtcdStores([guarded_etcd.endpoint], "/h", access=ROOT)
    await user.start()
    assert await user.wait_synced(10)
    user.sessions.bind(KEY, "aws/a", TTL)
    await until(lambda: user.sessions.counts.writing.won == 1)
    os.kill(guarded_etcd.pid, signal.SIGKILL)
    await until(lambda: not user.synced)
    assert await user.wait_synced(10)
    user.sessions.move(KEY, "gcp/a", TTL)

    await until(lambda: user.sessions.counts.writing.won == 2)
    await user.close()


async def test_etcd_forgets_who_logged_in(guarded_etcd: EtcdProcess) -> None:
    """A call that comes with a token etcd no longer knows logs in again, unseen."""
    client = EtcdClient([guarded_etcd.endpoint], access=ROOT)
    read = wire.RangeRequest(key=b"k")
    await client.call(RANGE, read)
    for command in ("--user=root:secret auth disable", "auth enable"):
        await etcdctl(guarded_etcd.endpoint, *command.split())

    assert (await client.call(RANGE, read)).header.revision
    await client.close()


async def test_stranger_to_etcd(guarded_etcd: EtcdProcess) -> None:
    """Without the password there is no etcd, and the stores work on their own."""
    wrong = Access(login=Login("root", Secret("guess")))
    for access in (ANYBODY, wrong):
        stranger = EtcdStores([guarded_etcd.endpoint], "/h", access=access)
        await stranger.start()
        stranger.sessions.bind(KEY, "aws/a", TTL)
        await until(lambda one=stranger: one.sessions.counts.reading.reconnects > 1)

        assert not stranger.synced
        assert stranger.sessions.get(KEY) == "aws/a"
        await stranger.close(flush_timeout_s=0.1)
