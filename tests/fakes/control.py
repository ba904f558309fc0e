"""Resources kept in memory, and an administration of them, without etcd."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from configuration_files import parse
from holdfast.errors import ServiceUnavailableError
from holdfast.model import Catalog
from holdfast.sealing import SealingKeys
from holdfast.signing import PlanKey
from holdfast_resolver import tenants
from holdfast_resolver.control.history import KEPT_GENERATIONS, changes_of
from holdfast_resolver.control.records import (
    Kept,
    Logged,
    Path,
    log_key,
    read,
    write,
)
from holdfast_resolver.control.sealed import Sealed
from holdfast_resolver.control.service import AdministrationService
from holdfast_resolver.control.state import State
from holdfast_resolver.control.store import Decide, EditCounts
from holdfast_resolver.directory import Directory
from holdfast_resolver.tenants import Tenants

FILE = """
catalog: none
network: {allow_private_hosts: ["10.0.0.5", "llm.internal:9000"]}
providers:
  a: {dialect: openai-chat, base_uri: "https://a.example/v1"}
models:
  - name: sonnet
    deployments: [{id: a/sonnet, provider: a, geography: eu}]
  - name: opus
    deployments: [{id: a/opus, provider: a, geography: us}]
organizations:
  - id: acme
    policy: {geographies: [eu, us]}
    aliases: [{name: declared, fallback_models: [sonnet]}]
    projects:
      - id: web
        keys:
          - {id: admin, key: hf-acme-admin, admin: true}
          - {id: app, key: hf-acme-app}
  - id: other
    projects:
      - id: web
        keys:
          - {id: other-admin, key: hf-other-admin, admin: true}
          - {id: other-app, key: hf-other-app}
"""
"""Two organizations that know nothing of each other."""


def digest_of(key: str) -> bytes:
    """Return what a key is known by."""
    return hashlib.sha256(key.encode()).digest()


ADMIN, APP, OTHER = map(digest_of, ("hf-acme-admin", "hf-acme-app", "hf-other-admin"))

SEALING = SealingKeys([PlanKey("s1", b"1" * 32)])


class MemoryControlStore:
    """A `ControlStore` in one process, whose clock is told what time it is.

    Attributes:
        away: Whether edits fail.
        meanwhile: Another edit, that is made before the next one.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.state = State()
        self.counts = EditCounts()
        self.away = False
        self.meanwhile: Awaitable[object] | None = None
        self._clock = clock
        self._listeners: list[Callable[[Sequence[Path]], None]] = []

    known = True
    away_s = 0.0

    def listen(self, on_change: Callable[[Sequence[Path]], None]) -> None:
        self._listeners.append(on_change)

    async def edit(self, actor: str, action: str, decide: Decide) -> Logged | None:
        if self.away:
            raise ServiceUnavailableError("Etcd is away.", service="etcd")
        if (faster := self.meanwhile) is not None:
            self.meanwhile = None
            await faster
        changes = decide(self.state)
        if not changes:
            return None
        number, at = self.state.generation + 1, self._clock()
        written, cut = changes_of(changes, self.state)
        entry = Logged(number, at, actor, action, "edit", written, cut)
        entries = {"generation": number, log_key(number): entry}
        for path, resource in changes.items():
            before = self.state.get(path)
            entries[path.key] = resource and Kept(
                path.kind, resource, number, before.created_at if before else at, at
            )
        entries[log_key(number - KEPT_GENERATIONS)] = None
        # As it would come back from where it is kept.
        changed = self.state.apply(
            {
                key: None if each is None else read(write(each))
                for key, each in entries.items()
            }
        )
        for tell in self._listeners:
            tell(changed)
        return entry


@dataclass
class Room:
    """An administration, and what comes of it.

    Attributes:
        now: What time it is.
        addresses: What names lead to.
    """

    text: str = FILE
    sealing: SealingKeys | None = SEALING
    now: datetime = datetime(2026, 5, 1, 12, tzinfo=UTC)
    addresses: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = MemoryControlStore(self.clock)
        self.declare(self.text)

    def declare(self, text: str, *, is_whole: bool = True) -> None:
        """Start anew with another file, and what was made before."""
        ground = tenants.ground(parse(text).settings, Catalog(), {})
        self.tenants = Tenants(ground, self.store.state, lambda: is_whole)
        self.store.listen(self.tenants.take)
        self.sealed = Sealed(self.sealing, lambda: self.tenants.resident, self.resolve)
        self.administration = AdministrationService(
            self.store, self.tenants, self.sealed, clock=self.clock
        )

    @property
    def directory(self) -> Directory:
        return self.tenants.directory

    def clock(self) -> datetime:
        return self.now

    def passes(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)

    async def resolve(self, host: str) -> Sequence[str]:
        if host not in self.addresses:
            raise OSError(host)
        return [self.addresses[host]]
