"""API keys: when they end, and that administrators do not lock themselves out."""

from collections.abc import Mapping
from datetime import datetime

from holdfast.control.resources import Any as AnyResource
from holdfast.control.resources import ApiKey
from holdfast.errors import ResourceInUseError
from holdfast.model import Caller
from holdfast_resolver.control.records import Path
from holdfast_resolver.control.validation.shape import malformed
from holdfast_resolver.control.validation.world import World


def check_end(_: str, key: ApiKey, world: World) -> None:
    """Check that a key is said to end at a moment, and at one that is to come.

    Raises:
        RequestMalformedError: It is not.
    """
    if key.expires_at is None or world.was(key, "expires_at"):
        return
    if key.expires_at.tzinfo is None:
        raise malformed("expires_at", "names no time zone; end it with Z or +HH:MM")
    if world.before is None and key.expires_at <= world.now:
        raise malformed("expires_at", "is over already; name a moment to come")


def check_not_own(
    changes: Mapping[Path, AnyResource | None], caller: Caller, now: datetime
) -> None:
    """Check that an administrator does not shut the key that he is using.

    So an organization keeps one as long as it has one: whoever takes the others away
    has it. One that another organization made has that one's administrators, too.

    Raises:
        ResourceInUseError: He would.
    """
    path = Path("key", caller.organization_id, (caller.project_id, caller.api_key_id))
    if path in changes and not _administers(changes[path], now):
        raise ResourceInUseError(
            "This is the key that asks: it would be shut out. Use another admin key.",
            kind="key",
            name=path.text,
        )


def _administers(key: AnyResource | None, now: datetime) -> bool:
    return (
        isinstance(key, ApiKey)
        and key.admin
        and not key.disabled
        and (key.expires_at is None or key.expires_at > now)
        and any(
            secret.expires_at is None or secret.expires_at > now
            for secret in key.secrets
        )
    )
