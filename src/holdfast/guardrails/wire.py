"""Between guardrails and the messages that carry them in plans."""

import functools

from holdfast.api.routing.v1 import guardrail_pb2 as pb
from holdfast.model import Guardrail, Judge, Pattern

_CACHED = 1_024
"""Guardrails are an organization's, and in every plan of it."""


@functools.lru_cache(_CACHED)
def guardrail_to_wire(guardrail: Guardrail) -> pb.Guardrail:
    """Convert a guardrail. The same message is returned again: do not change it."""
    judge = guardrail.judge
    return pb.Guardrail(
        name=guardrail.name,
        applies_to=sorted(guardrail.applies_to),
        action=guardrail.action,
        presets=guardrail.presets,
        patterns=[
            pb.GuardrailPattern(name=each.name, regex=each.regex, flags=each.flags)
            for each in guardrail.patterns
        ],
        replacement=guardrail.replacement,
        judge=None
        if judge is None
        else pb.GuardrailJudge(
            model=judge.model, prompt=judge.prompt, on_error=judge.on_error or ""
        ),
        projects=sorted(guardrail.projects),
    )


def guardrail_from_wire(guardrail: pb.Guardrail) -> Guardrail:
    """Convert a guardrail."""
    return _guardrail(guardrail.SerializeToString(deterministic=True))


@functools.lru_cache(_CACHED)
def _guardrail(written: bytes) -> Guardrail:
    wire = pb.Guardrail.FromString(written)
    return Guardrail(
        wire.name,
        frozenset(wire.applies_to),
        wire.action,
        presets=tuple(wire.presets),
        patterns=tuple(
            Pattern(each.name, each.regex, each.flags) for each in wire.patterns
        ),
        replacement=wire.replacement,
        judge=Judge(wire.judge.model, wire.judge.prompt, wire.judge.on_error or None)
        if wire.HasField("judge")
        else None,
        projects=frozenset(wire.projects),
    )
