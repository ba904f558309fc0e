"""Configurations of one organization and project, and resolvers that know them."""

from collections.abc import Iterable, Mapping

from fakes.clock import Clock
from fakes.plans import CALLER, DEFAULTS, KEYS
from holdfast.api.common.v1 import caller_pb2
from holdfast.convert import caller_to_wire
from holdfast.model import Catalog, Model, ScopedPolicy
from holdfast.settings import (
    AliasSettings,
    CustomModelSettings,
    Defaults,
    KeySettings,
    OrganizationSettings,
    ProjectSettings,
    ProviderSettings,
    Secret,
    Settings,
)
from holdfast_resolver import directory, tenants
from holdfast_resolver.crowds import Crowds
from holdfast_resolver.health.tracking import Health
from holdfast_resolver.probes import Probes
from holdfast_resolver.quotas.admission import Admission
from holdfast_resolver.residency import Residency
from holdfast_resolver.service import ResolverService
from holdfast_resolver.stores import (
    HealthStore,
    MemoryHealthStore,
    MemoryProbeStore,
    MemorySessionStore,
    ProbeStore,
    SessionStore,
)
from holdfast_resolver.warmth import Warmth

KEY = "hf-web-1"
BY_KEY = caller_pb2.Principal(api_key_digest=directory.key_digest(KEY))
BY_NAME = caller_pb2.Principal(caller=caller_to_wire(CALLER))


def settings(
    *models: Model,
    aliases: Mapping[str, Iterable[str]] | None = None,
    custom: Iterable[Model] = (),
    policy: ScopedPolicy | None = None,
    project_policy: ScopedPolicy | None = None,
    defaults: Defaults = DEFAULTS,
) -> Settings:
    """Configure these models for organization `acme`, project `web`, key `KEY`."""
    providers = {d.provider_id for each in models for d in each.deployments}
    project = ProjectSettings(
        CALLER.project_id,
        project_policy or ScopedPolicy("project web"),
        defaults,
        (KeySettings("web-1", Secret(KEY)),),
    )
    organization = OrganizationSettings(
        CALLER.organization_id,
        policy or ScopedPolicy("organization acme"),
        aliases=tuple(
            AliasSettings(name, tuple(targets))
            for name, targets in (aliases or {}).items()
        ),
        custom_models=tuple(CustomModelSettings(each) for each in custom),
        projects=(project,),
    )
    return Settings(
        providers={
            name: ProviderSettings(name, {}, "openai-chat", f"http://{name}.invalid")
            for name in sorted(providers)
        },
        models=models,
        shipped_catalog=False,
        organizations=(organization,),
    )


def resolver(
    configured: Settings,
    *,
    sessions: SessionStore | None = None,
    health: HealthStore | None = None,
    probes: ProbeStore | None = None,
    residency: HealthStore | None = None,
    clock: Clock | None = None,
    admission: Admission | None = None,
) -> ResolverService:
    """Put a resolver together, with stores of its own unless some are given."""
    clock = clock or Clock()
    return ResolverService(
        tenants.build(configured, Catalog(), {}),
        KEYS,
        sessions or MemorySessionStore(),
        Health(health or MemoryHealthStore(), clock.now_ms, jitter=lambda: 0.0),
        Probes(probes or MemoryProbeStore(), clock.now_ms, jitter=lambda: 0.0),
        Warmth(clock.now_ms),
        Crowds(clock.now_ms),
        Residency(residency or MemoryHealthStore(), clock.now_ms),
        admission=admission,
    )
