"""Every catalog file that ships, held to the same rules without being listed."""

import re
from dataclasses import astuple
from string import Formatter

import pytest

from holdfast.catalog import canonical_name, load_shipped
from holdfast.catalog.curation import shipped_curation
from holdfast.model import (
    AUTHS,
    DIALECTS,
    GEOGRAPHIES,
    Deployment,
    Model,
    Pricing,
    Provider,
)

CATALOG = load_shipped()

DEPLOYMENTS = [
    deployment for model in CATALOG.models.values() for deployment in model.deployments
]

ASKED_FOR = [
    "claude-opus-4-7",
    "claude-sonnet-4-5",
    "gpt-oss-120b",
    "mistral-medium-3.5",
]


def of(provider: Provider) -> list[Deployment]:
    return [each for each in DEPLOYMENTS if each.provider_id == provider.id]


def made_by(lab: str) -> list[Model]:
    return [model for model in CATALOG.models.values() if model.lab_id == lab]


def pinned(deployment_id: str) -> Deployment:
    return next(each for each in DEPLOYMENTS if each.id == deployment_id)


every_provider = pytest.mark.parametrize(
    "provider", CATALOG.providers.values(), ids=CATALOG.providers
)
every_lab = pytest.mark.parametrize(
    "lab", sorted({model.lab_id for model in CATALOG.models.values()})
)


@every_provider
def test_provider_can_be_named(provider: Provider) -> None:
    """A provider's id fits in a pinned id, and its name is for people."""
    assert re.fullmatch(r"[a-z0-9-]{1,63}", provider.id)
    assert provider.display_name.strip()
    assert of(provider), "a provider without deployments is of no use"


@every_provider
def test_provider_can_be_given_a_credential(provider: Provider) -> None:
    """A provider names the environment variables that usually hold its key."""
    assert provider.credential_env
    assert all(re.fullmatch(r"\w+", name) for name in provider.credential_env)


@every_provider
def test_endpoints_are_encrypted_and_public(provider: Provider) -> None:
    """Every address is https, absolute, without a query, a slash or a guess."""
    for address in {each.base_uri for each in of(provider)}:
        fields = {field for _, field, _, _ in Formatter().parse(address) if field}

        assert re.fullmatch(r"https://[^?#]*[^/?#]", address)
        assert not re.search(r"localhost|127\.0\.0|//10\.|\$", address)
        assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", field) for field in fields)


@every_provider
def test_wire_format_is_known(provider: Provider) -> None:
    """Every dialect is spoken, and every way to authenticate is known."""
    assert {each.dialect for each in of(provider)} <= DIALECTS
    assert {each.auth for each in of(provider)} <= AUTHS


@every_provider
def test_dialect_adds_the_rest_of_the_path(provider: Provider) -> None:
    """An address stops where the dialect goes on."""
    for each in of(provider):
        assert not each.base_uri.endswith(("/chat/completions", "/messages"))
        if each.dialect == "anthropic-messages":
            assert not each.base_uri.endswith("/v1")


@every_provider
def test_geography_is_known_or_empty(provider: Provider) -> None:
    """A geography is one that policies can name, or there is none."""
    assert {each.geography for each in of(provider)} <= GEOGRAPHIES | {""}


@every_provider
def test_credential_is_the_providers(provider: Provider) -> None:
    """A deployment is called with the key of the provider it is listed under."""
    assert {each.credential_id for each in of(provider)} == {provider.id}
    assert all(each.id.startswith(f"{provider.id}/") for each in of(provider))


@every_lab
def test_models_are_known_by_their_canonical_names(lab: str) -> None:
    """A model is listed under the one name that all its spellings lead to."""
    for model in made_by(lab):
        assert canonical_name(model.id) == model.id
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", model.id)
        assert model.display_name.strip()


@every_lab
def test_limits_and_prices_make_sense(lab: str) -> None:
    """Nothing is negative, and every deployment has its share of cold starts."""
    for model in made_by(lab):
        for each in model.deployments:
            assert each.model_id == model.id
            assert min(each.context_window_tokens, each.max_output_tokens) >= 0
            assert each.weight > 0
            if each.pricing is not None:
                assert min(astuple(each.pricing)) >= 0


def test_ids_are_unique() -> None:
    """No two deployments share a pinned id, and none is a plain name."""
    ids = [each.id for each in DEPLOYMENTS]

    assert len(set(ids)) == len(ids)
    assert not set(ids) & set(CATALOG.models)


@pytest.mark.parametrize("name", ASKED_FOR)
def test_asked_for_models_have_a_pool_in_the_eu(name: str) -> None:
    """The models that people ask for first survive the loss of an EU provider."""
    deployments = CATALOG.models[name].deployments

    assert len({each.provider_id for each in deployments}) >= 2
    assert sum(each.geography == "eu" for each in deployments) >= 2


def test_more_than_a_hundred_others_can_fall_back() -> None:
    """At least 100 further models have two or more deployments."""
    pools = [
        model.id
        for model in CATALOG.models.values()
        if len(model.deployments) > 1 and model.id not in ASKED_FOR
    ]

    assert len(pools) >= 100


@pytest.mark.parametrize(
    ("deployment_id", "geography", "sent"),
    [
        (
            "aws/claude-sonnet-4-5-eu",
            "eu",
            "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        (
            "aws/claude-sonnet-4-5-global",
            "global",
            "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        ("aws/claude-opus-4-7-jp", "apac", "jp.anthropic.claude-opus-4-7"),
        ("aws/claude-sonnet-4-6-au", "apac", "au.anthropic.claude-sonnet-4-6"),
        ("gcp/claude-sonnet-4-5-eu", "eu", "claude-sonnet-4-5@20250929"),
        ("gcp/claude-sonnet-4-5-global", "global", "claude-sonnet-4-5@20250929"),
        ("azure/claude-sonnet-4-5", "", "claude-sonnet-4-5"),
        ("openai/gpt-5.1", "", "gpt-5.1"),
        ("mistral/mistral-medium-3.5", "eu", "mistral-medium-2604"),
        ("scaleway/gpt-oss-120b", "eu", "gpt-oss-120b"),
        ("openrouter/claude-sonnet-4-5", "", "anthropic/claude-sonnet-4.5"),
    ],
)
def test_deployment_promises_what_its_provider_does(
    deployment_id: str, geography: str, sent: str
) -> None:
    """Profile, host or provider say where data stays; otherwise nothing is said."""
    deployment = pinned(deployment_id)

    assert deployment.geography == geography
    assert deployment.provider_model == sent


def test_region_is_filled_in_and_the_environment_is_not() -> None:
    """An address needs nothing but the operator's own environment."""
    eu = pinned("aws/claude-sonnet-4-5-eu")
    vertex = pinned("gcp/claude-sonnet-4-5-eu")

    assert eu.base_uri == f"https://bedrock-runtime.{eu.region}.amazonaws.com"
    assert "aiplatform.eu.rep.googleapis.com" in vertex.base_uri
    assert "{GOOGLE_VERTEX_PROJECT}" in vertex.base_uri


def test_other_kinds_of_a_model_stay_out_of_its_pool() -> None:
    """Faster, free or thinking kinds never answer to the plain name."""
    kinds = re.compile(r":free|:thinking|-fast$|-turbo$|high-throughput|-thinking$")
    strays = [
        each.id
        for name in ASKED_FOR
        for each in CATALOG.models[name].deployments
        if kinds.search(each.provider_model)
    ]

    assert strays == []


def test_assistant_prefix_is_claimed_only_where_it_is_taken() -> None:
    """Claude Sonnet 4.5 continues an assistant's message, Opus 4.7 refuses to."""
    older = pinned("anthropic/claude-sonnet-4-5")
    newer = pinned("anthropic/claude-opus-4-7")

    assert "assistant_prefix" in older.capabilities
    assert "assistant_prefix" not in newer.capabilities


def test_prices_are_exact() -> None:
    """A price is the published one, in millionths of a dollar."""
    assert pinned("anthropic/claude-sonnet-4-5").pricing == Pricing(
        input=3_000_000, output=15_000_000, cache_read=300_000, cache_creation=3_750_000
    )


def test_catalog_is_read_afresh() -> None:
    """Reading twice gives the same catalog, not a shared one."""
    again = load_shipped()

    assert again.models == CATALOG.models
    assert again.models is not CATALOG.models


@pytest.mark.parametrize(
    ("deployment_id", "trains", "days"),
    [
        ("aws/claude-sonnet-4-5-eu", False, 0),
        ("aws/gpt-oss-120b", False, 0),
        ("aws/claude-fable-5-eu", False, None),
        ("anthropic/claude-sonnet-4-5", False, None),
        ("openai/gpt-5", False, 30),
        ("scaleway/gpt-oss-120b", False, 14),
        ("deepinfra/gpt-oss-120b", False, 0),
        ("groq/gpt-oss-120b", None, 30),
        ("openrouter/gpt-oss-120b", None, None),
    ],
)
def test_data_is_treated_as_public_terms_say(
    deployment_id: str, trains: bool | None, days: int | None
) -> None:
    """By provider and, where the terms tell them apart, by model; else unknown."""
    deployment = pinned(deployment_id)

    assert (deployment.trains_on_data, deployment.retention_days) == (trains, days)


@every_provider
def test_what_is_known_of_all_is_known_of_each(provider: Provider) -> None:
    """A deployment may promise more than its provider, and knows no less."""
    for each in of(provider):
        if provider.trains_on_data is not None:
            assert each.trains_on_data is not None
        if provider.retention_days is not None:
            assert each.retention_days is not None


def test_every_word_on_data_has_its_source() -> None:
    """A page of the provider's own, by its address."""
    for rule in shipped_curation().data:
        assert re.search(r"\([a-z0-9.-]+\.[a-z]{2,}/\S+\)$", rule.because)
        assert rule.provider in CATALOG.providers
