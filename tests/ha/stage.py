"""A lab in which things happen, and what is wrong with its providers by now."""

from collections.abc import Mapping
from typing import Any

from ha.clocks import Clock
from ha.happenings import MEMBERS, PLACES
from ha.hosts import Host
from ha.lab import Lab, Place
from ha.processes import Process


class Stage:
    """A lab, and what is wrong with its providers by now.

    Attributes:
        clocks: Each host's, by its name.
    """

    def __init__(self, lab: Lab, clocks: Mapping[str, Clock]) -> None:
        """Nothing is wrong yet."""
        self.lab = lab
        self.clocks = clocks
        self._orders: dict[str, Mapping[str, Any]] = {}
        self._slowness = 1.0
        self._credentials = 1

    def place(self, name: str) -> Place:
        """Return a host with services."""
        return self.lab.places[PLACES.index(name)]

    def host(self, name: str) -> Host:
        """Return a host by its name."""
        return next(host for host in self.lab.everybody if host.name == name)

    def process(self, unit: str) -> Process:
        """Return a process: `edge@one`, `etcd@three`."""
        name, _, where = unit.partition("@")
        if name == "etcd":
            return self.lab.etcd.members[MEMBERS.index(where)]
        process: Process = getattr(self.place(where), name)
        return process

    def order(self, provider: str, order: Mapping[str, Any] | None) -> None:
        """Say what is wrong with one provider; None for nothing."""
        self._orders.pop(provider, None)
        if order is not None:
            self._orders[provider] = {"provider": provider, **order}
        self._tell()

    def slow(self, slowness: float) -> None:
        """Say how many times as long as usual answers take."""
        self._slowness = slowness
        self._tell()

    def _tell(self) -> None:
        self.lab.order([*self._orders.values()], self._slowness)

    def change_credential(self) -> None:
        """Replace the providers' key."""
        self._credentials += 1
        self.lab.set_credential(f"key-{self._credentials}")
