"""What nothing at all costs: no gateway, and a proxy in Python that decides nothing."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata

from bench import scenarios
from bench.gateways import Place, Route, Running, free_port
from bench.gateways.readiness import wait_until_served
from bench.processes import running

_PATH = "/v1/chat/completions"
_VECTORS_PATH = "/v1/embeddings"
_PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Direct:
    """No gateway: what the load and the simulated provider take by themselves."""

    name: str = "direct"
    slow: bool = False

    def version(self) -> str:
        """Return that it is always there."""
        return "-"

    @contextmanager
    def running(self, place: Place) -> Iterator[Running]:
        """Point at the simulated provider."""
        route = Route(place.upstream + _PATH, "bench")
        routes = dict.fromkeys((scenarios.PLAIN, scenarios.FALLBACK), route)
        routes[scenarios.EMBEDDINGS] = Route(place.upstream + _VECTORS_PATH, "bench")
        yield Running(0, routes)


@dataclass(frozen=True, slots=True)
class Floor:
    """A proxy without logic, in one Python process."""

    name: str = "floor"
    slow: bool = False

    def version(self) -> str:
        """Return the versions of what it is made of."""
        made_of = ("aiohttp", "uvicorn", "uvloop")
        return ", ".join(f"{name} {metadata.version(name)}" for name in made_of)

    @contextmanager
    def running(self, place: Place) -> Iterator[Running]:
        """Run it while the context lasts."""
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        url = base + _PATH
        routes = {
            scenarios.PLAIN: Route(url, "bench"),
            scenarios.FALLBACK: Route(url, "bench-fallback"),
            scenarios.SESSIONS: Route(url, "bench"),
            scenarios.EMBEDDINGS: Route(base + _VECTORS_PATH, "bench"),
        }
        command = [sys.executable, "-m", "uvicorn", "bench.gateways.floor_app:create"]
        command += ["--factory", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
        command += ["--log-level", "warning"]
        with running(
            command,
            log=place.folder / "floor",
            cores=place.cores,
            environ={"BENCH_UPSTREAM": place.upstream},
        ) as process:
            start_s = wait_until_served(
                routes[scenarios.PLAIN], process, patience_s=_PATIENCE_S
            )
            yield Running(process.pid, routes, start_s=start_s)
