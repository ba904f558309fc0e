"""Who broke a promise of where it works is not asked where promises count."""

from datetime import timedelta

import pytest

from fakes.clock import Clock
from fakes.directory import BY_KEY, resolver, settings
from fakes.plans import KEYS, attempt, deployment, model
from holdfast.errors import NoDeploymentAllowedError
from holdfast.model import Plan, ScopedPolicy
from holdfast.ports import AttemptReport, ReportAttemptsRequest, ResolveModelRequest
from holdfast.residency import STRAY_LIFE
from holdfast.rpc.messages import principal_from_wire
from holdfast_resolver.residency import Residency
from holdfast_resolver.service import ResolverService
from holdfast_resolver.stores import MemoryHealthStore

PLACE = deployment("a/m-eu")
OTHER = deployment("b/m-eu")
STRAY = attempt("a/m-eu", observed_geography="us")


def replicas(clock: Clock) -> tuple[Residency, Residency]:
    store = MemoryHealthStore()
    return Residency(store, clock.now_ms), Residency(store, clock.now_ms)


def test_one_word_is_enough_for_all_replicas() -> None:
    """Whoever was told; and it is about that deployment alone."""
    one, another = replicas(Clock())

    one.learn(STRAY, PLACE)

    assert (one.strayed(PLACE), another.strayed(PLACE)) == ("us", "us")
    assert another.strayed(OTHER) == ""


def test_an_answer_as_promised_says_nothing() -> None:
    """Neither for nor against: one word outweighs many."""
    one, _ = replicas(Clock())

    one.learn(STRAY, PLACE)
    one.learn(attempt("a/m-eu"), PLACE)
    one.learn(attempt("b/m-eu"), OTHER)

    assert (one.strayed(PLACE), one.strayed(OTHER)) == ("us", "")


def test_it_is_forgotten_after_a_day() -> None:
    """From the last word of it."""
    clock = Clock()
    one, another = replicas(clock)

    one.learn(STRAY, PLACE)
    clock.advance(STRAY_LIFE.total_seconds() - 1)
    before = another.strayed(PLACE)
    another.learn(STRAY, PLACE)
    clock.advance(STRAY_LIFE.total_seconds() - 1)
    renewed = one.strayed(PLACE)
    clock.advance(2)

    assert (before, renewed, one.strayed(PLACE)) == ("us", "us", "")


def test_who_comes_back_by_another_address_is_another() -> None:
    """A deployment that was mended is not held to what it was."""
    one, _ = replicas(Clock())

    one.learn(STRAY, PLACE)

    mended = deployment("a/m-eu", base_uri="https://elsewhere.example/v1")
    assert one.strayed(mended) == ""


BOUND = ScopedPolicy("project web", geographies=frozenset({"eu"}))


async def resolved(service: ResolverService, **more: bool) -> Plan:
    asked = ResolveModelRequest(principal_from_wire(BY_KEY), "m", **more)
    return KEYS.verify(await service.resolve_model(asked))


async def report(service: ResolverService, plan: Plan, *strays: str) -> None:
    told = AttemptReport(
        plan.caller,
        plan.plan_id,
        "",
        "",
        [
            attempt(each, ordinal=at, observed_geography="us")
            for at, each in enumerate(strays, 1)
        ],
        timedelta(seconds=60),
    )
    await service.report_attempts(ReportAttemptsRequest([told]))


async def test_who_may_go_to_one_geography_alone_is_sent_elsewhere() -> None:
    """The very next plan leaves the deployment out, and says why."""
    service = resolver(settings(model("m", PLACE, OTHER), project_policy=BOUND))
    before = await resolved(service)
    await report(service, before, PLACE.id)

    after = await resolved(service)
    explained = await resolved(service, explain=True)

    assert {step.deployment.id for step in before.steps} == {PLACE.id, OTHER.id}
    assert [step.deployment.id for step in after.steps] == [OTHER.id]
    [exclusion] = explained.exclusions
    assert exclusion.rule == (
        "project web policy: geography eu was promised, "
        "and the provider has said that it worked in us"
    )


async def test_a_plan_that_this_empties_is_refused() -> None:
    """Better no answer than one from where the data may not go."""
    service = resolver(settings(model("m", PLACE), project_policy=BOUND))
    await report(service, await resolved(service), PLACE.id)

    with pytest.raises(NoDeploymentAllowedError, match="geography eu was promised"):
        await resolved(service)


async def test_who_may_go_anywhere_is_not_concerned() -> None:
    """The deployment is as good as ever."""
    service = resolver(settings(model("m", PLACE)))
    await report(service, await resolved(service), PLACE.id)

    plan = await resolved(service)

    assert [step.deployment.id for step in plan.steps] == [PLACE.id]
