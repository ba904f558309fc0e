"""What a caller may use. Each rule names itself when it says no.

The resolver leaves out what a rule objects to, and the executor asks the same
rules once more before it calls: a request never reaches a deployment that its
policy does not allow.
"""

from collections.abc import Callable, Iterable

from holdfast.model import Deployment, ScopedPolicy
from holdfast.residency import addressed_elsewhere

Rule = Callable[[ScopedPolicy, Deployment], str | None]
"""Says why a policy does not allow a deployment, or None if it does."""

Strayed = Callable[[Deployment], str]
"""Says where a deployment has worked, if not where it promises; else nothing."""


def providers(policy: ScopedPolicy, deployment: Deployment) -> str | None:
    """Allow what the providers' lists allow; a denial beats an allowance."""
    provider = deployment.provider_id
    if provider in policy.denied_providers:
        return f"provider {provider} is denied"
    if policy.allowed_providers and provider not in policy.allowed_providers:
        return f"provider {provider} not in [{_words(policy.allowed_providers)}]"
    return None


def models(policy: ScopedPolicy, deployment: Deployment) -> str | None:
    """Allow what the models' lists allow, by plain name or by deployment id."""
    names = {deployment.model_id, deployment.id}
    if denied := names & policy.denied_models:
        return f"model {_words(denied)} is denied"
    if policy.allowed_models and not names & policy.allowed_models:
        return f"model {deployment.model_id} not in [{_words(policy.allowed_models)}]"
    return None


def geographies(policy: ScopedPolicy, deployment: Deployment) -> str | None:
    """Allow only deployments that promise to keep data where it may go."""
    if not policy.geographies or deployment.geography in policy.geographies:
        return None
    return (
        f"geography {deployment.geography or 'unknown'} "
        f"not in [{_words(policy.geographies)}]"
    )


def addresses(policy: ScopedPolicy, deployment: Deployment) -> str | None:
    """Allow no deployment that keeps data in one place and is called in another."""
    if not policy.geographies or not (place := addressed_elsewhere(deployment)):
        return None
    return f"its address is one of {place}, and not of {deployment.geography}"


def training(policy: ScopedPolicy, deployment: Deployment) -> str | None:
    """Allow only deployments that are known not to train on what they are sent."""
    if not policy.denies_training or deployment.trains_on_data is False:
        return None
    if deployment.trains_on_data is None:
        return "training on data unknown, and denied"
    return "it trains on data, which is denied"


def retention(policy: ScopedPolicy, deployment: Deployment) -> str | None:
    """Allow only deployments that are known to keep data no longer than it may be."""
    most = policy.max_retention_days
    if most is None:
        return None
    kept = deployment.retention_days
    if kept is None:
        return f"retention days unknown, {most} at most"
    return f"retention days {kept}, {most} at most" if kept > most else None


RULES: tuple[Rule, ...] = (
    providers,
    models,
    geographies,
    addresses,
    training,
    retention,
)
"""Every rule there is. One more is a function above and its name here."""


def objection(policies: Iterable[ScopedPolicy], deployment: Deployment) -> str | None:
    """Say which scope's rule does not allow a deployment, or None if all do."""
    for policy in policies:
        for rule in RULES:
            if (why := rule(policy, deployment)) is not None:
                return f"{policy.scope} policy: {why}"
    return None


def broken_promise(
    policies: Iterable[ScopedPolicy], deployment: Deployment, strayed: Strayed
) -> str | None:
    """Say whose policy goes by a promise that a deployment broke, None if nobody's."""
    bound = next((policy for policy in policies if policy.geographies), None)
    if bound is None or not (place := strayed(deployment)):
        return None
    return (
        f"{bound.scope} policy: geography {deployment.geography} was promised, "
        f"and the provider has said that it worked in {place}"
    )


def _words(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))
