"""What is kept of resources and edits, and how each is written.

Everything is JSON: a resource with what it is called and when it was edited, an
edit with what it changed, and the number of the last edit. Of a resource only that
is written which differs from what it is if nothing is said: a version that does not
know a field yet, beside a newer one or after a step back, reads all the resources
that do not use it. So the value that stands for nothing said never changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

import msgspec

from holdfast.control.resources import KINDS, NAMED_BY, ApiKey, CustomModel
from holdfast.control.resources import Any as AnyResource


class Path(NamedTuple):
    """What a resource is called: its kind, whose it is, and its names there."""

    kind: str
    organization: str
    names: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Its names in one line, `ORGANIZATION/...`."""
        return "/".join((self.organization, *self.names))

    @property
    def key(self) -> str:
        """Where it is kept, below the prefix: a slash in a name separates nothing."""
        parts = (self.kind, self.organization, *self.names)
        return RESOURCES + "/".join(quote(part, safe="") for part in parts)


RESOURCES = "resources/"
LOG = "log/"
GENERATION = "generation"


def log_key(number: int) -> str:
    """Return where an edit is kept, so that keys are in the order of numbers."""
    return f"{LOG}{number:012}"


def path_of(kind: str, resource: AnyResource) -> Path:
    """Return what a resource is called."""
    names = tuple(getattr(resource, name) for name in NAMED_BY[kind])
    return Path(kind, resource.organization, names)


class Kept(msgspec.Struct, frozen=True):
    """A resource, the generation that last changed it, and when."""

    kind: str
    resource: AnyResource
    generation: int
    created_at: datetime
    updated_at: datetime

    @property
    def path(self) -> Path:
        """What it is called."""
        return path_of(self.kind, self.resource)

    @property
    def etag(self) -> str:
        """Names this state of it: no two states have their generation in common."""
        return str(self.generation)


NOTHING = msgspec.Raw(b"null")


class LoggedChange(msgspec.Struct, frozen=True):
    """What an edit did to one resource, without what is withheld.

    Attributes:
        before: As JSON. Null: it was made, or too much to be kept.
        after: As JSON. Null: it was deleted, or too much to be kept.
    """

    kind: str
    organization: str
    names: tuple[str, ...]
    before: msgspec.Raw = NOTHING
    after: msgspec.Raw = NOTHING

    @property
    def path(self) -> Path:
        """What it is called."""
        return Path(self.kind, self.organization, self.names)


class Logged(msgspec.Struct, frozen=True, tag="generation"):
    """One edit.

    Attributes:
        number: The generation that it led to.
        edit: Drawn for each, so that who made it knows it again.
        cut: Whether the states before and after were too much to be kept.
    """

    number: int
    at: datetime
    actor: str
    action: str
    edit: str
    changes: tuple[LoggedChange, ...] = ()
    cut: bool = False


class _WrittenResource(msgspec.Struct, frozen=True, tag="resource"):
    kind: str
    generation: int
    created_at: datetime
    updated_at: datetime
    resource: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that is kept, and that this version does not understand."""


Entry: TypeAlias = Kept | Logged | int | Unreadable
"""What stands under one key: a resource, an edit, or the last generation's number."""

_written = msgspec.json.Decoder(int | _WrittenResource | Logged)
_resources: Mapping[str, msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(struct) for kind, struct in KINDS.items()
}


def write(entry: Kept | Logged | int) -> bytes:
    """Write what is to be kept."""
    if not isinstance(entry, Kept):
        return msgspec.json.encode(entry)
    return msgspec.json.encode(
        _WrittenResource(
            kind=entry.kind,
            generation=entry.generation,
            created_at=entry.created_at,
            updated_at=entry.updated_at,
            resource=to_json(entry.resource),
        )
    )


def to_json(resource: AnyResource) -> msgspec.Raw:
    """Write a resource, without the fields that say nothing."""
    return msgspec.Raw(msgspec.json.encode(_said(resource)))


def _said(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {
            field.encode_name: _said(said)
            for field in msgspec.structs.fields(value)
            if (said := getattr(value, field.name)) != field.default
        }
    if isinstance(value, tuple):
        return [_said(each) for each in value]
    return value


def read(value: bytes) -> Entry:
    """Read what is kept; what is not understood is said to be there."""
    try:
        written: int | _WrittenResource | Logged = _written.decode(value)
        if not isinstance(written, _WrittenResource):
            return written
        return Kept(
            kind=written.kind,
            resource=_resources[written.kind].decode(written.resource),
            generation=written.generation,
            created_at=written.created_at,
            updated_at=written.updated_at,
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        return Unreadable()


def without_secrets(resource: AnyResource) -> AnyResource:
    """Return a resource without what is shown to nobody.

    Of a key's secrets their last characters and ends remain: people tell by them
    which is which.
    """
    if isinstance(resource, ApiKey):
        secrets = tuple(
            msgspec.structs.replace(secret, digest="") for secret in resource.secrets
        )
        return msgspec.structs.replace(resource, secrets=secrets)
    if isinstance(resource, CustomModel):
        return msgspec.structs.replace(resource, sealed_credential="")
    return resource
