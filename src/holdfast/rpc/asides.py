"""Which replicas are left aside, since they reach nobody whom they are to call."""

from collections.abc import Sequence
from typing import Generic, TypeVar

_Each = TypeVar("_Each")

_ASIDE_S = 5.0
"""How long one is left aside, in seconds, before one request sees whether it reaches
somebody again: as long as a connection may take to fail by default."""


class Asides(Generic[_Each]):
    """Those that said that they are out of touch, each until it answers."""

    def __init__(self) -> None:
        """Begin with none."""
        self._until: dict[_Each, float] = {}

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._until)

    def __contains__(self, each: object) -> bool:
        """Tell whether one is left aside."""
        return each in self._until

    def add(self, each: _Each, now: float) -> None:
        """Leave one aside.

        Args:
            each: Which.
            now: The time on the event loop's clock.
        """
        self._until[each] = now + _ASIDE_S

    def answered(self, each: _Each) -> None:
        """Take one back that has given an answer."""
        self._until.pop(each, None)

    def keep(self, known: Sequence[_Each]) -> None:
        """Forget all but those that there are."""
        self._until = {each: self._until[each] for each in known if each in self}

    def sorted(self, replicas: Sequence[_Each], now: float) -> list[_Each]:
        """Put those last that are aside, and first one whose time is over.

        Whoever asks for the order is the one that sees how that one is; the others
        pass over it meanwhile.
        """
        due = next((each for each in replicas if self._is_due(each, now)), None)
        if due is not None:
            self.add(due, now)
        first = [] if due is None else [due]
        well = [each for each in replicas if each not in self]
        aside = [each for each in replicas if each in self and each is not due]
        return first + well + aside

    def _is_due(self, each: _Each, now: float) -> bool:
        return each in self and self._until[each] <= now
