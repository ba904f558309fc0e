"""Which runs make up a bench: scenarios, connections and rates, for how long."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.scenarios import Scenario

SHORT_S = 2.0
"""How long a run is measured: thousands of requests of the slower gateways, and
two hundred of the slowest."""

WARM_UP_S = 0.5

_RATE_S = 6.0
"""How long a fixed rate is kept: at 50 a second the p99 is the third worst of 300."""

_RATE_CONNECTIONS = 32

_RATE_WARM_UP_S = 1.0

_SLOW = 2.0
"""What a slow gateway's runs are longer by."""


@dataclass(frozen=True, slots=True)
class Run:
    """One scenario with one load.

    Attributes:
        load: Requests a second offered; zero for as many as it takes.
    """

    scenario: Scenario
    connections: int
    load: float = 0.0
    duration_s: float = SHORT_S
    warm_up_s: float = WARM_UP_S
    spread_s: float = 0.0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is to be run.

    Attributes:
        connections: Of the scenarios that take any; the first list the command
            line gives replaces each scenario's own.
        rates: Requests a second offered to `small`.
        duration_s: How long a run is measured.
    """

    connections: tuple[int, ...] = ()
    rates: tuple[float, ...] = (50.0, 500.0)
    duration_s: float = SHORT_S


_CONNECTIONS: dict[str, tuple[int, ...]] = {
    "small": (1, 16, 64),
    "burst": (1, 16),
    "paced": (64, 256),
}
"""Connections of a scenario unless the command line says otherwise."""

_DEFAULT_CONNECTIONS = (16,)

_LONGEST_SESSIONS_S = 120.0


def runs(
    scenarios: Sequence[Scenario], amount: Amount, *, slow: bool = False
) -> list[Run]:
    """Return the runs of one gateway, in order.

    Args:
        scenarios: Which.
        amount: How much.
        slow: Whether the gateway needs longer runs.
    """
    stretch = _SLOW if slow else 1.0
    planned: list[Run] = []
    for scenario in scenarios:
        own = _CONNECTIONS.get(scenario.name, _DEFAULT_CONNECTIONS)
        planned += [
            _run(scenario, connections, amount.duration_s * stretch)
            for connections in amount.connections or own
        ]
        if scenario.name == "small":
            planned += [
                Run(
                    scenario,
                    _RATE_CONNECTIONS,
                    load,
                    max(_RATE_S, amount.duration_s),
                    _RATE_WARM_UP_S,
                )
                for load in amount.rates
            ]
    return planned


def _run(scenario: Scenario, connections: int, duration_s: float) -> Run:
    if scenario.sessions:
        return Run(
            scenario,
            connections,
            duration_s=_LONGEST_SESSIONS_S,
            warm_up_s=0.0,
            requests=scenario.sessions * scenario.turns,
        )
    stream_s = scenario.stream_s
    if stream_s:
        # The connections begin one after another over one stream's length, and
        # are let run once round before the clock starts.
        return Run(
            scenario,
            connections,
            duration_s=max(duration_s, 3 * stream_s),
            warm_up_s=2 * stream_s + 0.2,
            spread_s=stream_s,
        )
    return Run(scenario, connections, duration_s=duration_s)
