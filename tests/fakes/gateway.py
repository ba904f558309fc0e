"""A whole gateway, started as a user starts it: `holdfast up --config FILE`.

with Gateway(configuration(sim, {...}), folder, separate=True) as gateway:
    client = gateway.openai()
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml
from openai import AsyncOpenAI, OpenAI

from fakes.provider import SimulatedProviders

KEY = "hf-test-key"

_START_S = 60
_STOP_S = 30


def configuration(
    sim: SimulatedProviders,
    models: dict[str, list[dict[str, Any]]],
    *,
    dialects: dict[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Write a configuration whose providers are simulated.

    Args:
        sim: The simulated providers.
        models: The deployments of each model: `id` and `provider` and what else
            is to be said of them.
        dialects: The dialect of each provider that does not speak `openai-chat`.
        more: Further top-level fields; `organizations` has one project and key
            unless given.
    """
    dialects = dialects or {}
    names = {d["provider"] for deployments in models.values() for d in deployments}
    written: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "catalog": "none",
        "providers": {
            name: {
                "dialect": dialects.get(name, "openai-chat"),
                "base_uri": sim.base_uri(name, dialects.get(name, "openai-chat")),
                "credential": f"key-of-{name}",
                "allow_private_network": True,
            }
            for name in sorted(names)
        },
        "models": [
            {"name": name, "deployments": deployments}
            for name, deployments in models.items()
        ],
        "organizations": [
            {
                "id": "acme",
                "projects": [{"id": "web", "keys": [{"id": "web-1", "key": KEY}]}],
            }
        ],
    }
    return written | more


class Gateway:
    """One `holdfast up`, and clients for it.

    Attributes:
        base_url: The edge's, e.g. `http://127.0.0.1:40123`.
        resolver: The `HOST:PORT` of the resolver's gRPC; so is `executor`.
        http: A plain client of it, with the key.
    """

    def __init__(
        self,
        config: dict[str, Any],
        folder: Path,
        *,
        separate: bool = False,
        environ: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.separate = separate
        self._environ = {**os.environ, **(environ or {})}
        self._config = {"state_dir": str(folder / "state"), **config}
        self.base_url = ""
        self.resolver = ""
        self.executor = ""
        self.process: subprocess.Popen[str] | None = None
        self.http = httpx.Client(headers={"x-api-key": KEY}, timeout=_START_S)
        self._clients: list[OpenAI] = []

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        assert self.process is not None
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready "), (self.folder / "stderr.log").read_text()
        self.base_url = line.removeprefix("ready ").strip()
        self.http.base_url = self.base_url
        _, _, self.resolver, _, self.executor = self.process.stdout.readline().split()

    def launch(self) -> None:
        """Start it, and do not wait."""
        path = self.folder / "holdfast.yaml"
        path.write_text(yaml.safe_dump(self._config))
        with (self.folder / "stderr.log").open("a") as log:
            self.process = subprocess.Popen(
                [
                    str(Path(sys.executable).with_name("holdfast")),
                    "up",
                    "--config",
                    str(path),
                    *(["--separate"] if self.separate else []),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environ,
            )

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it and its clients, and return its exit status."""
        self.http.close()
        while self._clients:
            self._clients.pop().close()
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(_STOP_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def openai(self, key: str = KEY, **options: Any) -> OpenAI:
        """Return OpenAI's client for it, without retries of its own."""
        client = OpenAI(**(self._options(key) | options))
        self._clients.append(client)
        return client

    def async_openai(self, key: str = KEY, **options: Any) -> AsyncOpenAI:
        """Return OpenAI's asynchronous client for it, which its user closes."""
        return AsyncOpenAI(**(self._options(key) | options))

    def _options(self, key: str) -> dict[str, Any]:
        return {
            "base_url": f"{self.base_url}/compat/openai",
            "api_key": "-",
            "default_headers": {"x-opper-api-key": key},
            "max_retries": 0,
            "timeout": _START_S,
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
