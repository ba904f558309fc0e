"""A gateway whose credentials fail, change and take turns, as its callers see it."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.gateway import Gateway, configuration
from fakes.listener import Answer, Asked, Listener
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
TWO = {"m": [{"id": f"{each}/m", "provider": each} for each in ("a", "b")]}


def ask(gateway: Gateway) -> str:
    """Ask and return who served."""
    answer = gateway.http.post("/v1/chat/completions", json=ASKED)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-holdfast-deployment"]


def until(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, "it never came true"
        time.sleep(0.05)


def denied(asked: Asked) -> Answer:
    return 400, {"error": "invalid_grant", "error_description": "a.s3cret.token"}


def test_a_provider_whose_issuer_gives_no_token_is_fallen_back_from(tmp_path: Path):
    """The caller sees an answer; the log names the fault and no secret."""
    token = tmp_path / "token"
    token.write_text("a.s3cret.token")
    with SimulatedProviders() as sim, Listener(denied) as issuer:
        config = configuration(sim, TWO)
        config["providers"]["a"] |= {
            "auth": "google",
            "credential": json.dumps(
                {
                    "type": "external_account",
                    "audience": "x",
                    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                    "token_url": f"{issuer.uri}/token",
                    "credential_source": {"file": str(token)},
                }
            ),
        }
        with Gateway(config, tmp_path) as gateway:
            served = {ask(gateway) for _ in range(4)}
        log = (tmp_path / "stderr.log").read_text()

        assert sim.received("a") == []
    assert served == {"b/m"}
    assert issuer.asked
    assert "invalid_grant" in log
    assert "s3cret" not in log


@pytest.mark.parametrize("separate", [False, True])
def test_a_key_that_is_rotated_in_its_file_is_used_without_a_restart(
    tmp_path: Path,
    separate: bool,
):
    """By whichever process calls providers."""
    key = tmp_path / "key"
    key.write_text("old-key")
    with SimulatedProviders() as sim:
        config = configuration(sim, {"m": [{"id": "a/m", "provider": "a"}]})
        config["providers"]["a"]["credential"] = {"file": str(key)}

        def shown(gateway: Gateway) -> str:
            sim.forget()
            ask(gateway)
            return sim.received("a")[0].headers["authorization"]

        with Gateway(config, tmp_path, separate=separate) as gateway:
            before = shown(gateway)
            key.write_text("the-new-key")
            until(lambda: shown(gateway) == "Bearer the-new-key")

    assert before == "Bearer old-key"


def test_several_credentials_of_a_provider_take_turns(tmp_path: Path):
    """Each carries its share of what no session holds together."""
    with SimulatedProviders() as sim:
        config = configuration(sim, {"m": [{"id": "a/m", "provider": "a"}]})
        del config["providers"]["a"]["credential"]
        config["providers"]["a"]["credentials"] = {"one": "k-1", "two": "k-2"}
        with Gateway(config, tmp_path) as gateway:
            for _ in range(4):
                ask(gateway)
            shown = [each.headers["authorization"] for each in sim.received("a")]

    assert sorted(shown) == ["Bearer k-1"] * 2 + ["Bearer k-2"] * 2
