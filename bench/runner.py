"""Runs the bench: one gateway at a time, against one simulated provider."""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.gateways import Gateway, Place, Route, Running
from bench.load.figures import Figures
from bench.load.spec import LoadSpec
from bench.plan import Amount, Run, runs
from bench.processes import (
    ROOT,
    Cores,
    NotReadyError,
    memory,
    on_cores,
    running,
    split_cores,
    usage,
)
from bench.results import Footprint, Measured, Results, Skipped
from bench.scenarios import BY_NAME, PLAIN, Scenario

_SETTLE_S = 1.0
"""What a gateway gets to come to rest before its idle memory is measured."""

_LONGEST_REST_S = 30.0
_LOOK_S = 0.1

_AT_REST = 0.2
"""The share of a core below which a gateway is taken to be done."""

_GRACE_S = 60.0
"""What a load may take beyond its own time before it is given up."""

_PATIENCE_S = 20.0

_SATURATION = 0.7
"""The share of what a gateway carries above which a fixed rate measures queues."""

_TOP_UP_S = 90.0


@dataclass(frozen=True, slots=True)
class Upstream:
    """The simulated provider."""

    url: str
    pid: int

    def behave(self, behaviour: str) -> None:
        """Have it answer so from now on, and count from zero."""
        _get(f"{self.url}/__set/{behaviour}")

    def counts(self) -> dict[str, int]:
        """Return how many requests came, by behaviour; the set one as `ok`."""
        counted: dict[str, int] = json.loads(_get(f"{self.url}/__stats"))
        return {name or "ok": number for name, number in counted.items()}


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
        body: bytes = answer.read()
        return body


@contextmanager
def upstream(folder: Path, cores: Cores) -> Iterator[Upstream]:
    """Run the simulated provider while the context lasts."""
    with running(
        [sys.executable, "-m", "bench.mock"], log=folder / "upstream", cores=cores
    ) as process:
        port = process.line(patience_s=_PATIENCE_S)
        yield Upstream(f"http://127.0.0.1:{port}", process.pid)


@dataclass(slots=True)
class Bench:
    """One run of the bench.

    Attributes:
        results: What has been measured so far.
        ends: When nothing more is begun, on the monotonic clock.
        say: Told of each result.
        least_requests: How many requests lie between the two measurements of
            Holdfast's memory, at least.
    """

    results: Results
    ends: float
    say: Callable[[str], None] = print
    least_requests: int = 0
    cores: tuple[Cores, Cores] = field(default_factory=split_cores)

    def run(
        self,
        gateways: Sequence[Gateway],
        scenarios: Sequence[Scenario],
        amount: Amount,
        rounds: int = 1,
    ) -> None:
        """Run every scenario on every gateway."""
        for ordinal in range(1, rounds + 1):
            for gateway in gateways:
                self._gateway(gateway, scenarios, amount, ordinal)

    def _gateway(
        self,
        gateway: Gateway,
        scenarios: Sequence[Scenario],
        amount: Amount,
        ordinal: int,
    ) -> None:
        if not gateway.version():
            self._skip(gateway.name, "all", "not installed; see `make bench-peers`")
            return
        if self._is_over():
            self._skip(gateway.name, "all", "no time was left")
            return
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            try:
                with upstream(folder, self.cores[0]) as provider:
                    place = Place(provider.url, folder, self.cores[1])
                    with gateway.running(place) as target:
                        planned = runs(scenarios, amount, slow=gateway.slow)
                        self._measure(gateway, target, provider, planned, ordinal)
            except NotReadyError as error:
                self._skip(gateway.name, "all", f"it did not start: {error}")

    def _measure(
        self,
        gateway: Gateway,
        target: Running,
        provider: Upstream,
        planned: Sequence[Run],
        ordinal: int,
    ) -> None:
        time.sleep(_SETTLE_S)
        pid, apart = target.pid, target.supervised
        idle = memory(pid, supervised=apart) if pid else None
        saturated = 0.0
        answered = 0
        for run in planned:
            scenario = run.scenario
            if self._is_over():
                self._skip(gateway.name, scenario.name, "no time was left")
                continue
            if run.load and run.load > _SATURATION * saturated:
                why = f"{run.load:g} a second is too near what it carries"
                self._skip(gateway.name, scenario.name, why)
                continue
            route = target.routes.get(scenario.role)
            if route is None:
                self._skip(gateway.name, scenario.name, "it has no such thing")
                continue
            _rest(pid)
            provider.behave(scenario.upstream)
            figures = self._load(run, route, target, provider)
            answered += figures.answered
            if scenario.name == "small" and not run.load:
                saturated = max(saturated, figures.rate)
            self._note(
                Measured(
                    gateway.name,
                    scenario.name,
                    run.connections,
                    run.load,
                    ordinal,
                    figures,
                    provider.counts(),
                )
            )
        if idle is None:
            return
        if gateway.name.startswith("holdfast"):
            answered += self._top_up(target, provider, self.least_requests - answered)
        after = memory(pid, supervised=apart)
        self.results.footprints.append(
            Footprint(
                gateway.name, ordinal, round(target.start_s, 2), idle, after, answered
            )
        )
        self.say(
            f"{gateway.name:18} memory {idle.rss_mb:g} MB idle, {after.rss_mb:g} MB "
            f"after {answered:,} requests"
        )

    def _load(
        self, run: Run, route: Route, target: Running, provider: Upstream
    ) -> Figures:
        scenario = run.scenario
        spec = LoadSpec(
            url=route.url,
            model=route.model,
            headers=route.headers,
            connections=run.connections,
            duration_s=run.duration_s,
            warm_up_s=run.warm_up_s,
            rate=run.load,
            requests=run.requests,
            spread_s=run.spread_s,
            body_kb=scenario.body_kb,
            texts=scenario.texts,
            stream=bool(scenario.events),
            sessions=scenario.sessions,
            turns=max(1, scenario.turns),
            gateway_pid=target.pid,
            upstream_pid=provider.pid,
        )
        return load(spec, self.cores[0])

    def _top_up(self, target: Running, provider: Upstream, missing: int) -> int:
        """Send small requests until so many more have been answered."""
        left_s = self.ends - time.monotonic()
        if missing <= 0 or left_s < 1:
            return 0
        small = BY_NAME["small"]
        provider.behave(small.upstream)
        run = Run(
            small,
            64,
            duration_s=min(left_s, _TOP_UP_S),
            warm_up_s=0.0,
            requests=missing,
        )
        return self._load(run, target.routes[PLAIN], target, provider).answered

    def _is_over(self) -> bool:
        return time.monotonic() >= self.ends

    def _skip(self, gateway: str, scenario: str, why: str) -> None:
        self.results.skipped.append(Skipped(gateway, scenario, why))
        self.say(f"{gateway:18} {scenario:10} skipped: {why}")

    def _note(self, measured: Measured) -> None:
        self.results.measured.append(measured)
        figures = measured.figures
        times = figures.latency_ms
        offered = f" at {measured.load:g}/s" if measured.load else ""
        cost = "-" if figures.cpu_us is None else f"{figures.cpu_us:,.0f}"
        self.say(
            f"{measured.gateway:18} {measured.scenario:10} c={measured.connections:<4}"
            f"{figures.rate:>9,.0f}/s  {cost:>7} us CPU  "
            f"p50 {times.p50 if times else 0:g} p99 {times.p99 if times else 0:g} ms"
            f"{offered}  others {figures.other_cpu:g}"
            f"{f'  failed {figures.failed}' if figures.failed else ''}"
        )


def _rest(pid: int) -> None:
    """Wait until a gateway has done with what the run before left it."""
    ends = time.monotonic() + _LONGEST_REST_S
    while pid and time.monotonic() < ends:
        before = usage(pid).cpu_s
        time.sleep(_LOOK_S)
        if usage(pid).cpu_s - before < _AT_REST * _LOOK_S:
            return


def load(spec: LoadSpec, cores: Cores) -> Figures:
    """Run a load in a process of its own, which ends by itself.

    Raises:
        RuntimeError: It failed.
    """
    with on_cores(cores):
        done = subprocess.run(  # noqa: S603 - the bench's own
            [sys.executable, "-m", "bench.load", spec.to_json()],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=spec.warm_up_s + spec.duration_s + _GRACE_S,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"the load failed: {done.stderr[-1_000:]}")
    return Figures.from_dict(json.loads(done.stdout))
