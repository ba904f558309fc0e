"""Memory of each service: idle, for each open stream, for each deployment known."""

import statistics
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.gateways import Place
from bench.gateways.holdfast import configuration, routes_at
from bench.load.spec import LoadSpec
from bench.runner import load, upstream
from bench.scenarios import PLAIN
from bench.services import SERVICES, Services, services
from holdfast.catalog.loader import load_shipped

_KEY = "hf-bench-capacity"
_STREAMS = 400
_STREAM_S = 10
_EVENTS = 50
_SETTLE_S = 2.0
_ANY = frozenset[int]()


def measured() -> dict[str, Any]:
    """Measure, with the shipped catalog and without."""
    models = load_shipped().models.values()
    deployments = sum(len(model.deployments) for model in models)
    bare, _ = _run({"catalog": "none"}, streams=0)
    shipped, open_ = _run({}, streams=_STREAMS)
    return {
        "deployments": deployments,
        "streams": _STREAMS,
        "idle_mb": bare,
        "shipped_mb": shipped,
        "deployment_kb": {
            name: (shipped[name] - bare[name]) * 1024 / deployments for name in SERVICES
        },
        "stream_kb": {
            name: (open_[name] - shipped[name]) * 1024 / _STREAMS for name in SERVICES
        },
    }


def _run(
    changes: Mapping[str, Any], *, streams: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return MiB of each service after a few calls, and with so many streams open."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with upstream(folder, _ANY) as provider:
            place = Place(provider.url, folder)
            config = {**configuration(place, _KEY), **changes}
            with services(folder, config) as running:
                provider.behave(f"events-{_EVENTS},gap-0")
                load(_spec(running, 8, 2.0), _ANY)
                time.sleep(_SETTLE_S)
                idle = {name: each.rss_mb for name, each in running.by_name.items()}
                if not streams:
                    return idle, idle
                provider.behave(f"events-{_EVENTS},gap-{_STREAM_S * 1000 / _EVENTS}")
                return idle, _open(running, streams)


def _open(running: Services, streams: int) -> dict[str, float]:
    """Return the median MiB of each service while so many streams are open."""
    spec = _spec(running, streams, _STREAM_S * 0.9)
    loading = threading.Thread(target=load, args=(spec, _ANY))
    loading.start()
    # All have begun after a second and a little; none ends before ten.
    time.sleep(_STREAM_S * 0.5)
    found: dict[str, list[float]] = {name: [] for name in SERVICES}
    for _ in range(10):
        for name, each in running.by_name.items():
            found[name].append(each.rss_mb)
        time.sleep(0.2)
    loading.join()
    return {name: statistics.median(sizes) for name, sizes in found.items()}


def _spec(running: Services, connections: int, seconds: float) -> LoadSpec:
    route = routes_at(f"{running.url}/v1", _KEY)[PLAIN]
    return LoadSpec(
        url=route.url,
        model=route.model,
        headers=route.headers,
        connections=connections,
        duration_s=seconds,
        warm_up_s=0.0,
        spread_s=1.0,
        stream=True,
    )
