"""Who may do what, and to whose.

An admin key sees and edits all of its organization and of those that it has made,
but for what the configuration file declares. A runtime key sees the aliases and
custom models of its organization, and edits them unless admins keep that to
themselves.

What somebody may not see is for him as if it were not there.
"""

from collections.abc import Callable
from dataclasses import dataclass

from holdfast.errors import AdminKeyRequiredError, ResourceNotFoundError
from holdfast.model import Caller
from holdfast_resolver.control.declared import Declared
from holdfast_resolver.organization import Organization

FOR_RUNTIME_KEYS = frozenset({"alias", "custom_model"})
"""The kinds that keys edit which do not administrate."""

Find = Callable[[str], Organization | None]
"""Finds an organization."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks."""

    caller: Caller
    admin: bool

    @property
    def text(self) -> str:
        """What it is called in the audit trail."""
        caller = self.caller
        return f"{caller.organization_id}/{caller.project_id}/{caller.api_key_id}"


def seen(actor: Actor, asked: str, find: Find) -> Organization:
    """Return the organization that is asked about; an empty one is the actor's own.

    Raises:
        ResourceNotFoundError: There is none that the actor may see.
    """
    own = actor.caller.organization_id
    organization = find(asked or own)
    if organization is not None and (
        organization.id == own or (actor.admin and organization.parent == own)
    ):
        return organization
    raise not_found("organization", asked or own)


def require(actor: Actor, kind: str, *, edits_in: Organization | None = None) -> None:
    """Check that a kind of resource is an actor's business.

    Args:
        actor: Who asks.
        kind: One of `resources.KINDS`, or what only administrators see.
        edits_in: Whose it is, where it is to be edited.

    Raises:
        AdminKeyRequiredError: It is not.
    """
    if actor.admin:
        return
    if kind not in FOR_RUNTIME_KEYS:
        raise AdminKeyRequiredError(
            f"A {kind.replace('_', ' ')} is for administrators; send a key with "
            "`admin: true`."
        )
    if edits_in is not None and edits_in.aliases_by_admins:
        raise AdminKeyRequiredError(
            f"Organization {edits_in.id} has aliases and custom models edited by "
            "administrators alone; send a key with `admin: true`."
        )


def require_parent(actor: Actor, declared: Declared) -> None:
    """Check that an actor's organization may make others.

    Raises:
        AdminKeyRequiredError: It was made itself.
    """
    if not declared.has_organization(actor.caller.organization_id):
        raise AdminKeyRequiredError(
            "Organizations are made by administrators of those that the configuration "
            "file declares; send the key of one."
        )


def not_found(kind: str, name: str) -> ResourceNotFoundError:
    """Say that there is none, or none that may be seen: the same to who asks."""
    return ResourceNotFoundError(
        f"There is no {kind.replace('_', ' ')} {name!r} that this key may see.",
        kind=kind,
        name=name,
    )
