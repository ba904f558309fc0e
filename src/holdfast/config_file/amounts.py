"""Numbers in a configuration file: counts, durations and money."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from holdfast.config_file.document import ListNode, MapNode, Node, ScalarKind
from holdfast.config_file.faults import Place, echo
from holdfast.config_file.kinds import described

_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9_]*)(\.[0-9_]*)?([eE][-+]?[0-9]{1,3})?")
"""Decimal notation alone: YAML takes 010 for eight and 1:30 for ninety."""

_LONGEST_NUMBER = 24
"""Characters. Nobody means more, and some can be read but not worked with."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds, exactly as it is written.

    Attributes:
        above: The number must be greater, where `least` says no more.
        quoted: Whether it may stand in quotes, as amounts of money do.
        make: What to make of it. Raises ValueError, with a remedy, if it cannot.
    """

    words: str
    most: Decimal
    least: Decimal = Decimal(0)
    above: Decimal | None = None
    whole: bool = False
    quoted: bool = False
    make: Callable[[Decimal], Any] = float

    @property
    def bounds(self) -> str:
        """What is allowed, in words."""
        low = f"from {self.least}" if self.above is None else f"above {self.above}"
        return f"{'a whole number' if self.whole else 'a number'} {low} to {self.most}"

    def read(self, node: Node, place: Place) -> Any:
        """Return the number as what `make` makes of it."""
        if isinstance(node, ListNode | MapNode) or not (
            node.kind is ScalarKind.NUMBER
            or (self.quoted and node.kind is ScalarKind.TEXT)
        ):
            place.fault(
                node.line, f"is {described(node)}, not a number", f"write {self.bounds}"
            )
            return None
        if len(node.text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(node.text):
            place.fault(
                node.line,
                f"{echo(node.text)} is not a decimal number",
                f"write {self.bounds}",
            )
            return None
        number = Decimal(node.text.replace("_", ""))
        too_low = number < self.least or (
            self.above is not None and number <= self.above
        )
        if too_low or number > self.most:
            place.fault(
                node.line, f"{node.text} is out of range", f"write {self.bounds}"
            )
            return None
        if self.whole and number != number.to_integral_value():
            place.fault(node.line, f"{node.text} is not whole", f"write {self.bounds}")
            return None
        try:
            return self.make(number)
        except ValueError as error:
            place.fault(node.line, f"{node.text} cannot be kept exactly", str(error))
            return None


def integer(least: int, most: int) -> Number:
    """Return the kind of a whole number within bounds, both included."""
    return Number(
        f"whole number, {least} to {most}",
        Decimal(most),
        Decimal(least),
        whole=True,
        make=int,
    )


def share() -> Number:
    """Return the kind of a part of the whole, from none of it to all."""
    return Number("number, 0 to 1", Decimal(1))


def seconds(most: int) -> Number:
    """Return the kind of a duration in seconds, which reads as a `timedelta`."""
    return Number(
        f"seconds, above 0 to {most}",
        Decimal(most),
        above=Decimal(0),
        make=_duration,
    )


def _duration(number: Decimal) -> timedelta:
    duration = timedelta(seconds=float(number))
    if not duration:
        msg = "write a microsecond or more"
        raise ValueError(msg)
    return duration


MICROS_PER_USD = 1_000_000
"""Prices and amounts are kept in millionths of a dollar, as whole numbers."""


def _micros(number: Decimal) -> int:
    micros = number * MICROS_PER_USD
    if micros != micros.to_integral_value():
        msg = "write at most six decimals"
        raise ValueError(msg)
    return int(micros)


USD = Number(
    "US dollars, as a number or in quotes",
    Decimal(1_000_000_000),
    quoted=True,
    make=_micros,
)
"""An amount or a price, which reads as millionths of a dollar."""
