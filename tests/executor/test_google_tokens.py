"""Google's tokens, for a service account, a workload or the machine."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from fakes.identities import holding, shown
from fakes.listener import Answer, Asked, Listener
from holdfast_executor.auth import NoProofError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def granted(asked: Asked) -> Answer:
    return 200, {"access_token": "ya29.t", "expires_in": 3600, "token_type": "Bearer"}


def denied(asked: Asked) -> Answer:
    said = {"error": "invalid_grant", "error_description": "s3cret is not good"}
    return 400, said


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return written.decode()


def account(private_key: str, token_uri: str) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "gateway@project.iam.gserviceaccount.com",
            "private_key_id": "k1",
            "private_key": private_key,
            "token_uri": token_uri,
        }
    )


async def test_a_service_accounts_key_is_exchanged_for_a_token(private_key: str):
    """Once for many requests; the assertion names the account and the scope."""
    with Listener(granted) as issuer:
        written = account(private_key, f"{issuer.uri}/token")
        async with holding({"key": written}) as authentication:
            headers = [await shown(authentication, "google") for _ in range(3)]

    (asked,) = issuer.asked
    claims = asked.fields["assertion"].split(".")[1]
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert told["iss"] == "gateway@project.iam.gserviceaccount.com"
    assert told["scope"] == SCOPE
    assert [each["authorization"] for each in headers] == ["Bearer ya29.t"] * 3


async def test_the_path_of_a_key_does_as_well(private_key: str, tmp_path: Path):
    """What GOOGLE_APPLICATION_CREDENTIALS holds."""
    path = tmp_path / "account.json"
    with Listener(granted) as issuer:
        path.write_text(account(private_key, f"{issuer.uri}/token"))
        async with holding({"key": str(path)}) as authentication:
            headers = await shown(authentication, "google")

    assert headers == {"authorization": "Bearer ya29.t"}


async def test_a_federated_workload_shows_its_own_token(tmp_path: Path):
    """Exchanged at Google's token service, and billed to the project it names."""
    token = tmp_path / "token"
    token.write_text("a.projected.token")
    with Listener(granted) as issuer:
        written = json.dumps(
            {
                "type": "external_account",
                "audience": "//iam.googleapis.com/projects/1/x",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": f"{issuer.uri}/v1/token",
                "credential_source": {"file": str(token)},
                "quota_project_id": "billed",
            }
        )
        async with holding({"key": written}) as authentication:
            headers = await shown(authentication, "google")

    (asked,) = issuer.asked
    assert asked.fields["subject_token"] == "a.projected.token"
    assert asked.fields["scope"] == SCOPE
    assert headers["authorization"] == "Bearer ya29.t"
    assert headers["x-goog-user-project"] == "billed"


async def test_a_token_that_is_not_given_says_why_in_oauths_own_code(private_key: str):
    """Without Google's words."""
    with Listener(denied) as issuer:
        written = account(private_key, f"{issuer.uri}/token")
        async with holding({"key": written}) as authentication:
            with pytest.raises(NoProofError) as raised:
                await shown(authentication, "google")

    assert raised.value.message == "Google gave no token: invalid_grant"


EXECUTABLE = json.dumps(
    {
        "type": "external_account",
        "audience": "a",
        "token_url": "x",
        "subject_token_type": "t",
        "credential_source": {"executable": {"command": "s3cret"}},
    }
)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("s3cret", "neither JSON nor the path"),
        ("{s3cret", "neither JSON nor the path"),
        ('{"type": "s3cret"}', "another type"),
        ('{"type": "service_account"}', "not complete"),
        (EXECUTABLE, "not complete"),
    ],
)
async def test_what_is_no_credential_of_googles_is_said_without_repeating_it(
    key: str, words: str
):
    """Nothing is asked, and no command is run."""
    async with holding({"key": key}) as authentication:
        with pytest.raises(NoProofError, match=words) as raised:
            await shown(authentication, "google")

    assert "s3cret" not in raised.value.message


ON_GOOGLES_MACHINE = """
import asyncio, json
from fakes.identities import holding, shown

async def main():
    async with holding({"source": "default"}) as authentication:
        print(json.dumps(await shown(authentication, "google")))

asyncio.run(main())
"""


def metadata(asked: Asked) -> Answer:
    if asked.path.endswith("/token"):
        return granted(asked)
    if asked.path.endswith("/"):
        return 200, {"email": "m@p.iam.gserviceaccount.com", "scopes": [SCOPE]}
    return 200, "project-1"


def test_what_the_machine_has_is_found_as_googles_own_tools_find_it(
    tmp_path: Path,
):
    """The metadata server's token, on a machine or in a pod of Google's."""
    with Listener(metadata) as server:
        environ = {
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "GCE_METADATA_HOST": server.host,
            "GCE_METADATA_IP": server.host,
            "HOME": str(tmp_path),
            "PATH": "",
        }
        done = subprocess.run(
            [sys.executable, "-c", ON_GOOGLES_MACHINE],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["authorization"] == "Bearer ya29.t"
