"""Where a custom model is, and what is shown there: checked before it is made.

An organization's own endpoint is somebody's whom the operator does not know. It may
not lead into the operator's network, and its credential may not name what is the
operator's: a file, the machine's own identity, an address to fetch a token from.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from holdfast.addresses import Resolve, resolved_address_fault
from holdfast.control.resources import CustomModel
from holdfast.credential_kinds import kind_of
from holdfast.custom_models import is_named, model_of
from holdfast.errors import RequestMalformedError
from holdfast.settings import Secret
from holdfast_resolver.control.validation.shape import malformed
from holdfast_resolver.resident import Resident

_API_BASE = "extra.api_base"
_API_KEY = "api_key"

_SENDABLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
"""What an HTTP header carries unchanged: a space at an end would be cut off."""

_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
"""What may be a label of a host's name: some providers have it in theirs."""

_GOOGLE_FIELDS = ("client_email", "private_key", "private_key_id", "project_id")
"""What is kept of a service account: not where Google is, which is known."""


async def check_endpoint(
    custom: CustomModel,
    resident: Resident,
    *,
    has_credential: bool,
    resolve: Resolve | None = None,
) -> None:
    """Check where a custom model is.

    Args:
        custom: What is declared of it.
        resident: Knows the providers, and which private hosts may be called.
        has_credential: Whether it has one of its own.
        resolve: Looks names up. None: the system does.

    Raises:
        RequestMalformedError: Nothing says where it is, or it may not be there.
    """
    region = custom.extra.get("region")
    if isinstance(region, str) and region and not _REGION.fullmatch(region):
        raise malformed("extra.region", "is no region; write e.g. eu-north-1")
    api_base = custom.extra.get("api_base")
    if not isinstance(api_base, str) or not api_base:
        _check_provider(custom, resident, has_credential=has_credential)
        return
    (deployment,) = model_of(custom, resident.providers).deployments
    fault = await resolved_address_fault(
        deployment.base_uri,
        allow_private_network=is_named(api_base, resident.private_hosts),
        resolve=resolve,
    )
    if fault is not None:
        raise malformed(_API_BASE, fault)


def check_not_moved(
    before: CustomModel, after: CustomModel, resident: Resident
) -> None:
    """Check that a credential is not shown to somebody else than it was given for.

    Who may edit a custom model may not thereby read its credential.

    Raises:
        RequestMalformedError: It would be.
    """
    if not after.sealed_credential or after.sealed_credential != (
        before.sealed_credential
    ):
        return
    if _origin(before, resident) != _origin(after, resident):
        raise malformed(
            _API_KEY,
            "is kept for another host: give it again, or take it away with null, to "
            "lead the custom model elsewhere",
        )


def _origin(custom: CustomModel, resident: Resident) -> tuple[str, str]:
    model, _ = resident.callable(model_of(custom, resident.providers))
    parts = urlsplit(model.deployments[0].base_uri)
    return parts.scheme, parts.netloc


def credential_parts(credential: str, auth: str) -> Mapping[str, str]:
    """Return the parts of a credential, as executors want them.

    Args:
        credential: A key as its provider wrote it; for Bedrock also a JSON object
            of `access_key_id`, `secret_access_key` and `session_token`; for Vertex
            the JSON of a service account.
        auth: How the custom model authenticates.

    Raises:
        RequestMalformedError: It is of no use.
    """
    if auth == "google":
        parts = {"service_account": _service_account(credential)}
    elif auth == "sigv4" and credential.lstrip().startswith("{"):
        parts = dict(_texts(credential))
    elif _SENDABLE.fullmatch(credential):
        parts = {"key": credential}
    else:
        raise malformed(
            _API_KEY, "cannot be sent; use visible ASCII characters, no space at an end"
        )
    held = {name: Secret(text) for name, text in parts.items()}
    if kind_of(held, auth, is_entrusted=True) is None:
        raise malformed(
            _API_KEY,
            f"is of no use for authentication {auth!r}; write one key, or for AWS "
            "a JSON object of access_key_id and secret_access_key",
        )
    return parts


def _check_provider(
    custom: CustomModel, resident: Resident, *, has_credential: bool
) -> None:
    if not has_credential:
        raise malformed(
            _API_KEY,
            "is missing, and so is `extra.api_base`: the gateway's own credential "
            "is not lent. Give one of the two",
        )
    _, objection = resident.callable(model_of(custom, resident.providers))
    if objection is not None:
        raise malformed(_API_BASE, f"is missing: {objection.why}")


def _service_account(credential: str) -> str:
    parts = _texts(credential)
    if parts.get("type") != "service_account" or not (
        {"client_email", "private_key"} <= parts.keys()
    ):
        raise malformed(
            _API_KEY, "is not the JSON of a service account; write that, whole"
        )
    kept = {name: parts[name] for name in _GOOGLE_FIELDS if name in parts}
    return msgspec.json.encode({"type": "service_account", **kept}).decode()


def _texts(credential: str) -> Mapping[str, str]:
    try:
        return msgspec.json.decode(credential, type=dict[str, str])
    except msgspec.MsgspecError:
        raise RequestMalformedError(
            f"`{_API_KEY}` is no JSON object of texts.", field=_API_KEY
        ) from None
