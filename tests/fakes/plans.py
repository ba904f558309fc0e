"""Deployments, names, plans and attempts: a test says only what it is about."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta

from holdfast.model import (
    Attempt,
    Caller,
    Deployment,
    Guardrail,
    Limits,
    Model,
    Outcome,
    Plan,
    PlanStep,
    ScopedPolicy,
    StepReason,
)
from holdfast.ports import ExecuteRequest
from holdfast.settings import AliasSettings, Defaults
from holdfast.signing import PlanKey, PlanKeys, SignedPlan
from holdfast_executor.attempts import Order
from holdfast_resolver.directory import Membership, Names, Objection
from holdfast_resolver.health.standing import HEALTHY, Standing

CALLER = Caller("acme", "web")
DEFAULTS = Defaults()
LIMITS = Limits()
KEYS = PlanKeys([PlanKey("k1", b"a key of sixteen bytes or more")])


def deployment(deployment_id: str = "a/m-eu", **facts) -> Deployment:
    """Make `provider/model` or `provider/model-geography`, ready to be called."""
    provider, _, rest = deployment_id.partition("/")
    model, _, geography = rest.partition("-")
    told = {
        "model_id": model,
        "provider_id": provider,
        "provider_model": model,
        "dialect": "openai-chat",
        "base_uri": f"http://{provider}.invalid/v1",
        "auth": "none",
        "geography": geography,
        "allow_private_network": True,
    }
    return Deployment(id=deployment_id, **{**told, **facts})


def model(name: str, *deployments: Deployment, custom: bool = False) -> Model:
    """Make a model; without deployments, two of it."""
    made = deployments or (deployment(f"a/{name}-eu"), deployment(f"b/{name}-us"))
    return Model(name, deployments=made, custom=custom)


def names(
    *models: Model,
    aliases: Mapping[str, Iterable[str]] | None = None,
    custom: Iterable[Model] = (),
    objections: Mapping[str, Objection] | None = None,
) -> Names:
    """Make what the callers of one organization may name."""
    return Names(
        aliases={
            name: AliasSettings(name, tuple(targets))
            for name, targets in (aliases or {}).items()
        },
        deployments={d.id: d for each in models for d in each.deployments},
        custom_models={each.id: each for each in custom},
        models={each.id: each for each in models},
        objections=objections or {},
    )


def membership(
    known: Names,
    *policies: ScopedPolicy,
    defaults: Defaults = DEFAULTS,
    guardrails: tuple[Guardrail, ...] = (),
) -> Membership:
    """Make a project that may use these names under these policies."""
    return Membership(CALLER, False, policies, defaults, known, guardrails=guardrails)


def step(place: Deployment | str = "a/m-eu", **facts) -> PlanStep:
    """Make a step of a plan."""
    if isinstance(place, str):
        place = deployment(place)
    told = {"reason": StepReason.ROTATED, "response_model": place.model_id}
    return PlanStep(place, **{**told, **facts})


def plan(*steps: PlanStep, **facts) -> Plan:
    """Make a plan."""
    told = {
        "plan_id": "p1",
        "requested_model": "m",
        "caller": CALLER,
        "trace_id": "0" * 31 + "1",
    }
    return Plan(**{**told, "steps": steps, **facts})


def signed(*steps: PlanStep, **facts) -> SignedPlan:
    """Make a plan signed with `KEYS`."""
    return KEYS.sign(plan(*steps, **facts))


def asking(body: bytes = b"{}") -> ExecuteRequest:
    """Ask for a plan to be carried out that nobody looks into."""
    return ExecuteRequest(signed(), body)


def order(*steps: PlanStep, seconds: float = 60.0, **facts) -> Order:
    """Make a plan as the executor walks it, with so many seconds to go."""
    return Order(plan(*steps, **facts), asyncio.get_running_loop().time() + seconds)


def stands(seconds: float | None) -> Standing:
    """Say that a deployment is left aside for so long; None that it is well."""
    return HEALTHY if seconds is None else Standing(timedelta(seconds=seconds))


def attempt(
    deployment_id: str = "a/m-eu",
    outcome: Outcome = Outcome.SUCCEEDED,
    *,
    ordinal: int = 1,
    retry_after: float | None = None,
    **facts,
) -> Attempt:
    """Make an attempt that ended so; `retry_after` in seconds."""
    asked = None if retry_after is None else timedelta(seconds=retry_after)
    return Attempt(ordinal, deployment_id, outcome, retry_after=asked, **facts)
