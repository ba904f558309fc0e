"""What a request may use of what its name stands for, and why not the rest."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from holdfast.model import (
    Capability,
    Deployment,
    Exclusion,
    ExclusionReason,
    Requirements,
    ScopedPolicy,
)
from holdfast.policy import objection
from holdfast_resolver.directory import Objection

_SOFT = frozenset({Capability.JSON_SCHEMA})
"""Capabilities that one may do without where no deployment has them: the answer
is then asked for in words, or the provider says what it lacks."""

_BUILT_IN = {
    "anthropic-messages": frozenset({Capability.JSON_SCHEMA}),
    "bedrock-converse": frozenset({Capability.JSON_SCHEMA}),
    "bedrock-invoke": frozenset({Capability.JSON_SCHEMA}),
}
"""What a dialect's translation gives, whatever the deployment says of itself."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a deployment is out, and whether to reconsider if nothing else is left."""

    reason: ExclusionReason
    rule: str
    is_soft: bool = False


Check = Callable[[Deployment, Requirements], _Refusal | None]


def capabilities(deployment: Deployment, needed: Requirements) -> _Refusal | None:
    """Object where the deployment lacks what is needed.

    One that states no capability at all says nothing, and is taken at that.
    """
    if not deployment.capabilities:
        return None
    lacking = (
        needed.capabilities
        - deployment.capabilities
        - _BUILT_IN.get(deployment.dialect, frozenset())
    )
    if not lacking:
        return None
    words = ", ".join(sorted(lacking))
    return _Refusal(
        ExclusionReason.CAPABILITY, f"lacks capability {words}", lacking <= _SOFT
    )


def window(deployment: Deployment, needed: Requirements) -> _Refusal | None:
    """Object where the request looks too long; it is an estimate, so softly."""
    limit = deployment.context_window_tokens
    if limit and needed.input_tokens + needed.output_tokens > limit:
        return _Refusal(
            ExclusionReason.CONTEXT_WINDOW,
            f"about {needed.input_tokens} input and {needed.output_tokens} output "
            f"tokens do not fit into {limit}",
            is_soft=True,
        )
    most = deployment.max_output_tokens
    if most and needed.output_tokens > most:
        return _Refusal(
            ExclusionReason.CONTEXT_WINDOW,
            f"{needed.output_tokens} output tokens asked for, {most} at most",
            is_soft=True,
        )
    return None


CHECKS: tuple[Check, ...] = (capabilities, window)
"""What a request may need. One more is a function above and its name here."""


Strayed = Callable[[Deployment], str]
"""Says where a deployment has worked, if not where it promises; else nothing."""


def split(
    candidates: Iterable[Deployment],
    policies: Iterable[ScopedPolicy],
    objections: Callable[[str], Objection | None],
    needed: Requirements,
    strayed: Strayed,
) -> tuple[list[Deployment], list[Exclusion]]:
    """Split candidates into what may serve and what may not.

    Policy is asked first and never reconsidered. What was left out softly
    comes back if nothing else is left.
    """
    policies = tuple(policies)
    allowed: list[Deployment] = []
    excluded: list[Exclusion] = []
    soft: list[Exclusion] = []
    for deployment in candidates:
        refusal = _stray(deployment, policies, strayed) or _refusal(
            deployment, policies, objections, needed
        )
        if refusal is None:
            allowed.append(deployment)
            continue
        exclusion = Exclusion(deployment, refusal.reason, refusal.rule)
        excluded.append(exclusion)
        if refusal.is_soft:
            soft.append(exclusion)
    if not allowed and soft:
        allowed = [exclusion.deployment for exclusion in soft]
        excluded = [exclusion for exclusion in excluded if exclusion not in soft]
    return allowed, excluded


def _stray(
    deployment: Deployment, policies: tuple[ScopedPolicy, ...], strayed: Strayed
) -> _Refusal | None:
    """Object to who broke its promise, where a promise is what policy goes by."""
    bound = next((policy for policy in policies if policy.geographies), None)
    if bound is None or not (place := strayed(deployment)):
        return None
    return _Refusal(
        ExclusionReason.POLICY,
        f"{bound.scope} policy: geography {deployment.geography} was promised, "
        f"and the provider has said that it worked in {place}",
    )


def _refusal(
    deployment: Deployment,
    policies: tuple[ScopedPolicy, ...],
    objections: Callable[[str], Objection | None],
    needed: Requirements,
) -> _Refusal | None:
    if (rule := objection(policies, deployment)) is not None:
        return _Refusal(ExclusionReason.POLICY, rule)
    if (lack := objections(deployment.id)) is not None:
        return _Refusal(
            ExclusionReason.DIALECT
            if lack.is_dialect
            else ExclusionReason.NO_CREDENTIAL,
            lack.why,
        )
    refusals = (check(deployment, needed) for check in CHECKS)
    return next((refusal for refusal in refusals if refusal is not None), None)
