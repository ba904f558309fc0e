"""Etcd's upkeep, against real ones: copies that restore, and room in files."""

import asyncio
import contextlib
import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.caller import in_time
from fakes.certificates import Authority
from fakes.etcd_cluster import EtcdCluster
from fakes.guarded_etcd import GuardedEtcd
from holdfast.settings import EtcdSettings
from holdfast_cli.etcd_binary import find_etcd
from holdfast_cli.etcd_process import EtcdProcess
from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import COMPACT, DELETE_RANGE, PUT, RANGE, EtcdClient
from holdfast_resolver.etcd.maintenance import Member
from holdfast_resolver.etcd_upkeep import Upkeep, UpkeepError

BIG = b"x" * 100_000


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[EtcdCluster]:
    """Give three members."""
    async with EtcdCluster(tmp_path) as running:
        yield running


async def put(endpoints: list[str], *keys: bytes, value: bytes = b"v") -> int:
    """Write keys, and return the revision of the last one."""
    client = EtcdClient(endpoints, deadline_s=10)
    for key in keys:
        done = await client.call(PUT, wire.PutRequest(key=key, value=value))
    await client.close()
    return int(done.header.revision)


async def keys_of(endpoint: str) -> list[bytes]:
    """Read every key of an etcd."""
    client = EtcdClient([endpoint], deadline_s=10)
    said = await client.call(RANGE, wire.RangeRequest(key=b"\0", range_end=b"\0"))
    await client.close()
    return [kv.key for kv in said.kvs]


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def waste(endpoints: list[str]) -> None:
    """Fill the members' files, and empty them again."""
    keys = [b"big/%d" % number for number in range(60)]
    await put(endpoints, *keys, value=BIG)
    client = EtcdClient(endpoints, deadline_s=20)
    gone = wire.DeleteRangeRequest(key=b"big/", range_end=b"big0")
    revision = (await client.call(DELETE_RANGE, gone)).header.revision
    compact = wire.CompactionRequest(revision=revision, physical=True)
    await client.call(COMPACT, compact)
    await client.close()
    members = [Member(endpoint) for endpoint in endpoints]

    async def are_empty() -> bool:
        # What was freed counts as free from the next write on.
        await put(endpoints, b"small")
        standing = [await member.status() for member in members]
        return all(each.used_bytes < 10 * len(BIG) for each in standing)

    await in_time(are_empty)
    for member in members:
        await member.close()


def tool(name: str) -> Path:
    """Return a tool that comes with etcd; `etcdutl` does from 3.5 on."""
    path = find_etcd().with_name(name)
    if not path.exists():
        pytest.skip(f"there is no {name} beside {find_etcd()}")
    path.chmod(0o755)
    return path


async def test_a_copy_restores_what_was_there(tmp_path: Path) -> None:
    """With the tool that comes with etcd, into an etcd of its own."""
    restores = tool("etcdutl")
    before = EtcdProcess(tmp_path / "before")
    await before.start()
    assert await before.wait_ready(10)
    await put([before.endpoint], b"a", b"b")
    async with Upkeep.of(EtcdSettings((before.endpoint,))) as upkeep:
        copy = await upkeep.back_up(tmp_path, keep=1)
    await put([before.endpoint], b"too late")
    await before.stop()

    await asyncio.to_thread(
        subprocess.run,
        [
            restores,
            "snapshot",
            "restore",
            copy.path,
            f"--data-dir={tmp_path / 'after' / 'data'}",
            "--name=holdfast",
            "--initial-cluster=holdfast=http://127.0.0.1:2380",
            "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        ],
        check=True,
        capture_output=True,
    )
    after = EtcdProcess(tmp_path / "after")
    await after.start()
    assert await after.wait_ready(10)
    restored = await keys_of(after.endpoint)
    await after.stop()

    assert restored == [b"a", b"b"]


async def test_three_members_restore_from_one_copy(
    cluster: EtcdCluster, tmp_path: Path
) -> None:
    """As deploy/k8s/restore-etcd.yaml does it, after all three have lost their data."""
    restores = tool("etcdutl")
    await put(cluster.endpoints, b"a", b"b")
    async with Upkeep.of(EtcdSettings(tuple(cluster.endpoints))) as upkeep:
        copy = await upkeep.back_up(tmp_path, keep=1)
    for number in range(3):
        await cluster.kill(number)
        await asyncio.to_thread(shutil.rmtree, cluster.data(number))

    for number in range(3):
        await asyncio.to_thread(
            subprocess.run,
            [
                *(restores, "snapshot", "restore", copy.path),
                f"--data-dir={cluster.data(number)}",
                *cluster.identity(number),
                "--initial-cluster-token=holdfast-restored",
            ],
            check=True,
            capture_output=True,
        )
    await cluster.start_all()

    assert [await keys_of(each) for each in cluster.endpoints] == [[b"a", b"b"]] * 3


async def told(endpoint: str, *words: str) -> str:
    """Tell etcd something, at one member, and return what it says.

    It changes its members only if those have been well for five seconds.
    """
    said = ""

    async def is_heeded() -> bool:
        nonlocal said
        done = await asyncio.to_thread(
            subprocess.run,
            [str(tool("etcdctl")), f"--endpoints={endpoint}", *words],
            capture_output=True,
            text=True,
            env={**os.environ, "ETCDCTL_API": "3"},
        )
        said = done.stdout
        return done.returncode == 0

    await in_time(is_heeded)
    return said


async def test_a_member_whose_disk_is_gone_is_replaced(cluster: EtcdCluster) -> None:
    """In the order that deploy/k8s/README.md has; the other two are the majority."""
    await put(cluster.endpoints, b"a", b"b")
    await cluster.kill(0)
    await asyncio.to_thread(shutil.rmtree, cluster.data(0))
    well = cluster.endpoints[1]
    (lost,) = [
        line.partition(",")[0]
        for line in (await told(well, "member", "list")).splitlines()
        if cluster.endpoints[0] in line
    ]

    await told(well, "member", "remove", lost)
    await told(well, "member", "add", "m0", f"--peer-urls={cluster.peers[0]}")
    await cluster.start(0, joins=True)
    await cluster.wait_healthy(0)

    assert [await keys_of(each) for each in cluster.endpoints] == [[b"a", b"b"]] * 3


async def test_the_newest_copies_stay(etcd_endpoint: str, tmp_path: Path) -> None:
    """And nothing beside them."""
    (tmp_path / "notes.txt").touch()
    async with Upkeep.of(EtcdSettings((etcd_endpoint,))) as upkeep:
        made = [await upkeep.back_up(tmp_path, keep=2) for _ in range(4)]

    assert made[-1].dropped == (made[1].path,)
    assert names_in(tmp_path) == {"notes.txt", *(each.path.name for each in made[2:])}


class BreakingOff(Member):
    """A member that says that it is the newest, and whose copy ends too soon."""

    pieces = 0

    async def status(self):
        return dataclasses.replace(await super().status(), applied=2**63)

    async def snapshot(self):
        async with contextlib.aclosing(super().snapshot()) as pieces:
            async for piece in pieces:
                self.pieces += 1
                yield piece[:-1]
                break


async def test_a_copy_that_is_not_whole_is_none(
    etcd_endpoint: str, tmp_path: Path
) -> None:
    """Its digest is missing: nothing of it is left, and the one before stays."""
    member, other = BreakingOff(etcd_endpoint), Member(etcd_endpoint)
    before = await Upkeep([other]).back_up(tmp_path, keep=1)

    with pytest.raises(UpkeepError, match="digest"):
        await Upkeep([member]).back_up(tmp_path, keep=1)

    await member.close()
    await other.close()
    assert names_in(tmp_path) == {before.path.name}


async def test_a_copy_that_breaks_off_is_made_of_another_member(
    cluster: EtcdCluster, tmp_path: Path
) -> None:
    """Whatever is wrong with the one that is asked first."""
    await put(cluster.endpoints, b"a")
    breaking = BreakingOff(cluster.endpoints[0])
    whole = [Member(endpoint) for endpoint in cluster.endpoints[1:]]
    folder = tmp_path / "copies"
    folder.mkdir()

    made = await Upkeep([breaking, *whole]).back_up(folder, keep=1)

    for member in (breaking, *whole):
        await member.close()
    assert breaking.pieces == 1
    assert names_in(folder) == {made.path.name}


async def test_one_member_is_enough_for_a_copy(
    cluster: EtcdCluster, tmp_path: Path
) -> None:
    """Whichever still answers."""
    await put(cluster.endpoints, b"a")
    await cluster.kill(0)
    await cluster.kill(1)
    folder = tmp_path / "copies"
    folder.mkdir()

    async with Upkeep.of(EtcdSettings(tuple(cluster.endpoints))) as upkeep:
        copy = await upkeep.back_up(folder, keep=1)

    assert copy.size > 32


async def test_files_that_are_mostly_empty_shrink(cluster: EtcdCluster) -> None:
    """Of every member, and etcd answers all the while."""
    await waste(cluster.endpoints)
    over = asyncio.Event()
    written = 0

    async def write() -> None:
        nonlocal written
        while not over.is_set():
            await put(cluster.endpoints, b"meanwhile")
            written += 1

    writing = asyncio.create_task(write())
    async with Upkeep.of(EtcdSettings(tuple(cluster.endpoints))) as upkeep:
        freed = await upkeep.defragment()
        again = await upkeep.defragment()
    over.set()
    await writing

    assert set(freed) == set(cluster.endpoints)
    assert all(size > 30 * len(BIG) for size in freed.values())
    assert again == {}
    assert written


class Noting(Member):
    """A member that notes when it is worked on."""

    def __init__(self, endpoint: str, order: list[str]) -> None:
        super().__init__(endpoint)
        self._order = order

    async def defragment(self, within_s: float) -> None:
        self._order.append(self.endpoint)
        await super().defragment(within_s)


async def test_the_leader_is_last(cluster: EtcdCluster) -> None:
    """Its absence costs an election."""
    await waste(cluster.endpoints)
    order: list[str] = []
    members = [Noting(endpoint, order) for endpoint in cluster.endpoints]
    (leader,) = [each for each in members if (await each.status()).is_leader]

    await Upkeep(members).defragment()

    for member in members:
        await member.close()
    assert len(order) == 3
    assert order[-1] == leader.endpoint


async def test_nobody_is_worked_on_while_a_member_is_away(cluster: EtcdCluster) -> None:
    """One more away would be the majority."""
    await waste(cluster.endpoints)
    await cluster.kill(1)

    async with Upkeep.of(EtcdSettings(tuple(cluster.endpoints))) as upkeep:
        with pytest.raises(UpkeepError, match=cluster.endpoints[1]):
            await upkeep.defragment()
        sizes = [(await member.status()).file_bytes for member in upkeep._members[::2]]

    assert all(size > 60 * len(BIG) for size in sizes)


async def run(*arguments: str, **variables: str) -> tuple[int, str, str]:
    """Run `holdfast etcd`, and return its status, its output and its errors."""
    named = {k: v for k, v in os.environ.items() if not k.startswith("HOLDFAST_")}
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("holdfast")),
        "etcd",
        *arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**named, **variables},
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_command_copies_an_etcd_that_asks_for_certificates(
    tmp_path: Path,
) -> None:
    """With the variables that a resolver has."""
    authority = Authority()
    paths = authority.issue("gateway").write(tmp_path / "tls")
    (tmp_path / "copies").mkdir()
    async with GuardedEtcd(tmp_path, authority) as etcd:
        status, out, err = await run(
            "back-up",
            "--to",
            str(tmp_path / "copies"),
            HOLDFAST_ETCD_ENDPOINTS=f"https://{etcd.endpoint}",
            HOLDFAST_ETCD_CA_FILE=str(paths.ca),
            HOLDFAST_ETCD_CERT_FILE=str(paths.cert),
            HOLDFAST_ETCD_KEY_FILE=str(paths.key),
        )

    (copy,) = (tmp_path / "copies").iterdir()
    assert (status, err) == (0, "")
    assert out == f"{copy}: {copy.stat().st_size} bytes\n"


@pytest.mark.parametrize(
    ("arguments", "endpoints", "status", "why"),
    [
        (["back-up", "--to", "."], "", 2, "HOLDFAST_ETCD_ENDPOINTS is not set"),
        (["back-up", "--to", ".", "--keep", "0"], "127.0.0.1:1", 2, "--keep"),
        (["back-up", "--to", "."], "127.0.0.1:1", 1, "none of its members answers"),
        (["defragment"], "127.0.0.1:1", 1, "127.0.0.1:1 does not answer"),
    ],
)
async def test_what_cannot_be_done_is_said(
    tmp_path: Path, arguments: list[str], endpoints: str, status: int, why: str
) -> None:
    """With a status that makes a job fail."""
    said = await run(*arguments, HOLDFAST_ETCD_ENDPOINTS=endpoints)

    assert said[0] == status
    assert why in said[2]
    assert "Traceback" not in said[2]
