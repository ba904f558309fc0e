"""Each service is given its own secrets, of one file that names all of them."""

from pathlib import Path

import pytest

from fakes.caller import Caller, served_by
from fakes.gateway import KEY, configuration
from fakes.provider import SimulatedProviders
from fakes.replicas import Services

pytestmark = pytest.mark.system

OWN = {
    "edge": {},
    "resolver": {
        "CALLERS_KEY": KEY,
        "LEDGER": "none",
        "HOLDFAST_CREDENTIALS_HELD_BY": "executor",
    },
    "executor": {"KEY_OF_ONE": "key-of-one"},
}


async def test_no_service_needs_a_secret_that_is_another_s(
    sim: SimulatedProviders, etcd_endpoint: str, etcd_prefix: str, tmp_path: Path
) -> None:
    """Callers' keys are the resolver's, providers' are the executor's alone."""
    config = configuration(
        sim,
        {"m": [{"id": "one/m", "provider": "one"}, {"id": "two/m", "provider": "two"}]},
        etcd={"endpoints": [etcd_endpoint], "prefix": etcd_prefix},
        ledger={"env": "LEDGER"},
        organizations=[
            {
                "id": "acme",
                "projects": [
                    {
                        "id": "web",
                        "keys": [{"id": "web-1", "key": {"env": "CALLERS_KEY"}}],
                    }
                ],
            }
        ],
    )
    config["providers"]["one"]["credential"] = {"env": "KEY_OF_ONE"}
    config["providers"]["two"]["credential"] = {"env": "KEY_OF_TWO"}
    async with (
        Services(config, tmp_path, etcd_endpoint, OWN.__getitem__) as services,
        Caller(services.base_url) as caller,
    ):
        answers = [await caller.ask("m") for _ in range(6)]

    assert set(served_by(answers)) == {"one/m"}
    assert sim.received("one")[0].headers["authorization"] == "Bearer key-of-one"
    assert not sim.received("two")
