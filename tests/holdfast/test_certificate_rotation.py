"""Certificates and authorities change while calls go on, and none of them fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fakes.certificates import A_DAY, Authority, Issued
from fakes.links import collect
from fakes.patience import until
from fakes.plans import asking
from fakes.secured import reached, secured
from fakes.services import AnsweringExecutor, WaitingExecutor
from holdfast.certificates import CertificateFiles
from holdfast.errors import ServiceUnavailableError
from holdfast.rpc.clients import RemoteExecutor
from holdfast.rpc.link.client import Link
from holdfast.rpc.plain import PlainReplica
from holdfast.rpc.tls import MutualTls

REQUEST = asking(b"{}")
SHORT_S = 0.2
"""How long connections and streams take new calls here, so that there are many."""

PATIENCE_S = 5.0
"""How long a call waits for a connection: as the edge has it."""

both_ways = pytest.mark.parametrize("reach", [PlainReplica, Link])


@dataclass(slots=True)
class Party:
    """One side, with its files."""

    folder: Path
    issued: Issued
    files: CertificateFiles = field(init=False)

    def __post_init__(self) -> None:
        self.files = CertificateFiles(self.issued.write(self.folder))

    @property
    def tls(self) -> MutualTls:
        return MutualTls(self.files)

    async def renew(self, issued: Issued) -> None:
        """Put others in place, and wait until they are in use."""
        known = self.files.current
        issued.write(self.folder)
        await asyncio.wait_for(self.files.renewed(known), 10)


@contextlib.asynccontextmanager
async def following(*parties: Party) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each.files.follow(0.01)) for each in parties]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def steady_calls(far: RemoteExecutor) -> AsyncIterator[list[int]]:
    """Make calls of both kinds one after the other; give how many were answered."""
    answered = [0]

    async def call() -> None:
        while True:
            await far.execute(REQUEST)
            await collect(far.execute_stream(REQUEST))
            answered[0] += 1
            await asyncio.sleep(0.001)

    calling = [asyncio.create_task(call()) for _ in range(4)]
    try:
        yield answered
        assert not [task for task in calling if task.done()]
    finally:
        for task in calling:
            task.cancel()
        ends = await asyncio.gather(*calling, return_exceptions=True)
    assert {type(end) for end in ends} == {asyncio.CancelledError}


async def further(answered: list[int], many: int = 300) -> None:
    """Wait for so many further answers: over some connections made anew."""
    enough = answered[0] + many
    await until(lambda: answered[0] >= enough, within_s=90)


@both_ways
async def test_no_call_fails_while_certificates_are_renewed(reach, tmp_path):
    """Those of either side, over connections that are made anew all the time."""
    authority = Authority()
    edge = Party(tmp_path / "edge", authority.issue("edge"))
    executor = Party(tmp_path / "executor", authority.issue("executor"))
    async with (
        following(edge, executor),
        secured(
            AnsweringExecutor(), executor.tls, connection_s=SHORT_S, life_s=SHORT_S
        ) as address,
        reached(reach, address, tls=edge.tls, patience_s=PATIENCE_S) as far,
        steady_calls(far) as answered,
    ):
        for _ in range(3):
            await further(answered)
            await executor.renew(authority.issue("executor"))
            await further(answered)
            await edge.renew(authority.issue("edge"))
        await further(answered)


@both_ways
async def test_no_call_fails_while_the_authority_is_replaced(reach, tmp_path):
    """Both are believed first, then the new one makes out, then the old one goes."""
    old, new = Authority(), Authority()
    edge = Party(tmp_path / "edge", old.issue("edge"))
    executor = Party(tmp_path / "executor", old.issue("executor"))
    async with (
        following(edge, executor),
        secured(
            AnsweringExecutor(), executor.tls, connection_s=SHORT_S, life_s=SHORT_S
        ) as address,
        reached(reach, address, tls=edge.tls, patience_s=PATIENCE_S) as far,
        steady_calls(far) as answered,
    ):
        for authority, believed in (
            (old, (old, new)),
            (new, (old, new)),
            (new, (new,)),
        ):
            await edge.renew(authority.issue("edge").believing(*believed))
            await further(answered)
            await executor.renew(authority.issue("executor").believing(*believed))
            await further(answered)
        async with reached(
            reach, address, tls=old.issue("edge").believing(new).tls(tmp_path / "x")
        ) as late:
            with pytest.raises(ServiceUnavailableError):
                await late.execute(REQUEST)


@both_ways
async def test_a_service_that_had_run_out_is_back_once_its_certificate_is_renewed(
    reach, tmp_path
):
    """A replica that could not be reached is tried with what is new."""
    authority = Authority()
    edge = Party(tmp_path / "edge", authority.issue("edge", life=-A_DAY))
    executor = Party(tmp_path / "executor", authority.issue("executor"))
    async with (
        following(edge, executor),
        secured(AnsweringExecutor(), executor.tls) as address,
        reached(reach, address, tls=edge.tls, patience_s=PATIENCE_S) as far,
    ):
        with pytest.raises(ServiceUnavailableError):
            await far.execute(REQUEST)
        await edge.renew(authority.issue("edge"))
        await asyncio.wait_for(far.connected(), 10)

        assert (await far.execute(REQUEST)).body


@both_ways
async def test_a_call_that_goes_on_outlives_the_certificate_it_began_with(
    reach, tmp_path
):
    """Its connection is kept for it, and others are made for the next calls."""
    authority, waiting = Authority(), WaitingExecutor(first_chunk=True)
    edge = Party(tmp_path / "edge", authority.issue("edge"))
    executor = Party(tmp_path / "executor", authority.issue("executor"))
    async with (
        following(edge, executor),
        secured(waiting, executor.tls, connection_s=SHORT_S, life_s=SHORT_S) as address,
        reached(reach, address, tls=edge.tls, patience_s=PATIENCE_S) as far,
    ):
        stream = far.execute_stream(REQUEST)
        await anext(stream)
        await anext(stream)
        for _ in range(2):
            await edge.renew(authority.issue("edge"))
            await executor.renew(authority.issue("executor"))
            other = far.execute_stream(REQUEST)
            await anext(other)
            await other.aclose()
        waiting.release.set()
        rest = await collect(stream)

    assert rest[-1].HasField("completed")


async def test_a_link_does_not_outlive_the_trust_in_its_certificate(tmp_path):
    """When its authority is believed no more, its stream takes no further call."""
    old, new = Authority(), Authority()
    edge = Party(tmp_path / "edge", old.issue("edge").believing(old, new))
    executor = Party(tmp_path / "executor", old.issue("executor"))
    async with (
        following(edge, executor),
        secured(
            AnsweringExecutor(), executor.tls, connection_s=SHORT_S, life_s=SHORT_S
        ) as address,
        reached(Link, address, tls=edge.tls) as far,
    ):
        await far.execute(REQUEST)
        with capture_logs() as logs:
            await executor.renew(new.issue("executor"))
            await until(lambda: not far.is_reachable())
            with pytest.raises(ServiceUnavailableError):
                await far.execute(REQUEST)

    assert "replica_lost" in {entry["event"] for entry in logs}
