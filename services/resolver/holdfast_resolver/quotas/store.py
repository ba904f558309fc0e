"""Where tallies are kept, as the exchange needs it."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from holdfast_resolver.quotas.tally import Tally


class TalliesAwayError(Exception):
    """The store cannot be reached, or does not take what it is given."""


@dataclass(frozen=True, slots=True)
class Swap:
    """One tally that is to become another, if it still is what it was.

    Attributes:
        name: The tally's.
        before: What it was; None: there was none.
        after: What it is to be.
        gone: Replicas that must not be there any more.
        life_s: For how long it is needed, in seconds. None: until it is forgotten.
    """

    name: str
    before: Tally | None
    after: Tally
    gone: frozenset[str] = frozenset()
    life_s: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a tally is, where it was not swapped.

    Attributes:
        tally: None: there is none.
        is_present: Whether the replica that asked is taken for there.
    """

    tally: Tally | None
    is_present: bool = True


Listener = Callable[[Iterable[str]], None]
"""Told the names of tallies that have changed."""


class TallyStore(Protocol):
    """The tallies, and which replicas there are.

    A replica is there from when it appears until it has been silent for so long
    that others take it for gone. It knows by itself, and before they do, when that
    is: without `is_present` nothing of its shares may be spent.
    """

    @property
    def replica(self) -> str:
        """What this one is called. Another name after it was taken for gone."""

    @property
    def is_present(self) -> bool:
        """Whether nobody can have taken this one for gone yet."""

    @property
    def is_known(self) -> bool:
        """Whether what is read is what all replicas see, as far as is known."""

    @property
    def replicas(self) -> Collection[str]:
        """Those that are there, as far as is known."""

    @property
    def tallies(self) -> Iterable[str]:
        """The names of all there are, as far as is known."""

    def get(self, name: str) -> Tally | None:
        """Return a tally as it was seen last."""

    def listen(self, on_change: Listener) -> None:
        """Have changes told, one's own too."""

    async def appear(self) -> None:
        """Be there: under another name than before, if it was there before.

        Raises:
            TalliesAwayError: The store cannot be reached.
        """

    async def swap(self, swaps: Sequence[Swap]) -> Sequence[Found | None]:
        """Change tallies, each of them wholly or not at all; ask it, if there are none.

        Returns:
            Of each, None if it was changed, else what it is.

        Raises:
            TalliesAwayError: Of none is it known whether it was changed.
        """

    async def forget(self, names: Sequence[str]) -> None:
        """Delete tallies.

        Raises:
            TalliesAwayError: The store cannot be reached.
        """
