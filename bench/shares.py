"""`python -m bench.shares small body`: which of three processes takes what of it.

Apart by what a process does itself and what the kernel does for it: copies through
sockets are the kernel's. For the report, beside the layers of `bench.profile`.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.gateways import Place
from bench.gateways.holdfast import Holdfast
from bench.load.spec import LoadSpec
from bench.processes import ROOT, split_cores, tree
from bench.runner import load, upstream
from bench.scenarios import BY_NAME, Scenario

SHARES = ROOT / "bench" / ".results" / "shares.jsonl"

_SERVICES = ("edge", "resolver", "executor")
_CONNECTIONS = 16
_OF_STREAMS = 64
"""For streams that take a second, of which sixteen would keep nobody busy."""

_WARM_UP_S = 1.0
_TICK_US = 10_000
"""Of the figures in /proc, a hundredth of a second: a load of seconds drowns it."""

Ticks = dict[str, tuple[int, int]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the scenarios and keep what was found; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.shares")
    parser.add_argument("scenarios", nargs="+", choices=list(BY_NAME))
    parser.add_argument("--seconds", type=float, default=6.0)
    asked = parser.parse_args(arguments)
    told = [_measured(BY_NAME[name], asked.seconds) for name in asked.scenarios]
    SHARES.write_text("".join(json.dumps(each) + "\n" for each in told))
    for each in told:
        print(each)
    return 0


def _measured(scenario: Scenario, seconds: float) -> dict[str, object]:
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
                before = _ticks(gateway.pid)
                figures = load(replace(spec, duration_s=seconds), load_cores)
                after = _ticks(gateway.pid)
    layers = {}
    for service in _SERVICES:
        own, kernel = (
            (now - then) * _TICK_US / max(1, figures.answered)
            for then, now in zip(before[service], after[service], strict=True)
        )
        layers[service] = own
        layers[f"{service}, in the kernel"] = kernel
    return {"scenario": scenario.name, "layers": layers}


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
