"""What tests of every kind share: one real etcd for the whole run."""

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from holdfast_cli.etcd_process import EtcdProcess


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def etcd_endpoint(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[str]:
    """Give the `host:port` of an etcd that all tests share and none harms.

    Who kills etcd or wipes it starts an `EtcdProcess` of its own.
    """
    etcd = EtcdProcess(tmp_path_factory.mktemp("etcd"))
    await etcd.start()
    assert await etcd.wait_ready(10), etcd.log_path.read_text()
    yield etcd.endpoint
    await etcd.stop()


@pytest.fixture
def etcd_prefix() -> str:
    """Give a prefix that no other test uses."""
    return f"/test/{uuid.uuid4().hex}"
