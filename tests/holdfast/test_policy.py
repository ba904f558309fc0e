"""What a caller may use, and the words in which a rule says no."""

import pytest

from fakes.plans import deployment
from holdfast.model import ScopedPolicy
from holdfast.policy import RULES, objection

PLACE = deployment("a/m-eu")


def web(**rules) -> ScopedPolicy:
    return ScopedPolicy(
        "project web", **{name: frozenset(words) for name, words in rules.items()}
    )


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ({}, None),
        ({"allowed_providers": ["a"]}, None),
        ({"allowed_providers": ["c", "b"]}, "provider a not in [b, c]"),
        ({"denied_providers": ["a"]}, "provider a is denied"),
        (
            {"allowed_providers": ["a"], "denied_providers": ["a"]},
            "provider a is denied",
        ),
        ({"denied_providers": ["b"]}, None),
        ({"allowed_models": ["m"]}, None),
        ({"allowed_models": ["a/m-eu"]}, None),
        ({"allowed_models": ["n"]}, "model m not in [n]"),
        ({"denied_models": ["m"]}, "model m is denied"),
        ({"denied_models": ["a/m-eu"]}, "model a/m-eu is denied"),
        ({"denied_models": ["b/m-eu"]}, None),
        ({"geographies": ["eu", "us"]}, None),
        ({"geographies": ["us"]}, "geography eu not in [us]"),
    ],
)
def test_a_rule_allows_or_says_why_not(rules, why):
    """An empty list sets no limit, and a denial beats an allowance."""
    expected = why and f"project web policy: {why}"

    assert objection([web(**rules)], PLACE) == expected


def test_unknown_geography_is_outside_every_geography():
    """Not even all of them together allow it."""
    everywhere = web(geographies=["eu", "us", "apac", "global"])

    assert "geography unknown" in objection([everywhere], deployment("a/m"))


def test_global_is_not_in_the_european_union():
    """A deployment that promises less than asked for is not allowed."""
    assert objection([web(geographies=["eu"])], deployment("a/m-global")) is not None


def test_every_scope_must_allow():
    """A lower scope cannot widen what a higher one forbids; the first objects."""
    organization = ScopedPolicy("organization acme", denied_providers=frozenset("a"))

    assert objection([organization, web(allowed_providers=["a"])], PLACE) == (
        "organization acme policy: provider a is denied"
    )
    assert objection([web(), organization], PLACE) is not None


def test_no_policy_allows_everything():
    """Who set no limit has none."""
    assert objection([], deployment("a/m")) is None


def test_each_rule_looks_at_one_thing():
    """Where all object, there are as many objections as rules."""
    policy = web(denied_providers=["a"], denied_models=["m"], geographies=["us"])

    assert len({rule(policy, PLACE) for rule in RULES}) == len(RULES)
