"""Requests to AWS, signed by botocore over the bytes and the URL that are sent."""

import re
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from holdfast.model import Deployment
from holdfast_executor.auth.proof import Header, NoProofError, Parts, Proof, Token
from holdfast_executor.chat import Encoded

_REGION = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.")
"""A region in a host: `bedrock-runtime.eu-central-1.amazonaws.com`."""

_ADDED = ("authorization", "x-amz-date", "x-amz-security-token")
"""What signing adds to a request's headers."""


def of_keys(parts: Parts) -> Token:
    """Sign with an access key as it is, or with a session's."""
    keys = ReadOnlyCredentials(
        parts["access_key_id"],
        parts["secret_access_key"],
        parts.get("session_token"),
    )
    return Token(signed_with(keys), is_fixed=True)


def signed_with(keys: ReadOnlyCredentials) -> Proof:
    """Return the proof that is a signature made with these keys."""

    def prove(deployment: Deployment, url: str, encoded: Encoded) -> tuple[Header, ...]:
        request = AWSRequest("POST", url, dict(encoded.headers), encoded.body)
        SigV4Auth(keys, _service(url), _region(deployment, url)).add_auth(request)
        return tuple(
            (name, request.headers[name]) for name in _ADDED if name in request.headers
        )

    return prove


def _service(url: str) -> str:
    """Return what the service calls itself in a signature."""
    host = urlsplit(url).hostname or ""
    return "bedrock-mantle" if host.startswith("bedrock-mantle.") else "bedrock"


def _region(deployment: Deployment, url: str) -> str:
    # The host's word comes first: that is whom the signature is shown to.
    found = _REGION.search(urlsplit(url).netloc)
    region = found[1] if found else deployment.region
    if not region:
        raise NoProofError(
            f"no region to sign for: give deployment {deployment.id} a `region`"
        )
    return region
