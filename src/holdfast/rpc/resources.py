"""Between resources and the messages of `holdfast.api.admin.v1`.

Both have the same fields under the same names, so that one pair of functions does
for every kind. A message is as JSON has it in between.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from google.protobuf import json_format, timestamp_pb2

from holdfast.api.admin.v1 import admin_service_pb2 as pb
from holdfast.api.admin.v1 import resources_pb2
from holdfast.control.administration import Change, Generation, Stored
from holdfast.control.resources import KINDS
from holdfast.control.resources import Any as AnyResource
from holdfast.errors import RequestMalformedError

_SOURCES: Mapping[str, Any] = {"file": "file", "api": "api"}


def resource_to_wire(kind: str, resource: AnyResource) -> resources_pb2.Resource:
    """Convert a resource.

    Raises:
        RequestMalformedError: A value in it has no place in a message.
    """
    try:
        return json_format.ParseDict(
            {kind: msgspec.to_builtins(resource, str_keys=True)},
            resources_pb2.Resource(),
        )
    except (json_format.ParseError, ValueError, TypeError, RecursionError) as error:
        # What it says may hold the value, which may be a secret in a wrong place.
        raise RequestMalformedError(
            f"A value of this {kind} cannot be sent on: a number that is too large, a "
            "time without a time zone, or half a character.",
            field=kind,
        ) from error


def resource_from_wire(message: resources_pb2.Resource) -> tuple[str, AnyResource]:
    """Convert a resource, and say of which kind it is.

    Raises:
        RequestMalformedError: It is none, or a field has a value it cannot have.
    """
    kind = message.WhichOneof("resource")
    if kind is None:
        raise RequestMalformedError("`resource` is missing.", field="resource")
    content = json_format.MessageToDict(
        getattr(message, kind), preserving_proto_field_name=True
    )
    # Left out where it is empty, which it may be.
    content.setdefault("organization", "")
    try:
        # Numbers of 64 bits are text in protobuf's JSON.
        resource = msgspec.convert(content, KINDS[kind], strict=False)
    except msgspec.ValidationError as error:
        raise RequestMalformedError(f"`{kind}`: {error}.", field=kind) from None
    return kind, cast("AnyResource", resource)


def stored_to_wire(stored: Stored) -> pb.StoredResource:
    """Convert a resource as it is kept."""
    return pb.StoredResource(
        resource=resource_to_wire(stored.kind, stored.resource),
        source=stored.source,
        etag=stored.etag,
        generation=stored.generation,
        created_at=_moment_to_wire(stored.created_at),
        updated_at=_moment_to_wire(stored.updated_at),
        secret=stored.secret,
        shadowed=stored.shadowed,
    )


def stored_from_wire(message: pb.StoredResource) -> Stored:
    """Convert a resource as it is kept."""
    kind, resource = resource_from_wire(message.resource)
    return Stored(
        kind,
        resource,
        _SOURCES[message.source],
        message.etag,
        message.generation,
        _moment(message.created_at) if message.HasField("created_at") else None,
        _moment(message.updated_at) if message.HasField("updated_at") else None,
        message.secret,
        message.shadowed,
    )


def change_to_wire(change: Change) -> pb.Change:
    """Convert what an edit did to one resource."""
    before, after = change.before, change.after
    return pb.Change(
        kind=change.kind,
        path=change.path,
        before=None if before is None else resource_to_wire(change.kind, before),
        after=None if after is None else resource_to_wire(change.kind, after),
    )


def change_from_wire(message: pb.Change) -> Change:
    """Convert what an edit did to one resource."""
    before, after = (
        resource_from_wire(getattr(message, name))[1]
        if message.HasField(name)
        else None
        for name in ("before", "after")
    )
    return Change(message.kind, message.path, before, after)


def generation_to_wire(generation: Generation) -> pb.Generation:
    """Convert an edit."""
    return pb.Generation(
        number=generation.number,
        at=_moment_to_wire(generation.at),
        actor=generation.actor,
        action=generation.action,
        changes=map(change_to_wire, generation.changes),
    )


def generation_from_wire(message: pb.Generation) -> Generation:
    """Convert an edit."""
    return Generation(
        message.number,
        _moment(message.at),
        message.actor,
        message.action,
        tuple(map(change_from_wire, message.changes)),
    )


def _moment_to_wire(moment: datetime | None) -> timestamp_pb2.Timestamp | None:
    if moment is None:
        return None
    wire = timestamp_pb2.Timestamp()
    wire.FromDatetime(moment)
    return wire


def _moment(wire: timestamp_pb2.Timestamp) -> datetime:
    return wire.ToDatetime(tzinfo=UTC)
