"""What an operator gets from a configuration file that can be used."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from configuration_files import ENVIRONMENT, EVERYTHING, deployment, organization, parse
from holdfast import config_file
from holdfast.config_file import Loaded
from holdfast.control.resources import Overrides
from holdfast.model import (
    Capability,
    Guardrail,
    Hedge,
    Judge,
    Limits,
    Pattern,
    Pricing,
    ScopedPolicy,
)
from holdfast.overrides import overridden
from holdfast.settings import Defaults, Secret, Settings

EXAMPLE = Path(__file__).parents[2] / "examples" / "holdfast.yaml"


def test_a_file_with_every_field_loads():
    """All that the file says is in the settings, field by field."""
    loaded = parse(EVERYTHING)

    found = loaded.settings
    assert found.listen == "127.0.0.1:8080"
    assert found.state_dir == Path(".holdfast")
    assert found.etcd.endpoints == ("127.0.0.1:2379",)
    assert found.etcd.prefix == "/holdfast"
    without = replace(found.defaults.limits, hedge=None)
    assert replace(found.defaults, limits=without) == Settings().defaults
    assert found.defaults.limits.hedge == Hedge(timedelta(seconds=2), 0.02)
    assert found.shipped_catalog
    assert found.providers["anthropic"].credentials["default"] == {
        "key": Secret(env="ANTHROPIC_API_KEY")
    }
    assert found.providers["aws"].credentials["default"] == {
        "access_key_id": Secret(env="AWS_ACCESS_KEY_ID"),
        "secret_access_key": Secret(env="AWS_SECRET_ACCESS_KEY"),
    }
    lab = found.providers["lab-a"]
    assert lab.credentials == {"default": {"key": Secret(text="k-a")}}
    assert (lab.dialect, lab.base_uri) == (
        "openai-chat",
        "http://127.0.0.1:9101/v1",
    )
    assert lab.allow_private_network


def test_several_credentials_of_a_provider_keep_their_names_and_their_order():
    """Each is written as the only one would be."""
    text = """
providers:
  aws:
    credentials:
      spare: {env: AWS_BEARER_TOKEN_BEDROCK}
      main: {role_arn: arn, web_identity_token: {file: token}}
"""

    found = parse(text).settings.providers["aws"].credentials

    assert list(found.items()) == [
        ("spare", {"key": Secret(env="AWS_BEARER_TOKEN_BEDROCK")}),
        (
            "main",
            {
                "role_arn": Secret("arn"),
                "web_identity_token": Secret(file=Path("token")),
            },
        ),
    ]


def test_a_deployment_is_what_the_file_says_of_it():
    """What the provider knows is left empty, the rest is the file's."""
    (model,) = parse(EVERYTHING).settings.models

    (place,) = model.deployments
    assert model.id == place.model_id == "claude-sonnet-4-5"
    assert place.id == "lab-a/claude-sonnet-4-5-eu"
    assert (place.geography, place.region) == ("eu", "eu-north-1")
    assert place.pricing == Pricing(3_000_000, 15_000_000, 300_000, 3_750_000)
    assert Capability.JSON_SCHEMA in place.capabilities
    assert len(place.capabilities) == 6
    assert (place.context_window_tokens, place.max_output_tokens) == (200000, 64000)
    assert place.allow_private_network
    assert (place.dialect, place.base_uri, place.auth) == ("", "", "")


def test_an_organization_is_what_the_file_says_of_it():
    """Policies name their scope; a custom model is a model of one deployment."""
    (acme,) = parse(EVERYTHING).settings.organizations

    (web,) = acme.projects
    assert acme.policy.scope == "organization acme"
    assert acme.policy.geographies == frozenset()
    assert web.policy.scope == "project web"
    assert web.policy.geographies == {"eu"}
    assert acme.aliases[0].fallback_models == ("claude-sonnet-4-5", "gpt-oss-120b")
    assert web.keys[0].key.read(ENVIRONMENT) == "hf-web-1"
    assert not web.keys[0].admin
    (custom,) = acme.custom_models
    (place,) = custom.model.deployments
    assert custom.model.custom
    assert custom.credential == {"key": Secret(env="TUNED_KEY")}
    assert place.id == place.model_id == "acme/tuned"
    assert (place.provider_id, place.provider_model) == ("openai", "tuned-7b")
    assert (place.dialect, place.auth) == ("openai-chat", "bearer")
    assert place.base_uri == "http://127.0.0.1:9200/v1"
    assert place.credential_id == "custom:acme/acme/tuned"
    assert (place.geography, place.region) == ("eu", "")


def test_how_data_is_treated_is_what_the_file_says():
    """Of a provider, a deployment and a custom model; and what may be done with it."""
    found = parse(EVERYTHING).settings

    (acme,) = found.organizations
    (web,) = acme.projects
    (key,) = web.keys
    anthropic, aws = found.providers["anthropic"], found.providers["aws"]
    (declared,) = found.models[0].deployments
    (custom,) = acme.custom_models[0].model.deployments
    facts = [
        (each.trains_on_data, each.retention_days)
        for each in (anthropic, aws, declared, custom)
    ]
    assert facts == [(False, 0), (None, None), (False, 30), (None, 0)]
    assert (acme.policy.denies_training, acme.policy.max_retention_days) == (True, 30)
    assert (web.policy.denies_training, web.policy.max_retention_days) == (False, None)
    assert key.policy == ScopedPolicy("key web-1", max_retention_days=0)


def test_what_an_alias_says_is_kept_as_it_says_it():
    """Whose project's defaults it is said over is known when a request comes."""
    (acme,) = parse(EVERYTHING).settings.organizations

    said = acme.aliases[0].defaults
    project = Defaults(Limits(max_attempts=3), session_ttl_s=60)
    over = overridden(project, said)
    assert said == Overrides(midstream="error")
    assert over == replace(
        project, limits=replace(project.limits, rescue_streams=False)
    )


def test_the_example_that_ships_is_usable():
    """Its warnings are those of credentials a reader will not have."""
    loaded = config_file.load(EXAMPLE, environ={"HOLDFAST_KEY": "k", "TUNED_KEY": "t"})

    assert {
        warning.field.partition(".credential")[0] for warning in loaded.warnings
    } == {
        "providers.anthropic",
        "providers.aws",
    }


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "---\n", "null", "{}"])
def test_an_empty_file_is_all_defaults(text):
    """Nothing is required."""
    assert parse(text) == Loaded(Settings())


def test_a_field_with_nothing_behind_it_counts_as_left_out():
    """So that a list can be commented out line by line."""
    text = organization("projects:") + "\nproviders:\n  lab-a:\n"

    loaded = parse(text)

    assert loaded.settings.organizations[0].projects == ()
    assert loaded.settings.providers["lab-a"].credentials == {}


def test_anchors_and_merges_work():
    """What is merged in yields to what is written out."""
    text = (
        "x: &x\n".replace("x: &x", "defaults: &d")
        + "  max_attempts: 3\n  session_ttl_s: 60\n"
        + organization("defaults: {<<: *d, max_attempts: 2}", "projects: [{id: p}]")
    )

    project = parse(text).settings.organizations[0].projects[0]

    assert project.defaults.limits.max_attempts == 2
    assert project.defaults.session_ttl_s == 60


def test_the_narrower_place_holds():
    """Project over organization over the file, field by field."""
    text = (
        "defaults: {request_timeout_s: 100, max_attempts: 2, session_ttl_s: 9,\n"
        "  attempt: {connect_timeout_s: 1.5, idle_timeout_s: 4}}\n"
        + organization(
            "defaults: {max_attempts: 3, on_content_filter: fallback,",
            "  attempt: {idle_timeout_s: 5}, derived_sessions: no}",
            "projects:",
            "  - {id: a}",
            "  - {id: b, defaults: {max_attempts: 4, on_content_filter: return,",
            "      midstream: error, attempt: {first_token_timeout_s: 7}}}",
        )
    )

    a, b = parse(text).settings.organizations[0].projects

    assert a.defaults.limits == Limits(
        connect_timeout=timedelta(seconds=1.5),
        idle_timeout=timedelta(seconds=5),
        request_timeout=timedelta(seconds=100),
        max_attempts=3,
        fall_back_on_content_filter=True,
    )
    assert (a.defaults.session_ttl_s, a.defaults.derived_sessions) == (9, False)
    assert b.defaults.limits.max_attempts == 4
    assert not b.defaults.limits.fall_back_on_content_filter
    assert b.defaults.limits.first_token_timeout == timedelta(seconds=7)
    assert b.defaults.limits.idle_timeout == timedelta(seconds=5)
    assert not b.defaults.limits.rescue_streams


def test_nothing_is_hedged_unless_the_file_says():
    """An empty section is enough to say it; a share of nothing takes it back."""
    text = "defaults: {HEDGE}\n" + organization(
        "projects:",
        "  - {id: a}",
        "  - {id: b, defaults: {hedge: {after_s: 3}}}",
        "  - {id: c, defaults: {hedge: {max_share: 0}}}",
    )

    def hedges(given: str) -> list[Hedge | None]:
        (acme,) = parse(text.replace("HEDGE", given)).settings.organizations
        return [project.defaults.limits.hedge for project in acme.projects]

    three = timedelta(seconds=3)
    assert hedges("max_attempts: 3") == [None, Hedge(three, 0.02), None]
    assert hedges("hedge: {}") == [Hedge(), Hedge(three, 0.02), None]
    assert hedges("hedge: {max_share: 0.5}")[:2] == [
        Hedge(max_share=0.5),
        Hedge(three, 0.5),
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            '{input: "3.00", output: "15"}',
            (3_000_000, 15_000_000, 3_000_000, 3_000_000),
        ),
        ("{input: 0.1, output: 2}", (100_000, 2_000_000, 100_000, 100_000)),
        ("{input: 0, output: 0.000001}", (0, 1, 0, 0)),
        (
            "{input: 1, output: 1, cache_read: 0.07}",
            (1_000_000, 1_000_000, 70_000, 1_000_000),
        ),
    ],
)
def test_prices_are_exact(given, expected):
    """As number or text; a cache without a price costs what input does."""
    loaded = parse(deployment(f"pricing: {given}"))

    assert loaded.settings.models[0].deployments[0].pricing == Pricing(*expected)


def test_a_deployment_is_named_by_provider_model_and_geography():
    """The names that are left out follow from those that are there."""
    first = parse(deployment()).settings.models[0].deployments[0]
    second = parse(deployment("geography: us")).settings.models[0].deployments[0]

    assert (first.id, first.provider_model) == ("lab-a/m", "m")
    assert second.id == "lab-a/m-us"


def test_capabilities_may_be_written_with_hyphens():
    """Both spellings are about."""
    loaded = parse(deployment("capabilities: [json-schema, image_input]"))

    assert loaded.settings.models[0].deployments[0].capabilities == {
        Capability.JSON_SCHEMA,
        Capability.IMAGE_INPUT,
    }


def test_guardrails_are_read():
    """What is left out is the usual; the action decides over a judge's failure."""
    text = organization(
        "projects: [{id: web}]",
        "guardrails:",
        "- {name: cards, applies_to: [input, output], action: redact, presets: [iban]}",
        "- name: own",
        "  applies_to: [output]",
        "  action: block",
        "  patterns: [{name: codes, regex: 'ab \\d+', flags: ix}]",
        "  replacement: '[gone]'",
        "  judge: {model: m, prompt: Rude, on_error: allow}",
        "  projects: [web]",
    )

    (acme,) = parse(text).settings.organizations

    assert acme.guardrails == (
        Guardrail("cards", frozenset({"input", "output"}), "redact", ("iban",)),
        Guardrail(
            "own",
            frozenset({"output"}),
            "block",
            patterns=(Pattern("codes", r"ab \d+", "ix"),),
            replacement="[gone]",
            judge=Judge("m", "Rude", "allow"),
            projects=frozenset({"web"}),
        ),
    )


def test_policies_are_read():
    """Allowances and denials of providers and models, and geographies."""
    text = organization(
        "policy: {providers: {allow: [a], deny: [b]},",
        "  models: {allow: [m], deny: [p/m]}, geographies: [eu, us]}",
    )

    policy = parse(text).settings.organizations[0].policy

    assert policy.allowed_providers == {"a"}
    assert policy.denied_providers == {"b"}
    assert policy.allowed_models == {"m"}
    assert policy.denied_models == {"p/m"}
    assert policy.geographies == {"eu", "us"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            "identifier: anthropic/x, api_key: k",
            ("anthropic", "x", "anthropic-messages", "x-api-key"),
        ),
        (
            "identifier: openai/a/b, api_key: k",
            ("openai", "a/b", "openai-chat", "bearer"),
        ),
        (
            "identifier: openai/x, provider: lab, api_key: k",
            ("lab", "x", "openai-chat", "bearer"),
        ),
        ("identifier: openai/x", ("openai", "x", "openai-chat", "none")),
        (
            "identifier: openai-responses/x, api_key: k",
            ("openai-responses", "x", "openai-responses", "bearer"),
        ),
        (
            "identifier: azure/gpt-4o, api_key: k",
            ("azure", "gpt-4o", "openai-chat", "api-key"),
        ),
        (
            "identifier: gemini/gemini-2.5-pro, api_key: k",
            ("gemini", "gemini-2.5-pro", "gemini", "x-goog-api-key"),
        ),
        (
            "identifier: vertex/gemini-2.5-pro, api_key: k",
            ("vertex", "gemini-2.5-pro", "gemini", "google"),
        ),
        (
            "identifier: vertex/claude-sonnet-4-5, api_key: k",
            ("vertex", "claude-sonnet-4-5", "anthropic-vertex", "google"),
        ),
        (
            "identifier: bedrock/eu.amazon.nova-lite-v1:0, api_key: k",
            ("bedrock", "eu.amazon.nova-lite-v1:0", "bedrock-converse", "sigv4"),
        ),
    ],
)
def test_a_custom_model_speaks_what_its_identifier_says(given, expected):
    """The makers' own dialect for its identifiers, OpenAI's for all others."""
    text = organization(
        f"custom_models: [{{name: n, {given}, extra: {{api_base: 'https://h.example/v1/'}}}}]"
    )

    (custom,) = parse(text).settings.organizations[0].custom_models

    (place,) = custom.model.deployments
    assert (
        place.provider_id,
        place.provider_model,
        place.dialect,
        place.auth,
    ) == expected
    assert place.base_uri == "https://h.example/v1"


def test_a_custom_model_in_a_region_promises_no_geography():
    """Only a geography by its own name is a promise."""
    text = organization(
        "custom_models: [{name: n, identifier: openai/x, type: embedding,",
        "  extra: {api_base: 'https://h.example', region: eu-north-1}}]",
    )

    (custom,) = parse(text).settings.organizations[0].custom_models

    (place,) = custom.model.deployments
    assert (place.geography, place.region) == ("", "eu-north-1")
    assert place.capabilities == {Capability.EMBEDDINGS}


def test_a_secret_in_a_file_is_below_the_configuration_and_read_anew(tmp_path):
    """The path is relative to the file that names it."""
    path = tmp_path / "gateway.yaml"
    path.write_text(
        organization("projects: [{id: p, keys: [{id: k, key: {file: key.txt}}]}]")
    )
    (tmp_path / "key.txt").write_text("first\n")

    key = config_file.load(path).settings.organizations[0].projects[0].keys[0].key
    before = key.read()
    (tmp_path / "key.txt").write_text("second\n")

    assert (before, key.read()) == ("first", "second")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    """Some editors write one."""
    path = tmp_path / "gateway.yaml"
    path.write_bytes(b"\xef\xbb\xbflisten: 127.0.0.1:0\n")

    assert config_file.load(path).settings.listen == "127.0.0.1:0"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (
            "api_base: 'https://r.example/deployments/d/', api_version: 2024-10-21",
            "https://r.example/deployments/d?api-version=2024-10-21",
        ),
        (
            "api_base: 'https://r.example/models/?api-version=2024-05-01-preview'",
            "https://r.example/models?api-version=2024-05-01-preview",
        ),
        (
            "api_base: 'https://r.example/v1?a=b', api_version: preview",
            "https://r.example/v1?a=b&api-version=preview",
        ),
    ],
)
def test_an_endpoint_may_name_the_version_of_its_api(extra, expected):
    """In its query, as Azure's classic and Foundry's endpoints want it."""
    text = organization(
        "custom_models: [{name: n, identifier: azure/gpt-4o, api_key: k, "
        f"extra: {{{extra}}}}}]"
    )

    (custom,) = parse(text).settings.organizations[0].custom_models

    assert custom.model.deployments[0].base_uri == expected


def test_etcd_over_tls_has_its_files_beside_the_configuration():
    """Relative paths are below the file's folder; the user's password is a secret."""
    text = """
    etcd:
      endpoints: [etcd:2379]
      tls: {ca_file: /etc/ca.crt, cert_file: tls/tls.crt, key_file: tls/tls.key}
      username: gateway
      password: {file: password}
    """

    etcd = config_file.parse(text, Path("/conf/holdfast.yaml")).settings.etcd

    assert etcd.certificates is not None
    assert etcd.certificates.ca == Path("/etc/ca.crt")
    assert etcd.certificates.cert == Path("/conf/tls/tls.crt")
    assert etcd.certificates.key == Path("/conf/tls/tls.key")
    assert etcd.certificates.names[2] == "etcd.tls.key_file"
    assert etcd.user == "gateway"
    assert etcd.password == Secret(file=Path("/conf/password"))


def test_etcd_over_tls_with_what_the_machine_trusts():
    """An empty section is TLS all the same; none is the clear."""
    path = Path("/conf/holdfast.yaml")

    secure = config_file.parse("etcd: {tls: {}}", path).settings.etcd
    clear = config_file.parse("etcd: {prefix: /p}", path).settings.etcd

    assert secure.certificates is not None
    assert secure.certificates.ca is None
    assert clear.certificates is None
