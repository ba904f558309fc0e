"""Authentication with one credential, and what it shows of itself."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fakes.plans import deployment
from holdfast.settings import Secret
from holdfast_executor.auth import Authentication
from holdfast_executor.chat import Encoded
from holdfast_executor.credentials import Credentials

REQUEST = Encoded("/x", b"{}")


@contextlib.asynccontextmanager
async def holding(
    parts: Mapping[str, str], **how: Any
) -> AsyncIterator[Authentication]:
    """Authenticate with one credential of provider `a`."""
    credential = {name: Secret(text) for name, text in parts.items()}
    credentials = Credentials({"provider:a": {"one": credential}})
    authentication = Authentication(credentials, **how)
    try:
        yield authentication
    finally:
        await authentication.close()


async def shown(authentication: Authentication, auth: str) -> dict[str, str]:
    """Return the headers that a request to a deployment of `a` is sent with."""
    place = deployment("a/m", auth=auth, credential_id="provider:a", region="eu-west-1")
    identity = await authentication.identity(place)
    return dict(identity.prove(place, "https://a.invalid/x", REQUEST))
