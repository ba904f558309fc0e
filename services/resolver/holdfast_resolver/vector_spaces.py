"""Keeping vectors of different models apart.

A vector says something only beside others of the same model. So where vectors are
asked of an alias, one of its models answers and no other ever stands in for it: an
index that was filled by two would find nothing, and nobody would notice.
"""

from collections.abc import Sequence

from holdfast.model import (
    Capability,
    Deployment,
    Exclusion,
    ExclusionReason,
    Requirements,
)
from holdfast_resolver.expansion import Member

Eligible = tuple[Member, list[Deployment]]
"""One word of a name, and what may be used of it."""

_EMBEDS_ALONE = frozenset({Capability.EMBEDDINGS})


def comparable(
    eligible: Sequence[Eligible], needed: Requirements
) -> tuple[Sequence[Eligible], list[Exclusion]]:
    """Keep what runs the model of the first member, and say what is left out.

    The first is the same for a project from one request to the next: how it fares
    does not count, only whether it may be used at all.

    Args:
        eligible: The members of a name in order, without those that may not be
            used. One that may not for the time being has no deployment left.
        needed: What is asked. Whoever explains a name asks for nothing; then it is
            about vectors where the first member makes nothing else.
    """
    if len(eligible) < 2 or not _asks_for_vectors(eligible[0], needed):
        return eligible, []
    model = _model(eligible[0])
    rule = f"its vectors do not compare with those of {model}, which is named before it"
    apart = [
        Exclusion(deployment, ExclusionReason.VECTOR_SPACE, rule)
        for member in eligible
        if _model(member) != model
        for deployment in member[1]
    ]
    return [member for member in eligible if _model(member) == model], apart


def models_of(apart: Sequence[Exclusion]) -> tuple[str, ...]:
    """Name the models that were left out, each once, in order."""
    return tuple(dict.fromkeys(each.deployment.model_id for each in apart))


def _asks_for_vectors(first: Eligible, needed: Requirements) -> bool:
    return Capability.EMBEDDINGS in needed.capabilities or all(
        deployment.capabilities == _EMBEDS_ALONE for deployment in first[0].deployments
    )


def _model(member: Eligible) -> str:
    return member[0].deployments[0].model_id
