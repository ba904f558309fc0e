"""How each service's process runs: configuration, logs, signals, drain."""

import asyncio
import dataclasses
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    contextmanager,
    nullcontext,
)
from pathlib import Path

import prometheus_client
import structlog
import uvloop

from holdfast import logs
from holdfast.certificates import CertificateError
from holdfast.config_file import ConfigurationError, Loaded
from holdfast.environment import Environment, EnvironmentVariableError, read
from holdfast.settings import Settings
from holdfast.vital_signs import VitalSigns, told
from holdfast.workers import Post, supervise

_log = structlog.get_logger("holdfast.process")

_WORKER = prometheus_client.Gauge(
    "holdfast_worker", "Whose figures these are, of several on one address", ["worker"]
)

USAGE_STATUS = 2
"""What a process exits with when its configuration is at fault."""

_MOST_YOUNG = 20_000
"""Objects made, less those gone, before the collector looks for cycles among them:
a hundred requests' worth, some MB. At Python's own 700 it looks after every third
request, finds next to nothing, and takes a twentieth of the CPU."""

Serve = Callable[[Settings, Environment], AbstractAsyncContextManager[str]]
"""Runs a service while the context lasts, and gives the address it is served at."""


Read = Callable[[Path, Environment], Loaded]
"""Reads a configuration file, for a process that has some of its secrets."""


def main(service: str, serve: Serve, *, listen: str | None = None, reads: Read) -> None:
    """Run a service until SIGTERM or Ctrl-C, then let it drain.

    Exits with status 2 and a line for each fault if it is not configured right.

    Args:
        service: What it is called in logs.
        serve: Runs it.
        listen: Where it is served unless the environment says otherwise. None
            for where the configuration file says.
        reads: Reads the configuration file.
    """
    try:
        environment = read(os.environ)
        logs.configure(environment.log_level)
        settings = _settings(environment, reads)
        address = environment.listen or listen or settings.listen
        environment = dataclasses.replace(environment, listen=address)

        def work(post: Post) -> None:
            uvloop.run(_work(service, serve, settings, environment, post))

        if environment.workers > 1:
            sys.exit(supervise(service, environment.workers, address, work))
        uvloop.run(_run(service, serve, settings, environment, _announce))
    except ConfigurationError as error:
        _exit(*map(str, error.faults))
    except (EnvironmentVariableError, CertificateError, OSError) as error:
        _exit(str(error))


def _settings(environment: Environment, reads: Read) -> Settings:
    """Load the configuration file that the environment names."""
    if environment.config is None:
        raise EnvironmentVariableError(
            "HOLDFAST_CONFIG is not set; name the configuration file"
        )
    loaded = reads(environment.config, environment)
    for warning in loaded.warnings:
        _log.warning("configuration_doubtful", fault=str(warning))
    return loaded.settings


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
    gc.set_threshold(_MOST_YOUNG, 20, 20)


async def _work(
    service: str, serve: Serve, settings: Settings, environment: Environment, post: Post
) -> None:
    """Run as one of several workers; end with the parent, however it ends."""
    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        loop.remove_reader(post.parent)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(post.parent, orphaned)
    structlog.contextvars.bind_contextvars(worker=post.worker.number)
    _WORKER.labels(str(post.worker.number)).set(1)
    as_worker = dataclasses.replace(environment, listen=post.listen, worker=post.worker)
    await _run(service, serve, settings, as_worker, post.say)


async def _run(
    service: str,
    serve: Serve,
    settings: Settings,
    environment: Environment,
    announce: Callable[[str], None],
) -> None:
    signs = VitalSigns()
    with _told(signs, environment):
        with ended_by_signals():
            async with serve(settings, environment) as address:
                settle()
                signs.is_ready = True
                announce(address)
                _log.info("service_ready", service=service, address=address)
                try:
                    await for_ever()
                finally:
                    signs.is_ready = False
                    _log.info("service_draining", service=service)
        _log.info("service_stopped", service=service)


def _told(
    signs: VitalSigns, environment: Environment
) -> AbstractContextManager[object]:
    """Tell at an address of its own how the process stands, if it has one."""
    if environment.metrics_listen is None:
        return nullcontext()
    host, _, first = environment.metrics_listen.rpartition(":")
    if not first.isdigit():
        raise EnvironmentVariableError(
            f"HOLDFAST_METRICS_LISTEN: {environment.metrics_listen!r} is no HOST:PORT"
        )
    return told(signs, host, int(first) + environment.worker.number - 1)


def _announce(address: str) -> None:
    # A line of its own on standard output, for whoever started the process.
    print(f"ready {address}", flush=True)  # noqa: T201


def _exit(*lines: str) -> None:
    for line in lines:
        sys.stderr.write(line + "\n")
    sys.exit(USAGE_STATUS)
