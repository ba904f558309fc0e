"""The gateways that are measured: how each is started, and how it is asked."""

import socket
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.processes import Cores


@dataclass(frozen=True, slots=True)
class Route:
    """How one of a gateway's models is asked.

    Attributes:
        headers: As `name: value`.
    """

    url: str
    model: str
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that runs.

    Attributes:
        pid: Its process; its descendants are it too. Zero where there is none.
        routes: By role.
        supervised: Whether `pid` only watches over the processes that serve.
        start_s: Seconds from its start until it served.
    """

    pid: int
    routes: Mapping[str, Route]
    supervised: bool = False
    start_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway is to run.

    Attributes:
        upstream: The simulated provider, e.g. `http://127.0.0.1:40123`.
        folder: For its files; empty, and gone afterwards.
    """

    upstream: str
    folder: Path
    cores: Cores = field(default_factory=frozenset)

    @property
    def answering(self) -> str:
        """The base URI of a provider that answers."""
        return f"{self.upstream}/v1"

    @property
    def refusing(self) -> str:
        """The base URI of a provider that answers 429."""
        return f"{self.upstream}/m/429/v1"


class Gateway(Protocol):
    """A gateway that can be measured."""

    @property
    def name(self) -> str:
        """What it is called on the command line and in tables."""

    @property
    def slow(self) -> bool:
        """Whether runs are to be longer, so that enough requests come through."""

    def version(self) -> str:
        """Return its version; empty if it is not installed."""

    def running(self, place: Place) -> AbstractContextManager[Running]:
        """Run it while the context lasts; it serves when the context begins."""


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
