"""Tallies in the memory of one process, for replicas that live there together."""

import itertools
from collections.abc import Collection, Iterable, Sequence

from holdfast_resolver.quotas.store import Found, Listener, Swap
from holdfast_resolver.quotas.tally import Tally


class MemoryTallies:
    """What replicas share.

    Attributes:
        tallies: By name.
        replicas: Those that are there.
    """

    def __init__(self) -> None:
        self.tallies: dict[str, Tally] = {}
        self.replicas: set[str] = set()
        self.names = map("replica-{}".format, itertools.count(1))
        self.listeners: list[Listener] = []


class MemoryTallyStore:
    """A `TallyStore` of one replica. It is there until somebody says that it is not."""

    def __init__(self, shared: MemoryTallies | None = None) -> None:
        """Share tallies with other replicas; with none: nobody shares them."""
        self._shared = shared or MemoryTallies()
        self.replica = next(self._shared.names)
        self._has_appeared = False

    @property
    def is_present(self) -> bool:
        """Whether nobody can have taken this one for gone yet."""
        return self.replica in self._shared.replicas

    @property
    def is_known(self) -> bool:
        """Whether what is read is what all replicas see."""
        return True

    @property
    def replicas(self) -> Collection[str]:
        """Those that are there."""
        return self._shared.replicas

    @property
    def tallies(self) -> Iterable[str]:
        """The names of all there are."""
        return tuple(self._shared.tallies)

    def get(self, name: str) -> Tally | None:
        """Return a tally."""
        return self._shared.tallies.get(name)

    def listen(self, on_change: Listener) -> None:
        """Have changes told, one's own too."""
        self._shared.listeners.append(on_change)

    async def appear(self) -> None:
        """Be there: under another name than before, if it was there before."""
        if self._has_appeared:
            self.replica = next(self._shared.names)
        self._has_appeared = True
        self._shared.replicas.add(self.replica)

    async def swap(self, swaps: Sequence[Swap]) -> Sequence[Found | None]:
        """Change tallies, each of them wholly or not at all."""
        return [self._swap(each) for each in swaps]

    async def forget(self, names: Sequence[str]) -> None:
        """Delete tallies."""
        for name in names:
            self._shared.tallies.pop(name, None)

    def _swap(self, swap: Swap) -> Found | None:
        shared = self._shared
        found = shared.tallies.get(swap.name)
        if found != swap.before or not self.is_present or swap.gone & shared.replicas:
            return Found(found, self.is_present)
        shared.tallies[swap.name] = swap.after
        for tell in shared.listeners:
            tell([swap.name])
        return None
