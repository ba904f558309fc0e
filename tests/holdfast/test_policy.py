"""What a caller may use, and the words in which a rule says no."""

import pytest

from fakes.plans import deployment
from holdfast.model import ScopedPolicy
from holdfast.policy import RULES, objection

PLACE = deployment("a/m-eu")


def web(**rules) -> ScopedPolicy:
    sets = {
        name: frozenset(told) if isinstance(told, list) else told
        for name, told in rules.items()
    }
    return ScopedPolicy("project web", **sets)


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


@pytest.mark.parametrize(
    ("trains", "why"),
    [
        (False, None),
        (True, "it trains on data, which is denied"),
        (None, "training on data unknown, and denied"),
    ],
)
def test_nobody_may_train_on_data_where_that_is_denied(trains, why):
    """Nor may anybody of whom it is unknown."""
    place = deployment("a/m", trains_on_data=trains)
    expected = why and f"project web policy: {why}"

    assert objection([web(denies_training=True)], place) == expected
    assert objection([web()], place) is None


@pytest.mark.parametrize(
    ("most", "kept", "why"),
    [
        (0, 0, None),
        (0, 1, "retention days 1, 0 at most"),
        (0, None, "retention days unknown, 0 at most"),
        (30, 30, None),
        (30, 0, None),
        (30, 31, "retention days 31, 30 at most"),
        (30, None, "retention days unknown, 30 at most"),
        (None, None, None),
        (None, 365, None),
    ],
)
def test_data_is_kept_no_longer_than_it_may_be(most, kept, why):
    """Zero is a limit, and unknown is longer than any."""
    place = deployment("a/m", retention_days=kept)
    expected = why and f"project web policy: {why}"

    assert objection([web(max_retention_days=most)], place) == expected


def test_no_retention_says_nothing_of_training():
    """Zero data retention as people mean it is both rules."""
    keeps_nothing = deployment("a/m", retention_days=0)
    neither = deployment("a/m", retention_days=0, trains_on_data=False)
    both = web(denies_training=True, max_retention_days=0)

    assert "training on data unknown" in objection([both], keeps_nothing)
    assert objection([both], neither) is None


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
    policy = web(
        denied_providers=["a"],
        denied_models=["m"],
        geographies=["apac"],
        denies_training=True,
        max_retention_days=0,
    )
    place = deployment(
        "a/m-eu", dialect="bedrock-converse", provider_model="us.anthropic.m"
    )

    said = {rule(policy, place) for rule in RULES}

    assert len(said - {None}) == len(RULES)
