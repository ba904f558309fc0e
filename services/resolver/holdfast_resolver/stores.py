"""What the resolver remembers beyond one request, and shares with its replicas.

Reading is local and never waits; writing is queued and never fails. A store
that has lost touch with its replicas says so and goes on with what it knows.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from holdfast_resolver.health.record import Record


class SessionStore(Protocol):
    """Which deployment each session is bound to, by session key."""

    @property
    def synced(self) -> bool:
        """Whether what is read is what all replicas see, as far as is known."""

    def get(self, key: str) -> str | None:
        """Return the deployment a session is bound to, None if it is unbound."""

    def bind(
        self, key: str, deployment_id: str, ttl: timedelta, *, urgent: bool = False
    ) -> None:
        """Bind a session unless a replica has bound it; then adopt that binding.

        Args:
            key: The binding's name.
            deployment_id: What the session is bound to.
            ttl: How long the binding outlives its last use.
            urgent: Whether the replicas could not find it without being told.
        """

    def move(self, key: str, deployment_id: str, ttl: timedelta) -> None:
        """Bind a session anew, if it is still bound to what `get` said."""

    def touch(self, key: str, ttl: timedelta) -> None:
        """Let the binding live on, for `ttl` or a little more from now."""


class HealthStore(Protocol):
    """What all replicas know of the deployments that failed, by name."""

    def publish(self, key: str, record: Record) -> None:
        """Tell the replicas, joined with what they know."""

    def watch(self, on_change: Callable[[str, Record | None], None]) -> None:
        """Have each change told, one's own too: None for what has run out."""


class ProbeStore(Protocol):
    """Which rests are being followed up, by whom in the fleet is no matter."""

    async def claim(self, rest: str, life: timedelta) -> bool | None:
        """Write that a rest is followed up, unless it is written.

        Args:
            rest: Its name.
            life: How long that stays written.

        Returns:
            Whether this was the first to write it; None if it cannot be known
            now.
        """


class MemorySessionStore:
    """Bindings of one process. Nothing is shared and nothing expires."""

    def __init__(self) -> None:
        self.bindings: dict[str, str] = {}
        self.synced = True

    def get(self, key: str) -> str | None:
        """Return the deployment a session is bound to, None if it is unbound."""
        return self.bindings.get(key)

    def bind(
        self, key: str, deployment_id: str, ttl: timedelta, *, urgent: bool = False
    ) -> None:
        """Bind a session unless it is bound."""
        self.bindings.setdefault(key, deployment_id)

    def move(self, key: str, deployment_id: str, ttl: timedelta) -> None:
        """Bind a session anew."""
        self.bindings[key] = deployment_id

    def touch(self, key: str, ttl: timedelta) -> None:
        """Do nothing: these bindings do not expire."""


class MemoryHealthStore:
    """Records of one process."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._told: list[Callable[[str, Record | None], None]] = []

    def publish(self, key: str, record: Record) -> None:
        """Tell whoever watches, if it is news."""
        known = self._records.get(key)
        joined = record if known is None else known.joined(record)
        if joined != known:
            self._records[key] = joined
            for tell in self._told:
                tell(key, joined)

    def watch(self, on_change: Callable[[str, Record | None], None]) -> None:
        """Have each change told."""
        self._told.append(on_change)


class MemoryProbeStore:
    """Probes of one process. What is claimed stays so."""

    def __init__(self) -> None:
        self._claimed: set[str] = set()

    async def claim(self, rest: str, life: timedelta) -> bool | None:
        """Claim a rest unless it is claimed."""
        is_first = rest not in self._claimed
        self._claimed.add(rest)
        return is_first
