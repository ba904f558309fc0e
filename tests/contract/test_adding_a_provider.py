"""CONTRIBUTING says how to add a provider; this does it, to the letter."""

import dataclasses
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from fakes.plans import KEYS, signed, step
from fakes.provider import SimulatedProviders
from holdfast import catalog as shipped
from holdfast import model
from holdfast.catalog import load, load_shipped
from holdfast.model import Catalog, ScopedPolicy
from holdfast.ports import ExecuteRequest
from holdfast.settings import (
    Defaults,
    OrganizationSettings,
    ProjectSettings,
    ProviderSettings,
    Secret,
    Settings,
)
from holdfast_executor.auth import Authentication
from holdfast_executor.calling import Caller
from holdfast_executor.credentials import Credentials
from holdfast_executor.service import ExecutorService
from holdfast_executor.transport import Transport
from holdfast_resolver import tenants
from holdfast_resolver.directory import Objection

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"
_EXAMPLE = re.compile(
    r"## Adding a provider that speaks.*?```toml\n(.*?)```", re.DOTALL
)
KEY = {"default": {"key": Secret("k-example")}}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Give what ships, and the one file of CONTRIBUTING beside it."""
    example = _EXAMPLE.search(CONTRIBUTING.read_text(encoding="utf-8"))
    assert example is not None
    data = tmp_path / "data"
    shutil.copytree(Path(shipped.__file__).parent / "data", data)
    (data / "providers" / "example.toml").write_text(example[1], encoding="utf-8")
    return load(data)


def test_one_file_adds_a_provider_and_its_deployments(catalog: Catalog) -> None:
    """Beside all others, each where it says that it is."""
    before = load_shipped()
    pool = catalog.models["gpt-oss-120b"].deployments
    added = {d.id: d for d in pool if d.provider_id == "example"}

    assert catalog.providers.keys() - before.providers.keys() == {"example"}
    assert {
        i: (d.base_uri, d.geography, d.provider_model) for i, d in added.items()
    } == {
        "example/gpt-oss-120b": ("https://api.example.ai/v1", "", "gpt-oss-120b"),
        "example/gpt-oss-120b-eu": (
            "https://fra.api.example.ai/v1",
            "eu",
            "gpt-oss-120b-fra",
        ),
    }
    others = [d for d in pool if d.provider_id != "example"]
    assert others == list(before.models["gpt-oss-120b"].deployments)


def test_its_credential_is_all_that_an_operator_gives(catalog: Catalog) -> None:
    """Without it a plan says what is missing."""
    project = ProjectSettings("web", ScopedPolicy("project web"), Defaults())
    acme = ScopedPolicy("organization acme")
    organization = OrganizationSettings("acme", acme, projects=(project,))

    def objections(**providers: ProviderSettings) -> Mapping[str, Objection]:
        said = Settings(providers=providers, organizations=(organization,))
        known = tenants.build(said, catalog, {})
        return known.member(model.Caller("acme", "web")).names.objections

    without = objections()
    with_one = objections(example=ProviderSettings("example", KEY))

    assert "no credential" in without["example/gpt-oss-120b"].why
    assert "example/gpt-oss-120b" not in with_one


async def test_it_answers(catalog: Catalog) -> None:
    """In the dialect and with the key that the file names."""
    pool = catalog.models["gpt-oss-120b"].deployments
    place = next(d for d in pool if d.id == "example/gpt-oss-120b-eu")
    transport = Transport()
    await transport.start()
    with SimulatedProviders() as sim:
        near = dataclasses.replace(
            place, base_uri=sim.base_uri("example"), allow_private_network=True
        )
        credentials = Credentials({near.credential_id: KEY})
        executor = ExecutorService(
            KEYS,
            Caller(transport, Authentication(credentials)),
            lambda *_: None,
        )
        body = b'{"model":"gpt-oss-120b","messages":[{"role":"user","content":"Hi"}]}'

        answer = await executor.execute(ExecuteRequest(signed(step(near)), body))
        [received] = sim.received("example")
    await transport.close()

    said = json.loads(answer.body)
    assert said["choices"][0]["message"]["content"].startswith("Hello from example.")
    assert said["usage"]["cost"] > 0
    assert received.model == "gpt-oss-120b-fra"
    assert received.headers["authorization"] == "Bearer k-example"
