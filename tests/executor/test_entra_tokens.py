"""Entra's tokens for Azure, for an application or the machine."""

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from fakes.identities import holding, shown
from fakes.listener import Answer, Asked, Listener
from holdfast_executor.auth import NoProofError, entra

APPLICATION = {"tenant_id": "t-1", "client_id": "c-1"}
SCOPE = "https://cognitiveservices.azure.com/.default"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for loopback, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("entra")
    both, trusted = folder / "both.pem", folder / "trusted.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
            *("-days", "2", "-subj", "/CN=entra"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(both), "-out", str(trusted)),
        ],
        check=True,
        capture_output=True,
    )
    both.write_text(both.read_text() + trusted.read_text())
    return both


def entra_at(granted: Answer):
    def answer(asked: Asked) -> Answer:
        if not asked.path.endswith("/openid-configuration"):
            return granted
        root = f"https://{asked.headers['host']}/t-1"
        return 200, {
            "issuer": f"{root}/v2.0",
            "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
            "token_endpoint": f"{root}/oauth2/v2.0/token",
        }

    return answer


GRANTED: Answer = (
    200,
    {"access_token": "eyJ.t", "expires_in": 3600, "token_type": "Bearer"},
)


def trusting(certificate: Path) -> dict[str, Any]:
    http = requests.Session()
    http.verify = str(certificate)
    # The environment's certificates would come before these.
    http.trust_env = False
    return {
        "entra-secret": functools.partial(entra.of_secret, http=http),
        "entra-federated": functools.partial(entra.of_federated_token, http=http),
    }


@pytest.mark.parametrize(
    ("part", "field"),
    [("client_secret", "client_secret"), ("federated_token", "client_assertion")],
)
async def test_an_application_exchanges_what_it_has_for_a_token(
    part: str, field: str, certificate: Path
):
    """Once for many requests, and Azure gets it in place of a key."""
    with Listener(entra_at(GRANTED), certificate) as issuer:
        parts = APPLICATION | {part: "shown", "authority": issuer.uri}
        async with holding(parts, fetchers=trusting(certificate)) as authentication:
            headers = [
                await shown(authentication, auth)
                for auth in ("api-key", "x-api-key", "bearer")
            ]

    (asked,) = [each for each in issuer.asked if each.method == "POST"]
    assert asked.path == "/t-1/oauth2/v2.0/token"
    assert asked.fields["grant_type"] == "client_credentials"
    assert asked.fields["client_id"] == "c-1"
    assert asked.fields["scope"] == SCOPE
    assert asked.fields[field] == "shown"
    assert headers == [{"authorization": "Bearer eyJ.t"}] * 3


async def test_a_token_that_is_not_given_says_why_in_entras_own_code(
    certificate: Path,
):
    """Without Entra's words."""
    said = {
        "error": "invalid_client",
        "error_description": "AADSTS7000215: s3cret is not good",
        "error_codes": [7000215],
    }
    with Listener(entra_at((401, said)), certificate) as issuer:
        parts = APPLICATION | {"client_secret": "s3cret", "authority": issuer.uri}
        async with holding(parts, fetchers=trusting(certificate)) as authentication:
            with pytest.raises(NoProofError) as raised:
                await shown(authentication, "api-key")

    assert raised.value.message == "Entra refused a token: AADSTS7000215"


async def test_an_authority_that_is_not_trusted_gets_no_secret(certificate: Path):
    """A certificate of nobody's ends it before anything is said."""
    with Listener(entra_at(GRANTED), certificate) as issuer:
        parts = APPLICATION | {"client_secret": "s3cret", "authority": issuer.uri}
        async with holding(parts) as authentication:
            with pytest.raises(NoProofError) as raised:
                await shown(authentication, "api-key")

    assert issuer.asked == []
    assert "s3cret" not in raised.value.message


class _AsMachine(HTTPAdapter):
    """Takes what goes to the machine's own endpoint to a server instead."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host

    def send(self, request: Any, **how: Any) -> Any:
        request.url = request.url.replace("169.254.169.254", self._host)
        return super().send(request, **how)


@pytest.mark.parametrize("named", [{}, {"client_id": "c-1"}])
async def test_a_machines_identity_is_used(named: dict[str, str]):
    """The only one it has, or the one that is named."""
    granted = {"access_token": "eyJ.m", "expires_in": "3600", "resource": "r"}
    with Listener(lambda _: (200, granted)) as machine:
        http = requests.Session()
        http.mount("http://169.254.169.254", _AsMachine(machine.host))
        fetchers = {"entra-managed": functools.partial(entra.of_machine, http=http)}
        parts = {"source": "managed_identity"} | named
        async with holding(parts, fetchers=fetchers) as authentication:
            headers = await shown(authentication, "api-key")

    (asked,) = machine.asked
    assert asked.fields["resource"] == "https://cognitiveservices.azure.com"
    assert asked.fields.get("client_id") == named.get("client_id")
    assert headers == {"authorization": "Bearer eyJ.m"}
