"""Policies: whether they leave anything, and whether they mean somebody."""

from holdfast.config_file.build import custom_provider
from holdfast.config_file.checks.names import near
from holdfast.config_file.faults import echo
from holdfast.config_file.known import Known
from holdfast.config_file.values import Record, Value


def satisfiable(root: Record) -> None:
    """Warn of policies that leave nothing, alone or below their organization's."""
    for organization in root.sections("organizations"):
        wider = organization.section("policy")
        _leaves_a_provider(wider)
        for project in organization.sections("projects"):
            narrower = project.section("policy")
            _leaves_a_provider(narrower, wider)
            _leaves_a_geography(narrower, wider)


def provider_names(root: Record, known: Known) -> None:
    """Warn of providers in a policy that nobody knows: the rule does nothing."""
    if not known.providers:
        return
    customs = root.sections("organizations", "custom_models")
    names = {*known.providers, *root.named("providers"), *map(custom_provider, customs)}
    scopes = (
        *root.sections("organizations"),
        *root.sections("organizations", "projects"),
    )
    for scope in scopes:
        rules = scope.section("policy").section("providers")
        for value in (*rules.items("allow"), *rules.items("deny")):
            if value.content not in names:
                value.warn(
                    f"{echo(value.content)} is no known provider",
                    near(value.content, names, "declare it under providers"),
                )


def _leaves_a_provider(policy: Record, wider: Record | None = None) -> None:
    scopes = [policy] if wider is None else [policy, wider]
    rules = [scope.section("providers") for scope in scopes]
    allowed = [set(one.texts("allow")) for one in rules if one.texts("allow")]
    denied = {name for one in rules for name in one.texts("deny")}
    own = rules[0].at("allow") or rules[0].at("deny")
    if own and allowed and not set.intersection(*allowed) - denied:
        _warn_of_nothing(own, "provider")


def _leaves_a_geography(policy: Record, wider: Record) -> None:
    own, above = policy.at("geographies"), set(wider.texts("geographies"))
    within = set(policy.texts("geographies"))
    if own and within and above and not within & above:
        _warn_of_nothing(own, "geography")


def _warn_of_nothing(value: Value, what: str) -> None:
    value.warn(
        f"leaves no {what} that all policies in force allow",
        "allow one in common, or every request is refused",
    )
