"""What we hold ourselves to: CPU microseconds a request, on cores like those below.

Set from what other gateways took on two shared cores (Debian 12, Python 3.11): at 16
connections Portkey took 1,270 to 1,460 for `small` and 3,200 to 3,600 for `burst`,
TensorZero 1,480 to 1,720 for `burst` and 1,260 to 1,420 for `body`, LiteLLM 10,500 to
12,000 for `small`.
"""

from dataclasses import dataclass

TOGETHER = "holdfast"
SEPARATE = "holdfast-separate"


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit on what a scenario costs.

    Attributes:
        together_us: With the three services in one process.
        separate_us: With a process for each.
    """

    scenario: str
    connections: int
    together_us: float
    separate_us: float

    def of(self, gateway: str) -> float:
        """Return the limit for one way of running."""
        return self.together_us if gateway == TOGETHER else self.separate_us


GOALS: tuple[Goal, ...] = (
    Goal("small", 16, 200, 450),
    Goal("burst", 16, 900, 1_500),
    Goal("paced", 64, 4_600, 6_000),
    Goal("fallback", 16, 300, 550),
    Goal("body", 16, 900, 1_300),
)

LOAD_RATIO = 0.4
"""What a small request costs with 64 in flight, over what it costs alone, at most."""

ADDED_P50_MS = 1.5
"""Latency added to a small request at one connection, at most."""

IDLE_MB = 160
"""Resident memory of the three services apart, at most."""

GROWTH_MB = 10
"""By which it grows over 100,000 requests, at most."""
