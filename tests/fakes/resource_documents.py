"""For each kind of resource: one to make, and a change to it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """A resource as a caller writes it.

    Attributes:
        collection: Where it is made.
        body: What it is made from.
        change: What is then changed, and to what.
        at: Where it is afterwards; `{id}` is the id that it was given.
    """

    kind: str
    collection: str
    body: dict[str, Any]
    change: dict[str, Any]
    at: str

    def location(self, made: dict[str, Any]) -> str:
        """Return where it is."""
        return self.at.replace("{id}", str(made.get("id")))


SAMPLES = (
    Sample(
        "alias",
        "/v2/models/aliases",
        {
            "name": "default-llm-2",
            "fallback_models": ["claude-sonnet-4-5", "gpt-oss-120b"],
            "description": "Sonnet, then open weights",
        },
        {"fallback_models": ["gpt-oss-120b"]},
        "/v2/models/aliases/{id}",
    ),
    Sample(
        "custom_model",
        "/v2/models/custom",
        {
            "name": "acme/tuned",
            "identifier": "openai/tuned-7b",
            "extra": {"api_base": "https://tuned.example.com/v1", "region": "eu"},
            "pricing": {"input": "0.10", "output": "0.30"},
        },
        {"identifier": "openai/tuned-8b"},
        "/v2/models/custom/{id}",
    ),
    Sample(
        "organization",
        "/v2/organizations",
        {"id": "acme-children", "name": "Acme's children"},
        {"aliases_by": "admin_key"},
        "/v2/organizations/acme-children",
    ),
    Sample(
        "project",
        "/v2/projects",
        {"id": "batch", "name": "Nightly", "retention": {"content_days": 3}},
        {"name": "Daily"},
        "/v2/projects/batch",
    ),
    Sample(
        "key",
        "/v2/projects/web/keys",
        {"id": "ci", "requests_per_minute": 60},
        {"disabled": True},
        "/v2/projects/web/keys/ci",
    ),
    Sample(
        "policy",
        "/v2/policies",
        {"project": "web", "geographies": ["eu"], "providers": {"deny": ["openai"]}},
        {"geographies": ["eu", "us"]},
        "/v2/policies/projects/web",
    ),
    Sample(
        "budget",
        "/v2/budgets",
        {"monthly_usd": "100.50", "warn_at": 0.5},
        {"monthly_usd": "200"},
        "/v2/budgets/organization",
    ),
    Sample(
        "guardrail",
        "/v2/guardrails",
        {
            "name": "no-cards",
            "action": "redact",
            "presets": ["credit_card"],
            "patterns": [{"name": "ticket", "regex": "T-[0-9]+"}],
        },
        {"action": "block"},
        "/v2/guardrails/no-cards",
    ),
)
