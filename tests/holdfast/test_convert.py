"""What goes over the wire comes back as it was."""

import dataclasses
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import convert
from holdfast.api.catalog.v1 import catalog_pb2
from holdfast.api.routing.v1 import attempt_pb2, plan_pb2
from holdfast.guardrails.wire import guardrail_from_wire, guardrail_to_wire
from holdfast.model import (
    Attempt,
    Caller,
    Capability,
    Deployment,
    Exclusion,
    ExclusionReason,
    Guardrail,
    Hedge,
    Judge,
    Limits,
    Outcome,
    Pattern,
    Plan,
    PlanStep,
    Pricing,
    Requirements,
    Reservation,
    ScopedPolicy,
    SessionAffinity,
    StepReason,
    Usage,
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
sets = st.frozensets(words, max_size=3)
counts = st.integers(0, 2**31 - 1)
amounts = st.integers(0, 2**62)
spans = st.timedeltas(timedelta(), timedelta(days=3_000))
waits = st.timedeltas(timedelta(microseconds=1), timedelta(days=3))
capabilities = st.frozensets(st.sampled_from(Capability))
pricings = st.builds(Pricing, amounts, amounts, amounts, amounts)
deployments = st.builds(
    Deployment,
    *[words] * 9,
    region=words,
    pricing=st.none() | pricings,
    capabilities=capabilities,
    context_window_tokens=counts,
    max_output_tokens=counts,
    weight=st.floats(0.001, 1_000),
    allow_private_network=st.booleans(),
    provider_display_name=words,
    trains_on_data=st.none() | st.booleans(),
    retention_days=st.none() | counts,
)
policies = st.builds(
    ScopedPolicy,
    words,
    *[sets] * 5,
    denies_training=st.booleans(),
    max_retention_days=st.none() | counts,
)
limits = st.builds(
    Limits,
    spans,
    spans,
    spans,
    spans,
    counts,
    counts,
    spans,
    st.booleans(),
    rescue_streams=st.booleans(),
    hedge=st.none() | st.builds(Hedge, spans, st.floats(0, 1)),
)
steps = st.builds(
    PlanStep, deployments, st.sampled_from(StepReason), words, st.none() | waits
)
usages = st.builds(Usage, amounts, amounts, amounts, amounts, amounts)
attempts = st.builds(
    Attempt,
    counts,
    words,
    st.sampled_from(Outcome),
    counts,
    words,
    st.integers(0, 10**13),
    spans,
    st.none() | spans,
    st.none() | spans,
    st.none() | usages,
    amounts,
)
guardrails = st.builds(
    Guardrail,
    words,
    sets,
    words,
    st.lists(words, max_size=3).map(tuple),
    st.lists(st.builds(Pattern, words, words, words), max_size=2).map(tuple),
    words,
    st.none()
    | st.builds(Judge, words, words, st.sampled_from([None, "block", "allow"])),
    sets,
)
reservations = st.builds(
    Reservation,
    words,
    amounts,
    amounts,
    st.lists(words, max_size=3).map(tuple),
    amounts,
    st.none() | amounts,
    words,
)
quick = settings(max_examples=50, deadline=None)


@quick
@given(deployments)
def test_a_deployment_comes_back(deployment):
    """With the credential that its step names beside it."""
    wire = convert.deployment_to_wire(deployment)

    assert convert.deployment_from_wire(wire, deployment.credential_id) == deployment


@quick
@given(steps)
def test_a_step_comes_back(step):
    """Its cooldown and its credential too."""
    assert convert.step_from_wire(convert.step_to_wire(step)) == step


@quick
@given(policies)
def test_a_policy_comes_back(policy):
    """No rule of it is lost on the way to who obeys it."""
    assert convert.policy_from_wire(convert.policy_to_wire(policy)) == policy


def test_what_is_unknown_of_data_does_not_come_back_as_nothing():
    """Zero days of retention and no training are promises."""
    silent = catalog_pb2.Deployment(deployment_id="a/m")
    keeps_nothing = catalog_pb2.Deployment(
        deployment_id="a/m", trains_on_data=False, retention_days=0
    )

    unknown, known = map(convert.deployment_from_wire, (silent, keeps_nothing))

    assert (unknown.trains_on_data, unknown.retention_days) == (None, None)
    assert (known.trains_on_data, known.retention_days) == (False, 0)


@quick
@given(guardrails)
def test_a_guardrail_comes_back(guardrail):
    """Nothing that is to be looked for is lost."""
    assert guardrail_from_wire(guardrail_to_wire(guardrail)) == guardrail


@quick
@given(limits)
def test_limits_come_back(limits):
    """To the microsecond."""
    assert convert.limits_from_wire(convert.limits_to_wire(limits)) == limits


@quick
@given(attempts)
def test_an_attempt_comes_back(attempt):
    """What is unknown stays unknown and does not become zero."""
    assert convert.attempt_from_wire(convert.attempt_to_wire(attempt)) == attempt


@quick
@given(st.builds(Requirements, capabilities, counts, counts, counts, st.integers(1, 9)))
def test_requirements_come_back(requirements):
    """What a request needs is what the planner sees."""
    wire = convert.requirements_to_wire(requirements)

    assert convert.requirements_from_wire(wire) == requirements


@quick
@given(st.builds(Caller, words, words, words))
def test_a_caller_comes_back(caller):
    """With its key."""
    assert convert.caller_from_wire(convert.caller_to_wire(caller)) == caller


@settings(max_examples=20, deadline=None)
@given(
    st.lists(steps, max_size=2),
    st.lists(
        st.builds(Exclusion, deployments, st.sampled_from(ExclusionReason), words),
        max_size=2,
    ),
    st.lists(policies, max_size=2),
    limits,
    st.sampled_from(SessionAffinity),
    st.lists(guardrails, max_size=2),
    st.none() | reservations,
)
def test_a_plan_survives_being_written(
    steps, exclusions, policies, limits, affinity, guardrails, reservation
):
    """Parsed from its bytes, a plan says what the planner decided."""
    plan = Plan(
        "p1",
        "m",
        Caller("acme", "web", "k"),
        "t1",
        tuple(steps),
        tuple(exclusions),
        affinity,
        "s1",
        "a/m",
        tuple(policies),
        limits,
        "r1",
        guardrails=tuple(guardrails),
        reservation=reservation,
    )

    read = plan_pb2.Plan.FromString(convert.plan_to_wire(plan).SerializeToString())

    again = convert.plan_from_wire(read)
    assert dataclasses.replace(again, steps=again.steps[:]) == dataclasses.replace(
        plan, exclusions=()
    )
    assert list(again.steps) == [*plan.steps]
    assert SessionAffinity(read.session_affinity) is affinity
    assert [
        (each.deployment_id, ExclusionReason(each.reason), each.rule)
        for each in read.exclusions
    ] == [(e.deployment.id, e.reason, e.rule) for e in exclusions]
    assert [
        read.plan_id,
        read.requested_model,
        read.trace_id,
        read.session_key,
        read.bound_deployment_id,
        read.revision,
    ] == ["p1", "m", "t1", "s1", "a/m", "r1"]


def test_a_capability_that_this_version_does_not_know_is_left_out():
    """A newer resolver does not break an older executor."""
    assert convert.capabilities_from_wire(
        [catalog_pb2.CAPABILITY_TOOLS, 9_999]
    ) == frozenset({Capability.TOOLS})


def test_our_enumerations_mirror_those_of_the_wire():
    """Every member has its name and number there, and there is none beside."""
    for ours, theirs, prefix in (
        (Outcome, attempt_pb2.AttemptOutcome, "ATTEMPT_OUTCOME_"),
        (StepReason, plan_pb2.StepReason, "STEP_REASON_"),
        (ExclusionReason, plan_pb2.ExclusionReason, "EXCLUSION_REASON_"),
        (SessionAffinity, plan_pb2.SessionAffinity, "SESSION_AFFINITY_"),
    ):
        assert {f"{prefix}{each.name}": each.value for each in ours} | {
            f"{prefix}UNSPECIFIED": 0
        } == dict(theirs.items())
    assert {f"CAPABILITY_{each.name}" for each in Capability} | {
        "CAPABILITY_UNSPECIFIED"
    } == set(catalog_pb2.Capability.keys())
