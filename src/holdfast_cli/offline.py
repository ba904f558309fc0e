"""A resolver of one's own, for commands that ask it without a running gateway.

It sees what the configuration says and nothing of what a running gateway has
learnt: no binding, no cooldown.
"""

import os
import sys
import time
from pathlib import Path

from holdfast.catalog import load_shipped
from holdfast.config_file import ConfigurationError
from holdfast.configuration import load_configuration
from holdfast.model import Caller, Catalog
from holdfast.settings import Settings
from holdfast.signing import PlanKeys, new_key, parse_keys
from holdfast_cli.demo.demonstration import demo_settings
from holdfast_resolver import tenants
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


class QuestionError(Exception):
    """The command cannot be answered; the message says what to change."""


def settings_of(config: Path | None) -> Settings:
    """Load a configuration, or the demo's if none is named.

    Raises:
        QuestionError: The file is at fault.
    """
    try:
        if config is None:
            return demo_settings(os.environ)
        loaded = load_configuration(config)
    except ConfigurationError as error:
        raise QuestionError("\n".join(map(str, error.faults))) from error
    for warning in loaded.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    return loaded.settings


def resolver_of(settings: Settings) -> ResolverService:
    """Make a resolver."""
    keys = PlanKeys(parse_keys(new_key()))
    catalog = load_shipped() if settings.shipped_catalog else Catalog()
    known = tenants.build(settings, catalog, os.environ)
    health = Health(MemoryHealthStore(), _now_ms)
    probes = Probes(MemoryProbeStore(), _now_ms)
    warmth = Warmth(_now_ms)
    return ResolverService(
        known,
        keys,
        MemorySessionStore(),
        health,
        probes,
        warmth,
        Crowds(_now_ms),
        Residency(MemoryHealthStore(), _now_ms),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def project_of(settings: Settings, wanted: str | None) -> Caller:
    """Find the project that is asked about; the only one there is, if none is named.

    Args:
        settings: The configuration.
        wanted: `PROJECT` or `ORGANIZATION/PROJECT`.

    Raises:
        QuestionError: There is none, or more than one that could be meant.
    """
    projects = [
        Caller(organization.id, project.id)
        for organization in settings.organizations
        for project in organization.projects
    ]
    found = [
        caller
        for caller in projects
        if wanted
        in (None, caller.project_id, f"{caller.organization_id}/{caller.project_id}")
    ]
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{c.organization_id}/{c.project_id}" for c in projects)
    if not projects:
        raise QuestionError(
            "The configuration has no project; add one under `organizations`."
        )
    if not found:
        raise QuestionError(f"There is no project {wanted!r}; there are: {there}.")
    raise QuestionError(f"Name one project with --project; there are: {there}.")
