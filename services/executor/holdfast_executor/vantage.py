"""Which network this executor is in, and whether anybody is reached from there."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from holdfast.model import Attempt
from holdfast.outcome import CONSEQUENCES
from holdfast.standpoint import SILENCE_MS, Standpoint

_KERNEL = Path("/proc/sys/kernel/random/boot_id")
_NETWORK = Path("/proc/self/ns/net")

_NEAR_MS = 30_000
"""For how long a call that did not get through tells something: as long as a first
token may take by default, so that a silence and a refused connection count together."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def network_name(kernel: Path = _KERNEL, network: Path = _NETWORK) -> str:
    """Name the network of this process, the same for all processes in it.

    Hosts, pods and network namespaces have each their own. Where the kernel does not
    tell them apart the process stands for itself.

    Args:
        kernel: Where the kernel says which it is.
        network: Where it says which of its networks this is.
    """
    try:
        named = f"{kernel.read_text()}\0{network.readlink()}".encode()
    except OSError:
        named = os.urandom(16)
    return hashlib.blake2b(named, digest_size=8).hexdigest()


class Vantage:
    """How one executor is in touch with providers."""

    def __init__(
        self, name: str | None = None, now_ms: Callable[[], int] = _now_ms
    ) -> None:
        """Begin before anybody has answered.

        Args:
            name: What its network is called. None: it is found out.
            now_ms: The time, in Unix milliseconds.
        """
        self._now_ms = now_ms
        self._name = network_name() if name is None else name
        self._since_ms = 0
        self._answered_ms = 0
        self._missed_ms: dict[str, int] = {}

    def learn(self, attempt: Attempt) -> None:
        """Note how an attempt ended: whether its provider answered just now."""
        if attempt.http_status and not CONSEQUENCES[attempt.outcome].doubtful:
            now_ms = self._now_ms()
            if now_ms - self._answered_ms > SILENCE_MS:
                self._since_ms = now_ms
            self._answered_ms = now_ms
            if self._missed_ms:
                self._missed_ms.clear()

    def miss(self, host: str) -> None:
        """Note that a call did not get through to a provider's host."""
        self._missed_ms[host] = self._now_ms()

    def is_lost(self) -> bool:
        """Tell whether two hosts were missed and nobody has answered since the first.

        One alone may well be down; two have more likely the way to them in common.
        """
        oldest_ms = self._now_ms() - _NEAR_MS
        return sum(each >= oldest_ms for each in self._missed_ms.values()) > 1

    def has_heard_since(self, moment_ms: int) -> bool:
        """Tell whether a provider has answered since a moment, in Unix ms."""
        return self._answered_ms >= moment_ms

    def tell(self) -> Standpoint:
        """Say how it is now."""
        return Standpoint(self._name, self._now_ms(), self._since_ms, self._answered_ms)
