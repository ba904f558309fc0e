"""What a request may use of a pool, and the rule that leaves out the rest."""

import pytest

from fakes.plans import deployment
from holdfast.model import Capability, ExclusionReason, Requirements, ScopedPolicy
from holdfast_resolver.directory import Objection
from holdfast_resolver.eligibility import split

EU = ScopedPolicy("project web", geographies=frozenset({"eu"}))
NOTHING = Requirements()
TOOLS = Requirements(frozenset({Capability.TOOLS}))
SCHEMA = Requirements(frozenset({Capability.JSON_SCHEMA}))


def able(deployment_id: str, *capabilities: Capability, **facts):
    return deployment(deployment_id, capabilities=frozenset(capabilities), **facts)


def decide(*candidates, policies=(), objections=None, needed=NOTHING, strays=None):
    allowed, excluded = split(
        candidates,
        policies,
        (objections or {}).get,
        needed,
        lambda d: (strays or {}).get(d.id, ""),
    )
    return [d.id for d in allowed], {
        e.deployment.id: (e.reason, e.rule) for e in excluded
    }


def test_nothing_is_left_out_without_a_reason():
    """No policy and no need: all may serve, in their order."""
    assert decide(deployment("b/m"), deployment("a/m")) == (["b/m", "a/m"], {})


def test_a_deployment_of_unknown_geography_is_nowhere():
    """Under a rule of geography, not knowing means not allowed."""
    allowed, excluded = decide(
        deployment("a/m-eu"), deployment("b/m"), deployment("c/m-us"), policies=[EU]
    )

    assert allowed == ["a/m-eu"]
    assert excluded == {
        "b/m": (
            ExclusionReason.POLICY,
            "project web policy: geography unknown not in [eu]",
        ),
        "c/m-us": (
            ExclusionReason.POLICY,
            "project web policy: geography us not in [eu]",
        ),
    }


def test_policy_is_told_before_anything_else():
    """What policy forbids is told so, even if it could not be called either."""
    _, excluded = decide(
        able("b/m-us", Capability.REASONING, context_window_tokens=1),
        policies=[EU],
        objections={"b/m-us": Objection("no credential")},
        needed=Requirements(frozenset({Capability.TOOLS}), input_tokens=9),
    )

    assert excluded["b/m-us"][0] is ExclusionReason.POLICY


@pytest.mark.parametrize(
    ("lack", "reason"),
    [
        (Objection("no key"), ExclusionReason.NO_CREDENTIAL),
        (Objection("no format", is_dialect=True), ExclusionReason.DIALECT),
    ],
)
def test_what_cannot_be_called_is_left_out_for_good(lack, reason):
    """A missing credential or dialect is never overlooked, even if nothing is left."""
    allowed, excluded = decide(deployment("a/m"), objections={"a/m": lack})

    assert allowed == []
    assert excluded == {"a/m": (reason, lack.why)}


def test_a_missing_capability_is_left_out_for_good():
    """A deployment without tools is not asked for tools, even if nothing is left."""
    allowed, excluded = decide(able("a/m", Capability.REASONING), needed=TOOLS)

    assert allowed == []
    assert excluded == {"a/m": (ExclusionReason.CAPABILITY, "lacks capability tools")}


def test_a_deployment_that_states_no_capability_is_tried():
    """Nothing stated is nothing known, and the request may well succeed."""
    assert decide(deployment("a/m"), needed=TOOLS)[0] == ["a/m"]


def test_responses_is_spoken_by_whom_it_is_said_of_alone():
    """Where nothing is stated, it is not taken to be; the dialect itself says it."""
    needed = Requirements(frozenset({Capability.RESPONSES, Capability.TOOLS}))
    told = Capability.RESPONSES

    allowed, excluded = decide(
        deployment("a/unsaid"),
        able("b/beside", told, Capability.TOOLS),
        able("c/no-tools", told),
        deployment("d/alone", dialect="openai-responses"),
        able("e/other", told, Capability.TOOLS, dialect="gemini"),
        needed=needed,
    )

    assert allowed == ["b/beside", "d/alone"]
    assert excluded["a/unsaid"][0] is ExclusionReason.CAPABILITY
    assert "OpenAI's Responses" in excluded["a/unsaid"][1]
    assert excluded["c/no-tools"][1] == "lacks capability tools"
    assert "OpenAI's Responses" in excluded["e/other"][1]


def test_structured_output_is_had_of_every_deployment():
    """Where there is no schema mode, the form is asked for in words."""
    can = able("a/m", Capability.JSON_SCHEMA)
    cannot = able("b/m", Capability.REASONING)

    assert decide(can, cannot, needed=SCHEMA) == (["a/m", "b/m"], {})


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"context_window_tokens": 1_000}, "about 900 input and 200 output"),
        ({"max_output_tokens": 100}, "200 output tokens asked for, 100 at most"),
    ],
)
def test_a_request_that_looks_too_long_prefers_a_larger_window(facts, words):
    """An estimate leaves a deployment out while there is another."""
    needed = Requirements(input_tokens=900, output_tokens=200)
    small, large = deployment("a/m", **facts), deployment("b/m")

    allowed, excluded = decide(small, large, needed=needed)

    assert allowed == ["b/m"]
    assert excluded["a/m"][0] is ExclusionReason.CONTEXT_WINDOW
    assert words in excluded["a/m"][1]


def test_a_request_that_looks_too_long_for_all_is_tried_all_the_same():
    """An estimate may be wrong, so it alone never empties a plan."""
    needed = Requirements(input_tokens=2_000)

    assert decide(deployment("a/m", context_window_tokens=1_000), needed=needed) == (
        ["a/m"],
        {},
    )


def test_a_request_that_just_fits_fits():
    """Input and output together may fill the window to the last token."""
    place = deployment("a/m", context_window_tokens=1_100, max_output_tokens=200)
    needed = Requirements(input_tokens=900, output_tokens=200)
    other = deployment("b/m")

    assert decide(place, other, needed=needed)[0] == ["a/m", "b/m"]


def test_softness_never_brings_back_what_policy_left_out():
    """With everything else gone, what the policy forbids stays out."""
    needed = Requirements(input_tokens=2_000)

    allowed, excluded = decide(
        deployment("a/m-eu", context_window_tokens=10),
        deployment("b/m-us"),
        policies=[EU],
        needed=needed,
    )

    assert allowed == ["a/m-eu"]
    assert list(excluded) == ["b/m-us"]


def test_a_lack_counts_beside_one_that_does_not():
    """Who has neither tools nor a schema mode lacks the tools."""
    needed = Requirements(frozenset({Capability.JSON_SCHEMA, Capability.TOOLS}))

    allowed, excluded = decide(able("a/m", Capability.REASONING), needed=needed)

    assert allowed == []
    assert excluded["a/m"][1] == "lacks capability tools"
