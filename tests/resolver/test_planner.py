"""From a name to a plan, as the caller and the reader of an explanation see it."""

from collections import Counter
from datetime import timedelta

import pytest

from fakes.guardrails import guardrail
from fakes.plans import CALLER, deployment, membership, model, names, stands
from holdfast.errors import ModelNotFoundError, NoDeploymentAllowedError
from holdfast.model import (
    Attempt,
    Capability,
    ExclusionReason,
    Model,
    Outcome,
    Pricing,
    Requirements,
    ScopedPolicy,
    SessionAffinity,
    StepReason,
    Usage,
)
from holdfast_resolver.crowds import Crowds
from holdfast_resolver.directory import Objection
from holdfast_resolver.health.standing import Standing
from holdfast_resolver.planner import Binding, Planner, Question
from holdfast_resolver.probing import probing
from holdfast_resolver.sessions import binding_key, session_key
from holdfast_resolver.stores import MemorySessionStore
from holdfast_resolver.warmth import Warmth

POOL = [deployment(f"{p}/m-{g}") for p, g in (("a", "eu"), ("b", "us"), ("c", "eu"))]
M = model("m", *POOL)
EU = ScopedPolicy("project web", geographies=frozenset({"eu"}))
NOTHING = Requirements()


class Desk:
    """A planner with all it may know: bindings and cooldowns, set by a test."""

    def __init__(self, *models, policies=(), guardrails=(), **known) -> None:
        self.sessions = MemorySessionStore()
        self.cooling: dict[str, float] = {}
        self.standings: dict[str, Standing] = {}
        self.warmth = Warmth(lambda: 0)
        self._planner = Planner(
            self.sessions,
            self._stand,
            self.warmth,
            Crowds(lambda: 0),
            lambda _: "",
        )
        self._member = membership(
            names(*(models or (M,)), **known), *policies, guardrails=guardrails
        )

    def _stand(self, place) -> Standing:
        return self.standings.get(place.id) or stands(self.cooling.get(place.id))

    def bind(self, session: str, deployment_id: str, model_id: str = "m") -> None:
        self.sessions.bindings[key_of(session, model_id)] = deployment_id

    def decide(self, name="m", session="", needed=NOTHING, **question):
        asked = Question(name, session, needed, "p1", "t1", **question)
        return self._planner.plan(asked, self._member, "r1")

    def plan(self, name="m", session="", **question):
        return self.decide(name, session, **question).plan


def two_members_of_one() -> Desk:
    """An alias of two models with one deployment each."""
    return Desk(
        model("m", deployment("a/m")),
        model("n", deployment("a/n")),
        aliases={"best": ["m", "n"]},
    )


def key_of(session: str, model_id: str = "m") -> str:
    scoped = session_key(CALLER.organization_id, CALLER.project_id, session)
    return binding_key(scoped, model_id)


def ids(plan) -> list[str]:
    return [step.deployment.id for step in plan.steps]


def reasons(plan) -> list[StepReason]:
    return [step.reason for step in plan.steps]


def test_without_a_session_deployments_take_turns():
    """Three calls begin at three deployments, and nothing is remembered."""
    desk = Desk()

    plans = [desk.decide() for _ in range(3)]

    assert sorted(ids(each.plan)[0] for each in plans) == sorted(ids(plans[0].plan))
    assert {each.plan.session_affinity for each in plans} == {SessionAffinity.NONE}
    assert [each.binding for each in plans] == [None] * 3
    assert plans[0].plan.session_key == ""


def test_a_plan_bears_the_guardrails_of_its_project():
    """The executor enforces them: it sees what is asked and answered."""
    own = (guardrail("block", "credit_card"), guardrail("flag", "email", name="h"))

    assert Desk(guardrails=own).plan().guardrails == own


def test_who_is_left_aside_takes_no_turn():
    """Cold starts go round among the healthy ones alone."""
    desk = Desk()
    desk.cooling["b/m-us"] = 5

    firsts = [ids(desk.plan())[0] for _ in range(4)]

    assert sorted(firsts) == ["a/m-eu", "a/m-eu", "c/m-eu", "c/m-eu"]


def test_a_new_session_is_bound_to_the_first_step():
    """The first turn says `new` and what is to be remembered."""
    decision = Desk().decide(session="s1")

    assert decision.plan.session_affinity is SessionAffinity.NEW
    assert set(reasons(decision.plan)) == {StepReason.HASHED}
    assert decision.binding.key == key_of("s1")
    assert decision.binding.deployment_id == ids(decision.plan)[0]


@pytest.mark.parametrize("bound", [place.id for place in POOL])
def test_a_session_is_served_first_where_it_is_bound(bound):
    """Whichever it is, the bound deployment is tried first."""
    desk = Desk()
    desk.bind("s1", bound)

    decision = desk.decide(session="s1")

    assert ids(decision.plan)[0] == bound
    assert reasons(decision.plan)[0] is StepReason.STICKY
    assert decision.plan.session_affinity is SessionAffinity.KEPT
    assert decision.plan.bound_deployment_id == bound
    assert decision.binding is None


def test_a_bound_deployment_that_cools_down_stands_last():
    """The session is served elsewhere meanwhile, and told so."""
    desk = Desk()
    desk.bind("s1", "a/m-eu")
    desk.cooling["a/m-eu"] = 5

    plan = desk.plan(session="s1")

    assert ids(plan)[-1] == "a/m-eu"
    assert plan.steps[-1].reason is StepReason.LAST_RESORT
    assert plan.steps[-1].cooldown == timedelta(seconds=5)
    assert plan.session_affinity is SessionAffinity.MOVED
    assert plan.bound_deployment_id == "a/m-eu"


def test_a_bound_deployment_that_is_not_allowed_is_not_tried():
    """A binding is a preference and never a permission."""
    desk = Desk(policies=[EU])
    desk.bind("s1", "b/m-us")

    plan = desk.plan(session="s1")

    assert "b/m-us" not in ids(plan)
    assert plan.session_affinity is SessionAffinity.MOVED


def test_a_store_out_of_touch_makes_the_affinity_unknown():
    """The order is the hash's own then, so that replicas still agree."""
    desk, other = Desk(), Desk()
    desk.sessions.synced = other.sessions.synced = False

    plan = desk.plan(session="s1")

    assert plan.session_affinity is SessionAffinity.UNKNOWN
    assert ids(plan) == ids(other.plan(session="s1"))


def test_sessions_of_projects_are_apart():
    """The same session id in another project is another session."""
    assert session_key("acme", "web", "s1") != session_key("acme", "app", "s1")
    assert session_key("acme", "web", "s1") != session_key("acme", "we", "bs1")


def test_a_session_is_bound_for_each_model_apart():
    """A binding of one model says nothing of another."""
    desk = Desk(M, model("n"))
    desk.bind("s1", "b/m-us")

    assert desk.plan("n", session="s1").session_affinity is SessionAffinity.NEW


def test_stickiness_never_overrules_the_order_of_an_alias():
    """Being warm on the second member does not put it before the first."""
    desk = Desk(M, model("n"), aliases={"best": ["m", "n"]})
    desk.bind("s1", "b/n-us", "n")

    plan = desk.plan("best", session="s1")

    assert {name.split("-")[0] for name in ids(plan)[:3]} == {"a/m", "b/m", "c/m"}
    assert ids(plan)[3:] == ["b/n-us", "a/n-eu"]
    assert plan.session_affinity is SessionAffinity.NEW
    assert {step.response_model for step in plan.steps} == {"m", "n"}


def test_a_member_that_cools_down_stands_behind_the_whole_alias():
    """Health goes before the alias' order: a healthy later member serves."""
    desk = two_members_of_one()
    desk.cooling["a/m"] = 5

    assert ids(desk.plan("best")) == ["a/n", "a/m"]


def test_a_session_whose_member_is_left_aside_has_moved():
    """An alias' later member takes over, is remembered, and says so."""
    desk = two_members_of_one()
    desk.bind("s1", "a/m")
    desk.cooling["a/m"] = 5

    decision = desk.decide("best", session="s1")

    assert ids(decision.plan) == ["a/n", "a/m"]
    assert decision.plan.session_affinity is SessionAffinity.MOVED
    assert decision.plan.bound_deployment_id == "a/m"
    assert decision.binding == Binding(key_of("s1", "n"), "a/n", is_home=True)


def test_a_session_is_kept_where_the_later_member_already_has_it():
    """The second turn away from the first member finds the second one warm."""
    desk = two_members_of_one()
    desk.bind("s1", "a/m")
    desk.bind("s1", "a/n", "n")
    desk.cooling["a/m"] = 5

    plan = desk.plan("best", session="s1")

    assert plan.session_affinity is SessionAffinity.KEPT
    assert plan.bound_deployment_id == "a/n"


def test_a_new_session_is_not_bound_to_a_member_that_is_left_aside():
    """What is remembered is where the session goes first."""
    desk = two_members_of_one()
    desk.cooling["a/m"] = 5

    decision = desk.decide("best", session="s1")

    assert decision.plan.session_affinity is SessionAffinity.NEW
    assert decision.binding == Binding(key_of("s1", "n"), "a/n", is_home=True)


def test_a_pinned_id_has_one_step_and_no_session():
    """A pin is that deployment or an error, so a session changes nothing."""
    desk = Desk()
    desk.cooling["b/m-us"] = 5

    decision = desk.decide("b/m-us", session="s1")

    assert ids(decision.plan) == ["b/m-us"]
    assert decision.plan.session_affinity is SessionAffinity.NONE
    assert decision.plan.session_key == ""
    assert decision.binding is None


def test_a_healthy_pin_says_that_it_was_pinned():
    """The explanation says why there is nothing else."""
    assert reasons(Desk().plan("b/m-us")) == [StepReason.PINNED]


def test_a_pinned_id_obeys_the_policy():
    """Naming a deployment is no way around what is allowed."""
    with pytest.raises(NoDeploymentAllowedError, match=r"geography us not in \[eu\]"):
        Desk(policies=[EU]).plan("b/m-us")


def test_an_emptied_plan_names_the_rule_and_the_remedy():
    """The caller learns which scope forbade what, and whom to ask."""
    nowhere = ScopedPolicy("organization acme", geographies=frozenset({"apac"}))

    with pytest.raises(NoDeploymentAllowedError) as raised:
        Desk(policies=[nowhere]).plan()

    message = raised.value.message
    assert "organization acme policy: geography eu not in [apac] (2 dep" in message
    assert "organization acme policy: geography us not in [apac] (1 dep" in message
    assert "administrator" in message
    assert raised.value.metadata == {
        "model": "m",
        "excluded_count": "3",
        "revision": "r1",
    }


def test_a_plan_that_three_scopes_emptied_names_a_rule_of_each():
    """However many rules of one scope there are."""
    pool = [deployment(f"{name}/m-eu") for name in "abcdefgh"]
    policies = [
        ScopedPolicy("organization acme", allowed_providers=frozenset("gh")),
        ScopedPolicy("project web", denied_providers=frozenset("g")),
        ScopedPolicy("key web-1", max_retention_days=0),
    ]

    with pytest.raises(NoDeploymentAllowedError) as raised:
        Desk(model("m", *pool), policies=policies).plan()

    message = raised.value.message
    assert "organization acme policy: provider a not in [g, h] (1 dep" in message
    assert "project web policy: provider g is denied (1 dep" in message
    assert "key web-1 policy: retention days unknown, 0 at most (1 dep" in message


@pytest.mark.parametrize("scope", ["organization acme", "project web", "key web-1"])
@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ({"allowed_providers": frozenset("z")}, "provider a not in [z]"),
        ({"denied_providers": frozenset("abc")}, "provider a is denied"),
        ({"allowed_models": frozenset("n")}, "model m not in [n]"),
        ({"denied_models": frozenset("m")}, "model m is denied"),
        ({"geographies": frozenset({"apac"})}, "geography eu not in [apac]"),
        ({"denies_training": True}, "training on data unknown, and denied"),
        ({"max_retention_days": 30}, "retention days unknown, 30 at most"),
    ],
)
def test_a_plan_emptied_by_any_rule_of_any_scope_names_both(scope, rules, why):
    """So that the caller knows whom to ask for what."""
    with pytest.raises(NoDeploymentAllowedError) as raised:
        Desk(policies=[ScopedPolicy(scope, **rules)]).plan()

    assert f"{scope} policy: {why}" in raised.value.message


def test_a_plan_emptied_by_something_else_says_that_first():
    """Where something passed the policy, the policy is not to blame."""
    desk = Desk(
        model("m", deployment("b/m-us"), deployment("a/m-eu")),
        policies=[EU],
        objections={"a/m-eu": Objection("no key for a")},
    )

    with pytest.raises(NoDeploymentAllowedError) as raised:
        desk.plan()

    assert "may use: no key for a (1 deployment); project" in raised.value.message
    assert "credential in the gateway's configuration" in raised.value.message


def test_a_plan_emptied_by_the_request_does_not_speak_of_credentials():
    """Of the catalog's many providers that nobody here uses."""
    used = deployment("z/m", capabilities=frozenset({Capability.REASONING}))
    unused = [deployment(f"{name}/m") for name in "abcdefgh"]
    desk = Desk(
        model("m", *unused, used),
        objections={each.id: Objection(f"no key for {each.id}") for each in unused},
    )

    with pytest.raises(NoDeploymentAllowedError) as raised:
        desk.plan(needed=Requirements(capabilities=frozenset({Capability.TOOLS})))

    message = raised.value.message
    assert "may use: lacks capability tools (1 deployment). Name a model" in message
    assert "no key" not in message


def test_a_model_without_deployments_says_so():
    """It is a fault of the configuration and not of a policy."""
    with pytest.raises(NoDeploymentAllowedError, match="has no deployment"):
        Desk(Model("empty")).plan("empty")


def test_an_unknown_name_is_not_found_even_to_explain():
    """There is nothing to explain about a name that is none."""
    with pytest.raises(ModelNotFoundError):
        Desk().plan("nothing-like-it", explain=True)


def test_an_explanation_shows_every_candidate_once():
    """Placed with a reason or excluded with a rule: nothing is passed over."""
    able = deployment("d/m-eu", capabilities=frozenset({Capability.REASONING}))
    desk = Desk(
        model("m", *POOL, able, deployment("e/m-eu")),
        policies=[EU],
        objections={"e/m-eu": Objection("no key")},
    )
    desk.cooling["a/m-eu"] = 5
    needed = Requirements(frozenset({Capability.TOOLS}))

    plan = desk.plan(needed=needed, explain=True)

    excluded = {each.deployment.id: each.reason for each in plan.exclusions}
    assert ids(plan) == ["c/m-eu", "a/m-eu"]
    assert excluded == {
        "b/m-us": ExclusionReason.POLICY,
        "d/m-eu": ExclusionReason.CAPABILITY,
        "e/m-eu": ExclusionReason.NO_CREDENTIAL,
    }


def test_an_explanation_of_nothing_has_no_steps_and_no_error():
    """Everything excluded is an answer when one asks why."""
    nowhere = ScopedPolicy("project web", geographies=frozenset({"apac"}))

    plan = Desk(policies=[nowhere]).plan(explain=True)

    assert plan.steps == ()
    assert len(plan.exclusions) == 3


def test_only_an_explanation_bears_exclusions_and_more_steps_than_are_tried():
    """A plan that is executed is kept small."""
    many = [deployment(f"p{n}/m-eu") for n in range(40)]
    desk = Desk(model("m", *many, *POOL), policies=[EU])

    executed, explained = desk.plan(), desk.plan(explain=True)

    assert len(executed.steps) == 32
    assert executed.exclusions == ()
    assert len(explained.steps) == 42
    assert len(explained.exclusions) == 1


def test_explaining_leaves_everything_as_it_was():
    """Neither a turn nor a new session's place is counted."""
    desk = Desk()

    seen = {ids(desk.plan(explain=True, commits=False))[0] for _ in range(5)}

    assert len(seen) == 1
    assert ids(desk.plan())[0] in seen


def test_a_plan_bears_what_the_executor_must_obey():
    """Policies, limits and caller travel with the steps."""
    plan = Desk(policies=[EU]).plan()

    assert plan.policies == (EU,)
    assert plan.caller == CALLER
    assert plan.revision == "r1"
    assert plan.requested_model == "m"


def turn(deployment_id: str, input_tokens: int, cached: int) -> Attempt:
    """Return a turn of a session that was answered."""
    usage = Usage(input_tokens, 50, cached)
    return Attempt(1, deployment_id, Outcome.SUCCEEDED, usage=usage)


def test_a_session_returns_after_an_outage_where_that_is_cheaper() -> None:
    """Its cache is still there, and its provider costs a third."""
    dear = Pricing(9_000_000, 0, 900_000, 9_000_000)
    cheap = Pricing(3_000_000, 0, 300_000, 3_000_000)
    desk = Desk(
        model("m", deployment("a/m", pricing=cheap), deployment("b/m", pricing=dear))
    )
    key = key_of("s1", "m")
    for _ in range(4):
        desk.warmth.learn(key, turn("a/m", 20_000, 19_000))
    desk.warmth.learn(key, turn("b/m", 20_000, 0))
    desk.bind("s1", "b/m")

    plan = desk.plan(session="s1")

    assert plan.steps[0].deployment.id == "a/m"
    assert plan.bound_deployment_id == "b/m"
    assert plan.session_affinity is SessionAffinity.MOVED


def test_a_session_is_not_returned_to_who_is_still_away() -> None:
    """Who is left aside is only for the last."""
    dear = Pricing(9_000_000, 0, 900_000, 9_000_000)
    cheap = Pricing(3_000_000, 0, 300_000, 3_000_000)
    desk = Desk(
        model("m", deployment("a/m", pricing=cheap), deployment("b/m", pricing=dear))
    )
    key = key_of("s1", "m")
    desk.warmth.learn(key, turn("a/m", 20_000, 19_000))
    desk.warmth.learn(key, turn("b/m", 20_000, 0))
    desk.bind("s1", "b/m")
    desk.cooling["a/m"] = 30

    plan = desk.plan(session="s1")

    assert plan.steps[0].deployment.id == "b/m"


def test_a_binding_that_no_cache_answers_for_keeps_nobody() -> None:
    """The session goes where it would if it were new."""
    desk = Desk(model("m", deployment("a/m"), deployment("b/m")))
    home = desk.plan(session="s1").steps[0].deployment.id
    other = "b/m" if home == "a/m" else "a/m"
    desk.bind("s1", other)
    for cached in (0, 19_000, 0, 0):
        desk.warmth.learn(key_of("s1", "m"), turn(other, 20_000, cached))

    plan = desk.plan(session="s1")

    assert plan.steps[0].deployment.id == home


def test_a_beginning_that_a_thousand_share_is_spread_over_the_pool() -> None:
    """It is warm everywhere soon, and one deployment could not carry them all."""
    desk = Desk(model("m", *(deployment(f"{name}/m") for name in "abcd")))

    first = Counter(
        desk.plan(session="shared", session_derived=True).steps[0].deployment.id
        for _ in range(1_000)
    )

    assert len(first) == 4
    assert max(first.values()) <= 1.25 * 1_000 / 4


def test_a_burst_of_one_session_lands_on_one_deployment() -> None:
    """Fifty turns before the first is answered."""
    desk = Desk(model("m", *(deployment(f"{name}/m") for name in "abcd")))

    first = {
        desk.plan(session="s1", session_derived=True).steps[0].deployment.id
        for _ in range(50)
    }

    assert len(first) == 1


def test_a_session_that_was_named_is_never_a_crowd() -> None:
    """Whoever names it says that it is one."""
    desk = Desk(model("m", *(deployment(f"{name}/m") for name in "abcd")))
    desk.bind("s1", "c/m")

    first = {desk.plan(session="s1").steps[0].deployment.id for _ in range(1_000)}

    assert first == {"c/m"}


def starts(desk: Desk, many: int = 1_000, *, sessions: bool) -> float:
    """Return the share of cold starts that `a/m-eu` takes."""
    firsts = [
        ids(desk.plan(session=f"s{n}" if sessions else ""))[0] for n in range(many)
    ]
    return firsts.count("a/m-eu") / many


@pytest.mark.parametrize("sessions", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_who_comes_back_takes_a_part_of_its_cold_starts(share, sessions):
    """Of the third that is its own; with nothing left of its allowance, none."""
    desk = Desk()
    desk.standings["a/m-eu"] = Standing(share=share)

    assert starts(desk, sessions=sessions) == pytest.approx(share / 3, abs=0.03)


def test_who_is_spared_cold_starts_stands_behind_those_who_are_not():
    """And before those left aside: it is well."""
    desk = Desk()
    desk.standings["a/m-eu"] = Standing(share=0.0)
    desk.cooling["c/m-eu"] = 5

    assert ids(desk.plan()) == ["b/m-us", "a/m-eu", "c/m-eu"]
    assert ids(desk.plan(session="s1")) == ["b/m-us", "a/m-eu", "c/m-eu"]


@pytest.mark.parametrize("sessions", [False, True])
def test_where_all_are_spared_all_take_part(sessions):
    """There is nobody else to go to."""
    desk = Desk()
    for place in POOL:
        desk.standings[place.id] = Standing(share=0.0)

    assert starts(desk, sessions=sessions) == pytest.approx(1 / 3, abs=0.05)


def test_a_bound_session_returns_to_who_comes_back():
    """It has its prompt cache there, and costs the deployment less than a cold one."""
    desk = Desk()
    desk.bind("s1", "a/m-eu")
    desk.standings["a/m-eu"] = Standing(share=0.0)

    plan = desk.plan(session="s1")

    assert ids(plan)[0] == "a/m-eu"
    assert plan.session_affinity is SessionAffinity.KEPT


def test_replicas_send_a_session_to_the_same_place_while_one_comes_back():
    """Which sessions it takes is up to them, and not to who is asked."""
    one, other = Desk(), Desk()
    for desk in (one, other):
        desk.standings["a/m-eu"] = Standing(share=0.5)

    keys = [f"s{n}" for n in range(90)]
    assert [ids(one.plan(session=k))[0] for k in keys] == [
        ids(other.plan(session=k))[0] for k in keys
    ]


def test_a_probe_never_overrules_the_order_of_an_alias():
    """Only members that stand before the first healthy one may be tried first."""
    desk = two_members_of_one()
    desk.cooling["a/n"] = 0
    assert desk.decide("best").due == ()
    desk.cooling.clear()
    desk.cooling["a/m"] = 0

    assert [step.deployment.id for step in desk.decide("best").due] == ["a/m"]


def test_a_session_that_comes_home_by_a_probe_is_kept():
    """It is served where it was bound, if the probe succeeds."""
    desk = Desk()
    desk.bind("s1", "a/m-eu")
    desk.cooling["a/m-eu"] = 0
    decision = desk.decide(session="s1")

    plan = probing(decision.plan, decision.due[0])

    assert decision.plan.session_affinity is SessionAffinity.MOVED
    assert plan.session_affinity is SessionAffinity.KEPT
    assert reasons(plan)[0] is StepReason.PROBE


def test_a_prompt_that_is_cached_for_an_hour_is_warm_for_an_hour() -> None:
    """The request says so, and the session's cache is believed that long."""
    desk = Desk()
    asked = Requirements(prompt_cache_s=3_600)

    desk.decide(session="s1", needed=asked)

    assert desk.warmth.life(key_of("s1")) == timedelta(hours=1)
    assert desk.warmth.life(key_of("s2")) == timedelta(minutes=5)
