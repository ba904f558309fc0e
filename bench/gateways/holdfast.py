"""Holdfast as its users start it: etcd, sessions, policy and metrics on."""

import json
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from bench import scenarios
from bench.gateways import Place, Route, Running
from bench.gateways.readiness import wait_until_served
from bench.processes import running

_PATIENCE_S = 30.0

_PRICING = {"input": "3.00", "output": "15.00"}


@dataclass(frozen=True, slots=True)
class Holdfast:
    """Holdfast on one machine.

    Attributes:
        separate: Whether edge, resolver and executor are processes of their own.
    """

    separate: bool
    slow: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        return "holdfast-separate" if self.separate else "holdfast"

    def version(self) -> str:
        """Return its version."""
        return metadata.version("holdfast")

    @contextmanager
    def running(self, place: Place) -> Iterator[Running]:
        """Run it while the context lasts."""
        key = f"hf-bench-{secrets.token_hex(8)}"
        path = place.folder / "holdfast.yaml"
        # JSON is YAML.
        path.write_text(json.dumps(configuration(place, key)), encoding="utf-8")
        with running(
            [
                str(Path(sys.executable).with_name("holdfast")),
                "up",
                "--config",
                str(path),
                *(["--separate"] if self.separate else []),
            ],
            log=place.folder / "holdfast",
            cores=place.cores,
        ) as process:
            begun = time.monotonic()
            line = process.line("ready ", patience_s=_PATIENCE_S)
            start_s = time.monotonic() - begun
            routes = routes_at(line.removeprefix("ready ") + "/v1", key)
            for role, route in routes.items():
                if role != scenarios.EMBEDDINGS:
                    wait_until_served(route, process, patience_s=_PATIENCE_S)
            yield Running(process.pid, routes, self.separate, start_s)


def routes_at(base: str, key: str) -> dict[str, Route]:
    """Return how the models of `configuration` are asked.

    Args:
        base: Of the API, e.g. `http://127.0.0.1:8080/v1`.
        key: The caller's.
    """
    headers = (f"authorization: Bearer {key}",)
    url = f"{base}/chat/completions"
    return {
        scenarios.PLAIN: Route(url, "bench", headers),
        scenarios.FALLBACK: Route(url, "bench-fallback", headers),
        scenarios.SESSIONS: Route(url, "bench-sessions", headers),
        scenarios.EMBEDDINGS: Route(f"{base}/embeddings", "bench-vectors", headers),
    }


def configuration(place: Place, key: str) -> dict[str, Any]:
    """Write a configuration file: the shipped catalog and the bench's own models.

    Every deployment is in the EU, as the project's policy asks.
    """
    providers = {
        "bench-a": place.answering,
        "bench-b": place.answering,
        "bench-refusing": place.refusing,
    }
    return {
        "listen": "127.0.0.1:0",
        "state_dir": str(place.folder / "state"),
        "providers": {
            name: {
                "dialect": "openai-chat",
                "base_uri": base_uri,
                "credential": "k-bench",
                "allow_private_network": True,
            }
            for name, base_uri in providers.items()
        },
        "models": [
            _model("bench", "bench-a"),
            _model("bench-refused", "bench-refusing"),
            _model("bench-sessions", "bench-a", "bench-b"),
            _model("bench-vectors", "bench-a", "bench-b"),
        ],
        "organizations": [
            {
                "id": "bench",
                "aliases": [
                    {
                        "name": "bench-fallback",
                        "fallback_models": ["bench-refused", "bench"],
                    }
                ],
                "projects": [
                    {
                        "id": "bench",
                        "policy": {"geographies": ["eu"]},
                        "keys": [{"id": "bench-1", "key": key}],
                    }
                ],
            }
        ],
    }


def _model(name: str, *providers: str) -> dict[str, Any]:
    return {
        "name": name,
        "deployments": [
            {
                "id": f"{provider}/{name}-eu",
                "provider": provider,
                "provider_model": "mock",
                "geography": "eu",
                "region": "eu-north-1",
                "context_window_tokens": 2_000_000,
                "max_output_tokens": 64_000,
                "pricing": _PRICING,
            }
            for provider in providers
        ],
    }
