"""What the file declares of a scope is shown to administrators as it is enforced."""

import dataclasses

import pytest

from holdfast.model import Budget, Guardrail, Judge, Pattern, ScopedPolicy
from holdfast.scopes import (
    declared_budget,
    declared_guardrail,
    declared_policy,
    enforced_budget,
    enforced_guardrail,
    enforced_policy,
)

POLICY = ScopedPolicy(
    "key web-1",
    allowed_providers=frozenset({"a", "b"}),
    denied_providers=frozenset({"c"}),
    allowed_models=frozenset({"m"}),
    denied_models=frozenset({"n"}),
    geographies=frozenset({"eu", "us"}),
    denies_training=True,
    max_retention_days=0,
)

BUDGET = Budget("acme", "web", "web-1", 12_345_678, 0.5, denies_when_unreachable=True)

GUARDRAIL = Guardrail(
    "cards",
    frozenset({"input"}),
    "block",
    presets=("credit_card",),
    patterns=(Pattern("p", "x+", "i"),),
    replacement="#",
    judge=Judge("m", "Is it?", "allow"),
    projects=frozenset({"web"}),
)


@pytest.mark.parametrize("value", [POLICY, BUDGET, GUARDRAIL])
def test_every_field_is_told(value):
    """So that one more field is not lost on the way: each is set to something here."""
    defaults = {
        field.name: field.default
        for field in dataclasses.fields(value)
        if field.default is not dataclasses.MISSING
    }

    assert all(getattr(value, name) != default for name, default in defaults.items())


def test_there_and_back():
    """Nothing is lost between what is declared and what is enforced."""
    scope = ("acme", "web", "web-1")

    assert enforced_policy(declared_policy(POLICY, *scope)) == POLICY
    assert enforced_budget(declared_budget(BUDGET)) == BUDGET
    assert enforced_guardrail(declared_guardrail(GUARDRAIL, "acme")) == GUARDRAIL


@pytest.mark.parametrize(
    ("project", "key", "words"),
    [("", "", "organization acme"), ("web", "", "project web"), ("web", "k", "key k")],
)
def test_a_policy_says_whose_it_is(project, key, words):
    """In the words that a refusal has."""
    declared = declared_policy(ScopedPolicy(""), "acme", project, key)

    assert enforced_policy(declared).scope == words
