"""Catalog files as a person writes them, right and wrong."""

from pathlib import Path

import pytest

from holdfast.catalog import CatalogInvalidError, load
from holdfast.model import Capability, Pricing, Provider

MODELS = """
[some-model]
display_name = "Some Model"
context_window_tokens = 131_072
max_output_tokens = 32_768
capabilities = ["tools"]
"""

PROVIDER = """
# https://docs.example.ai/api
display_name = "Example AI"
dialect = "openai-chat"
auth = "bearer"
credential_env = ["EXAMPLE_API_KEY"]
base_uri = "https://{region}.api.example.ai/{ACCOUNT}/v1"

[[deployment]]
model = "some-model"
geography = "eu"
region = "eu-west-1"
provider_model = "lab/some-model"
capabilities = ["tools", "json_schema"]
pricing = { input = "0.15", output = "0.60", cache_read = "0.015" }
"""


def written(folder: Path, provider: str = PROVIDER, models: str = MODELS) -> Path:
    for kind, name, text in (
        ("models", "some-lab", models),
        ("providers", "example", provider),
    ):
        (folder / kind).mkdir()
        (folder / kind / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder


def test_provider_is_one_file(tmp_path: Path) -> None:
    """A file in the folder is all it takes; its name is the provider's id."""
    catalog = load(written(tmp_path))

    assert catalog.providers["example"] == Provider(
        id="example",
        display_name="Example AI",
        dialect="openai-chat",
        auth="bearer",
        base_uri="https://{region}.api.example.ai/{ACCOUNT}/v1",
        credential_env=("EXAMPLE_API_KEY",),
    )


def test_deployment_has_all_it_takes_to_call_it(tmp_path: Path) -> None:
    """What a row does not say is the model's or the head of the file's."""
    model = load(written(tmp_path)).models["some-model"]
    (deployment,) = model.deployments

    assert (model.display_name, model.lab_id) == ("Some Model", "some-lab")
    assert deployment.id == "example/some-model"
    assert deployment.provider_model == "lab/some-model"
    assert deployment.base_uri == "https://eu-west-1.api.example.ai/{ACCOUNT}/v1"
    assert deployment.geography == "eu"
    assert deployment.capabilities == {Capability.TOOLS, Capability.JSON_SCHEMA}
    assert deployment.context_window_tokens == 131_072
    assert deployment.pricing == Pricing(
        input=150_000, output=600_000, cache_read=15_000, cache_creation=150_000
    )


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("geography =", "georgaphy =", "example.toml.*georgaphy"),
        ('"0.15"', '"cheap"', "example.toml.*some-model"),
        ('"0.15"', '"0.00000015"', "example.toml.*millionths"),
        ('"0.15"', '"NaN"', "example.toml.*some-model"),
        ('"0.15"', "0.15", r"example.toml.*pricing\.input"),
        ('"json_schema"', '"telepathy"', "example.toml.*telepathy"),
        ('model = "some-model"', 'model = "no-model"', "example.toml.*no-model"),
        ('region = "eu-west-1"', 'at = "nowhere"', "example.toml.*nowhere"),
        ("display_name", "[display_name", "example.toml"),
    ],
)
def test_fault_names_file_and_field(
    tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    """Whoever edits a file is told which one and where."""
    with pytest.raises(CatalogInvalidError, match=said):
        load(written(tmp_path, PROVIDER.replace(right, wrong)))


def test_data_is_treated_as_the_provider_says_unless_the_row_does(
    tmp_path: Path,
) -> None:
    """What neither says is unknown, and zero days are no silence."""
    head = PROVIDER.replace("base_uri", "retention_days = 30\nbase_uri")
    rows = """
[[deployment]]
model = "some-model"
id = "example/forgets"
retention_days = 0
trains_on_data = false
"""

    catalog = load(written(tmp_path, head + rows))

    usual, forgets = catalog.models["some-model"].deployments
    assert catalog.providers["example"].retention_days == 30
    assert (usual.trains_on_data, usual.retention_days) == (None, 30)
    assert (forgets.trains_on_data, forgets.retention_days) == (False, 0)
