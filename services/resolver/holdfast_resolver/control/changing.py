"""What a resource becomes when it is made or changed, and whether it may be.

Some of its fields are not for whoever sends it to say: ids, parents, and what is
withheld.
"""

import uuid
from collections.abc import Sequence

import msgspec

from holdfast.control.resources import (
    NAMED_BY,
    ApiKey,
    CustomModel,
    KeySecret,
    Organization,
)
from holdfast.control.resources import Any as AnyResource
from holdfast.errors import (
    DeclaredInFileError,
    EditConflictError,
    ResourceExistsError,
)
from holdfast_resolver.control.authorization import Actor, not_found
from holdfast_resolver.control.declared import NAMED, Declared
from holdfast_resolver.control.records import Kept, Path, path_of
from holdfast_resolver.control.state import State
from holdfast_resolver.control.validation.shape import malformed

_RENAMED = frozenset({"guardrail"})
"""Kinds that are known by their name and may be given another."""


def made_by(
    actor: Actor, kind: str, resource: AnyResource, secret: KeySecret | None
) -> AnyResource:
    """Return a resource that is made, with what is not for its sender to say.

    Args:
        actor: Who makes it.
        kind: What it is.
        resource: As it was sent.
        secret: A key's first one.
    """
    if kind in NAMED:
        resource = msgspec.structs.replace(resource, id=str(uuid.uuid4()))
    if isinstance(resource, Organization):
        parent = actor.caller.organization_id
        return msgspec.structs.replace(resource, parent=parent)
    if isinstance(resource, ApiKey):
        secrets = () if secret is None else (secret,)
        return msgspec.structs.replace(resource, secrets=secrets)
    if isinstance(resource, CustomModel):
        return msgspec.structs.replace(resource, sealed_credential="")
    return resource


def in_place_of(
    now: Kept,
    resource: AnyResource,
    organization: str,
    *,
    keeps_credential: bool = True,
) -> AnyResource:
    """Return what a resource becomes, with what stays as it is.

    Args:
        now: As it is kept.
        resource: As it is to be.
        organization: Whose it is.
        keeps_credential: Whether a custom model's credential stays.

    Raises:
        RequestMalformedError: It would be another one.
    """
    kind, kept = now.kind, now.resource
    fixed: dict[str, object] = {"organization": organization}
    if kind in NAMED:
        fixed["id"] = getattr(kept, "id", "")
    if isinstance(kept, Organization):
        fixed["parent"] = kept.parent
    if isinstance(kept, ApiKey):
        fixed["secrets"] = kept.secrets
    if isinstance(kept, CustomModel) and keeps_credential:
        fixed["sealed_credential"] = kept.sealed_credential
    after: AnyResource = msgspec.structs.replace(resource, **fixed)
    for name in NAMED_BY[kind]:
        was = getattr(kept, name)
        if getattr(after, name) != was and kind not in _RENAMED:
            raise malformed(name, f"is {was!r} and stays so; make another one instead")
    return after


def of_the_api(
    kind: str, names: Sequence[str], found: AnyResource | Kept | None, organization: str
) -> Kept:
    """Return a resource that may be edited.

    Raises:
        ResourceNotFoundError: There is none.
        DeclaredInFileError: The configuration file declares it.
    """
    if isinstance(found, Kept):
        return found
    name = "/".join(names) or organization
    if found is None:
        raise not_found(kind, name)
    raise DeclaredInFileError(
        f"The {kind.replace('_', ' ')} {name!r} is declared in the configuration file, "
        "and changed there alone.",
        kind=kind,
        name=path_of(kind, found).text,
    )


def check_not_taken(path: Path, state: State, declared: Declared) -> None:
    """Check that there is nothing yet where a resource is to be.

    Raises:
        ResourceExistsError: There is.
    """
    in_file = path in declared.resources
    if in_file or state.is_taken(path):
        why = "the configuration file declares it" if in_file else "it has been made"
        raise ResourceExistsError(
            f"The {path.kind.replace('_', ' ')} {path.text!r} is there already: {why}.",
            kind=path.kind,
            name=path.text,
        )


def check_etag(now: Kept, etag: str) -> None:
    """Check that a resource is in the state that its editor has seen.

    Args:
        now: As it is kept.
        etag: Of what he has seen. Empty: whatever it is.

    Raises:
        EditConflictError: It is in another.
    """
    if etag and etag != now.etag:
        raise EditConflictError(
            f"Somebody has changed the {now.kind.replace('_', ' ')} "
            f"{now.path.text!r} since. Read it again, and edit that.",
            kind=now.kind,
            name=now.path.text,
            etag=now.etag,
        )
