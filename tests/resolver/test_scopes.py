"""What a configuration file says of organizations, projects, keys and aliases holds."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from configuration_files import parse
from fakes.clock import Clock
from fakes.plans import KEYS, attempt
from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.errors import ApiKeyUnknownError, NoDeploymentAllowedError
from holdfast.model import Caller, Catalog, Deployment, Hedge, Model, Plan, Provider
from holdfast.ports import AttemptReport, ReportAttemptsRequest, ResolveModelRequest
from holdfast.rpc.messages import principal_to_wire
from holdfast_resolver import directory, tenants
from holdfast_resolver.crowds import Crowds
from holdfast_resolver.health.tracking import Health
from holdfast_resolver.probes import Probes
from holdfast_resolver.residency import Residency
from holdfast_resolver.service import ResolverService
from holdfast_resolver.stores import (
    MemoryHealthStore,
    MemoryProbeStore,
    MemorySessionStore,
)
from holdfast_resolver.warmth import Warmth

SCOPES = """
catalog: none
providers:
  a: {dialect: openai-chat, base_uri: "https://a.example"}
  b: {dialect: openai-chat, base_uri: "https://b.example"}
  c: {dialect: openai-chat, base_uri: "https://c.example"}
models:
  - name: m
    deployments:
      - {id: a/m-eu, provider: a, geography: eu, data: {retention_days: 0}}
      - {id: b/m-eu, provider: b, geography: eu, data: {retention_days: 30}}
      - {id: c/m-eu, provider: c, geography: eu, data: {retention_days: 0}}
      - {id: a/m-us, provider: a, geography: us, data: {retention_days: 0}}
  - name: n
    deployments: [{id: b/n-eu, provider: b, geography: eu}]
organizations:
  - id: acme
    policy: {providers: {deny: [c]}}
    aliases:
      - {name: plain, fallback_models: [m]}
      - name: patient
        fallback_models: [m]
        defaults:
          attempt: {idle_timeout_s: 90}
          max_attempts: 2
          midstream: error
          on_content_filter: fallback
          hedge: {after_s: 1.5}
          session_ttl_s: 7200
          derived_sessions: true
    projects:
      - id: web
        policy: {geographies: [eu]}
        defaults: {request_timeout_s: 33, max_attempts: 4, derived_sessions: false}
        keys:
          - {id: open, key: k-open}
          - {id: strict, key: k-strict, policy: {data: {max_retention_days: 0}}}
          - id: closed
            key: k-closed
            policy: {models: {allow: [n]}, geographies: [us]}
      - id: app
        keys: [{id: app-1, key: k-app}]
"""


class StoreOfLives(MemorySessionStore):
    """Remembers for how long each session was to stay bound, last of all."""

    def __init__(self) -> None:
        super().__init__()
        self.lives: list[timedelta] = []

    def bind(
        self, key: str, deployment_id: str, ttl: timedelta, *, urgent: bool = False
    ) -> None:
        """Bind a session unless it is bound."""
        self.lives.append(ttl)
        super().bind(key, deployment_id, ttl, urgent=urgent)

    def touch(self, key: str, ttl: timedelta) -> None:
        """Note for how much longer."""
        self.lives.append(ttl)


def resolver(
    text: str = SCOPES, catalog: Catalog | None = None, **stores: MemorySessionStore
) -> ResolverService:
    """Put a resolver together that knows a configuration file."""
    clock = Clock()
    catalog = catalog or Catalog()
    settings = parse(text, known_providers=catalog.providers).settings
    known = tenants.build(settings, catalog, {})
    return ResolverService(
        known,
        KEYS,
        stores.get("sessions") or MemorySessionStore(),
        Health(MemoryHealthStore(), clock.now_ms),
        Probes(MemoryProbeStore(), clock.now_ms),
        Warmth(clock.now_ms),
        Crowds(clock.now_ms),
        Residency(MemoryHealthStore(), clock.now_ms),
    )


async def plan_of(
    service: ResolverService, who: bytes | Caller, model: str = "m", **more: object
) -> Plan:
    """Have a plan made."""
    asked = ResolveModelRequest(who, model, **more)
    return KEYS.verify(await service.resolve_model(asked))


def key(secret: str) -> bytes:
    """Show a key."""
    return directory.key_digest(secret)


def ids(plan: Plan) -> set[str]:
    """Name the deployments that a plan tries."""
    return {step.deployment.id for step in plan.steps}


async def test_a_keys_policy_narrows_its_projects():
    """All three travel with the plan, and a key without one is as its project."""
    service = resolver()

    strict = await plan_of(service, key("k-strict"))
    open_ = await plan_of(service, key("k-open"))

    assert ids(strict) == {"a/m-eu"}
    assert ids(open_) == {"a/m-eu", "b/m-eu"}
    assert [each.scope for each in strict.policies] == [
        "organization acme",
        "project web",
        "key strict",
    ]
    assert len(open_.policies) == 2


async def test_a_plan_that_a_keys_policy_empties_names_the_key():
    """Beside the scopes that left out the rest."""
    service = resolver()

    with pytest.raises(NoDeploymentAllowedError) as raised:
        await plan_of(service, key("k-closed"))

    message = raised.value.message
    assert "key closed policy: model m not in [n] (2 deployments)" in message
    assert "organization acme policy: provider c is denied" in message
    assert "project web policy: geography us not in [eu]" in message


async def test_explaining_names_the_rule_of_the_key():
    """For each deployment that only the key may not use."""
    explained = await plan_of(
        resolver(), key("k-strict"), explain=True, validate_only=True
    )

    rules = {each.deployment.id: each.rule for each in explained.exclusions}
    assert rules["b/m-eu"] == "key strict policy: retention days 30, 0 at most"


async def test_an_internal_caller_that_names_a_key_obeys_its_policy():
    """Whoever works for a key is held to what the key may do."""
    service = resolver()

    plan = await plan_of(service, Caller("acme", "web", "strict"))

    assert ids(plan) == {"a/m-eu"}
    assert plan.caller == Caller("acme", "web", "strict")


async def test_an_internal_caller_that_names_no_key_there_is_is_refused():
    """Nothing is known of what it would be held to."""
    with pytest.raises(ApiKeyUnknownError, match="no key 'gone' of project 'web'"):
        await plan_of(resolver(), Caller("acme", "web", "gone"))


async def test_what_an_alias_says_holds_for_requests_that_name_it():
    """Over what their project says, and for no others."""
    service = resolver()

    by_alias = (await plan_of(service, key("k-open"), "patient")).limits
    by_name = (await plan_of(service, key("k-open"), "m")).limits
    by_other = (await plan_of(service, key("k-open"), "plain")).limits

    assert by_alias.idle_timeout == timedelta(seconds=90)
    assert by_alias.request_timeout == timedelta(seconds=33)
    assert (by_alias.max_attempts, by_name.max_attempts) == (2, 4)
    assert (by_alias.rescue_streams, by_name.rescue_streams) == (False, True)
    assert by_alias.fall_back_on_content_filter
    assert not by_name.fall_back_on_content_filter
    assert by_alias.hedge == Hedge(timedelta(seconds=1.5))
    assert by_other == by_name


async def test_what_an_alias_leaves_out_is_each_projects_own():
    """Two projects that share an alias keep what it says nothing of."""
    service = resolver()

    web = (await plan_of(service, key("k-open"), "patient")).limits
    app = (await plan_of(service, key("k-app"), "patient")).limits

    assert web.request_timeout == timedelta(seconds=33)
    assert app.request_timeout == timedelta(seconds=600)
    assert web.max_attempts == app.max_attempts == 2


async def test_an_alias_says_whether_a_session_is_derived():
    """Here the project wants none, and the alias does."""
    service = resolver()
    derived = {"session_id": "s1", "session_derived": True}

    by_alias = await plan_of(service, key("k-open"), "patient", **derived)
    by_name = await plan_of(service, key("k-open"), "m", **derived)

    assert by_alias.session_key
    assert not by_name.session_key


@pytest.mark.parametrize(("model", "seconds"), [("patient", 7200), ("m", 1800)])
async def test_an_alias_says_how_long_a_session_lasts(model, seconds):
    """From its first turn on, and again with each answer."""
    sessions = StoreOfLives()
    service = resolver(sessions=sessions)
    plan = await plan_of(service, key("k-open"), model, session_id="s1")
    served = plan.steps[0].deployment.id

    told = AttemptReport(
        plan.caller,
        plan.plan_id,
        plan.session_key,
        plan.bound_deployment_id,
        (attempt(served),),
        timedelta(seconds=60),
        requested_model=plan.requested_model,
    )
    await service.report_attempts(ReportAttemptsRequest([told]))

    assert sessions.lives == [timedelta(seconds=seconds)] * 2


def shipped(*models: str) -> Catalog:
    """Make a catalog of one provider, whose terms are known."""
    terms = {"trains_on_data": False, "retention_days": 30}
    return Catalog(
        {
            name: Model(
                name,
                deployments=(
                    Deployment(
                        f"lab/{name}",
                        name,
                        "lab",
                        name,
                        "openai-chat",
                        "https://lab.example",
                        **terms,
                    ),
                ),
            )
            for name in models
        },
        {
            "lab": Provider(
                "lab", "Lab", "openai-chat", "bearer", "https://lab.example", **terms
            )
        },
    )


async def facts(text: str, catalog: Catalog | None = None) -> dict[str, tuple]:
    """Say what is known of how each deployment treats data, as it is listed."""
    settings = text + (
        "\norganizations: [{id: acme, projects: [{id: web}],"
        " custom_models: ["
        "{name: own, identifier: lab/x, api_key: k},"
        "{name: elsewhere, identifier: lab/x, api_key: k,"
        " extra: {api_base: 'https://own.example'}},"
        "{name: told, identifier: lab/x, api_key: k, data: {trains_on_data: true},"
        " extra: {api_base: 'https://own.example'}}]}]"
    )
    listed = await resolver(settings, catalog or shipped("m")).list_models(
        catalog_pb.ListModelsRequest(
            principal=principal_to_wire(Caller("acme", "web")), include_excluded=True
        )
    )
    return dict(
        _facts(each.deployment for m in listed.models for each in m.deployments)
    )


def _facts(deployments: Iterable) -> Iterable:
    for each in deployments:
        trains = each.trains_on_data if each.HasField("trains_on_data") else None
        days = each.retention_days if each.HasField("retention_days") else None
        yield each.deployment_id, (trains, days)


async def test_what_a_provider_promises_everybody_holds_of_its_deployments():
    """A custom model at the same address is promised it too, and no other is."""
    known = await facts("providers: {lab: {credential: k}}")

    assert known == {
        "lab/m": (False, 30),
        "own": (False, 30),
        "elsewhere": (None, None),
        "told": (True, None),
    }


async def test_an_agreement_of_the_operators_is_about_its_own_account():
    """What was agreed with whoever runs the gateway is not a custom model's."""
    known = await facts("providers: {lab: {credential: k, data: {retention_days: 0}}}")

    assert known["lab/m"] == (False, 0)
    assert known["own"] == (False, 30)


async def test_nothing_is_known_of_a_provider_that_is_called_elsewhere():
    """Whoever answers there has promised nothing, unless the file says so."""
    known = await facts(
        "providers: {lab: {credential: k, base_uri: 'https://proxy.example',"
        " data: {retention_days: 7}}}"
    )

    assert known["lab/m"] == (None, 7)


async def test_what_is_said_of_one_deployment_beats_its_providers_word():
    """Each fact for itself."""
    known = await facts(
        "providers: {lab: {credential: k, data: {retention_days: 7}}}\n"
        "models: [{name: n, deployments: ["
        "{provider: lab, data: {trains_on_data: true}},"
        "{id: lab/n-0, provider: lab, data: {retention_days: 0}}]}]"
    )

    assert known["lab/n"] == (True, 7)
    assert known["lab/n-0"] == (False, 0)


async def test_nothing_is_known_of_a_provider_that_nobody_describes():
    """Not even that it keeps nothing."""
    known = await facts(
        "providers: {q: {dialect: openai-chat, base_uri: 'https://q.example'}}\n"
        "models: [{name: n, deployments: [{provider: q}]}]"
    )

    assert known["q/n"] == (None, None)
