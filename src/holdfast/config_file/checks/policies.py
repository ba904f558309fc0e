"""Policies: whether they leave anything, and whether they mean somebody."""

from collections.abc import Iterator

from holdfast.config_file.build import custom_provider
from holdfast.config_file.checks.names import near
from holdfast.config_file.faults import echo
from holdfast.config_file.known import Known
from holdfast.config_file.values import Record, Value


def satisfiable(root: Record) -> None:
    """Warn of policies that leave nothing, alone or below those above them."""
    for organization in root.sections("organizations"):
        outer = organization.section("policy")
        _leaves_something(outer)
        for project in organization.sections("projects"):
            middle = project.section("policy")
            _leaves_something(middle, outer)
            for key in project.sections("keys"):
                _leaves_something(key.section("policy"), middle, outer)


def provider_names(root: Record, known: Known) -> None:
    """Warn of providers in a policy that nobody knows: the rule does nothing."""
    if not known.providers:
        return
    customs = root.sections("organizations", "custom_models")
    names = {*known.providers, *root.named("providers"), *map(custom_provider, customs)}
    for policy in _policies(root):
        rules = policy.section("providers")
        for value in (*rules.items("allow"), *rules.items("deny")):
            if value.content not in names:
                value.warn(
                    f"{echo(value.content)} is no known provider",
                    near(value.content, names, "declare it under providers"),
                )


def _policies(root: Record) -> Iterator[Record]:
    below = ("organizations", "projects", "keys")
    for depth in range(1, len(below) + 1):
        for scope in root.sections(*below[:depth]):
            yield scope.section("policy")


def _leaves_something(policy: Record, *wider: Record) -> None:
    _leaves_a_provider(policy, *wider)
    _leaves_a_geography(policy, *wider)


def _leaves_a_provider(policy: Record, *wider: Record) -> None:
    rules = [scope.section("providers") for scope in (policy, *wider)]
    allowed = [set(one.texts("allow")) for one in rules if one.texts("allow")]
    denied = {name for one in rules for name in one.texts("deny")}
    own = rules[0].at("allow") or rules[0].at("deny")
    if own and allowed and not set.intersection(*allowed) - denied:
        _warn_of_nothing(own, "provider")


def _leaves_a_geography(policy: Record, *wider: Record) -> None:
    given = [set(scope.texts("geographies")) for scope in (policy, *wider)]
    own = policy.at("geographies")
    if own and given[0] and not set.intersection(*filter(None, given)):
        _warn_of_nothing(own, "geography")


def _warn_of_nothing(value: Value, what: str) -> None:
    value.warn(
        f"leaves no {what} that all policies in force allow",
        "allow one in common, or every request is refused",
    )
