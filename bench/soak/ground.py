"""The gateway of the soak, and the provider that fails it now and then."""

import random
from pathlib import Path
from typing import Any

from bench.faults.behaviour import FINE, Behaviour, Script, Way
from bench.faults.provider import Provider

KEY = "hf-soak"
ADMIN_KEY = "hf-soak-admin"

CHAT = "soak"
"""The model that is chatted with."""

FORM = "soak-forms"
"""The model that is asked for JSON, and mostly speaks instead."""

SEED = 20_261_122

_PROVIDERS = ("primary", "backup")

_FAILING_SHARE = 0.1
_FAILURES = (
    Behaviour(Way.ERROR, 429, "Too many requests.", headers={"retry-after": "0"}),
    Behaviour(Way.ERROR, 500, "Something went wrong."),
    Behaviour(Way.RESET),
    Behaviour(Way.CUT, after=20),
    Behaviour(Way.ERROR_EVENT, message="Overloaded.", after=20),
    Behaviour(Way.MALFORMED, after=20),
    Behaviour(Way.EMPTY),
)

_FORMED = Behaviour(text='{"word": "one"}')
_UNFORMED_SHARE = 0.5


def failing(seed: int) -> Script:
    """Fail a share of the requests, each in another way."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret

    def script(_number: int, _seconds: float) -> Behaviour:
        return chance.choice(_FAILURES) if chance.random() < _FAILING_SHARE else FINE

    return script


def speaking(seed: int) -> Script:
    """Answer a share of the requests with words where JSON was asked for."""
    chance = random.Random(seed)  # noqa: S311 - as above

    def script(_number: int, _seconds: float) -> Behaviour:
        return FINE if chance.random() < _UNFORMED_SHARE else _FORMED

    return script


async def provider() -> Provider:
    """Start the provider that both deployments of both models are at."""
    started = Provider(word_s=0)
    await started.start()
    for number, name in enumerate(_PROVIDERS):
        started.set(name, CHAT, failing(SEED + number), keep_bodies=False)
        started.set(name, FORM, speaking(SEED + number), keep_bodies=False)
    return started


def configuration(upstream: str, folder: Path) -> dict[str, Any]:
    """Write a configuration file in which as much as possible is at work.

    Args:
        upstream: Where the provider listens.
        folder: For the ledger.
    """
    return {
        "listen": "127.0.0.1:0",
        "state_dir": str(folder / "state"),
        "ledger": f"sqlite:///{folder / 'ledger.db'}",
        "catalog": "none",
        "defaults": {
            "attempt": {
                "connect_timeout_s": 1,
                "first_token_timeout_s": 5,
                "idle_timeout_s": 5,
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
            for name in _PROVIDERS
        },
        "models": [
            {"name": name, "deployments": [_deployment(name, at) for at in _PROVIDERS]}
            for name in (CHAT, FORM)
        ],
        "organizations": [
            {
                "id": "soak",
                "guardrails": [
                    {
                        "name": "no-cards",
                        "applies_to": ["input", "output"],
                        "action": "redact",
                        "presets": ["credit_card"],
                    }
                ],
                "projects": [
                    {
                        "id": "soak",
                        "budget": {"monthly_usd": "1000000"},
                        "retention": {"content_days": 1},
                        "keys": [
                            {"id": "soak", "key": KEY},
                            {"id": "admin", "key": ADMIN_KEY, "admin": True},
                        ],
                    }
                ],
            }
        ],
    }


def _deployment(model: str, provider: str) -> dict[str, Any]:
    return {
        "id": f"{provider}/{model}",
        "provider": provider,
        "provider_model": model,
        "capabilities": ["tools", "assistant_prefix", "json_schema"],
        "context_window_tokens": 8_000,
        "max_output_tokens": 4_000,
        "pricing": {"input": "3", "output": "15"},
    }
