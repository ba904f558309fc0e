"""Custom models that are made while the gateway runs: called with what was sealed."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fakes.gateway import KEY, Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

MESSAGES = [{"role": "user", "content": "Hello"}]
CREDENTIAL = "key-that-is-sealed"


@pytest.fixture
def gateway(
    sim: SimulatedProviders, tmp_path: Path, separate: bool
) -> Iterator[Gateway]:
    """Give a gateway that may call the simulated providers at their private address."""
    places = [{"id": "one/m", "provider": "one", "geography": "eu"}]
    config = configuration(
        sim,
        {"m": places},
        network={"allow_private_hosts": [urlsplit(sim.base_uri("acme")).netloc]},
        organizations=[
            {
                "id": "acme",
                "projects": [
                    {
                        "id": "web",
                        "policy": {"geographies": ["eu"]},
                        "keys": [{"id": "web-1", "key": KEY}],
                    }
                ],
            }
        ],
    )
    with Gateway(config, tmp_path, separate=separate) as gateway:
        yield gateway


def make(gateway: Gateway, sim: SimulatedProviders, name: str, region: str) -> None:
    extra = {"api_base": sim.base_uri("acme"), "region": region}
    made = gateway.http.post(
        "/v2/models/custom",
        json={
            "name": name,
            "identifier": "openai/tuned-7b",
            "api_key": CREDENTIAL,
            "extra": extra,
        },
    )
    assert made.status_code == 200, made.text
    assert CREDENTIAL not in made.text


def test_it_is_called_with_the_credential_that_was_sealed(
    gateway: Gateway, sim: SimulatedProviders
) -> None:
    """Before a restart and after it, with the model's name there; in an alias, too."""
    make(gateway, sim, "acme/tuned", "eu")
    alias = {"name": "best", "fallback_models": ["acme/tuned", "m"]}
    gateway.http.post("/v2/models/aliases", json=alias)
    for _ in range(2):
        answer = gateway.openai().chat.completions.create(
            model="best", messages=MESSAGES
        )

        assert answer.model == "acme/tuned"
        (received,) = sim.received("acme")
        assert received.model == "tuned-7b"
        assert received.headers["authorization"] == f"Bearer {CREDENTIAL}"
        sim.forget()
        gateway.stop()
        gateway.start()


def test_where_it_is_counts_for_policy(
    gateway: Gateway, sim: SimulatedProviders
) -> None:
    """One that is elsewhere, or of which nobody says where, gets no request."""
    for name, region in (("acme/us", "us"), ("acme/unknown", "frankfurt-2")):
        make(gateway, sim, name, region)
        refused = gateway.http.post(
            "/v1/chat/completions", json={"model": name, "messages": MESSAGES}
        )

        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "model_not_allowed"
    assert sim.received("acme") == []
