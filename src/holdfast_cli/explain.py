"""`holdfast explain`: where a request for a model would go, and why not elsewhere."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from holdfast.api.routing.v1 import plan_pb2
from holdfast.errors import GatewayError
from holdfast.ports import ResolveModelRequest
from holdfast_cli.offline import QuestionError, project_of, resolver_of, settings_of
from holdfast_cli.tables import table


def run(
    model: str, *, config: Path | None, project: str | None, session: str, as_json: bool
) -> int:
    """Print the plan; return 0, or 2 if there is nothing to plan for."""
    try:
        settings = settings_of(config)
        caller = project_of(settings, project)
        plan = asyncio.run(_plan(settings, caller, model, session))
    except (QuestionError, GatewayError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if as_json:
        print(json.dumps(as_data(plan), indent=2))
    else:
        print(as_text(plan))
    return 0


async def _plan(settings: Any, caller: Any, model: str, session: str) -> plan_pb2.Plan:
    signed = await resolver_of(settings).resolve_model(
        ResolveModelRequest(
            caller,
            model,
            session_id=session,
            explain=True,
            validate_only=True,
        )
    )
    return plan_pb2.Plan.FromString(signed.wire.plan)


def as_data(plan: plan_pb2.Plan) -> dict[str, Any]:
    """Return a plan as `POST /v2/explain` does, in what matters of it."""
    return {
        "model": plan.requested_model,
        "session_affinity": plan_pb2.SessionAffinity.Name(plan.session_affinity)
        .removeprefix("SESSION_AFFINITY_")
        .lower(),
        "revision": plan.revision,
        "steps": [
            {
                "place": place,
                "deployment": step.deployment.deployment_id,
                "provider": step.deployment.provider_id,
                "region": step.deployment.region or None,
                "geography": step.deployment.geography or None,
                "reason": _reason(step),
            }
            for place, step in enumerate(plan.steps, 1)
        ],
        "exclusions": [
            {
                "deployment": exclusion.deployment_id,
                "provider": exclusion.provider_id,
                "geography": exclusion.geography or None,
                "reason": plan_pb2.ExclusionReason.Name(exclusion.reason)
                .removeprefix("EXCLUSION_REASON_")
                .lower(),
                "rule": exclusion.rule,
            }
            for exclusion in plan.exclusions
        ],
    }


def as_text(plan: plan_pb2.Plan) -> str:
    """Lay a plan out for people."""
    placed = [
        (
            str(place),
            step.deployment.deployment_id,
            step.deployment.region or "-",
            step.deployment.geography or "unknown",
            _reason(step),
        )
        for place, step in enumerate(plan.steps, 1)
    ]
    excluded = [("-", e.deployment_id, e.rule) for e in plan.exclusions]
    project = f"{plan.caller.organization_id}/{plan.caller.project_id}"
    parts = [f"{plan.requested_model} for project {project}"]
    if placed:
        heading = ("#", "deployment", "region", "geography", "why here")
        parts.append(table(heading, placed))
    else:
        parts.append("No deployment may serve it.")
    if excluded:
        parts.append(table(("", "excluded", "rule"), excluded))
    return "\n\n".join(parts)


def _reason(step: plan_pb2.PlanStep) -> str:
    return plan_pb2.StepReason.Name(step.reason).removeprefix("STEP_REASON_").lower()
