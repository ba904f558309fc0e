"""The resolver as its callers see it: names in, signed plans out."""

import dataclasses
import hashlib
from datetime import timedelta

import pytest

from fakes.clock import Clock
from fakes.directory import BY_KEY, BY_NAME, resolver, settings
from fakes.plans import CALLER, KEYS, attempt, deployment, model
from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.common.v1 import caller_pb2
from holdfast.errors import (
    ApiKeyUnknownError,
    ModelNotFoundError,
    NoDeploymentAllowedError,
    RequestMalformedError,
)
from holdfast.health import Rests, health_keys
from holdfast.model import Caller, Outcome, ScopedPolicy, SessionAffinity, StepReason
from holdfast.ports import (
    Answering,
    AttemptReport,
    ReportAttemptsRequest,
    ResolveModelRequest,
)
from holdfast.rpc.messages import principal_from_wire
from holdfast.settings import Defaults
from holdfast.standpoint import Standpoint
from holdfast_resolver.stores import (
    MemoryHealthStore,
    MemoryProbeStore,
    MemorySessionStore,
)

M = model("m", *(deployment(f"{p}/m-eu") for p in "abc"))
EVERYTHING = settings(M)


async def resolve(service, name="m", session="", principal=BY_KEY, **more):
    request = ResolveModelRequest(
        principal_from_wire(principal), name, session_id=session, **more
    )
    return KEYS.verify(await service.resolve_model(request))


async def report(service, plan, *attempts, cap=60.0, **more):
    told = AttemptReport(
        plan.caller,
        plan.plan_id,
        plan.session_key,
        plan.bound_deployment_id,
        attempts,
        timedelta(seconds=cap),
        more.pop("answering", None),
    )
    return await service.report_attempts(ReportAttemptsRequest([told], **more))


def first(plan) -> str:
    return plan.steps[0].deployment.id


def ids(plan) -> list[str]:
    return [step.deployment.id for step in plan.steps]


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

    assert plan.caller == Caller("acme", "web", "web-1")


async def test_an_internal_caller_names_its_project():
    """Services inside need no key, and obey the same policy."""
    eu = ScopedPolicy("project web", geographies=frozenset({"apac"}))

    plan = await resolve(resolver(EVERYTHING), principal=BY_NAME)

    assert plan.caller == CALLER
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
        SessionAffinity.NEW,
        SessionAffinity.KEPT,
        SessionAffinity.KEPT,
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
    assert after.session_affinity is SessionAffinity.KEPT


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
    assert resting.steps[-1].cooldown == timedelta(seconds=9)
    assert resting.session_affinity is SessionAffinity.MOVED
    clock.advance(9)
    assert first(await resolve(service, session="s1")) == first(plan)


async def test_a_repeated_report_counts_once():
    """An attempt is known by its plan and its place, however often it is told."""
    service = resolver(EVERYTHING)
    plan = await resolve(service)

    for _ in range(3):
        await report(service, plan, attempt("a/m-eu", Outcome.SERVER_ERROR))

    assert (await resolve(service)).steps[-1].cooldown is None


async def test_attempts_of_one_request_each_count():
    """Two places in one plan are two attempts."""
    service = resolver(EVERYTHING)
    plan = await resolve(service)

    await report(
        service,
        plan,
        attempt("a/m-eu", Outcome.UNUSABLE),
        attempt("b/m-eu", Outcome.UNUSABLE, ordinal=2),
    )

    assert ids(await resolve(service))[0] == "c/m-eu"


async def test_a_report_for_a_project_that_is_gone_is_no_error():
    """It is passed over, and so is one of a deployment that is gone."""
    service = resolver(EVERYTHING)
    plan = await resolve(service, session="s1")
    gone = dataclasses.replace(plan, caller=Caller("acme", "gone"))

    await report(service, gone, attempt("a/m-eu", Outcome.UNUSABLE))
    await report(service, plan, attempt("gone/m-eu", Outcome.UNUSABLE))

    assert (await resolve(service)).steps[-1].cooldown is None


async def rested(service, clock) -> None:
    """Let `a/m-eu` be left aside for 5 s, and let them pass."""
    plan = await resolve(service)
    await report(service, plan, attempt("a/m-eu", Outcome.RATE_LIMITED))
    clock.advance(5)


def begun(clock, **facts):
    return attempt("a/m-eu", start_time_ms=clock.now_ms(), **facts)


async def test_one_request_tries_who_has_rested_and_the_next_does_not():
    """The probe stands first, with whoever would have served behind it."""
    clock = Clock()
    service = resolver(EVERYTHING, clock=clock)
    await rested(service, clock)

    probing, other = await resolve(service), await resolve(service)

    assert first(probing) == "a/m-eu"
    assert probing.steps[0].reason is StepReason.PROBE
    assert probing.steps[1].cooldown is None
    assert ids(other)[-1] == "a/m-eu"
    assert other.steps[-1].cooldown == timedelta()


async def test_replicas_share_the_probe_through_the_store():
    """One replica tries; the others do not."""
    clock, health, probes = Clock(), MemoryHealthStore(), MemoryProbeStore()
    fleet = [
        resolver(EVERYTHING, health=health, probes=probes, clock=clock)
        for _ in range(8)
    ]
    await rested(fleet[0], clock)

    plans = [await resolve(service) for service in fleet]

    assert [plan.steps[0].reason for plan in plans].count(StepReason.PROBE) == 1


@pytest.mark.parametrize("asked", ["explain", "validate_only"])
async def test_to_look_is_no_probe(asked):
    """Whoever explains a plan leaves the probe to a request."""
    clock = Clock()
    service = resolver(EVERYTHING, clock=clock)
    await rested(service, clock)

    await resolve(service, validate_only=True, explain=asked == "explain")

    assert (await resolve(service)).steps[0].reason is StepReason.PROBE


async def test_a_session_that_is_warm_elsewhere_is_not_used_to_probe():
    """It would pay for the probe with its prompt cache."""
    clock = Clock()
    service = resolver(EVERYTHING, clock=clock)
    await rested(service, clock)
    sessions = [await resolve(service, session=f"s{n}") for n in range(2)]

    again = [await resolve(service, session=f"s{n}") for n in range(2)]

    assert sessions[0].steps[0].reason is StepReason.PROBE
    assert {plan.steps[0].reason for plan in again} == {StepReason.STICKY}


async def test_a_pin_is_no_probe():
    """It gets its deployment in any case."""
    clock = Clock()
    service = resolver(EVERYTHING, clock=clock)
    await rested(service, clock)

    plan = await resolve(service, "a/m-eu")

    assert [step.reason for step in plan.steps] == [StepReason.LAST_RESORT]


async def test_a_probe_that_is_answered_brings_the_deployment_back():
    """As soon as it begins to answer, however long the answer is."""
    clock = Clock()
    service = resolver(EVERYTHING, clock=clock)
    await rested(service, clock)
    plan = await resolve(service)

    await report(service, plan, answering=Answering("a/m-eu", clock.now_ms()))

    assert (await resolve(service)).steps[-1].cooldown is None


async def test_a_probe_that_fails_rests_for_longer():
    """And another request tries after that."""
    clock = Clock()
    service = resolver(EVERYTHING, clock=clock)
    await rested(service, clock)
    plan = await resolve(service)
    await report(service, plan, begun(clock, outcome=Outcome.RATE_LIMITED))

    resting = await resolve(service)
    clock.advance(10)

    assert resting.steps[-1].cooldown == timedelta(seconds=10)
    assert (await resolve(service)).steps[0].reason is StepReason.PROBE


async def test_a_report_is_answered_with_who_rests_until_that_is_known():
    """An executor learns it with what it reports, and is told once."""
    clock = Clock()
    service = resolver(EVERYTHING, clock=clock)
    plan = await resolve(service)
    assert await report(service, plan, attempt("b/m-eu")) is None

    rests = await report(service, plan, attempt("a/m-eu", Outcome.UNUSABLE, ordinal=2))

    known = plan.steps[ids(plan).index("a/m-eu")].deployment
    assert dict(rests.until_ms) == {
        health_keys(known).any_credential: clock.now_ms() + 60_000
    }
    assert await report(service, plan, known_rests=rests.version) is None
    clock.advance(660)
    assert await report(service, plan, known_rests=rests.version) == Rests()


async def test_an_executor_that_reaches_nobody_leaves_nobody_aside():
    """Another one is answered all the while, and sessions stay where they are."""
    clock = Clock()
    service = resolver(settings(model("m", deployment("a/m"))), clock=clock)
    now_ms = clock.now_ms()
    well = Standpoint("well", now_ms, now_ms - 60_000, now_ms)
    cut_off = Standpoint("cut-off", now_ms, now_ms - 60_000, now_ms - 9_000)
    first_plan = await resolve(service)
    await report(service, first_plan, attempt("a/m"), standpoint=well)

    for told in (cut_off, well):
        failing = await resolve(service)
        failures = [
            attempt(
                "a/m",
                Outcome.CONNECTION_FAILED,
                ordinal=number,
                start_time_ms=now_ms - 5_000,
                duration=timedelta(seconds=3),
            )
            for number in (1, 2, 3)
        ]
        cooldowns = await report(service, failing, *failures, standpoint=told)
        assert bool(cooldowns and cooldowns.until_ms) is (told is well)


async def test_what_was_doubted_is_believed_once_others_have_answered_its_executor():
    """It has nothing more to report by then but that."""
    clock = Clock()
    service = resolver(settings(model("m", deployment("a/m"))), clock=clock)
    now_ms = clock.now_ms()
    other = Standpoint("other", now_ms, now_ms - 60_000, now_ms)
    await service.report_attempts(ReportAttemptsRequest((), standpoint=other))
    failures = [
        attempt("a/m", Outcome.CONNECTION_FAILED, ordinal=n, start_time_ms=now_ms)
        for n in (1, 2, 3)
    ]
    early, late = (
        Standpoint("one", now_ms, now_ms - 60_000, now_ms + ms) for ms in (-1, 1)
    )

    doubted = await report(service, await resolve(service), *failures, standpoint=early)
    believed = await service.report_attempts(ReportAttemptsRequest((), standpoint=late))

    assert doubted is None
    assert len(believed.until_ms) == 1
