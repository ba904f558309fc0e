"""How each service's process runs: configuration, logs, signals, drain."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path

import prometheus_client
import structlog
import uvloop

from holdfast import logs
from holdfast.catalog import every_name, load_shipped
from holdfast.config_file import ConfigurationError, Loaded, load
from holdfast.environment import Environment, EnvironmentVariableError, read
from holdfast.settings import Settings

_log = structlog.get_logger("holdfast.process")

USAGE_STATUS = 2
"""What a process exits with when its configuration is at fault."""

Serve = Callable[[Settings, Environment], AbstractAsyncContextManager[str]]
"""Runs a service while the context lasts, and gives the address it is served at."""


def main(service: str, serve: Serve, *, knows_catalog: bool = False) -> None:
    """Run a service until SIGTERM or Ctrl-C, then let it drain.

    Exits with status 2 and a line for each fault if it is not configured right.

    Args:
        service: What it is called in logs.
        serve: Runs it.
        knows_catalog: Whether the configuration's names are checked against the
            shipped catalog. Reading it takes a fifth of a second, and only the
            resolver needs it.
    """
    try:
        environment = read(os.environ)
        logs.configure(environment.log_level)
        settings = load_settings(environment, knows_catalog=knows_catalog)
        uvloop.run(_run(service, serve, settings, environment))
    except ConfigurationError as error:
        _exit(*map(str, error.faults))
    except (EnvironmentVariableError, OSError) as error:
        _exit(str(error))


def load_settings(environment: Environment, *, knows_catalog: bool) -> Settings:
    """Load the configuration file that the environment names.

    Raises:
        ConfigurationError: The file is at fault.
        EnvironmentVariableError: It names none.
    """
    if environment.config is None:
        raise EnvironmentVariableError(
            "HOLDFAST_CONFIG is not set; name the configuration file"
        )
    path = environment.config
    loaded = load_configuration(path) if knows_catalog else load(path)
    for warning in loaded.warnings:
        _log.warning("configuration_doubtful", fault=str(warning))
    return loaded.settings


def load_configuration(path: Path) -> Loaded:
    """Load a configuration file, checked against the shipped catalog.

    Raises:
        ConfigurationError: The file is at fault.
    """
    catalog = load_shipped()
    return load(
        path,
        known_providers=catalog.providers,
        known_models=every_name(catalog),
    )


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end what is inside, however far it has come.

    The task is cancelled where it waits, so that what it has begun it ends in
    good order. A second signal ends the process at once.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is None:
        raise RuntimeError("there is no task to cancel")
    signalled = False

    def stop() -> None:
        nonlocal signalled
        if signalled:
            os._exit(1)
        signalled = True
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        if not signalled:
            raise
        task.uncancel()


async def for_ever() -> None:
    """Wait to be ended."""
    await asyncio.get_running_loop().create_future()


def settle() -> None:
    """Tell the collector that what is loaded by now stays.

    The catalog and the modules are hundreds of thousands of objects that would
    be looked through again and again in vain.
    """
    gc.collect()
    gc.freeze()


async def _run(
    service: str, serve: Serve, settings: Settings, environment: Environment
) -> None:
    if environment.metrics_listen is not None:
        host, _, port = environment.metrics_listen.rpartition(":")
        prometheus_client.start_http_server(int(port), host or "0.0.0.0")  # noqa: S104
    with ended_by_signals():
        async with serve(settings, environment) as address:
            settle()
            # A line of its own on standard output, for whoever started the process.
            print(f"ready {address}", flush=True)  # noqa: T201
            _log.info("service_ready", service=service, address=address)
            try:
                await for_ever()
            finally:
                _log.info("service_draining", service=service)
    _log.info("service_stopped", service=service)


def _exit(*lines: str) -> None:
    for line in lines:
        sys.stderr.write(line + "\n")
    sys.exit(USAGE_STATUS)
