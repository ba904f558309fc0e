"""What holds for an organization, a project or a key: as declared, and as enforced.

The same for what the configuration file declares and for what the API made.
"""

import msgspec

from holdfast.control import resources
from holdfast.model import Budget, Guardrail, Judge, Pattern, ScopedPolicy
from holdfast.pricing import micros_of, usd


def scope_words(organization: str, project: str = "", key: str = "") -> str:
    """Say whose a policy or a budget is, e.g. `project web`."""
    if key:
        return f"key {key}"
    return f"project {project}" if project else f"organization {organization}"


def enforced_policy(policy: resources.Policy) -> ScopedPolicy:
    """Return what deployments are held against."""
    return ScopedPolicy(
        scope=scope_words(policy.organization, policy.project, policy.key),
        allowed_providers=frozenset(policy.providers.allow),
        denied_providers=frozenset(policy.providers.deny),
        allowed_models=frozenset(policy.models.allow),
        denied_models=frozenset(policy.models.deny),
        geographies=frozenset(policy.geographies),
        denies_training=policy.data.training == "deny",
        max_retention_days=policy.data.max_retention_days,
    )


def declared_policy(
    policy: ScopedPolicy, organization: str, project: str = "", key: str = ""
) -> resources.Policy:
    """Return what administrators are shown of a policy of the configuration file."""
    return resources.Policy(
        organization=organization,
        project=project,
        key=key,
        providers=resources.Names(
            allow=tuple(sorted(policy.allowed_providers)),
            deny=tuple(sorted(policy.denied_providers)),
        ),
        models=resources.Names(
            allow=tuple(sorted(policy.allowed_models)),
            deny=tuple(sorted(policy.denied_models)),
        ),
        geographies=tuple(sorted(policy.geographies)),
        data=resources.Handling(
            training="deny" if policy.denies_training else "allow",
            max_retention_days=policy.max_retention_days,
        ),
    )


def enforced_budget(budget: resources.Budget) -> Budget:
    """Return what spending is held against."""
    return Budget(
        organization_id=budget.organization,
        project_id=budget.project,
        api_key_id=budget.key,
        limit_usd_micros=micros_of(budget.monthly_usd),
        warn_at=budget.warn_at,
        denies_when_unreachable=budget.when_unreachable == "deny",
    )


def declared_budget(budget: Budget) -> resources.Budget:
    """Return what administrators are shown of a budget of the configuration file."""
    return resources.Budget(
        organization=budget.organization_id,
        project=budget.project_id,
        key=budget.api_key_id,
        monthly_usd=usd(1000 * budget.limit_usd_micros),
        warn_at=budget.warn_at,
        when_unreachable="deny" if budget.denies_when_unreachable else "allow",
    )


def enforced_guardrail(guardrail: resources.Guardrail) -> Guardrail:
    """Return what requests and answers pass through."""
    judge = guardrail.judge
    return Guardrail(
        name=guardrail.name,
        applies_to=frozenset(guardrail.applies_to),
        action=guardrail.action,
        presets=guardrail.presets,
        patterns=tuple(
            Pattern(each.name, each.regex, each.flags) for each in guardrail.patterns
        ),
        replacement=guardrail.replacement,
        judge=None
        if judge is None
        else Judge(judge.model, judge.prompt, judge.on_error),
        projects=frozenset(guardrail.projects),
    )


def declared_guardrail(guardrail: Guardrail, organization: str) -> resources.Guardrail:
    """Return what administrators are shown of a guardrail of the configuration file."""
    judge = guardrail.judge
    return msgspec.convert(
        {
            "organization": organization,
            "name": guardrail.name,
            "applies_to": sorted(guardrail.applies_to),
            "action": guardrail.action,
            "presets": guardrail.presets,
            "patterns": [
                {"name": each.name, "regex": each.regex, "flags": each.flags}
                for each in guardrail.patterns
            ],
            "replacement": guardrail.replacement,
            "judge": None
            if judge is None
            else {
                "model": judge.model,
                "prompt": judge.prompt,
                "on_error": judge.on_error,
            },
            "projects": sorted(guardrail.projects),
        },
        resources.Guardrail,
    )
