"""How a resource looks to a caller: its fields, and what is known of it."""

from typing import Any

import msgspec

from holdfast.control import resources
from holdfast.control.administration import Change, Generation, Stored
from holdfast_edge.administration.kinds import KINDS

_KINDS = {kind.name: kind for kind in KINDS}


def shown(stored: Stored) -> dict[str, Any]:
    """Write a resource as it is kept."""
    document = fields(stored.kind, stored.resource)
    document |= {
        "source": stored.source,
        "etag": stored.etag,
        "generation": stored.generation,
        "created_at": stored.created_at,
        "updated_at": stored.updated_at,
        "shadowed": stored.shadowed,
    }
    if stored.secret:
        document["secret"] = stored.secret
    return document


def fields(kind: str, resource: resources.Resource) -> dict[str, Any]:
    """Write a resource's own fields, without what is withheld.

    Of a key's secrets there is what people tell by which is which.
    """
    document = {
        name: getattr(resource, name)
        for name in resource.__struct_fields__
        if name not in resources.WITHHELD.get(kind, ())
    }
    if isinstance(resource, resources.ApiKey):
        document["secrets"] = [
            {"hint": each.hint, "expires_at": each.expires_at}
            for each in resource.secrets
        ]
    for name in _KINDS[kind].is_null_if_empty:
        document[name] = document[name] or None
    # Whose it is comes last: a list of names begins with the names.
    organization = document.pop("organization")
    if kind == "organization":
        document = {"id": organization, **document}
    return {**document, "organization": organization}


def generation(what: Generation) -> dict[str, Any]:
    """Write an edit and what it did."""
    return {
        "generation": what.number,
        "at": what.at,
        "actor": what.actor,
        "action": what.action,
        "changes": [change(each) for each in what.changes],
    }


def change(what: Change) -> dict[str, Any]:
    """Write what was done to one resource."""
    return {
        "kind": what.kind,
        "path": what.path,
        "before": _state(what.kind, what.before),
        "after": _state(what.kind, what.after),
    }


def _state(kind: str, resource: resources.Any | None) -> dict[str, Any] | None:
    return None if resource is None else fields(kind, resource)


def plain(value: Any) -> Any:
    """Return data as JSON has it."""
    return msgspec.to_builtins(value, str_keys=True)
