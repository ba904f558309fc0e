"""Where resources are kept, as far as anybody else needs to know."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol, TypeAlias

from holdfast.control.resources import Any as AnyResource
from holdfast_resolver.control.records import Logged, Path
from holdfast_resolver.control.state import State

Changes: TypeAlias = Mapping[Path, AnyResource | None]
"""What is to become of resources: None for what is to be deleted."""

Decide: TypeAlias = Callable[[State], Changes]
"""Says what an edit changes, given what there is. It may be asked again, where
somebody else was faster; it raises what it has against the edit."""


@dataclass(slots=True)
class EditCounts:
    """What became of edits, and of races between them.

    Attributes:
        made: They are kept.
        refused: They were no edits that could be made.
        unavailable: Etcd was away, or fell silent.
        lost_races: Times that another replica was faster, and it was tried again.
    """

    made: int = 0
    refused: int = 0
    unavailable: int = 0
    lost_races: int = 0

    def by_outcome(self) -> Mapping[str, int]:
        """Return the counts by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


class ControlStore(Protocol):
    """Keeps resources, and tells of each edit."""

    @property
    def state(self) -> State:
        """What is kept, as last seen."""

    @property
    def known(self) -> bool:
        """Whether what is kept has been read at all."""

    @property
    def counts(self) -> EditCounts:
        """For metrics."""

    @property
    def away_s(self) -> float:
        """For how many seconds it is not known whether that is still so."""

    def listen(self, on_change: Callable[[Sequence[Path]], None]) -> None:
        """Have each edit told, one's own too, once it is in `state`."""

    async def edit(self, actor: str, action: str, decide: Decide) -> Logged | None:
        """Make one edit: all of it, or nothing.

        Args:
            actor: Who makes it.
            action: What it is.
            decide: What it changes.

        Returns:
            What was written down, once `state` has it. None: nothing had to be
            changed.

        Raises:
            ServiceUnavailableError: It was not made, or nobody knows whether.
            GatewayError: What `decide` raises.
        """
