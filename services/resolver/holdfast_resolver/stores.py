"""What the resolver remembers beyond one request, and shares with its replicas.

Reading is local and never waits; writing is queued and never fails. A store
that has lost touch with its replicas says so and goes on with what it knows.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol


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


class CooldownStore(Protocol):
    """Until when deployments are left aside, as all replicas see it.

    A key names a deployment, or a deployment with one credential. Moments are
    Unix milliseconds.
    """

    def publish(self, key: str, until_ms: int) -> None:
        """Tell the replicas; a moment earlier than the known one is ignored."""

    def withdraw(self, key: str) -> None:
        """Tell the replicas that a deployment is back."""

    def watch(self, on_change: Callable[[str, int | None], None]) -> None:
        """Have each change told, one's own too: None for a withdrawal."""


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


class MemoryCooldownStore:
    """Cooldowns of one process."""

    def __init__(self) -> None:
        self._told: list[Callable[[str, int | None], None]] = []

    def publish(self, key: str, until_ms: int) -> None:
        """Tell whoever watches."""
        for tell in self._told:
            tell(key, until_ms)

    def withdraw(self, key: str) -> None:
        """Tell whoever watches."""
        for tell in self._told:
            tell(key, None)

    def watch(self, on_change: Callable[[str, int | None], None]) -> None:
        """Have each change told."""
        self._told.append(on_change)
