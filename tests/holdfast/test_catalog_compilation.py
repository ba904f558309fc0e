"""From a source of facts to catalog files, on a small source of our own."""

import gzip
import json

import pytest

from holdfast.catalog import load
from holdfast.catalog.compilation import compile_catalog
from holdfast.catalog.curation import parse_curation
from holdfast.catalog.selection import model_name
from holdfast.catalog.source import parse_source
from holdfast.catalog.toml_text import catalog_files
from holdfast.model import Capability, Deployment

CURATION = """
[leave_out]
context_share = 0.16
names = [':', '-free$']
not_chat = ['image']
spellings = ['^cheap/']
[embeddings]
names = ['embed']
[assistant_prefix]
models = ['^claude-sonnet-4-5$']
dialects = ["anthropic-messages"]
[responses]
providers = ["north"]
models = ['^gpt-7']
only = ['-pro$']
[clients]
"openai-like" = { dialect = "openai-chat", auth = "bearer" }
"cloud" = { dialect = "cloud-chat", auth = "signed" }
"responses" = { dialect = "" }
[clients.anthropic-like]
dialect = "anthropic-messages"
auth = "x-api-key"
without = "/v1"
[provider.big-cloud]
id = "cloud"
base_uri = "https://{region}.cloud.example"
credential_env = ["CLOUD_KEY"]
[provider.north]
geography = "eu"
because = "It is up north"
[provider.laptop]
leave_out = "runs here"
[[places]]
provider = "cloud"
spellings = ['^eu\\.']
[[places.at]]
name = "eu"
geography = "eu"
region = "north-1"
because = "The profile says so"
[[places]]
provider = "cloud"
spellings = ['^global\\.']
[[places.at]]
name = "global"
geography = "global"
region = "west-1"
because = "It may run anywhere"
[[places]]
provider = "cloud"
otherwise = true
at = [{ name = "west-1", geography = "us", region = "west-1", because = "It stays" }]
[[data]]
provider = "cloud"
trains_on_data = false
because = "It learns nothing"
[[data]]
provider = "cloud"
but_not = ['^gpt-']
retention_days = 0
because = "It forgets most"
[[data]]
provider = "north"
models = ['^claude']
retention_days = 7
because = "A week, of Claude"
[[data]]
provider = "north"
trains_on_data = true
retention_days = 30
because = "A month, of the rest"
"""

TEXT = {"input": ["text"], "output": ["text"]}
SEES = {"input": ["text", "image"], "output": ["text"]}
LIMIT = {"context": 200_000, "output": 64_000}
SONNET = {
    "name": "Claude Sonnet 4.5 (EU)",
    "modalities": SEES,
    "limit": LIMIT,
    "tool_call": True,
    "cost": {"input": 3.3, "output": 16.5, "cache_read": 0.33},
}
OSS = {"name": "GPT OSS 120B", "modalities": TEXT, "limit": {"context": 131_072}}

SOURCE = {
    "models": {"anthropic/claude-sonnet-4-5": {"name": "Claude Sonnet 4.5 (latest)"}},
    "providers": {
        "big-cloud": {
            "name": "Big Cloud",
            "npm": "cloud",
            "env": ["CLOUD_KEY", "CLOUD_REGION"],
            "doc": "https://docs.cloud.example",
            "models": {
                "eu.anthropic.claude-sonnet-4-5-20250929-v1:0": SONNET,
                "global.anthropic.claude-sonnet-4-5-20250929-v1:0": SONNET,
                "anthropic.claude-sonnet-4-5-20250929-v1:0": SONNET,
                "openai.gpt-oss-120b-1:0": OSS,
            },
        },
        "north": {
            "name": "North",
            "npm": "openai-like",
            "api": "https://${NORTH_ACCOUNT}.north.example/v1/",
            "env": ["NORTH_ACCOUNT", "NORTH_KEY"],
            "models": {
                "openai/gpt-oss-120b": OSS
                | {
                    "structured_output": True,
                    "cost": {"input": 0.09999999999999999, "output": 0.25},
                },
                "openai/gpt-oss-120b:free": OSS,
                "cheap/gpt-oss-120b": OSS,
                "claude-sonnet-4.5": SONNET
                | {
                    "provider": {
                        "npm": "anthropic-like",
                        "api": "https://north.example/anthropic/v1",
                    }
                },
                "gpt-9-pro": OSS,
                "gpt-8": OSS | {"status": "deprecated"},
                "gpt-7": OSS | {"provider": {"shape": "responses"}},
                "gpt-7-mini": OSS,
                "gpt-image-3": OSS,
                "text-embedding-3-large": OSS | {"limit": {"context": 8191}},
                "custom": OSS,
            },
        },
        "small": {
            "name": "Small",
            "npm": "openai-like",
            "api": "https://small.example",
            "env": ["SMALL_KEY"],
            "models": {
                "gpt-oss-120b": OSS | {"limit": {"context": 8_000}},
                "gpt-4.1": OSS,
                "gpt-7-mini": OSS,
                "gpt-9-pro": OSS,
            },
        },
        "plain-text": {
            "name": "Unencrypted",
            "npm": "openai-like",
            "api": "http://plain.example",
            "models": {"gpt-4.1": OSS},
        },
        "laptop": {
            "name": "Laptop",
            "npm": "openai-like",
            "api": "https://laptop.example",
            "models": {"gpt-4.1": OSS},
        },
    },
}

CLOUD_FILE = """\
# https://docs.cloud.example
# Made by scripts/generate_catalog.py.
display_name = "Big Cloud"
dialect = "cloud-chat"
auth = "signed"
credential_env = ["CLOUD_KEY"]
base_uri = "https://{region}.cloud.example"
# It learns nothing.
# It forgets most.
trains_on_data = false

# The profile says so.
endpoint.eu = { geography = "eu", region = "north-1" }
# It may run anywhere.
endpoint.global = { geography = "global", region = "west-1" }
# It stays.
endpoint.west-1 = { geography = "us", region = "west-1" }

# Prices in US dollars per million tokens.
deployment = [
  { model = "claude-sonnet-4-5", id = "cloud/claude-sonnet-4-5-eu", at = "eu", provider_model = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", pricing = { input = "3.30", output = "16.50", cache_read = "0.33" }, retention_days = 0 },
  { model = "claude-sonnet-4-5", id = "cloud/claude-sonnet-4-5-global", at = "global", provider_model = "global.anthropic.claude-sonnet-4-5-20250929-v1:0", pricing = { input = "3.30", output = "16.50", cache_read = "0.33" }, retention_days = 0 },
  { model = "gpt-oss-120b", at = "west-1", provider_model = "openai.gpt-oss-120b-1:0" },
]
"""  # noqa: E501 - one deployment a line is the format

MODEL_FILE = """\
# What holds for each model wherever a deployment in ../providers does not say
# otherwise. Made by scripts/generate_catalog.py.

["claude-sonnet-4-5"]
display_name = "Claude Sonnet 4.5"
context_window_tokens = 200_000
max_output_tokens = 64_000
capabilities = ["image_input", "prompt_caching", "tools"]
"""


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    source = parse_source(json.dumps(SOURCE).encode())
    return catalog_files(compile_catalog(source, parse_curation(CURATION)))


@pytest.fixture(scope="module")
def deployments(
    files: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Deployment]:
    folder = tmp_path_factory.mktemp("catalog")
    for path, text in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    models = load(folder).models.values()
    return {each.id: each for model in models for each in model.deployments}


def test_files_are_as_a_person_would_write_them(files: dict[str, str]) -> None:
    """A provider's file has a head, its places with reasons, and a row each."""
    assert files["providers/cloud.toml"] == CLOUD_FILE
    assert files["models/anthropic.toml"] == MODEL_FILE


def test_same_source_gives_the_same_files(files: dict[str, str]) -> None:
    """Making the catalog again changes nothing, compressed source or not."""
    source = parse_source(gzip.compress(json.dumps(SOURCE).encode()))

    assert catalog_files(compile_catalog(source, parse_curation(CURATION))) == files


def test_only_what_is_certain_is_taken_over(deployments: dict[str, Deployment]) -> None:
    """Free, cheap, small, old, unspoken and unencrypted rows are all left out."""
    assert sorted(deployments) == [
        "cloud/claude-sonnet-4-5-eu",
        "cloud/claude-sonnet-4-5-global",
        "cloud/gpt-oss-120b",
        "north/claude-sonnet-4-5",
        "north/gpt-7",
        "north/gpt-7-mini",
        "north/gpt-9-pro",
        "north/gpt-oss-120b",
        "north/text-embedding-3-large",
        "small/gpt-4.1",
        "small/gpt-7-mini",
    ]


def test_places_promise_different_things(deployments: dict[str, Deployment]) -> None:
    """A place's geography wins over its provider's; a row's client over both."""
    eu = deployments["cloud/claude-sonnet-4-5-eu"]
    north = deployments["north/claude-sonnet-4-5"]

    assert (eu.geography, eu.base_uri) == ("eu", "https://north-1.cloud.example")
    assert deployments["cloud/claude-sonnet-4-5-global"].geography == "global"
    assert deployments["small/gpt-4.1"].geography == ""
    assert (north.geography, north.dialect) == ("eu", "anthropic-messages")
    assert north.base_uri == "https://north.example/anthropic"


def test_capabilities_are_the_facts(deployments: dict[str, Deployment]) -> None:
    """What one provider leaves unsaid of a model, most of the others may say."""
    sonnet = deployments["north/claude-sonnet-4-5"]

    assert Capability.ASSISTANT_PREFIX in sonnet.capabilities
    assert Capability.ASSISTANT_PREFIX not in (
        deployments["cloud/claude-sonnet-4-5-eu"].capabilities
    )
    assert deployments["cloud/gpt-oss-120b"].capabilities == {Capability.JSON_SCHEMA}
    assert deployments["north/text-embedding-3-large"].capabilities == {
        Capability.EMBEDDINGS
    }


def test_responses_is_spoken_where_it_is_known_to_be(
    deployments: dict[str, Deployment],
) -> None:
    """By name or by the source's word alone, or beside chats; by others not."""
    dialects = {
        name: deployments[f"north/{name}"].dialect
        for name in ("gpt-7", "gpt-9-pro", "gpt-7-mini")
    }

    assert dialects == {
        "gpt-7": "openai-responses",
        "gpt-9-pro": "openai-responses",
        "gpt-7-mini": "openai-chat",
    }
    assert deployments["north/gpt-7-mini"].speaks_responses
    assert not deployments["small/gpt-7-mini"].speaks_responses


def test_data_is_treated_as_the_first_rule_says(
    deployments: dict[str, Deployment],
) -> None:
    """Of each fact by itself; where no rule says anything, nothing is known."""
    known = {
        each.id: (each.trains_on_data, each.retention_days)
        for each in deployments.values()
    }

    assert known["cloud/claude-sonnet-4-5-eu"] == (False, 0)
    assert known["cloud/gpt-oss-120b"] == (False, None)
    assert known["north/claude-sonnet-4-5"] == (True, 7)
    assert known["north/gpt-oss-120b"] == (True, 30)
    assert known["small/gpt-4.1"] == (None, None)


def test_environment_is_told_from_secrets(files: dict[str, str]) -> None:
    """A variable that is part of the address is no credential."""
    north = files["providers/north.toml"]

    assert 'credential_env = ["NORTH_KEY"]' in north
    assert 'base_uri = "https://{NORTH_ACCOUNT}.north.example/v1"' in north


@pytest.mark.parametrize(
    ("spelling", "base_model", "name"),
    [
        ("gemma-9-omni", "google/gemma-9-omni-30b", "gemma-9-omni-30b"),
        ("claude-opus-4-7-fast", "anthropic/claude-opus-4-7", "claude-opus-4-7-fast"),
        ("claude-sonnet-4", "anthropic/claude-sonnet-4-5", "claude-sonnet-4"),
        ("some-r1-distill-32b", "deepseek/some-r1", "some-r1-distill-32b"),
    ],
)
def test_base_model_only_completes_a_name(
    spelling: str, base_model: str, name: str
) -> None:
    """What a source calls the base of a model does not make it that model."""
    assert model_name(spelling, base_model, {"claude-sonnet-4"}) == name


def test_unknown_field_in_the_curation_is_refused() -> None:
    """A misspelt field fails when the catalog is made, not in a pool."""
    with pytest.raises(ValueError, match="georgaphy"):
        parse_curation(CURATION.replace('geography = "eu"\n', 'georgaphy = "eu"\n'))


def test_written_prices_are_read_back_exactly(
    deployments: dict[str, Deployment],
) -> None:
    """A price that a binary fraction cannot hold comes out as published."""
    pricing = deployments["north/gpt-oss-120b"].pricing

    assert pricing is not None
    assert (pricing.input, pricing.output) == (100_000, 250_000)
    assert (pricing.cache_read, pricing.cache_creation) == (100_000, 100_000)
    assert deployments["cloud/gpt-oss-120b"].pricing is None
