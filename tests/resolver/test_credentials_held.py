"""A deployment is left out where no credential of its provider is of use."""

import pytest

from fakes.plans import deployment, model
from holdfast.model import Caller, Catalog, ScopedPolicy
from holdfast.settings import (
    Credential,
    Defaults,
    OrganizationSettings,
    ProjectSettings,
    ProviderSettings,
    Secret,
    Settings,
)
from holdfast_resolver import tenants

MISSING = Secret(env="HOLDFAST_TEST_IS_NOT_SET")
KEY: Credential = {"key": Secret("k")}
PAIR: Credential = {"access_key_id": Secret("a"), "secret_access_key": Secret("s")}
HALF: Credential = {"access_key_id": Secret("a"), "secret_access_key": MISSING}


def why_not(auth: str, **credentials: Credential) -> str | None:
    """Say why a deployment of a provider with these credentials is left out."""
    provider = ProviderSettings("a", credentials, "openai-chat", "http://a", auth)
    project = ProjectSettings("web", ScopedPolicy("project web"), Defaults())
    organization = OrganizationSettings(
        "acme", ScopedPolicy("organization acme"), projects=(project,)
    )
    place = deployment("a/m", dialect="", base_uri="", auth="")
    settings = Settings(
        providers={"a": provider},
        models=(model("m", place),),
        shipped_catalog=False,
        organizations=(organization,),
    )
    names = tenants.build(settings, Catalog(), {}).member(Caller("acme", "web")).names
    objection = names.objections.get("a/m")
    return None if objection is None else objection.why


@pytest.mark.parametrize(
    ("auth", "credentials"),
    [
        ("bearer", {"one": KEY}),
        ("sigv4", {"one": PAIR}),
        ("sigv4", {"one": KEY}),
        ("sigv4", {"one": HALF, "two": PAIR}),
        ("google", {"one": {"source": Secret("default")}}),
        ("api-key", {"one": {"source": Secret("managed_identity")}}),
        ("none", {"one": PAIR}),
    ],
)
def test_one_credential_that_is_there_and_fits_is_enough(auth, credentials):
    """Whatever the others lack."""
    assert why_not(auth, **credentials) is None


def test_what_is_missing_is_named():
    """Where the operator looks for it."""
    why = why_not("sigv4", one=HALF)

    assert "no credential for provider a" in why
    assert "HOLDFAST_TEST_IS_NOT_SET is not set" in why


def test_a_credential_that_cannot_be_sent_that_way_is_as_good_as_none():
    """With what would do."""
    why = why_not("bearer", one=PAIR)

    assert why.startswith("no credential for provider a is of use for auth bearer")
    assert "client_secret" in why
