"""Which plan may find out whether a deployment is well again, and how. Pure.

The plan tries it first, and the caller sees no more of a failure than a
fallback: so a healthy step has to follow, and the caller must lose nothing if it
succeeds. A probe never overrules the order of an alias, nor a session's warmth
elsewhere, nor a pin.
"""

import dataclasses
from collections.abc import Sequence
from datetime import timedelta

from holdfast.model import Plan, PlanStep, SessionAffinity, StepReason


def candidates(
    pools: Sequence[Sequence[PlanStep]], first: PlanStep
) -> tuple[PlanStep, ...]:
    """Return which steps a plan may try first, if the fleet has nobody try yet.

    Args:
        pools: The steps of each member, in the order of the alias.
        first: The step that the plan begins with.
    """
    if first.cooldown is not None or first.reason is StepReason.STICKY:
        return ()
    due: list[PlanStep] = []
    for pool in pools:
        due += [step for step in pool if step.cooldown == timedelta()]
        if any(step is first for step in pool):
            break
    return tuple(due)


def probing(plan: Plan, step: PlanStep) -> Plan:
    """Return a plan that tries one of its steps first, as a probe."""
    probe = dataclasses.replace(step, reason=StepReason.PROBE, cooldown=None)
    others = (s for s in plan.steps if s.deployment.id != step.deployment.id)
    comes_home = step.deployment.id == plan.bound_deployment_id
    return dataclasses.replace(
        plan,
        steps=(probe, *others),
        session_affinity=SessionAffinity.KEPT if comes_home else plan.session_affinity,
    )
