"""How one deployment stands at the moment a plan is made."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Standing:
    """What health says of a deployment to whoever orders them.

    Attributes:
        left: How much longer it is left aside; zero if it is due to be tried;
            None if it is healthy.
        share: What part of its usual cold starts a healthy one takes, 0 to 1.
        is_told: Whether it said itself until when it is to be left aside; else it
            was ejected because it failed.
    """

    left: timedelta | None = None
    share: float = 1.0
    is_told: bool = False


HEALTHY = Standing()
