"""`holdfast up`: the whole gateway on this machine, with one command.

On standard output it says where it can be called, once it can: `ready` and the
URL on one line, and on the next `grpc`, with the resolver's address and the
executor's for internal callers.
"""

import asyncio
import fcntl
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import uvloop

from holdfast import logs, process
from holdfast.certificates import CertificateError
from holdfast.config_file import ConfigurationError
from holdfast.configuration import load_configuration
from holdfast.environment import (
    ETCD_ACCESS,
    LISTEN_TLS,
    Environment,
    EnvironmentVariableError,
    read,
)
from holdfast.rpc.clients import RemoteExecutor, RemoteResolver
from holdfast.rpc.tls import mutual_tls
from holdfast.settings import EtcdSettings, Settings
from holdfast.signing import PlanKey, PlanKeys, new_key, parse_keys
from holdfast_cli.demo.demonstration import STATE_DIR, Demonstration
from holdfast_cli.demo.process import SimulatorFailedError
from holdfast_cli.etcd_binary import EtcdNotFoundError
from holdfast_cli.etcd_process import EtcdProcess, EtcdStartError
from holdfast_cli.ports import usual_or_free
from holdfast_cli.running import announced
from holdfast_cli.separate import Service, running
from holdfast_edge import gateway
from holdfast_edge.console.settings import ConsoleSettings
from holdfast_executor import server as executor_server
from holdfast_resolver import server as resolver_server

_DRAIN_S = 10.0
"""What calls begun get after Ctrl-C or SIGTERM: on one's own machine, patience
ends before a pod's 30 s."""


class StartError(Exception):
    """The gateway cannot start; the message says what to change."""


_SEALING = ("HOLDFAST_SEALING_KEYS", "HOLDFAST_SEALING_KEYS_FILE")

_CANNOT_START = (
    StartError,
    CertificateError,
    EnvironmentVariableError,
    EtcdNotFoundError,
    EtcdStartError,
    SimulatorFailedError,
    OSError,
)
"""What an operator is to be told in one line."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the services stand on, whichever way they run.

    Attributes:
        config: The configuration file, as processes of their own read it.
        key_file: Where the plan keys are.
        sealing_file: Where the keys are that credentials are sealed with, unless
            the environment says otherwise.
        session_file: Where the keys are that the console's sessions are signed with.
        etcd: The configured one, or the one that was started.
        drill_uri: Where simulated providers are told what to do. Empty: there are
            none.
    """

    settings: Settings
    config: Path
    key_file: Path
    sealing_file: Path
    session_file: Path
    etcd: EtcdSettings
    drill_uri: str = ""

    def environment(self) -> Environment:
        """Read this process's environment, with the keys that were made for it."""
        return read({**self.sealing(), **os.environ})

    def sealing(self) -> dict[str, str]:
        """Return the variable that names the sealing keys, unless another does."""
        if any(name in os.environ for name in _SEALING):
            return {}
        return {_SEALING[1]: str(self.sealing_file.resolve())}

    def session_keys(self) -> tuple[PlanKey, ...]:
        """Return the keys that the console's sessions are signed with."""
        return tuple(parse_keys(self.session_file.read_text(encoding="utf-8")))

    def keys(self) -> PlanKeys:
        """Return the keys that plans are signed with."""
        return PlanKeys(parse_keys(self.key_file.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the three services are, each as `HOST:PORT`."""

    edge: str
    resolver: str
    executor: str


def run(config: Path | None, *, separate: bool) -> int:
    """Run until Ctrl-C or SIGTERM; return the process's exit status.

    Args:
        config: The configuration file; None for the demo.
        separate: Whether the services are processes of their own.
    """
    try:
        logs.configure(os.environ.get("HOLDFAST_LOG_LEVEL", "warning"))
        uvloop.run(_run(config, separate=separate))
    except ConfigurationError as error:
        sys.stderr.writelines(f"{fault}\n" for fault in error.faults)
        return process.USAGE_STATUS
    except _CANNOT_START as error:
        sys.stderr.write(f"holdfast up: {error}\n")
        return process.USAGE_STATUS
    return 0


async def _run(config: Path | None, *, separate: bool) -> None:
    with process.ended_by_signals():
        await _serve(config, separate=separate)


async def _serve(config: Path | None, *, separate: bool) -> None:
    async with AsyncExitStack() as stack:
        demo = None
        if config is None:
            stack.enter_context(_locked(STATE_DIR))
            demo = await stack.enter_async_context(Demonstration.running(os.environ))
            config = demo.config
        settings = _settings(config)
        if demo is None:
            stack.enter_context(_locked(settings.state_dir))
        drill_uri = "" if demo is None else demo.scenario.state.control_uri
        ground = await stack.enter_async_context(_ground(settings, config, drill_uri))
        services = _separate(ground) if separate else _together(ground)
        at = await stack.enter_async_context(services)
        process.settle()
        stack.enter_context(announced(settings.state_dir, f"http://{at.edge}"))
        print(f"ready http://{at.edge}", flush=True)
        print(f"grpc resolver {at.resolver} executor {at.executor}", flush=True)
        if demo is not None:
            print(demo.greeting(at.edge), flush=True)
        await process.for_ever()


def _settings(config: Path) -> Settings:
    loaded = load_configuration(config)
    for warning in loaded.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    return loaded.settings


@asynccontextmanager
async def _ground(
    settings: Settings, config: Path, drill_uri: str
) -> AsyncIterator[Ground]:
    """Prepare the keys and etcd."""
    state = settings.state_dir
    files = (
        _key_file(state / "plan.keys"),
        _key_file(state / "sealing.keys"),
        _key_file(state / "session.keys"),
    )
    if settings.etcd.endpoints:
        yield Ground(settings, config, *files, settings.etcd, drill_uri)
        return
    etcd = EtcdProcess(state / "etcd")
    endpoint = await etcd.start()
    try:
        own = EtcdSettings(endpoints=(endpoint,), prefix=settings.etcd.prefix)
        yield Ground(settings, config, *files, own, drill_uri)
    finally:
        await etcd.stop()


def _key_file(path: Path) -> Path:
    """Make a file with a key, unless it is there."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(new_key() + "\n", encoding="utf-8")
    return path


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    """Make the state directory, and keep a second gateway out of it."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartError(
                f"another gateway uses {state}; stop it, "
                "or give this one a `state_dir` of its own"
            ) from error
        yield


@asynccontextmanager
async def _together(ground: Ground) -> AsyncIterator[Addresses]:
    """Run the three services in this process; their gRPC ports are open too."""
    settings, keys = ground.settings, ground.keys()
    environment = ground.environment()
    callers, sealing = environment.tls_callers, environment.sealing()
    with usual_or_free(50051) as first, usual_or_free(50052) as second:
        async with (
            mutual_tls(environment) as tls,
            resolver_server.resolver(settings, keys, ground.etcd, sealing) as resolver,
            executor_server.executor(
                settings, keys, resolver.service, sealing
            ) as executor,
            resolver_server.grpc_server(
                resolver, first, _DRAIN_S, tls=tls, callers=callers
            ) as resolver_at,
            executor_server.grpc_server(
                executor, second, _DRAIN_S, tls=tls, callers=callers
            ) as executor_at,
            gateway.edge(
                settings.listen,
                resolver.service,
                executor,
                resolver.administration,
                resolver.ledger,
                ready=_always,
                drain=timedelta(seconds=_DRAIN_S),
                console=ConsoleSettings(ground.session_keys(), ground.drill_uri),
                responses=resolver.responses,
            ) as edge_at,
        ):
            yield Addresses(edge_at, resolver_at, executor_at)


@asynccontextmanager
async def _separate(ground: Ground) -> AsyncIterator[Addresses]:
    """Run the three services as processes that call each other over gRPC."""
    with usual_or_free(50051) as resolver, usual_or_free(50052) as executor:
        shared = {
            "HOLDFAST_CONFIG": str(ground.config.resolve()),
            "HOLDFAST_PLAN_KEYS_FILE": str(ground.key_file.resolve()),
            **ground.sealing(),
            "HOLDFAST_SESSION_KEYS_FILE": str(ground.session_file.resolve()),
            "HOLDFAST_DRILL_URI": ground.drill_uri,
            "HOLDFAST_ETCD_ENDPOINTS": ",".join(ground.etcd.endpoints),
            "HOLDFAST_RESOLVER_TARGETS": resolver,
            "HOLDFAST_EXECUTOR_TARGETS": executor,
            "HOLDFAST_DRAIN_SECONDS": str(_DRAIN_S),
            "HOLDFAST_LOG_LEVEL": os.environ.get("HOLDFAST_LOG_LEVEL", "warning"),
            **dict.fromkeys(LISTEN_TLS, ""),
        }
        if not ground.settings.etcd.endpoints:
            # They are for another etcd than the one that was started here.
            shared |= dict.fromkeys(ETCD_ACCESS, "")
        services = [
            Service("holdfast_resolver", resolver, shared),
            Service("holdfast_executor", executor, shared),
            Service("holdfast_edge", ground.settings.listen, shared),
        ]
        async with running(services) as (_, _, edge):
            await _reachable(resolver, executor)
            yield Addresses(edge, resolver, executor)


async def _always() -> bool:
    return True


async def _reachable(resolver: str, executor: str) -> None:
    """Wait until both services take calls, so that the first request is served."""
    async with mutual_tls(read(os.environ)) as tls:
        clients = (
            RemoteResolver([resolver], tls=tls),
            RemoteExecutor([executor], tls=tls),
        )
        try:
            await asyncio.gather(*(client.connected() for client in clients))
        finally:
            await asyncio.gather(*(client.close() for client in clients))
