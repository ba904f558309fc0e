"""POST /v2/explain: where a request for a model would go, and why."""

from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from holdfast.api.routing.v1 import plan_pb2 as plan_pb
from holdfast.ports import Edit, ResolveModelRequest, Resolver
from holdfast_edge.auth import api_key_digest
from holdfast_edge.body import read_json_body
from holdfast_edge.decoding import decode, malformed
from holdfast_edge.headers import Head
from holdfast_edge.reply import send_json
from holdfast_edge.served import AFFINITIES, UNKNOWN
from holdfast_edge.sessions import named_session


class _Edit(msgspec.Struct):
    """A resource as it would be: its kind, and its fields."""

    kind: str
    resource: msgspec.Raw


class _Question(msgspec.Struct):
    """What is to be explained.

    Attributes:
        session: Empty or absent: that of the headers, if any.
        edit: The plan is as it would be after it. Absent: as things are.
    """

    model: str
    session: str | None = None
    edit: _Edit | None = None


_decoder = msgspec.json.Decoder(_Question)


@dataclass(frozen=True, slots=True)
class Explain:
    """The plan as data: every candidate once, placed or excluded."""

    resolver: Resolver
    surface: str = "explain"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the plan. Nothing is executed, bound or rotated."""
        head = Head.of(scope)
        digest = api_key_digest(head)
        question = decode(_decoder, await read_json_body(head, receive))
        if not question.model.strip():
            raise malformed("model", "must name a model")
        signed = await self.resolver.resolve_model(
            ResolveModelRequest(
                digest,
                question.model,
                session_id=named_session(head, in_path=question.session or ""),
                explain=True,
                validate_only=True,
                trace_id=head.trace_id,
                edit=Edit(question.edit.kind, bytes(question.edit.resource))
                if question.edit
                else None,
            )
        )
        # The edge reads the plan and needs no proof: it does not act upon it.
        plan = plan_pb.Plan.FromString(signed.wire.plan)
        await send_json(send, explained(plan))


def explained(plan: plan_pb.Plan) -> dict[str, Any]:
    """Write a plan as data."""
    return {
        "requested_model": plan.requested_model,
        "session_affinity": AFFINITIES.get(plan.session_affinity, "none"),
        "bound_deployment": plan.bound_deployment_id or None,
        "revision": plan.revision,
        "trace_id": plan.trace_id,
        "steps": [_step(place, step) for place, step in enumerate(plan.steps, start=1)],
        "exclusions": [_exclusion(exclusion) for exclusion in plan.exclusions],
    }


def _step(place: int, step: plan_pb.PlanStep) -> dict[str, Any]:
    deployment = step.deployment
    cooldown = (
        step.cooldown.ToNanoseconds() / 1e9 if step.HasField("cooldown") else None
    )
    return {
        "place": place,
        "deployment": deployment.deployment_id,
        "model": deployment.model_id,
        "provider": deployment.provider_id,
        "geography": deployment.geography or UNKNOWN,
        "region": deployment.region or None,
        "reason": _word(plan_pb.StepReason.Name(step.reason), "STEP_REASON_"),
        "cooldown_seconds": cooldown,
    }


def _exclusion(exclusion: plan_pb.Exclusion) -> dict[str, Any]:
    return {
        "deployment": exclusion.deployment_id,
        "provider": exclusion.provider_id or None,
        "geography": exclusion.geography or UNKNOWN,
        "reason": _word(
            plan_pb.ExclusionReason.Name(exclusion.reason), "EXCLUSION_REASON_"
        ),
        "rule": exclusion.rule,
    }


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower().replace("_", "-")
