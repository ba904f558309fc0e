"""An etcd of one's own: it is there, it stays there, and it goes with us."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.patience import until
from holdfast_cli.etcd_binary import (
    EtcdNotFoundError,
    find_etcd,
    is_for_demos_and_tests,
    version_of,
)
from holdfast_cli.etcd_process import EtcdProcess, EtcdStartError
from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import PUT, RANGE, EtcdClient

RUN_FOREVER = """
import asyncio, pathlib, sys
from holdfast_cli.etcd_process import EtcdProcess
async def main():
    etcd = EtcdProcess(pathlib.Path(sys.argv[1]))
    await etcd.start()
    print(etcd.pid, flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"""


@pytest.fixture
async def etcd(tmp_path: Path) -> AsyncIterator[EtcdProcess]:
    etcd = EtcdProcess(tmp_path)
    yield etcd
    await etcd.stop()


async def put(etcd: EtcdProcess, value: bytes) -> None:
    client = EtcdClient([etcd.endpoint], deadline_s=10)
    await client.call(PUT, wire.PutRequest(key=b"k", value=value))
    await client.close()


async def get(etcd: EtcdProcess) -> bytes:
    client = EtcdClient([etcd.endpoint], deadline_s=10)
    answer = await client.call(RANGE, wire.RangeRequest(key=b"k"))
    await client.close()
    return answer.kvs[0].value


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def test_etcd_serves_once_ready(etcd: EtcdProcess) -> None:
    """Where it says that it is, it is."""
    endpoint = await etcd.start()
    assert await etcd.wait_ready(10)
    await put(etcd, b"v")

    assert endpoint == etcd.endpoint
    assert await get(etcd) == b"v"


async def test_killed_etcd_comes_back(etcd: EtcdProcess) -> None:
    """Etcd that dies is started again in the same place, with what it knew."""
    endpoint = await etcd.start()
    assert await etcd.wait_ready(10)
    await put(etcd, b"v")
    first = etcd.pid
    for _ in range(2):
        killed = etcd.pid
        os.kill(killed, signal.SIGKILL)
        await until(lambda pid=killed: etcd.pid not in (pid, None))
        assert await etcd.wait_ready(10)

    assert etcd.endpoint == endpoint
    assert etcd.pid != first
    assert await get(etcd) == b"v"


async def test_data_outlives_a_stop(etcd: EtcdProcess, tmp_path: Path) -> None:
    """Stopped and started, on other ports, it has what it had."""
    await etcd.start()
    assert await etcd.wait_ready(10)
    await put(etcd, b"v")
    await etcd.stop()
    host, port = etcd.endpoint.split(":")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, int(port)))
        await etcd.start()
        assert await etcd.wait_ready(10)
        assert etcd.endpoint != f"{host}:{port}"
        assert await get(etcd) == b"v"


async def test_stopped_etcd_is_gone(etcd: EtcdProcess) -> None:
    """After a stop there is no process, and nobody starts one; twice is once."""
    await etcd.start()
    pid = etcd.pid
    await etcd.stop()
    await etcd.stop()

    assert etcd.pid is None
    assert not is_alive(pid)
    assert not await etcd.wait_ready(0.05)


async def test_hung_etcd_is_stopped(etcd: EtcdProcess) -> None:
    """An etcd that was suspended ends too."""
    await etcd.start()
    assert await etcd.wait_ready(10)
    pid = etcd.pid
    os.kill(pid, signal.SIGSTOP)
    await etcd.stop()

    assert not is_alive(pid)


async def test_etcd_ends_with_its_killed_parent(tmp_path: Path) -> None:
    """However the process that runs it ends, etcd does not stay behind."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", RUN_FOREVER, str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async for line in parent.stdout:
        if line.strip().isdigit():
            pid = int(line)
            break
    assert is_alive(pid)
    parent.kill()
    await parent.communicate()

    await until(lambda: not is_alive(pid))


async def test_etcd_that_ends_at_once_is_an_error(tmp_path: Path) -> None:
    """What does not start says where to read why, instead of being tried forever."""
    broken = tmp_path / "etcd"
    broken.write_text(
        '#!/bin/sh\ntest "$1" = --version && echo etcd Version: 3.6.0 && exit\n'
        "echo no disk >&2\nexit 1\n"
    )
    broken.chmod(0o755)
    etcd = EtcdProcess(tmp_path / "state", binary=broken)

    with pytest.raises(EtcdStartError, match=str(etcd.log_path)):
        await etcd.start()
    assert "no disk" in etcd.log_path.read_text()


def test_named_etcd_comes_first(tmp_path: Path) -> None:
    """ETCD_BIN overrules what the machine has; if it cannot run, that is said."""
    named = tmp_path / "etcd"
    named.write_bytes(b"\x7fELF")

    with pytest.raises(EtcdNotFoundError, match=str(named)):
        find_etcd({"ETCD_BIN": str(named)})
    named.chmod(0o755)
    assert find_etcd({"ETCD_BIN": str(named), "PATH": "/usr/bin"}) == named


def test_scripts_on_the_path_are_passed_over(tmp_path: Path) -> None:
    """An etcd that is a Python script around another one is not run."""
    for folder, content in (("venv", b"#!/usr/bin/python"), ("bin", b"\x7fELF")):
        path = tmp_path / folder / "etcd"
        path.parent.mkdir()
        path.write_bytes(content)
        path.chmod(0o755)

    found = find_etcd({"PATH": f"{tmp_path / 'venv'}:{tmp_path / 'bin'}"})
    assert found == tmp_path / "bin" / "etcd"


def test_this_machine_has_an_etcd() -> None:
    """Without any other, the one from the Python package is found, and runs."""
    assert version_of(find_etcd({"PATH": ""}))


@pytest.mark.parametrize(
    ("version", "expected"),
    [("3.5.0", True), ("3.5.2", True), ("3.5.3", False), ("3.5.21", False)],
)
def test_versions_not_to_be_trusted(version: str, *, expected: bool) -> None:
    """Those that may lose data in a crash are for demos and tests."""
    assert is_for_demos_and_tests(version) is expected
