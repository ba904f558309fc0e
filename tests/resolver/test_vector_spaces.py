"""Vectors of one model are never mixed with those of another, whatever fails."""

import pytest

from fakes.plans import deployment, membership, model, names, stands
from holdfast.errors import NoDeploymentAllowedError
from holdfast.model import (
    Capability,
    ExclusionReason,
    Model,
    Plan,
    Requirements,
    ScopedPolicy,
)
from holdfast_resolver.crowds import Crowds
from holdfast_resolver.planner import Planner, Question
from holdfast_resolver.stores import MemorySessionStore
from holdfast_resolver.warmth import Warmth

EMBEDS = {"capabilities": frozenset({Capability.EMBEDDINGS})}
VECTORS = Requirements(frozenset({Capability.EMBEDDINGS}))
EU = ScopedPolicy("project web", geographies=frozenset({"eu"}))


def embedding(name: str, *places: str) -> Model:
    return model(name, *(deployment(place, **EMBEDS) for place in places))


SMALL = embedding("small", "a/small-us", "b/small-us")
LARGE = embedding("large", "a/large-eu", "b/large-eu")
NEAR = embedding("near", "c/near-eu")
OWN = model(
    "acme/own", deployment("acme/own", model_id="acme/own", **EMBEDS), custom=True
)
CHAT = model(
    "chat", deployment("a/chat-eu", capabilities=frozenset({Capability.TOOLS}))
)


def plan(
    *members: str,
    needed: Requirements = VECTORS,
    policies: tuple[ScopedPolicy, ...] = (),
    cooling: tuple[str, ...] = (),
    strayed: tuple[str, ...] = (),
    explain: bool = False,
) -> Plan:
    planner = Planner(
        MemorySessionStore(),
        lambda place: stands(30 if place.id in cooling else None),
        Warmth(lambda: 0),
        Crowds(lambda: 0),
        lambda place: "us" if place.id in strayed else "",
    )
    known = names(SMALL, LARGE, NEAR, CHAT, aliases={"any": members}, custom=[OWN])
    question = Question("any", "", needed, "p1", "t1", explain=explain)
    return planner.plan(question, membership(known, *policies), "r1").plan


def ids(found: Plan) -> set[str]:
    return {step.deployment.id for step in found.steps}


def test_an_alias_of_two_models_stays_with_the_first() -> None:
    """And says which it does not fall back to."""
    found = plan("small", "large", "acme/own")

    assert ids(found) == {"a/small-us", "b/small-us"}
    assert found.incomparable_models == ("large", "acme/own")


def test_every_deployment_of_the_first_model_may_stand_in() -> None:
    """Whether named as a whole or one by one."""
    found = plan("b/large-eu", "small", "large")

    assert ids(found) == {"b/large-eu", "a/large-eu"}
    assert found.steps[0].deployment.id == "b/large-eu"


def test_health_does_not_change_the_model() -> None:
    """Another one would answer, and fill the index with what does not compare."""
    found = plan("small", "large", cooling=("a/small-us", "b/small-us"))

    assert ids(found) == {"a/small-us", "b/small-us"}


@pytest.mark.parametrize("members", [("small", "large"), ("chat", "large", "small")])
def test_the_first_is_the_first_that_may_be_used(members: tuple[str, ...]) -> None:
    """Policy and capability are the same from one request to the next."""
    found = plan(*members, policies=(EU,))

    assert ids(found) == {"a/large-eu", "b/large-eu"}


def test_a_promise_that_was_broken_does_not_change_the_model() -> None:
    """Nobody answers then: it is for the time being."""
    with pytest.raises(NoDeploymentAllowedError, match="has said that it worked in us"):
        plan("b/large-eu", "near", policies=(EU,), strayed=("b/large-eu",))


def test_explaining_says_why_the_others_are_left_out() -> None:
    """Without being told what will be asked: the models make nothing but vectors."""
    found = plan("small", "large", needed=Requirements(), explain=True)

    assert {(each.deployment.id, each.reason) for each in found.exclusions} == {
        ("a/large-eu", ExclusionReason.VECTOR_SPACE),
        ("b/large-eu", ExclusionReason.VECTOR_SPACE),
    }
    assert "do not compare with those of small" in found.exclusions[0].rule


def test_a_chat_falls_back_from_one_model_to_another() -> None:
    """Also where one of them can embed as well."""
    found = plan("chat", "large", needed=Requirements())

    assert ids(found) == {"a/chat-eu", "a/large-eu", "b/large-eu"}
    assert found.incomparable_models == ()
