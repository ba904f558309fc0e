"""The resolver as its callers see it: names in, signed plans out."""

import hashlib

import pytest

from fakes.clock import Clock
from fakes.directory import BY_KEY, BY_NAME, resolver, settings
from fakes.plans import CALLER, KEYS, attempt, deployment, model
from holdfast import convert
from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.common.v1 import caller_pb2
from holdfast.api.resolver.v1 import resolver_service_pb2 as pb
from holdfast.api.routing.v1 import plan_pb2
from holdfast.errors import (
    ApiKeyUnknownError,
    ModelNotFoundError,
    NoDeploymentAllowedError,
    RequestMalformedError,
)
from holdfast.model import Outcome, ScopedPolicy
from holdfast.settings import Defaults
from holdfast_resolver.stores import MemorySessionStore

M = model("m", *(deployment(f"{p}/m-eu") for p in "abc"))
EVERYTHING = settings(M)


async def resolve(service, name="m", session="", principal=BY_KEY, **more):
    request = pb.ResolveModelRequest(
        principal=principal, model=name, session_id=session, **more
    )
    return KEYS.verify((await service.resolve_model(request)).plan)


async def report(service, plan, *attempts, cap=60.0):
    await service.report_attempts(
        pb.ReportAttemptsRequest(
            reports=[
                pb.AttemptReport(
                    caller=plan.caller,
                    plan_id=plan.plan_id,
                    session_key=plan.session_key,
                    bound_deployment_id=plan.bound_deployment_id,
                    attempts=[convert.attempt_to_wire(each) for each in attempts],
                    retry_after_cap_seconds=cap,
                )
            ]
        )
    )


def first(plan) -> str:
    return plan.steps[0].deployment.deployment_id


def ids(plan) -> list[str]:
    return [step.deployment.deployment_id for step in plan.steps]


def principal(**caller) -> caller_pb2.Principal:
    return caller_pb2.Principal(caller=caller_pb2.Caller(**caller))


@pytest.mark.parametrize(
    "who",
    [
        caller_pb2.Principal(),
        caller_pb2.Principal(api_key_digest=b""),
        caller_pb2.Principal(api_key_digest=hashlib.sha256(b"other").digest()),
        principal(organization_id="acme", project_id="other"),
        principal(organization_id="other", project_id="web"),
    ],
)
async def test_nobody_unknown_is_answered(who):
    """No key, an unknown one, and a project that does not exist are refused."""
    service = resolver(EVERYTHING)

    with pytest.raises(ApiKeyUnknownError):
        await resolve(service, principal=who)
    with pytest.raises(ApiKeyUnknownError):
        await service.list_models(catalog_pb.ListModelsRequest(principal=who))


async def test_a_key_acts_for_its_project():
    """The plan says on whose behalf it is, with the key."""
    plan = await resolve(resolver(EVERYTHING))

    assert plan.caller == caller_pb2.Caller(
        organization_id="acme", project_id="web", api_key_id="web-1"
    )


async def test_an_internal_caller_names_its_project():
    """Services inside need no key, and obey the same policy."""
    eu = ScopedPolicy("project web", geographies=frozenset({"apac"}))

    plan = await resolve(resolver(EVERYTHING), principal=BY_NAME)

    assert plan.caller == convert.caller_to_wire(CALLER)
    with pytest.raises(NoDeploymentAllowedError):
        await resolve(resolver(settings(M, project_policy=eu)), principal=BY_NAME)


async def test_organization_and_project_policies_both_hold():
    """The lower scope only narrows: both travel with the plan."""
    service = resolver(
        settings(
            M,
            policy=ScopedPolicy("organization acme", denied_providers=frozenset({"a"})),
            project_policy=ScopedPolicy(
                "project web", allowed_providers=frozenset({"a", "b"})
            ),
        )
    )

    plan = await resolve(service)

    assert ids(plan) == ["b/m-eu"]
    assert [p.scope for p in plan.policies] == ["organization acme", "project web"]


@pytest.mark.parametrize(
    ("name", "session", "field"), [("", "", "model"), ("m", "é" * 129, "session_id")]
)
async def test_a_malformed_request_names_the_field(name, session, field):
    """A missing model and a session of more than 256 bytes."""
    with pytest.raises(RequestMalformedError) as raised:
        await resolve(resolver(EVERYTHING), name, session)

    assert raised.value.metadata["field"] == field


async def test_an_unknown_model_is_not_found():
    """The resolver passes on what expansion says."""
    with pytest.raises(ModelNotFoundError):
        await resolve(resolver(EVERYTHING), "no-such-model")


@pytest.mark.parametrize(
    ("given", "kept"), [("ab" * 16, True), ("", False), ("AB" * 16, False)]
)
async def test_a_trace_id_is_kept_or_made(given, kept):
    """A W3C trace id is taken on; anything else gets a new one."""
    plan = await resolve(resolver(EVERYTHING), trace_id=given)

    assert (plan.trace_id == given) is kept
    assert len(plan.trace_id) == 32


async def test_a_sessions_turns_stay_together():
    """The second turn is kept where the first one went, and the third."""
    service = resolver(EVERYTHING)

    plans = [await resolve(service, session="s1") for _ in range(3)]

    assert len({first(plan) for plan in plans}) == 1
    assert [plan.session_affinity for plan in plans] == [
        plan_pb2.SESSION_AFFINITY_NEW,
        plan_pb2.SESSION_AFFINITY_KEPT,
        plan_pb2.SESSION_AFFINITY_KEPT,
    ]


async def test_replicas_share_sessions_through_the_store():
    """Whichever replica is asked, the session is where it was."""
    sessions = MemorySessionStore()
    one, other = (resolver(EVERYTHING, sessions=sessions) for _ in range(2))

    plans = [await resolve(s, session="s1") for s in (one, other, one, other)]

    assert len({first(plan) for plan in plans}) == 1


async def test_validating_binds_nothing():
    """To look is not to touch."""
    sessions = MemorySessionStore()

    await resolve(
        resolver(EVERYTHING, sessions=sessions), session="s1", validate_only=True
    )

    assert sessions.bindings == {}


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_derived_session_counts_only_where_the_project_says(allowed):
    """A session made up for the caller is ignored where that is off."""
    service = resolver(settings(M, defaults=Defaults(derived_sessions=allowed)))

    plan = await resolve(service, session="s1", session_derived=True)

    assert bool(plan.session_key) is allowed


async def test_a_callers_own_session_counts_even_where_derived_ones_do_not():
    """The setting is about sessions that nobody asked for."""
    service = resolver(settings(M, defaults=Defaults(derived_sessions=False)))

    assert (await resolve(service, session="s1")).session_key


async def test_a_session_moves_to_where_it_was_served():
    """After a fallback the next turn goes to the deployment that answered."""
    service = resolver(EVERYTHING)
    plan = await resolve(service, session="s1")
    failed, served = ids(plan)[:2]

    await report(
        service,
        plan,
        attempt(failed, Outcome.CAPABILITY_MISSING),
        attempt(served, ordinal=2),
    )

    after = await resolve(service, session="s1")
    assert first(after) == served
    assert after.session_affinity == plan_pb2.SESSION_AFFINITY_KEPT


async def test_a_slow_turn_does_not_take_back_a_move():
    """An answer begun before the session moved says nothing of where it is now."""
    service = resolver(EVERYTHING)
    bound = first(await resolve(service, session="s1"))
    slow, quick = [await resolve(service, session="s1") for _ in range(2)]
    elsewhere = ids(quick)[1]

    await report(service, quick, attempt(elsewhere))
    await report(service, slow, attempt(bound))

    assert first(await resolve(service, session="s1")) == elsewhere


async def test_a_session_whose_binding_was_lost_is_bound_by_its_next_answer():
    """A store that forgot is told again."""
    sessions = MemorySessionStore()
    service = resolver(EVERYTHING, sessions=sessions)
    plan = await resolve(service, session="s1")
    sessions.bindings.clear()

    await report(service, plan, attempt("c/m-eu"))

    assert list(sessions.bindings.values()) == ["c/m-eu"]


async def test_a_failed_attempt_moves_no_session():
    """Only who served has anything warm."""
    service = resolver(EVERYTHING)
    plan = await resolve(service, session="s1")

    await report(service, plan, attempt(ids(plan)[1], Outcome.REJECTED))

    assert first(await resolve(service, session="s1")) == first(plan)


async def test_a_custom_models_session_lives_on():
    """A custom model's binding is kept alive by its answers like any other."""

    class TouchedSessions(MemorySessionStore):
        def __init__(self) -> None:
            super().__init__()
            self.touched: list[str] = []

        def touch(self, key, ttl) -> None:
            self.touched.append(key)

    own = model(
        "acme/tuned", deployment("acme/tuned", model_id="acme/tuned"), custom=True
    )
    sessions = TouchedSessions()
    service = resolver(settings(custom=[own]), sessions=sessions)
    plan = await resolve(service, "acme/tuned", session="s1")

    await report(service, plan, attempt("acme/tuned"))

    assert sessions.touched == list(sessions.bindings)


async def test_a_failing_deployment_is_tried_last_until_its_rest_ends():
    """A report reorders the next plan, and time puts it back."""
    clock = Clock()
    service = resolver(EVERYTHING, clock=clock)
    plan = await resolve(service, session="s1")

    await report(
        service, plan, attempt(first(plan), Outcome.RATE_LIMITED, retry_after=9)
    )

    resting = await resolve(service, session="s1")
    assert ids(resting)[-1] == first(plan)
    assert resting.steps[-1].cooldown.seconds == 9
    assert resting.session_affinity == plan_pb2.SESSION_AFFINITY_MOVED
    clock.advance(9)
    assert first(await resolve(service, session="s1")) == first(plan)


async def test_a_repeated_report_counts_once():
    """An attempt is known by its plan and its place, however often it is told."""
    clock = Clock()
    service = resolver(EVERYTHING, clock=clock)
    plan = await resolve(service)
    failed = attempt("a/m-eu", Outcome.SERVER_ERROR)

    await report(service, plan, failed)
    clock.advance(1)
    await report(service, plan, failed)

    assert not (await resolve(service)).steps[-1].HasField("cooldown")


async def test_attempts_of_one_request_each_count():
    """Two places in one plan are two attempts."""
    service = resolver(EVERYTHING)
    plan = await resolve(service)

    await report(
        service,
        plan,
        attempt("a/m-eu", Outcome.SERVER_ERROR),
        attempt("b/m-eu", Outcome.SERVER_ERROR, ordinal=2),
    )

    assert ids(await resolve(service))[0] == "c/m-eu"


async def test_a_report_for_a_project_that_is_gone_is_no_error():
    """Health is learnt from it all the same."""
    service = resolver(EVERYTHING)
    plan = await resolve(service, session="s1")
    plan.caller.project_id = "gone"

    await report(service, plan, attempt("a/m-eu"))
    await report(service, plan, attempt("b/m-eu", Outcome.SERVER_ERROR, ordinal=2))

    assert ids(await resolve(service))[-1] == "b/m-eu"
