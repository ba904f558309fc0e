"""A whole gateway on hosts of its own, and callers who call it all the while.

    async with Lab(folder) as lab, lab.called():
        await lab.further(50)
        await lab.one.executor.kill()
        await lab.further(50)
    seen = lab.seen()

Two hosts have an edge, a resolver, an executor and a member of etcd each, a third one
a member of etcd; providers and callers have hosts of their own.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import yaml

from fakes.patience import until
from ha.certificates import ServiceCertificates
from ha.database import Database
from ha.etcd_members import Cluster
from ha.hosts import Host, Network
from ha.load import EVERY_SURFACE, Note, Task, Way
from ha.processes import Process
from holdfast.signing import new_key

KEY = "hf-test-key"
MODEL = "sonnet"
PROVIDERS = ("aws", "gcp", "lab")
SERVICES = ("resolver", "executor", "edge")

_PORTS = {"edge": 8080, "resolver": 50051, "executor": 50052}
_DOMAIN = "gateway.test"
_PRICES = {"input": "0", "output": "1000"}
"""In dollars for a million tokens: an answer of two dozen costs some cents."""
UPSTREAM_PORTS = {name: 9000 + number for number, name in enumerate(PROVIDERS)}
_TESTS = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Setting:
    """How a lab is set up, where it matters.

    Attributes:
        rate: Steady calls begun a second.
        sessions: How many of them take turns.
        streams: How many are open all the while besides.
        token_s: Between two words of an answer, of which there are two dozen.
        drain_s: What services give calls that are begun when they are to stop.
        is_named: Whether services find each other by names, each of which leads to
            both hosts, rather than by addresses.
        variables: What a service is told besides, by its name and its host's.
        certificates: What services prove themselves with to each other.
        disks: Where the members of etcd have their data; none for beside the logs.
        ledgers: Where ledgers are, by host; likewise.
        has_database: Whether there is one ledger of all, in PostgreSQL on the third
            host, rather than one of each.
        ways: How callers call.
        capabilities: What deployments can do.
        limits: Of an attempt, as the configuration file has them.
        projects: There are besides, likewise.
    """

    rate: float = 15.0
    sessions: int = 30
    streams: int = 6
    token_s: float = 0.04
    drain_s: float = 30.0
    is_named: bool = False
    variables: Callable[[str, str], Mapping[str, str]] = lambda _service, _host: {}
    certificates: ServiceCertificates | None = None
    disks: tuple[Path, ...] = ()
    ledgers: Mapping[str, Path] = field(default_factory=dict)
    has_database: bool = False
    ways: tuple[Way, ...] = EVERY_SURFACE
    capabilities: tuple[str, ...] = ("json_schema",)
    limits: Mapping[str, float] = field(default_factory=dict)
    projects: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A host with one of each service."""

    host: Host
    resolver: Process
    executor: Process
    edge: Process

    @property
    def services(self) -> tuple[Process, ...]:
        """All of them."""
        return (self.edge, self.resolver, self.executor)

    @property
    def edge_address(self) -> str:
        """Where its edge is."""
        return f"{self.host.address}:{_PORTS['edge']}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came to a provider.

    Attributes:
        call: Which call it was for.
        address: Who asked.
        ended: Whether it was answered to its end.
        fault: What was wrong with the provider. Empty: nothing.
    """

    call: int
    address: str
    credential: str
    ended: bool
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the callers and the providers noted down.

    Attributes:
        begun: How many calls.
    """

    begun: int
    notes: tuple[Note, ...]
    asked: tuple[Asked, ...]


class Lab:
    """The hosts and what runs on them.

    Attributes:
        places: The two with services.
        etcd: Its members.
        folder: Where logs and files are.
        providers: The host of the simulated providers.
        callers: The host of those who call.
        database: The one ledger, if there is one.
    """

    database: Database | None = None

    def __init__(self, folder: Path, setting: Setting | None = None) -> None:
        """Prepare; entering the context starts it all."""
        self.setting = setting or Setting()
        self.folder = folder
        self._network = Network()
        self._key_file = folder / "provider.key"
        self._plan_key = new_key()

    async def __aenter__(self) -> Self:
        self._network.__enter__()
        try:
            await self._start()
        except BaseException:
            self._network.__exit__(None, None, None)
            raise
        return self

    async def _start(self) -> None:
        hosts = [self._network.join(name) for name in ("one", "two", "three")]
        self.providers = self._network.join("providers")
        self.callers = self._network.join("callers")
        self.etcd = Cluster(hosts, self.folder, self.setting.disks)
        if self.setting.has_database:
            self.database = Database(hosts[2], self.folder)
            await self.database.start()
        self.set_credential("key-1")
        self._hosts = hosts[:2]
        self.places = tuple(self._place(host) for host in self._hosts)
        if self.setting.is_named:
            self.lead(*self.places)
        self._upstream = self._process_of(
            self.providers,
            "upstream",
            str(self.providers.address),
            ",".join(map(str, UPSTREAM_PORTS.values())),
            str(self.folder),
            str(self.setting.token_s),
        )
        await asyncio.gather(self.etcd.start(), self._upstream.start())
        await asyncio.gather(
            *(
                service.start()
                for place in self.places
                for service in (place.resolver, place.executor)
            )
        )
        await asyncio.gather(*(place.edge.start() for place in self.places))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            everyone = [each for place in self.places for each in place.services]
            await asyncio.gather(
                *(each.kill() for each in (*everyone, self._upstream)),
                self.etcd.stop(),
            )
            if self.database is not None:
                await self.database.close()
        finally:
            self._network.__exit__(kind, error, trace)

    @property
    def one(self) -> Place:
        """The first host with services."""
        return self.places[0]

    @property
    def two(self) -> Place:
        """The second."""
        return self.places[1]

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Those with services or etcd."""
        return tuple(member.host for member in self.etcd.members)

    @property
    def everybody(self) -> tuple[Host, ...]:
        """All there are."""
        return (*self.hosts, self.providers, self.callers)

    @contextlib.asynccontextmanager
    async def called(self) -> AsyncIterator[None]:
        """Have callers call all the while; wait until all they began has ended."""
        task = Task(
            edges=tuple(place.edge_address for place in self.places),
            key=KEY,
            model=MODEL,
            rate=self.setting.rate,
            sessions=self.setting.sessions,
            streams=self.setting.streams,
            ways=self.setting.ways,
        )
        callers = self._process_of(
            self.callers,
            "load",
            str(self._journal),
            msgspec.json.encode(task).decode(),
        )
        await callers.start()
        try:
            yield
        finally:
            status = await callers.stop()
        assert status == 0, callers.log.read_text()[-2000:]

    async def further(self, many: int) -> None:
        """Return once so many further calls were begun."""
        enough = self._begun() + many
        await until(lambda: self._begun() >= enough, within_s=300)

    async def answered(self, many: int) -> None:
        """Return once so many further calls have ended."""
        enough = self._ended() + many
        await until(lambda: self._ended() >= enough, within_s=300)

    def lead(self, *places: Place) -> None:
        """Have the services' names lead to some places and no others."""
        lines = [
            f"{place.host.address} {name}.{_DOMAIN}\n"
            for place in places
            for name in ("resolver", "executor")
        ]
        for host in self._hosts:
            # In place: what runs there has this very file as its own.
            host.name_file().write_text("".join(["127.0.0.1 localhost\n", *lines]))

    def set_credential(self, credential: str) -> None:
        """Write what providers are shown, as a mounted secret changes: all at once."""
        fresh = self._key_file.with_suffix(".new")
        fresh.write_text(credential)
        fresh.replace(self._key_file)

    def order(self, orders: Sequence[Mapping[str, Any]], slowness: float = 1.0) -> None:
        """Say what is wrong with the providers from now on.

        Args:
            orders: What the simulator's control is told to fail, each.
            slowness: How many times as long as usual an answer takes.
        """
        written = self.folder / "orders.new"
        written.write_text(json.dumps({"orders": orders, "slowness": slowness}))
        written.replace(self.folder / "orders.json")

    def seen(self) -> Seen:
        """Return what was noted down."""
        lines = list(_lines(self._journal))
        return Seen(
            begun=sum("begun" in line for line in lines),
            notes=tuple(
                msgspec.convert(line, Note) for line in lines if "begun" not in line
            ),
            asked=tuple(
                Asked(
                    line["call"],
                    line["from"],
                    line["credential"].removeprefix("Bearer "),
                    line["ended"],
                    line["fault"],
                )
                for line in _lines(self.folder / "upstream.jsonl")
            ),
        )

    @property
    def _journal(self) -> Path:
        return self.folder / "calls.jsonl"

    def _begun(self) -> int:
        return sum("begun" in line for line in _lines(self._journal))

    def _ended(self) -> int:
        return sum("begun" not in line for line in _lines(self._journal))

    def _place(self, host: Host) -> Place:
        return Place(host, *(self._service(host, name) for name in SERVICES))

    def _targets(self, name: str) -> str:
        hosts = (
            [f"{name}.{_DOMAIN}"]
            if self.setting.is_named
            else [host.address for host in self._hosts]
        )
        return ",".join(f"{host}:{_PORTS[name]}" for host in hosts)

    def _service(self, host: Host, name: str) -> Process:
        certificates = self.setting.certificates
        return Process(
            host,
            name,
            [str(Path(sys.executable).with_name(f"holdfast-{name}"))],
            self.folder,
            {
                "HOLDFAST_CONFIG": str(self._configuration(host)),
                "HOLDFAST_LISTEN": f"{host.address}:{_PORTS[name]}",
                "HOLDFAST_PLAN_KEYS": self._plan_key,
                "HOLDFAST_ETCD_ENDPOINTS": self.etcd.endpoints,
                "HOLDFAST_RESOLVER_TARGETS": self._targets("resolver"),
                "HOLDFAST_EXECUTOR_TARGETS": self._targets("executor"),
                "HOLDFAST_DRAIN_SECONDS": str(self.setting.drain_s),
                **(certificates.variables(name) if certificates else {}),
                **self.setting.variables(name, host.name),
            },
            ready="ready ",
        )

    def _configuration(self, host: Host) -> Path:
        """Write a host's configuration file: all the same but for the ledger."""
        ledgers = self.setting.ledgers.get(host.name, self.folder)
        upstream = f"http://{self.providers.address}"
        limits = {"attempt": self.setting.limits} if self.setting.limits else {}
        written: dict[str, Any] = {
            "catalog": "none",
            "ledger": self.database.uri
            if self.database
            else f"sqlite:///{ledgers / f'ledger-{host.name}.db'}",
            "defaults": limits,
            "providers": {
                name: {
                    "dialect": "openai-chat",
                    "base_uri": f"{upstream}:{port}/{name}/v1",
                    "credential": {"file": str(self._key_file)},
                    "allow_private_network": True,
                }
                for name, port in UPSTREAM_PORTS.items()
            },
            "models": [
                {
                    "name": MODEL,
                    "deployments": [
                        {
                            "id": f"{name}/{MODEL}",
                            "provider": name,
                            "capabilities": [*self.setting.capabilities],
                            "pricing": _PRICES,
                        }
                        for name in PROVIDERS
                    ],
                }
            ],
            "organizations": [
                {
                    "id": "acme",
                    "projects": [
                        {"id": "web", "keys": [{"id": "web-1", "key": KEY}]},
                        *self.setting.projects,
                    ],
                }
            ],
        }
        path = self.folder / f"holdfast-{host.name}.yaml"
        path.write_text(yaml.safe_dump(written))
        return path

    def _process_of(self, host: Host, module: str, *arguments: str) -> Process:
        return Process(
            host,
            module,
            [sys.executable, "-m", f"ha.{module}", *arguments],
            self.folder,
            {"PYTHONPATH": os.pathsep.join([str(_TESTS)])},
            ready="ready",
        )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read a journal that may be written to at this moment."""
    if path.exists():
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)
