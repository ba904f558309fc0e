"""What an edit would come to, before anybody makes it."""

from typing import cast

import msgspec

from holdfast.control.resources import KINDS
from holdfast.control.resources import Any as AnyResource
from holdfast.errors import RequestMalformedError
from holdfast.model import Caller
from holdfast_resolver.control.validation.shape import malformed
from holdfast_resolver.directory import Membership
from holdfast_resolver.tenants import Tenants


def read(kind: str, written: bytes) -> AnyResource:
    """Read a resource that is only to be looked at.

    Args:
        kind: One of `resources.KINDS`.
        written: It, in JSON. What says whose it is may be left out.

    Raises:
        RequestMalformedError: It is none of the kind.
    """
    try:
        fields = msgspec.json.decode(written, type=dict)
        resource = msgspec.convert({"organization": "", **fields}, KINDS[kind])
    except msgspec.ValidationError as fault:
        raise RequestMalformedError(
            f"`edit.resource` is no {kind.replace('_', ' ')}: {fault}.", field="edit"
        ) from None
    return cast("AnyResource", resource)


def membership(
    tenants: Tenants, kind: str, resource: AnyResource, asking: Caller
) -> Membership:
    """Say what a project or key would be entitled to after an edit.

    Args:
        tenants: As things are.
        kind: The resource's.
        resource: As it would be.
        asking: Who asks: whose project it is unless the resource is of another.

    Raises:
        RequestMalformedError: The resource is of a project or key that is not there.
    """
    whose = tenants.previewed(kind, resource)
    project = getattr(resource, "project", "") or asking.project_id
    key = getattr(resource, "key", "")
    caller = Caller(resource.organization, project, key)
    member = None if whose is None else whose.member(caller)
    if member is None:
        raise malformed("project", f"is none of organization {resource.organization}'s")
    return member
