"""What a caller is told whose request leaves no deployment: which rule did it."""

from collections import Counter
from collections.abc import Sequence

from holdfast.errors import NoDeploymentAllowedError
from holdfast.model import Exclusion, ExclusionReason

_MOST_RULES = 4
"""Rules that a message names: one of each scope that has a policy, and one more."""

_EARLIER = (
    ExclusionReason.DIALECT,
    ExclusionReason.NO_CREDENTIAL,
    ExclusionReason.POLICY,
)
"""What is asked of a deployment before the request is looked at, latest first. Any
other reason is the request's, and was met by what had passed all of these."""

_UNSET = _EARLIER[:2]
"""Of these, what no caller can do anything about: mostly one rule a provider, of all
that the catalog knows and nobody here uses."""

_ADVICE: dict[ExclusionReason, str] = {
    ExclusionReason.POLICY: "Ask an administrator of the policy, "
    "or name a model it allows.",
    ExclusionReason.NO_CREDENTIAL: "Give the provider's credential "
    "in the gateway's configuration.",
    ExclusionReason.CAPABILITY: "Name a model that can do what the request asks.",
    ExclusionReason.CONTEXT_WINDOW: "Shorten the request.",
    ExclusionReason.DIALECT: "Name a model with other deployments.",
    ExclusionReason.VECTOR_SPACE: "Name the model whose vectors are wanted.",
}


def emptied(
    model: str, exclusions: Sequence[Exclusion], revision: str
) -> NoDeploymentAllowedError:
    """Say which rule emptied a plan: the one that left out the last of it.

    So what the request itself met comes first, and policy last: where anything else
    did it, something had passed the policy. Where something got as far as the request,
    providers without a credential are not told of.

    Args:
        model: What the caller named.
        exclusions: Everything that it stands for.
        revision: Of what the plan was to be made from.
    """
    if not exclusions:
        return NoDeploymentAllowedError(
            f"The model {model!r} has no deployment.",
            model=model,
            excluded_count="0",
            revision=revision,
        )
    ranked = sorted(exclusions, key=_rank)
    if ranked[0].reason not in _EARLIER:
        ranked = [each for each in ranked if each.reason not in _UNSET]
    rules = Counter(exclusion.rule for exclusion in ranked)
    listed = "; ".join(
        f"{rule} ({count} deployment{'s' if count > 1 else ''})"
        for rule, count in ((rule, rules[rule]) for rule in _told(rules))
    )
    return NoDeploymentAllowedError(
        f"The model {model!r} has no deployment that this key may use: {listed}. "
        f"{_ADVICE[ranked[0].reason]}",
        model=model,
        excluded_count=str(len(exclusions)),
        revision=revision,
    )


def _rank(exclusion: Exclusion) -> int:
    reason = exclusion.reason
    return _EARLIER.index(reason) if reason in _EARLIER else -1


def _told(rules: Counter[str]) -> list[str]:
    """Choose the rules to name: of every scope one, before a second of any."""
    of_scope: dict[str, str] = {}
    for rule in rules:
        of_scope.setdefault(rule.partition(":")[0], rule)
    return list(dict.fromkeys([*of_scope.values(), *rules]))[:_MOST_RULES]
