"""Other gateways, where `make bench-peers` has installed them in bench/.peers.

Each as its own documentation sets it up for serving: one worker, and no telemetry,
which would leave the machine.
"""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import scenarios
from bench.gateways import Place, Route, Running, free_port
from bench.gateways.readiness import wait_until_served
from bench.processes import running

PEERS = Path(__file__).resolve().parent.parent / ".peers"

_PATIENCE_S = 120.0
"""LiteLLM takes half a minute to start on two cores."""

_SERVE_TENSORZERO = Path(__file__).with_name("tensorzero_serve.py")


def _distribution_version(peer: str, distribution: str) -> str:
    found = sorted(
        PEERS.glob(f"{peer}/lib/python*/site-packages/{distribution}-*.dist-info")
    )
    return found[-1].name.split("-")[1].removesuffix(".dist") if found else ""


@dataclass(frozen=True, slots=True)
class LiteLlm:
    """LiteLLM's proxy (Python)."""

    name: str = "litellm"
    slow: bool = True

    def version(self) -> str:
        """Return its version; empty if it is not installed."""
        if not (PEERS / "litellm/bin/litellm").exists():
            return ""
        return _distribution_version("litellm", "litellm")

    @contextmanager
    def running(self, place: Place) -> Iterator[Running]:
        """Run it while the context lasts."""
        port = free_port()
        # It refuses to start with a key that does not look random.
        key = f"sk-{secrets.token_hex(16)}"
        config = place.folder / "litellm.yaml"
        config.write_text(json.dumps(_litellm_config(place)), encoding="utf-8")
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        headers = (f"authorization: Bearer {key}",)
        routes = {
            scenarios.PLAIN: Route(url, "bench", headers),
            scenarios.FALLBACK: Route(url, "bench-fallback", headers),
            scenarios.EMBEDDINGS: Route(
                f"http://127.0.0.1:{port}/v1/embeddings", "bench", headers
            ),
        }
        command = [str(PEERS / "litellm/bin/litellm"), "--config", str(config)]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        command += ["--num_workers", "1", "--telemetry", "False"]
        environ = {
            "LITELLM_MASTER_KEY": key,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "LITELLM_TELEMETRY": "False",
            "NO_DOCS": "True",
        }
        with running(
            command,
            log=place.folder / "litellm",
            cores=place.cores,
            environ=environ,
            folder=place.folder,
        ) as process:
            start_s = wait_until_served(
                routes[scenarios.PLAIN], process, patience_s=_PATIENCE_S
            )
            yield Running(process.pid, routes, start_s=start_s)


def _litellm_config(place: Place) -> dict[str, object]:
    bases = {
        "bench": place.answering,
        "bench-fallback": place.refusing,
        "bench-second": place.answering,
    }
    return {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {
                    "model": "openai/gpt-4o-mini",
                    "api_base": base,
                    "api_key": "sk-bench",
                },
            }
            for name, base in bases.items()
        ],
        "router_settings": {
            "num_retries": 0,
            "fallbacks": [{"bench-fallback": ["bench-second"]}],
        },
        "litellm_settings": {"telemetry": False, "callbacks": []},
    }


@dataclass(frozen=True, slots=True)
class Portkey:
    """Portkey's gateway (Node). What to call comes with each request."""

    name: str = "portkey"
    slow: bool = False

    @property
    def _package(self) -> Path:
        return PEERS / "portkey/node_modules/@portkey-ai/gateway"

    def version(self) -> str:
        """Return its version; empty if it is not installed."""
        manifest = self._package / "package.json"
        if not manifest.exists():
            return ""
        version: str = json.loads(manifest.read_text(encoding="utf-8"))["version"]
        return version

    @contextmanager
    def running(self, place: Place) -> Iterator[Running]:
        """Run it while the context lasts."""
        port = free_port()
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        first, second = map(_portkey_target, (place.refusing, place.answering))
        fallback = {"strategy": {"mode": "fallback"}, "targets": [first, second]}
        routes = {
            role: Route(url, "bench", (f"x-portkey-config: {json.dumps(config)}",))
            for role, config in (
                (scenarios.PLAIN, second),
                (scenarios.FALLBACK, fallback),
            )
        }
        routes[scenarios.EMBEDDINGS] = Route(
            f"http://127.0.0.1:{port}/v1/embeddings",
            "bench",
            routes[scenarios.PLAIN].headers,
        )
        with running(
            ["node", "build/start-server.js", "--headless", f"--port={port}"],
            log=place.folder / "portkey",
            cores=place.cores,
            environ={"NODE_ENV": "production"},
            folder=self._package,
        ) as process:
            start_s = wait_until_served(
                routes[scenarios.PLAIN], process, patience_s=_PATIENCE_S
            )
            yield Running(process.pid, routes, start_s=start_s)


def _portkey_target(base_uri: str) -> dict[str, str]:
    return {"provider": "openai", "custom_host": base_uri, "api_key": "sk-bench"}


@dataclass(frozen=True, slots=True)
class TensorZero:
    """TensorZero (Rust), as its Python wheel embeds it."""

    name: str = "tensorzero"
    slow: bool = False

    def version(self) -> str:
        """Return its version; empty if it is not installed."""
        return _distribution_version("tensorzero", "tensorzero")

    @contextmanager
    def running(self, place: Place) -> Iterator[Running]:
        """Run it while the context lasts."""
        config = place.folder / "tensorzero.toml"
        config.write_text(_tensorzero_config(place), encoding="utf-8")
        with running(
            [
                str(PEERS / "tensorzero/bin/python"),
                str(_SERVE_TENSORZERO),
                str(config),
            ],
            log=place.folder / "tensorzero",
            cores=place.cores,
            environ={"RUST_LOG": "error"},
        ) as process:
            begun = time.monotonic()
            base = process.line("http://", patience_s=_PATIENCE_S)
            routes = {
                role: Route(
                    f"{base}/chat/completions", f"tensorzero::model_name::{name}"
                )
                for role, name in (
                    (scenarios.PLAIN, "bench"),
                    (scenarios.FALLBACK, "bench-fallback"),
                )
            }
            wait_until_served(routes[scenarios.PLAIN], process, patience_s=_PATIENCE_S)
            routes[scenarios.EMBEDDINGS] = Route(
                f"{base}/embeddings", "tensorzero::embedding_model_name::bench-vectors"
            )
            start_s = time.monotonic() - begun
            yield Running(process.pid, routes, start_s=start_s)


def _tensorzero_config(place: Place) -> str:
    lines = ["[gateway]", "observability.enabled = false"]
    for model, bases in (
        ("bench", [place.answering]),
        ("bench-fallback", [place.refusing, place.answering]),
    ):
        names = [f"p{ordinal}" for ordinal in range(len(bases))]
        lines += [f"[models.{model}]", f"routing = {json.dumps(names)}"]
        for name, base in zip(names, bases, strict=True):
            lines += [
                f"[models.{model}.providers.{name}]",
                'type = "openai"',
                'model_name = "mock"',
                f'api_base = "{base}/"',
                'api_key_location = "none"',
            ]
    lines += [
        "[embedding_models.bench-vectors]",
        'routing = ["p0"]',
        "[embedding_models.bench-vectors.providers.p0]",
        'type = "openai"',
        'model_name = "mock"',
        f'api_base = "{place.answering}/"',
        'api_key_location = "none"',
    ]
    return "\n".join(lines) + "\n"
