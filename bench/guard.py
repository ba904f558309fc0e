"""`python -m bench.guard`: fail when the gateway has become grossly dearer.

Measures us, in one process, beside the floor in the same run, a few seconds each. What
is compared is the ratio of their costs, which holds on slow and busy machines where
neither cost does by itself.
"""

import sys
import tempfile
import time
from pathlib import Path

from bench.gateways import Gateway, Place
from bench.gateways.floor import Floor
from bench.gateways.holdfast import Holdfast
from bench.load.spec import LoadSpec
from bench.processes import NotReadyError, split_cores
from bench.runner import load, upstream
from bench.scenarios import BY_NAME, PLAIN, Scenario

EXPECTED: dict[str, float] = {"small": 2.5, "burst": 2.1}
"""What we cost over what the floor costs, at 16 connections: as docs/performance.md
had it when this was set."""

ALLOWED = 3.0
"""By how much a ratio may exceed what is expected. Runs differ by up to 1.6x; a task
for each chunk or a gRPC call inside the process costs more than this."""

_CONNECTIONS = 16

_REQUESTS = {"small": 2_500, "burst": 500}

_LONGEST_S = 4.0
"""Of one load, in seconds; it is cut short there."""


def main() -> int:
    """Measure and compare; return the process's exit status."""
    begun = time.monotonic()
    scenarios = [BY_NAME[name] for name in EXPECTED]
    try:
        floor, ours = (
            _costs(gateway, scenarios)
            for gateway in (Floor(), Holdfast(separate=False))
        )
    except NotReadyError as error:
        print(f"guard: a gateway did not start: {error}")
        return 1
    worst = 0.0
    for name, expected in EXPECTED.items():
        ratio = ours[name] / floor[name]
        worst = max(worst, ratio / expected)
        print(
            f"guard: {name}: {ours[name]:,.0f} us of CPU a request, {ratio:.1f} times "
            f"the floor's {floor[name]:,.0f}; expected {expected:g}, at most "
            f"{expected * ALLOWED:g}"
        )
    print(f"guard: took {time.monotonic() - begun:.0f} s")
    if worst > ALLOWED:
        print(
            "guard: a request has become grossly dearer; `make bench-quick` says more"
        )
        return 1
    return 0


def _costs(gateway: Gateway, scenarios: list[Scenario]) -> dict[str, float]:
    """Return the CPU microseconds a request of each scenario."""
    load_cores, gateway_cores = split_cores()
    costs: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with (
            upstream(folder, load_cores) as provider,
            gateway.running(Place(provider.url, folder, gateway_cores)) as target,
        ):
            for scenario in scenarios:
                provider.behave(scenario.upstream)
                route = target.routes[PLAIN]
                spec = LoadSpec(
                    url=route.url,
                    model=route.model,
                    headers=route.headers,
                    connections=_CONNECTIONS,
                    duration_s=_LONGEST_S,
                    warm_up_s=0.3,
                    requests=_REQUESTS[scenario.name],
                    stream=bool(scenario.events),
                    gateway_pid=target.pid,
                    upstream_pid=provider.pid,
                )
                cost = load(spec, load_cores).cpu_us
                if not cost:
                    raise NotReadyError(f"{gateway.name} answered nothing")
                costs[scenario.name] = cost
    return costs


if __name__ == "__main__":
    sys.exit(main())
