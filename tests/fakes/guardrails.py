"""Guardrails as a test wants them, and a resolver that knows where judges are."""

from fakes.plans import signed
from holdfast.errors import ModelNotFoundError
from holdfast.model import Guardrail, Judge, Pattern, PlanStep
from holdfast.ports import ResolveModelRequest
from holdfast.signing import SignedPlan

BOTH = frozenset({"input", "output"})


def guardrail(
    action: str = "redact",
    *presets: str,
    name: str = "g",
    stages: frozenset[str] = BOTH,
    patterns: tuple[str, ...] = (),
    **facts,
) -> Guardrail:
    """Make a guardrail of presets and regular expressions."""
    return Guardrail(
        name,
        stages,
        action,
        presets=presets,
        patterns=tuple(Pattern(f"p{at}", each) for at, each in enumerate(patterns)),
        **facts,
    )


def judged(action: str = "block", *, on_error: str | None = None, **facts) -> Guardrail:
    """Make a guardrail whose judge is the model `judge`."""
    judge = Judge("judge", "Is it rude?", on_error)
    return guardrail(action, judge=judge, **facts)


class JudgesOnly:
    """A resolver that knows the model `judge` and nothing else.

    Attributes:
        steps: Where that model is. Empty: nowhere.
        asked: What plans were made for.
    """

    def __init__(self) -> None:
        self.steps: list[PlanStep] = []
        self.plan: dict = {}
        self.asked: list[ResolveModelRequest] = []

    async def resolve_model(
        self, request: ResolveModelRequest, *, deadline: float | None = None
    ) -> SignedPlan:
        self.asked.append(request)
        if not self.steps:
            raise ModelNotFoundError("There is no such model.", model=request.model)
        return signed(*self.steps, caller=request.principal, **self.plan)
