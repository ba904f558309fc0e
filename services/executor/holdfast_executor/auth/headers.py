"""Keys that are sent as they are: one header a way to authenticate."""

from collections.abc import Callable

from holdfast_executor.auth.proof import Header

HEADERS: dict[str, Callable[[str], Header]] = {
    "bearer": lambda key: ("authorization", f"Bearer {key}"),
    "x-api-key": lambda key: ("x-api-key", key),
    "api-key": lambda key: ("api-key", key),
    "x-goog-api-key": lambda key: ("x-goog-api-key", key),
    # An API key of Bedrock's, in place of a signature.
    "sigv4": lambda key: ("authorization", f"Bearer {key}"),
}
"""From a key to the header that bears it, by the deployment's `auth`."""
