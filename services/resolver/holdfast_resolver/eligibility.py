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
from holdfast.policy import Strayed, broken_promise, objection
from holdfast_resolver.directory import Objection

_ANYWHERE = frozenset({Capability.JSON_SCHEMA})
"""What a deployment need not have: where it does not take a schema, the executor asks
for the form in words, and checks what comes in any case."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a deployment is out, and whether to reconsider if nothing else is left."""

    reason: ExclusionReason
    rule: str
    is_soft: bool = False


_RESPONSES = frozenset({Capability.RESPONSES})
_NO_RESPONSES = _Refusal(
    ExclusionReason.CAPABILITY,
    "does not speak OpenAI's Responses itself, where the provider's own tools are had",
)

Check = Callable[[Deployment, Requirements], _Refusal | None]


def capabilities(deployment: Deployment, needed: Requirements) -> _Refusal | None:
    """Object where the deployment lacks what is needed.

    One that states no capability at all says nothing, and is taken at that; but
    Responses is not spoken by chance.
    """
    asked = needed.capabilities
    if Capability.RESPONSES in asked:
        if not deployment.speaks_responses:
            return _NO_RESPONSES
        asked -= _RESPONSES
    if not deployment.capabilities:
        return None
    lacking = asked - deployment.capabilities - _ANYWHERE
    if not lacking:
        return None
    words = ", ".join(sorted(lacking))
    return _Refusal(ExclusionReason.CAPABILITY, f"lacks capability {words}")


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
        refusal = _refusal(deployment, policies, objections, needed, strayed)
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


def _refusal(
    deployment: Deployment,
    policies: tuple[ScopedPolicy, ...],
    objections: Callable[[str], Objection | None],
    needed: Requirements,
    strayed: Strayed,
) -> _Refusal | None:
    rule = objection(policies, deployment)
    if rule is None:
        rule = broken_promise(policies, deployment, strayed)
    if rule is not None:
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
