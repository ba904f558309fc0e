"""`python -m bench.profile small`: where the time of a request goes, in one process."""

import argparse
import json
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.gateways import Place, Running
from bench.gateways.holdfast import configuration, routes_at
from bench.gateways.readiness import wait_until_served
from bench.load.figures import Figures
from bench.load.spec import LoadSpec
from bench.processes import running, split_cores
from bench.runner import load, upstream
from bench.scenarios import BY_NAME, PLAIN, Scenario

_PATIENCE_S = 30.0
_WARM_UP_S = 1.0

_DUMP_S = 10.0
"""What writing the profile may take."""


def main() -> int:
    """Profile one scenario and print where its time goes; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile")
    parser.add_argument("scenario", choices=list(BY_NAME))
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--lines", type=int, default=30)
    parser.add_argument(
        "--save", type=Path, help="add the layers to this file, for the report"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        samples = Path(name) / "samples.json"
        figures = _profiled(
            BY_NAME[asked.scenario],
            Path(name),
            samples,
            connections=asked.connections,
            seconds=asked.seconds,
        )
        stacks = json.loads(samples.read_text(encoding="utf-8"))
    cost = figures.cpu_us or 0.0
    print(
        f"{asked.scenario}: {figures.answered:,} requests, {cost:,.0f} us of CPU each"
    )
    print(_table(stacks, cost, asked.lines))
    if asked.save is not None:
        told = {"scenario": asked.scenario, "cpu_us": cost, **layers(stacks, cost)}
        with asked.save.open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")
    return 0


def _profiled(
    scenario: Scenario, folder: Path, samples: Path, *, connections: int, seconds: float
) -> Figures:
    """Run a load on a gateway that is profiled meanwhile."""
    load_cores, gateway_cores = split_cores()
    key = f"hf-bench-{secrets.token_hex(8)}"
    path = folder / "holdfast.yaml"
    with upstream(folder, load_cores) as provider:
        place = Place(provider.url, folder, gateway_cores)
        path.write_text(json.dumps(configuration(place, key)), encoding="utf-8")
        command = [sys.executable, "-m", "bench.profiled", str(path), str(samples)]
        with running(command, log=folder / "holdfast", cores=gateway_cores) as process:
            line = process.line("ready ", patience_s=_PATIENCE_S)
            base = line.removeprefix("ready ") + "/v1"
            target = Running(process.pid, routes_at(base, key))
            wait_until_served(target.routes[PLAIN], process, patience_s=_PATIENCE_S)
            provider.behave(scenario.upstream)
            warm = _spec(scenario, target, connections, _WARM_UP_S)
            load(warm, load_cores)
            process.process.send_signal(signal.SIGUSR1)
            figures = load(_spec(scenario, target, connections, seconds), load_cores)
            process.process.send_signal(signal.SIGUSR1)
            _wait_for(samples)
    return figures


def _spec(
    scenario: Scenario, target: Running, connections: int, seconds: float
) -> LoadSpec:
    route = target.routes[scenario.role]
    return LoadSpec(
        url=route.url,
        model=route.model,
        headers=route.headers,
        connections=connections,
        duration_s=seconds,
        warm_up_s=0.0,
        spread_s=scenario.stream_s,
        body_kb=scenario.body_kb,
        texts=scenario.texts,
        stream=bool(scenario.events),
        sessions=scenario.sessions,
        turns=max(1, scenario.turns),
        gateway_pid=target.pid,
    )


def _wait_for(samples: Path) -> None:
    ends = time.monotonic() + _DUMP_S
    while time.monotonic() < ends and not samples.exists():
        time.sleep(0.1)


_LAYERS = {
    "holdfast_edge": "edge: reading, checking, answering",
    "uvicorn": "edge: HTTP server",
    "starlette": "edge: HTTP server",
    "holdfast_resolver": "resolver: plan, learning",
    "transport": "executor: HTTP client",
    "dialects": "executor: dialects",
    "holdfast_executor": "executor: attempts",
    "asyncio": "event loop",
    "holdfast": "library: values, prices",
}
"""What code belongs to, by the innermost of these folders that it is in. Time in the
kernel and in C counts for the Python function that asked for it."""


def layers(stacks: list[list[Any]], cost: float) -> dict[str, dict[str, float]]:
    """Say what each layer takes of a request by itself, in microseconds of CPU."""
    own: Counter[str] = Counter()
    for count, *stack in stacks:
        own[_layer(stack)] += count
    total = max(1, own.total())
    return {"layers": {name: n * cost / total for name, n in own.most_common()}}


def _layer(stack: list[Any]) -> str:
    """Find the layer of a stack: of its innermost function that belongs to one."""
    for file, *_ in stack:
        for folder in reversed(Path(file).parts[:-1]):
            if folder in _LAYERS:
                return _LAYERS[folder]
    return "other"


def _table(stacks: list[list[Any]], cost: float, lines: int) -> str:
    """Write what takes most, in microseconds a request: by itself, and with callees."""
    own: Counter[tuple[str, ...]] = Counter()
    whole: Counter[tuple[str, ...]] = Counter()
    for count, *stack in stacks:
        functions = [_where(*function) for function in stack]
        if stack[0][0] == "<string>" and len(functions) > 1:
            # Made by a dataclass: which one, its caller tells.
            functions[0] = (*functions[0], "called by", *functions[1])
        own[functions[0]] += count
        whole.update(dict.fromkeys(functions, count))
    total = max(1, own.total())
    written = [f"{total:,} samples", "", f"{'by itself':>10} {'with all':>10}"]
    written += [_row(f, n, whole[f], cost / total) for f, n in own.most_common(lines)]
    written += ["", f"{'by itself':>10} {'with all':>10}"]
    written += [_row(f, own[f], n, cost / total) for f, n in whole.most_common(lines)]
    return "\n".join(written)


def _where(file: str, line: int, name: str) -> tuple[str, ...]:
    return f"{'/'.join(Path(file).parts[-2:])}:{line}", name


def _row(function: tuple[str, ...], own: int, whole: int, scale: float) -> str:
    return f"{own * scale:10.1f} {whole * scale:10.1f}  {' '.join(function)}"


if __name__ == "__main__":
    sys.exit(main())
