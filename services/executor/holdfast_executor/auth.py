"""How a request proves to a provider who sends it: one function a way."""

from collections.abc import Callable

from holdfast.model import Deployment
from holdfast_executor.credentials import Credentials

Header = tuple[str, str]

AUTHENTICATORS: dict[str, Callable[[str], tuple[Header, ...]]] = {
    "bearer": lambda key: (("authorization", f"Bearer {key}"),),
    "x-api-key": lambda key: (("x-api-key", key),),
    "api-key": lambda key: (("api-key", key),),
}
"""From a key to the headers that bear it, by the deployment's `auth`."""


def headers(
    deployment: Deployment, credentials: Credentials
) -> tuple[Header, ...] | None:
    """Return the headers that authenticate a request; None if the key is missing."""
    if deployment.auth == "none":
        return ()
    key = credentials.key(deployment.credential_id)
    return None if key is None else AUTHENTICATORS[deployment.auth](key)
