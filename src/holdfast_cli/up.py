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
from holdfast.config_file import ConfigurationError
from holdfast.configuration import load_configuration
from holdfast.rpc.clients import RemoteExecutor, RemoteResolver
from holdfast.settings import Settings
from holdfast.signing import PlanKeys, new_key, parse_keys
from holdfast_cli.demo.demonstration import STATE_DIR, Demonstration
from holdfast_cli.demo.process import SimulatorFailedError
from holdfast_cli.etcd_binary import EtcdNotFoundError
from holdfast_cli.etcd_process import EtcdProcess, EtcdStartError
from holdfast_cli.ports import usual_or_free
from holdfast_cli.separate import Service, running
from holdfast_edge import gateway
from holdfast_executor import server as executor_server
from holdfast_resolver import server as resolver_server

_DRAIN_S = 10.0
"""What calls begun get after Ctrl-C or SIGTERM: on one's own machine, patience
ends before a pod's 30 s."""


class StartError(Exception):
    """The gateway cannot start; the message says what to change."""


_CANNOT_START = (
    StartError,
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
    """

    settings: Settings
    config: Path
    key_file: Path
    etcd_endpoints: tuple[str, ...]

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
        ground = await stack.enter_async_context(_ground(settings, config))
        services = _separate(ground) if separate else _together(ground)
        at = await stack.enter_async_context(services)
        process.settle()
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
async def _ground(settings: Settings, config: Path) -> AsyncIterator[Ground]:
    """Prepare the keys and etcd."""
    state = settings.state_dir
    key_file = state / "plan.keys"
    if not key_file.exists():
        key_file.touch(mode=0o600)
        key_file.write_text(new_key() + "\n", encoding="utf-8")
    if settings.etcd.endpoints:
        yield Ground(settings, config, key_file, settings.etcd.endpoints)
        return
    etcd = EtcdProcess(state / "etcd")
    endpoint = await etcd.start()
    try:
        yield Ground(settings, config, key_file, (endpoint,))
    finally:
        await etcd.stop()


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
    with usual_or_free(50051) as first, usual_or_free(50052) as second:
        async with (
            resolver_server.resolver(settings, keys, ground.etcd_endpoints) as resolver,
            executor_server.executor(settings, keys, resolver) as executor,
            resolver_server.grpc_server(resolver, first, _DRAIN_S) as resolver_at,
            executor_server.grpc_server(executor, second, _DRAIN_S) as executor_at,
            gateway.edge(
                settings.listen,
                resolver,
                executor,
                ready=_always,
                drain=timedelta(seconds=_DRAIN_S),
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
            "HOLDFAST_ETCD_ENDPOINTS": ",".join(ground.etcd_endpoints),
            "HOLDFAST_RESOLVER_TARGETS": resolver,
            "HOLDFAST_EXECUTOR_TARGETS": executor,
            "HOLDFAST_DRAIN_SECONDS": str(_DRAIN_S),
            "HOLDFAST_LOG_LEVEL": os.environ.get("HOLDFAST_LOG_LEVEL", "warning"),
        }
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
    clients = RemoteResolver([resolver]), RemoteExecutor([executor])
    try:
        await asyncio.gather(*(client.connected() for client in clients))
    finally:
        await asyncio.gather(*(client.close() for client in clients))
