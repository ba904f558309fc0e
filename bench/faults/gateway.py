"""The real services, as a user starts them, in front of the misbehaving provider."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.faults import cases
from bench.faults.cases import Case
from bench.processes import ROOT, Started, running

KEY = "hf-fault-bench"

_START_S = 60.0
PROVIDERS = ("primary", "backup")


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that serves."""

    address: str
    process: Started


@contextmanager
def gateway(
    models: dict[str, Case], upstream: str, folder: Path, *, separate: bool
) -> Iterator[Running]:
    """Run `holdfast up` while the context lasts.

    Args:
        models: The case of each model.
        upstream: Where the misbehaving provider listens.
        folder: For its files.
        separate: Whether the services are processes of their own.
    """
    file = folder / "holdfast.yaml"
    file.write_text(yaml.safe_dump(_configuration(models, upstream, folder)))
    command = [str(ROOT / ".venv" / "bin" / "holdfast"), "up", "--config", str(file)]
    command += ["--separate"] if separate else []
    with running(command, log=folder / "holdfast") as process:
        ready = process.line("ready ", patience_s=_START_S)
        yield Running(ready.removeprefix("ready "), process)


def _configuration(
    models: dict[str, Case], upstream: str, folder: Path
) -> dict[str, Any]:
    return {
        "listen": "127.0.0.1:0",
        "state_dir": str(folder / "state"),
        "catalog": "none",
        "defaults": {
            "attempt": {
                "connect_timeout_s": 1,
                "first_token_timeout_s": cases.FIRST_TOKEN_TIMEOUT_S,
                "idle_timeout_s": cases.IDLE_TIMEOUT_S,
            },
            "request_timeout_s": 30,
        },
        "providers": {
            name: {
                "dialect": "openai-chat",
                "base_uri": f"{upstream}/{name}/v1",
                "credential": f"key-of-{name}",
                "allow_private_network": True,
            }
            for name in PROVIDERS
        },
        "models": [
            {
                "name": f"{model}-at-{provider}",
                "deployments": [_deployment(model, provider, case)],
            }
            for model, case in models.items()
            for provider in PROVIDERS
        ],
        "organizations": [
            {
                "id": "bench",
                "aliases": [
                    {
                        "name": model,
                        "fallback_models": [f"{model}-at-{name}" for name in PROVIDERS],
                    }
                    for model in models
                ],
                "projects": [{"id": "bench", "keys": [{"id": "bench", "key": KEY}]}],
            }
        ],
    }


def _deployment(model: str, provider: str, case: Case) -> dict[str, Any]:
    window = case.backup_window if provider == "backup" else 8_000
    return {
        "id": f"{provider}/{model}",
        "provider": provider,
        "provider_model": model,
        "capabilities": ["tools", "assistant_prefix"],
        "context_window_tokens": window,
        "max_output_tokens": 4_000,
        "pricing": {
            "input": f"{cases.INPUT_USD_PER_MILLION}",
            "output": f"{cases.OUTPUT_USD_PER_MILLION}",
        },
    }
