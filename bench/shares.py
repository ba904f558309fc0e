"""`python -m bench.shares small body`: which of three processes takes what of it.

Apart by what a process does itself and what the kernel does for it: copies through
sockets are the kernel's. What it does without any request is measured first and left
out. For the report, beside the layers of `bench.profile`, and for docs/capacity.md.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.gateways import Place
from bench.gateways.holdfast import Holdfast
from bench.load.spec import LoadSpec
from bench.processes import ROOT, split_cores, tree
from bench.runner import load, upstream
from bench.scenarios import BY_NAME, Scenario, Sizes, sized

SCENARIOS = {
    **BY_NAME,
    # Fewer sessions than begin while it warms up: what is measured are later turns.
    "sessions": sized(BY_NAME["sessions"], Sizes(sessions=500)),
}

SHARES = ROOT / "bench" / ".results" / "shares.jsonl"

_SERVICES = ("edge", "resolver", "executor")
_CONNECTIONS = 16
_OF_STREAMS = 128
"""Where a stream takes a second: so many keep a core busy. Few would each pay for
waking everybody up, and events of many are handled together."""

_WARM_UP_S = 1.0
_IDLE_S = 2.0
_LOOKS = 3
_TICK_US = 10_000
"""Of the figures in /proc, a hundredth of a second: a load of seconds drowns it."""

Ticks = dict[str, tuple[int, int]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the scenarios and keep what was found; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.shares")
    parser.add_argument("scenarios", nargs="+", choices=list(SCENARIOS))
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=1)
    asked = parser.parse_args(arguments)
    told = [
        # The one with most of the machine: what else it does makes a request dearer,
        # and a stream that waits cheaper, since its events then come together.
        max(
            (_measured(SCENARIOS[name], asked.seconds) for _ in range(asked.rounds)),
            key=lambda row: float(row["rate"]),
        )
        for name in asked.scenarios
    ]
    kept = {} if not SHARES.exists() else _by_scenario(SHARES.read_text("utf-8"))
    kept |= {each["scenario"]: each for each in told}
    SHARES.write_text("".join(json.dumps(each) + "\n" for each in kept.values()))
    for each in told:
        print(each)
    return 0


def _by_scenario(lines: str) -> dict[str, dict[str, Any]]:
    return {each["scenario"]: each for each in map(json.loads, lines.splitlines())}


def _measured(scenario: Scenario, seconds: float) -> dict[str, Any]:
    load_cores, gateway_cores = split_cores()
    connections = _OF_STREAMS if scenario.stream_s else _CONNECTIONS
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with upstream(folder, load_cores) as provider:
            place = Place(provider.url, folder, gateway_cores)
            with Holdfast(separate=True).running(place) as gateway:
                provider.behave(scenario.upstream)
                route = gateway.routes[scenario.role]
                spec = LoadSpec(
                    url=route.url,
                    model=route.model,
                    headers=route.headers,
                    connections=connections,
                    duration_s=_WARM_UP_S,
                    warm_up_s=0.0,
                    spread_s=scenario.stream_s,
                    body_kb=scenario.body_kb,
                    texts=scenario.texts,
                    stream=bool(scenario.events),
                    sessions=scenario.sessions,
                    turns=max(1, scenario.turns),
                    gateway_pid=gateway.pid,
                )
                load(spec, load_cores)
                resting = _resting(gateway.pid)
                before = _ticks(gateway.pid)
                figures = load(replace(spec, duration_s=seconds), load_cores)
                after = _ticks(gateway.pid)
    layers, idle = {}, {}
    for service in _SERVICES:
        idle[service] = sum(resting[service]) / 1_000_000
        own, kernel = (
            max(0.0, used - rest) * figures.seconds / max(1, figures.answered)
            for used, rest in zip(
                _used(before[service], after[service], figures.seconds),
                resting[service],
                strict=True,
            )
        )
        layers[service] = own
        layers[f"{service}, in the kernel"] = kernel
    return {
        "scenario": scenario.name,
        "layers": layers,
        "idle_cores": idle,
        "store_us": figures.store_cpu_us,
        "rate": figures.rate,
        "connections": connections,
    }


def _resting(root: int) -> dict[str, tuple[float, float]]:
    """Return what each service uses without requests, in microseconds a second.

    The least of some looks: a resolver that has started looks after its ledger once.
    """
    looks = [_ticks(root)]
    for _ in range(_LOOKS):
        time.sleep(_IDLE_S)
        looks.append(_ticks(root))
    return {
        service: min(
            _used(then[service], now[service], _IDLE_S)
            for then, now in itertools.pairwise(looks)
        )
        for service in _SERVICES
    }


def _used(
    before: tuple[int, int], after: tuple[int, int], seconds: float
) -> tuple[float, float]:
    """Return the microseconds a second between two readings, own and the kernel's."""
    own, kernel = (
        (now - then) * _TICK_US / seconds
        for then, now in zip(before, after, strict=True)
    )
    return own, kernel


def _ticks(root: int) -> Ticks:
    """Read the time of each service: its own, and the kernel's for it."""
    found: Ticks = {}
    for pid in tree(root):
        command = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
        for service in _SERVICES:
            if f"holdfast_{service}" in command:
                stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
                user, kernel = stat.rpartition(")")[2].split()[11:13]
                found[service] = int(user), int(kernel)
    return found


if __name__ == "__main__":
    sys.exit(main())
