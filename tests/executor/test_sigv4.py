"""Requests to AWS bear a signature that AWS's own rules make of what arrives."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from botocore.credentials import ReadOnlyCredentials

from fakes.aws import is_signed
from fakes.listener import Asked, Listener
from fakes.plans import deployment
from holdfast.settings import Secret
from holdfast_executor.auth import Authentication, NoProofError
from holdfast_executor.chat import Encoded
from holdfast_executor.credentials import Credentials
from holdfast_executor.transport import HttpRequest, Transport

KEYS = ReadOnlyCredentials("AKIDEXAMPLE", "s3cret/key+", None)
SESSION = ReadOnlyCredentials("ASIAEXAMPLE", "s3cret", "t0ken==")
HEADERS = (("content-type", "application/json"), ("accept", "a  b"))


def written(keys: ReadOnlyCredentials) -> dict[str, Secret]:
    parts = {
        "access_key_id": Secret(keys.access_key),
        "secret_access_key": Secret(keys.secret_key),
    }
    if keys.token:
        parts["session_token"] = Secret(keys.token)
    return parts


@contextlib.asynccontextmanager
async def holding(keys: ReadOnlyCredentials) -> AsyncIterator[Authentication]:
    authentication = Authentication(
        Credentials({"provider:aws": {"one": written(keys)}})
    )
    yield authentication
    await authentication.close()


async def sent(keys: ReadOnlyCredentials, path: str, body: bytes) -> Asked:
    """Sign a request, send it through the real transport, return what arrives."""
    transport = Transport()
    with Listener(lambda _: (200, {})) as aws:
        place = deployment(
            "aws/m-eu",
            base_uri=aws.uri,
            auth="sigv4",
            credential_id="provider:aws",
            region="eu-central-1",
        )
        encoded = Encoded(path, body, HEADERS)
        await transport.start()
        try:
            async with holding(keys) as authentication:
                identity = await authentication.identity(place)
                proof = identity.prove(place, aws.uri + path, encoded)
            request = HttpRequest(
                "POST", aws.uri + path, (*HEADERS, *proof), body, True
            )
            response = await transport.send(
                request, connect_timeout=5, response_timeout=5
            )
            await response.read()
            await response.close()
        finally:
            await transport.close()
        (asked,) = aws.asked
    return asked


PATHS = [
    "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
    "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1:0/converse",
    "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A1%3Ainference-profile%2Fx/converse",
    "/model/m/invoke?a=b&a=%20c",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("keys", [KEYS, SESSION], ids=["static", "session"])
async def test_what_arrives_bears_a_signature_that_holds(path, keys):
    """The path as it was escaped, the body to the byte, and the session's token."""
    asked = await sent(keys, path, '{"a": "ä"}'.encode())

    assert is_signed(asked, keys)
    assert asked.target == path
    assert "/eu-central-1/bedrock/aws4_request" in asked.headers["authorization"]


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"{}"},
        {"target": PATHS[1]},
        {"headers": {"content-type": "text/plain"}},
        {"headers": {"host": "elsewhere"}},
    ],
    ids=["body", "path", "header", "host"],
)
async def test_what_was_changed_on_the_way_bears_none(change):
    """The judge above can say no."""
    asked = await sent(KEYS, PATHS[0], b'{"a": 1}')
    headers = asked.headers | change.get("headers", {})
    changed = Asked(
        "POST",
        change.get("target", asked.target),
        headers,
        change.get("body", asked.body),
    )

    assert not is_signed(changed, KEYS)
    assert not is_signed(asked, SESSION)


@pytest.mark.parametrize(
    ("host", "region", "scope"),
    [
        ("bedrock-runtime.us-west-2.amazonaws.com", "", "us-west-2/bedrock"),
        ("bedrock-runtime.us-west-2.amazonaws.com", "eu", "us-west-2/bedrock"),
        ("bedrock-mantle.eu-north-1.api.aws", "", "eu-north-1/bedrock-mantle"),
        (
            "bedrock-runtime.us-gov-west-1.amazonaws.com",
            "",
            "us-gov-west-1/bedrock",
        ),
        ("vpce-1.example.com", "eu-west-1", "eu-west-1/bedrock"),
    ],
)
async def test_a_signature_is_for_the_host_that_is_called(host, region, scope):
    """Its region and its service; the deployment's region where it names none."""
    place = deployment(
        "aws/m", auth="sigv4", credential_id="provider:aws", region=region
    )
    async with holding(KEYS) as authentication:
        identity = await authentication.identity(place)
        proof = dict(identity.prove(place, f"https://{host}/x", Encoded("/x", b"")))

    assert f"/{scope}/aws4_request" in proof["authorization"]


async def test_without_a_region_nothing_is_signed():
    """The message says what to add."""
    place = deployment("aws/m", auth="sigv4", credential_id="provider:aws")
    async with holding(KEYS) as authentication:
        identity = await authentication.identity(place)
        with pytest.raises(NoProofError, match="give deployment aws/m a `region`"):
            identity.prove(place, "https://bedrock.invalid/x", Encoded("/x", b""))
