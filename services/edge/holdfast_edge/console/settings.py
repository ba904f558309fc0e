"""What the console is told of where it runs."""

from dataclasses import dataclass

from holdfast.signing import PlanKey


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """How sessions are signed, and what can be drilled.

    Attributes:
        keys: What sessions are signed with, shared by all edges. Empty: each
            process has a key of its own, and sessions end with it.
        drill_uri: Where the demo's simulated providers are told what to do. Empty:
            there is no demo.
    """

    keys: tuple[PlanKey, ...] = ()
    drill_uri: str = ""


ALONE = ConsoleSettings()
"""One edge, and no demo."""
