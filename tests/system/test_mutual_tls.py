"""Services that are processes, and certificates that change under them."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fakes.caller import HELLO, Answer, Caller, served_by
from fakes.certificates import Authority, Issued
from fakes.gateway import Gateway, configuration
from fakes.guarded_etcd import GuardedEtcd
from fakes.patience import until
from fakes.provider import SimulatedProviders
from fakes.replicas import Services
from holdfast.client import HoldfastClient
from holdfast.errors import InternalError, ServiceUnavailableError
from holdfast.model import Caller as Principal
from holdfast.ports import ResolveModelRequest
from holdfast.rpc.clients import RemoteResolver

pytestmark = pytest.mark.system

MODELS = {"m": [{"id": f"{name}/m", "provider": name} for name in ("one", "two")]}
NAMES = ("edge", "resolver", "executor")
WEB = ResolveModelRequest(Principal("acme", "web"), "m")


class Pki:
    """Certificates of all services and for etcd, in folders that they mount."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.services = Authority()
        self.etcd = Authority()
        self.renew()

    def renew(self, issuer: Authority | None = None, *believed: Authority) -> None:
        """Make out new ones, by the authority there is or by another."""
        issuer = issuer or self.services
        for name in NAMES:
            issued = issuer.issue(name)
            trusted = issued.believing(*believed) if believed else issued
            trusted.write(self._folder / name)
        self.etcd.issue("gateway").write(self._folder / "etcd")

    def variables(self, name: str) -> Mapping[str, str]:
        """Return what tells a service where its certificates are."""
        own, etcd = self._folder / name, self._folder / "etcd"
        return {"HOLDFAST_LOG_LEVEL": "info"} | {
            f"HOLDFAST_{kind}_{which}_FILE": str(folder / file)
            for kind, folder in (("TLS", own), ("ETCD", etcd))
            for which, file in (
                ("CA", "ca.crt"),
                ("CERT", "tls.crt"),
                ("KEY", "tls.key"),
            )
        }


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    folder = tmp_path / "pki"
    folder.mkdir()
    return Pki(folder)


@contextlib.asynccontextmanager
async def gateway(
    sim: SimulatedProviders, pki: Pki, folder: Path
) -> AsyncIterator[Services]:
    """Run an edge, two resolvers and two executors, and an etcd with TLS."""
    config = configuration(sim, MODELS)
    async with (
        GuardedEtcd(folder, pki.etcd) as etcd,
        Services(config, folder, etcd.endpoint, pki.variables) as services,
    ):
        yield services


async def test_nobody_without_the_right_certificate_reaches_a_service(
    sim: SimulatedProviders, pki: Pki, tmp_path: Path
) -> None:
    """The gateway answers, and those who go around its edge get nowhere."""
    async with gateway(sim, pki, tmp_path) as services:
        async with Caller(services.base_url) as caller:
            answers = [await caller.ask("m", session="s") for _ in range(4)]
        refused = [
            await refusal(service.address, credentials)
            for service in (*services.resolvers, *services.executors)
            for credentials in (
                None,
                channel_credentials(Authority().issue("edge").believing(pki.services)),
            )
        ]
        resolver = services.resolvers[0].address
        outsider = pki.services.issue("batch").tls(tmp_path / "batch")
        stranger = Authority().issue("edge").tls(tmp_path / "stranger")
        edge = pki.services.issue("edge").tls(tmp_path / "other-edge")
        for tls, error in (
            (outsider, InternalError),
            (stranger, ServiceUnavailableError),
            (None, ServiceUnavailableError),
        ):
            far = RemoteResolver([resolver], tls=tls)
            with pytest.raises(error):
                await far.resolve_model(WEB)
            await far.close()
        executor = services.executors[0].address
        async with HoldfastClient(resolver, executor, WEB.principal, tls=edge) as ours:
            said = await ours.chat({"model": "m", "messages": [*HELLO]})

    assert {answer.status for answer in answers} == {200}
    assert {answer.affinity for answer in answers[1:]} == {"kept"}
    assert set(refused) == {grpc.StatusCode.UNAVAILABLE}
    assert said.completion["choices"]


def channel_credentials(issued: Issued) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(issued.authorities, issued.key, issued.chain)


async def refusal(
    address: str, credentials: grpc.ChannelCredentials | None
) -> grpc.StatusCode:
    """Ask a service for its health, and return how that failed."""
    options = [("grpc.default_authority", "resolver")]
    opened = (
        aio.insecure_channel(address)
        if credentials is None
        else aio.secure_channel(address, credentials, options)
    )
    async with opened as channel:
        with pytest.raises(aio.AioRpcError) as raised:
            await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=10
            )
    return raised.value.code()


async def test_no_call_is_lost_while_all_certificates_and_authorities_change(
    sim: SimulatedProviders, pki: Pki, tmp_path: Path
) -> None:
    """Not even where services are killed meanwhile, and come back with what is new."""
    answers: list[Answer] = []
    old, new = pki.services, Authority()
    async with (
        gateway(sim, pki, tmp_path) as services,
        Caller(services.base_url) as caller,
    ):

        async def call() -> None:
            number = 0
            while True:
                number += 1
                answers.append(
                    await caller.ask(
                        "m", session=f"s{number % 5}", stream=number % 2 > 0
                    )
                )

        async def further(many: int) -> None:
            enough = len(answers) + many
            await until(lambda: len(answers) >= enough, within_s=40)

        calls = [asyncio.create_task(call()) for _ in range(3)]
        await further(20)
        steps = ((old, (old, new)), (new, (old, new)), (new, (new,)))
        for number, (issuer, believed) in enumerate(steps):
            pki.renew(issuer, *believed)
            await until(lambda count=number + 1: have_renewed(tmp_path, count))
            victims = services.executors[number % 2], services.resolvers[number % 2]
            for victim in victims:
                await asyncio.to_thread(victim.kill)
                await further(10)
                await asyncio.to_thread(victim.start)
                await further(10)
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    served_by(answers)
    assert {answer.affinity for answer in answers[-10:]} == {"kept"}


RENEWALS = {"edge": 1, "resolver": 4, "executor": 2}
"""What is renewed at a time by the processes of a service: each its own, and a
resolver what it shows etcd."""


def have_renewed(folder: Path, times: int) -> bool:
    """Tell whether all processes have noticed so many changes of their files."""
    return all(
        (folder / f"{name}.log").read_text().count("certificates_renewed")
        >= each * times
        for name, each in RENEWALS.items()
    )


@pytest.mark.parametrize("missing", ["HOLDFAST_TLS_CA_FILE", "HOLDFAST_TLS_KEY_FILE"])
def test_a_service_does_not_start_with_half_of_what_it_needs(
    sim: SimulatedProviders, pki: Pki, tmp_path: Path, missing: str
) -> None:
    """It says which variable is missing, and does not serve in the clear instead."""
    said = started(
        "executor", sim, tmp_path, without(pki.variables("executor"), missing)
    )

    assert said.returncode == 2
    assert f"{missing} is not set" in said.stderr


def test_a_service_does_not_start_with_another_s_key(
    sim: SimulatedProviders, pki: Pki, tmp_path: Path
) -> None:
    """It names both files."""
    variables = dict(pki.variables("edge"))
    variables["HOLDFAST_TLS_KEY_FILE"] = pki.variables("resolver")[
        "HOLDFAST_TLS_KEY_FILE"
    ]
    said = started("edge", sim, tmp_path, variables)

    assert said.returncode == 2
    assert "HOLDFAST_TLS_KEY_FILE: " in said.stderr
    assert variables["HOLDFAST_TLS_CERT_FILE"] in said.stderr


def without(variables: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in variables.items() if key != name}


def started(
    name: str, sim: SimulatedProviders, folder: Path, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Start a service that is expected to end at once."""
    path = folder / "holdfast.yaml"
    path.write_text("catalog: none\nlisten: 127.0.0.1:0\n")
    return subprocess.run(
        [str(Path(sys.executable).with_name(f"holdfast-{name}"))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            **os.environ,
            **variables,
            "HOLDFAST_CONFIG": str(path),
            "HOLDFAST_PLAN_KEYS": "k:" + "A" * 44,
            "HOLDFAST_LISTEN": "127.0.0.1:0",
        },
    )


async def test_a_gateway_of_three_processes_may_use_one_certificate(
    sim: SimulatedProviders, tmp_path: Path
) -> None:
    """`holdfast up --separate` with the same variables, for all three names."""
    authority = Authority()
    paths = authority.issue(*NAMES).write(tmp_path / "tls")
    environ = {
        "HOLDFAST_TLS_CA_FILE": str(paths.ca),
        "HOLDFAST_TLS_CERT_FILE": str(paths.cert),
        "HOLDFAST_TLS_KEY_FILE": str(paths.key),
    }
    with Gateway(
        configuration(sim, MODELS), tmp_path, separate=True, environ=environ
    ) as running:
        status = running.http.post(
            "/v1/chat/completions",
            json={"model": "m", "messages": [{"role": "user", "content": "Hello"}]},
        ).status_code
        refused = await refusal(running.executor, None)

    assert status == 200
    assert refused is grpc.StatusCode.UNAVAILABLE
