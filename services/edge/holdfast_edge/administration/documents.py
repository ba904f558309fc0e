"""Reading what a caller sends of a resource: whole, or what is to change of it.

A field that is null is as if it were absent; in a change it goes back to what it is
without being given (RFC 7396). A field that has to be given stays as it is then.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from holdfast.control import resources
from holdfast.errors import JsonInvalidError, RequestMalformedError
from holdfast_edge.administration.kinds import ABOUT, Kind
from holdfast_edge.administration.views import plain
from holdfast_edge.decoding import decode, malformed, misfit

_DEPTH = 32
"""How deeply a document may be nested: a resource's own fields are four deep, and
what is behind the edge reads no more than a hundred levels."""

_LARGEST = 2**63 - 1
"""The largest number that every part of the gateway can hold."""

_CREDENTIAL = "api_key"

_decoder = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Document:
    """What a caller sent of a resource.

    Attributes:
        fields: As they came, but for what is none of the resource's own.
        organization: Whose it is, if the caller says so.
        credential: A custom model's. None: nothing is said of it.
    """

    kind: Kind
    fields: Mapping[str, Any]
    organization: str
    credential: str | None = None

    def resource(self) -> resources.Any:
        """Return the resource that this is the whole of.

        Raises:
            RequestMalformedError: A field is missing, wrong or none of its.
        """
        whole: resources.Any = _resource(
            self.kind, {**self.fields, "organization": self.organization}
        )
        return whole

    def upon(self, now: resources.Any) -> resources.Any:
        """Return what a resource becomes by this change.

        Raises:
            RequestMalformedError: A field is wrong or none of its.
        """
        required = _required(self.kind.struct)
        patch = {
            name: value
            for name, value in self.fields.items()
            if value is not None or name not in required
        }
        withheld = resources.WITHHELD.get(self.kind.name, frozenset())
        current = {
            name: value for name, value in plain(now).items() if name not in withheld
        }
        changed: resources.Any = _resource(self.kind, merged(current, patch))
        return changed


def document_of(
    kind: Kind,
    body: bytes,
    *,
    path: Mapping[str, str],
    organization: str,
) -> Document:
    """Read a body.

    Args:
        kind: What it is of.
        body: As it came.
        path: What the path says already, by field.
        organization: What the query says; empty if nothing.

    Raises:
        JsonInvalidError: It is no JSON.
        RequestMalformedError: It is no object, or contradicts the path or the query.
    """
    sent = decode(_decoder, body)
    _check(sent, "", 0)
    for name in resources.WITHHELD.get(kind.name, frozenset()) - kind.read_only:
        if name in sent:
            raise _misfit(kind, f"Object contains unknown field `{name}`")
    if kind.name == "organization":
        # Its own id, whatever organization the query names.
        organization = ""
        _take_id(sent)
    credential = _credential(kind, sent)
    named = {**({"organization": organization} if organization else {}), **path}
    for name, value in named.items():
        if name not in path or not kind.is_renamed or sent.get(name) is None:
            _agree(sent, name, value)
    whose = sent.pop("organization", None)
    whose = "" if whose is None else whose
    if not isinstance(whose, str):
        raise malformed("organization", "must be the id of an organization")
    if kind.name == "organization" and not whose:
        raise malformed("id", "is missing")
    ignored = ABOUT | (kind.read_only - path.keys())
    fields = {name: value for name, value in sent.items() if name not in ignored}
    _check_nulls(kind, fields, "")
    return Document(kind, fields, whose, credential)


def merged(target: Any, patch: Any) -> Any:
    """Change a document as a patch says (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def _take_id(sent: dict[str, Any]) -> None:
    """Let an organization's id be called as other resources' are."""
    if "id" in sent:
        given = sent.pop("id")
        _agree(sent, "organization", given)


def _agree(sent: dict[str, Any], name: str, value: Any) -> None:
    """Put in what the path or the query says, unless the body says otherwise."""
    given = sent.get(name)
    if given is not None and given != value:
        raise malformed(name, "must be what the request's address says, or be left out")
    sent[name] = value


def _credential(kind: Kind, sent: dict[str, Any]) -> str | None:
    if _CREDENTIAL not in kind.written_only or _CREDENTIAL not in sent:
        return None
    given = sent.pop(_CREDENTIAL)
    if given is None:
        return ""
    if not isinstance(given, str):
        raise malformed(_CREDENTIAL, "must be a text")
    return given


def _resource(kind: Kind, fields: dict[str, Any]) -> Any:
    try:
        resource = msgspec.convert(merged({}, fields), kind.struct)
    except msgspec.ValidationError as fault:
        raise _misfit(kind, str(fault)) from None
    return resource


def _misfit(kind: Kind, fault: str) -> RequestMalformedError:
    return misfit(fault, lambda path: _fields_at(kind, path))


def _required(struct: type[msgspec.Struct]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(struct) if field.required}


def _fields_at(kind: Kind, path: str) -> Iterable[str]:
    """Yield the fields there are below a path, e.g. `patterns[0]`."""
    at: Any = msgspec.inspect.type_info(kind.struct)
    for step in re.findall(r"[^.\[\]]+|\[[^\]]*\]", path):
        at = _below(_struct(at), step)
    hidden = resources.WITHHELD.get(kind.name, frozenset()) if not path else frozenset()
    found = _struct(at)
    if isinstance(found, msgspec.inspect.StructType):
        yield from (f.encode_name for f in found.fields if f.encode_name not in hidden)
    if not path:
        yield from kind.written_only


def _struct(at: Any) -> Any:
    """Return what holds fields among what may stand somewhere."""
    if isinstance(at, msgspec.inspect.UnionType):
        return next(
            (t for t in at.types if isinstance(t, msgspec.inspect.StructType)), None
        )
    return at


def _below(at: Any, step: str) -> Any:
    if isinstance(at, msgspec.inspect.VarTupleType):
        return at.item_type
    if isinstance(at, msgspec.inspect.StructType):
        return next((f.type for f in at.fields if f.encode_name == step), None)
    return None


def _check_nulls(kind: Kind, value: dict[str, Any], path: str) -> None:
    """Refuse a null for a field that there is not: it would do nothing, unseen."""
    for name, below in value.items():
        if isinstance(below, dict):
            _check_nulls(kind, below, f"{path}.{name}" if path else name)
        elif below is None:
            known = list(_fields_at(kind, path))
            if known and name not in known:
                where = f" - at `$.{path}`" if path else ""
                raise _misfit(kind, f"Object contains unknown field `{name}`{where}")


def _check(value: Any, path: str, depth: int) -> None:
    """Refuse what is JSON and more than the gateway holds."""
    if depth > _DEPTH:
        raise JsonInvalidError(f"The body is nested more than {_DEPTH} levels deep.")
    if isinstance(value, dict):
        for name, below in value.items():
            _check(below, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(value, list):
        for place, below in enumerate(value):
            _check(below, f"{path}[{place}]", depth + 1)
    elif isinstance(value, int) and abs(value) > _LARGEST:
        raise malformed(path, "is a number too large")
