"""`holdfast up`: the whole gateway on this machine, with one command."""

import asyncio
import fcntl
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
import uvloop

from holdfast import logs, process
from holdfast.config_file import ConfigurationError
from holdfast.rpc.clients import RemoteExecutor, RemoteResolver
from holdfast.settings import Settings
from holdfast.signing import PlanKeys, new_key, parse_keys
from holdfast_cli import separate as apart
from holdfast_cli.demo.demonstration import Demonstration
from holdfast_cli.etcd_process import EtcdProcess
from holdfast_cli.ports import usual_or_free
from holdfast_edge import gateway
from holdfast_executor import server as executor_server
from holdfast_resolver import server as resolver_server

_log = structlog.get_logger("holdfast.up")

_DRAIN_S = 10.0
"""What calls begun get after Ctrl-C or SIGTERM: on one's own machine, patience
ends before a pod's 30 s."""


class StartError(Exception):
    """The gateway cannot start; the message says what to change."""


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
    except (StartError, OSError) as error:
        sys.stderr.write(f"holdfast up: {error}\n")
        return process.USAGE_STATUS
    return 0


async def _run(config: Path | None, *, separate: bool) -> None:
    async with AsyncExitStack() as stack:
        demo = None
        if config is None:
            demo = await stack.enter_async_context(Demonstration.running(os.environ))
            config = demo.config
        settings = _settings(config)
        ground = await stack.enter_async_context(_ground(settings, config))
        services = _separate(ground) if separate else _together(ground)
        address = await stack.enter_async_context(services)
        process.settle()
        print(f"ready http://{address}", flush=True)
        if demo is not None:
            print(demo.greeting(address), flush=True)
        await process.until_signalled()


def _settings(config: Path) -> Settings:
    loaded = process.load_configuration(config)
    for warning in loaded.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    return loaded.settings


@asynccontextmanager
async def _ground(settings: Settings, config: Path) -> AsyncIterator[Ground]:
    """Prepare the state directory, the keys and etcd."""
    state = settings.state_dir
    state.mkdir(parents=True, exist_ok=True)
    with _locked(state):
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
    """Keep a second gateway out of the same state directory."""
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
async def _together(ground: Ground) -> AsyncIterator[str]:
    """Run the three services in this process; their gRPC ports are open too."""
    settings, keys = ground.settings, ground.keys()
    async with (
        resolver_server.resolver(settings, keys, ground.etcd_endpoints) as resolver,
        executor_server.executor(settings, keys, resolver) as executor,
        resolver_server.grpc_server(resolver, usual_or_free(50051), _DRAIN_S) as first,
        executor_server.grpc_server(executor, usual_or_free(50052), _DRAIN_S) as second,
        gateway.edge(
            settings.listen,
            resolver,
            executor,
            ready=_always,
            drain=timedelta(seconds=_DRAIN_S),
        ) as address,
    ):
        _log.info("grpc_served", resolver=first, executor=second)
        yield address


@asynccontextmanager
async def _separate(ground: Ground) -> AsyncIterator[str]:
    """Run the three services as processes that call each other over gRPC."""
    resolver, executor = usual_or_free(50051), usual_or_free(50052)
    shared = {
        "HOLDFAST_CONFIG": str(ground.config.resolve()),
        "HOLDFAST_PLAN_KEYS_FILE": str(ground.key_file.resolve()),
        "HOLDFAST_ETCD_ENDPOINTS": ",".join(ground.etcd_endpoints),
        "HOLDFAST_RESOLVER_TARGETS": resolver,
        "HOLDFAST_EXECUTOR_TARGETS": executor,
        "HOLDFAST_DRAIN_SECONDS": str(_DRAIN_S),
        "HOLDFAST_LOG_LEVEL": os.environ.get("HOLDFAST_LOG_LEVEL", "warning"),
    }
    async with (
        apart.running("holdfast_resolver", resolver, shared),
        apart.running("holdfast_executor", executor, shared),
        apart.running("holdfast_edge", ground.settings.listen, shared) as address,
    ):
        await _reachable(resolver, executor)
        yield address


async def _always() -> bool:
    return True


async def _reachable(resolver: str, executor: str) -> None:
    """Wait until both services take calls, so that the first request is served."""
    clients = RemoteResolver([resolver]), RemoteExecutor([executor])
    try:
        await asyncio.gather(*(client.connected() for client in clients))
    finally:
        await asyncio.gather(*(client.close() for client in clients))
