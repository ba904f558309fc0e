"""Resources kept in memory, for one organization with two keys and another one."""

import dataclasses
import hashlib
import itertools
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from holdfast.control import resources
from holdfast.control.administration import Change, Generation, Stored
from holdfast.errors import (
    AdminKeyRequiredError,
    ApiKeyUnknownError,
    DeclaredInFileError,
    EditConflictError,
    GenerationGoneError,
    RequestMalformedError,
    ResourceExistsError,
    ResourceNotFoundError,
)

from .services import KEY

ADMIN_KEY = "hf-test-admin"
"""Administers `acme` and `acme-labs`, which it has made."""

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)

_ANY_KEY = ("alias", "custom_model")


def digest(key: str) -> bytes:
    """Return what a key is known by."""
    return hashlib.sha256(key.encode()).digest()


class MemoryAdministration:
    """Keeps resources, and what was done to them, and decides by the key alone.

    Attributes:
        credentials: The custom models' credentials, by name.
        before_replacing: Called before each replacement, for what somebody else
            does meanwhile.
    """

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, tuple[str, ...]], Stored] = {}
        self.edits: list[Generation] = []
        self.states: dict[int, dict[Any, Stored]] = {0: {}}
        self.credentials: dict[str, str] = {}
        self.before_replacing: Callable[[], None] = lambda: None
        self._numbers = itertools.count(1)
        for name in ("acme", "acme-labs"):
            made = resources.Organization(organization=name)
            self.declare("organization", made)
        self.declare("project", resources.Project(organization="acme", id="web"))

    def declare(self, kind: str, resource: Any) -> Stored:
        """Keep what the configuration file declares."""
        stored = Stored(kind, resource, "file", f"file-{resource.organization}")
        self.kept[self._place(kind, resource)] = stored
        return stored

    async def create(
        self, principal: bytes, kind: str, resource: Any, *, credential: str = ""
    ) -> Stored:
        resource = self._owned(principal, kind, resource)
        if kind in _ANY_KEY:
            resource = msgspec.structs.replace(resource, id=str(uuid.uuid4()))
            self._check_name(kind, resource)
        if self._place(kind, resource) in self.kept:
            raise ResourceExistsError("There is one.", kind=kind, name="x")
        if credential:
            self.credentials[resource.name] = credential
        secret = ""
        if kind == "key":
            secret, resource = _with_secret(resource)
        return self._keep(kind, resource, "create", secret)

    async def get(
        self,
        principal: bytes,
        kind: str,
        names: Sequence[str],
        *,
        organization: str = "",
    ) -> Stored:
        whose = self._organization(principal, kind, organization)
        found = self.kept.get((kind, whose, tuple(names)))
        if found is None and kind in _ANY_KEY:
            named = (s for s in self._all(kind, whose) if s.resource.name == names[0])
            found = next(named, None)
        if found is None:
            raise ResourceNotFoundError(
                "There is none.", kind=kind, name="/".join(names)
            )
        return found

    async def list(
        self, principal: bytes, kind: str, *, organization: str = "", project: str = ""
    ) -> Sequence[Stored]:
        whose = self._organization(principal, kind, organization)
        if kind == "organization":
            return [s for s in self.kept.values() if s.kind == kind]
        return [
            stored
            for stored in self._all(kind, whose)
            if project in ("", getattr(stored.resource, "project", ""))
        ]

    async def replace(
        self,
        principal: bytes,
        kind: str,
        names: Sequence[str],
        resource: Any,
        *,
        etag: str = "",
        credential: str | None = None,
    ) -> Stored:
        self.before_replacing()
        resource = self._owned(principal, kind, resource)
        now = await self.get(principal, kind, names, organization=resource.organization)
        self._check(now, etag)
        if kind in _ANY_KEY and resource.name != now.resource.name:
            self._check_name(kind, resource)
        if credential is not None:
            self.credentials[resource.name] = credential
        if kind == "key":
            resource = msgspec.structs.replace(resource, secrets=now.resource.secrets)
        self.kept.pop(self._place(kind, now.resource))
        return self._keep(kind, resource, "update", before=now)

    async def delete(
        self,
        principal: bytes,
        kind: str,
        names: Sequence[str],
        *,
        organization: str = "",
        etag: str = "",
    ) -> None:
        now = await self.get(principal, kind, names, organization=organization)
        self._check(now, etag)
        del self.kept[self._place(kind, now.resource)]
        self._record(kind, now.resource, None, "delete")

    async def rotate(
        self,
        principal: bytes,
        project: str,
        key: str,
        *,
        organization: str = "",
        overlap_s: float = 0,
    ) -> Stored:
        now = await self.get(
            principal, "key", (project, key), organization=organization
        )
        secret, rotated = _with_secret(now.resource)
        return self._keep("key", rotated, "rotate", secret)

    async def generations(
        self, principal: bytes, *, organization: str = "", limit: int = 100
    ) -> Sequence[Generation]:
        self._organization(principal, "generation", organization)
        return self.edits[::-1][:limit]

    async def compare(
        self, principal: bytes, first: int, second: int, *, organization: str = ""
    ) -> Sequence[Change]:
        self._organization(principal, "generation", organization)
        if {first, second} - self.states.keys():
            raise GenerationGoneError("It is not kept.", generation=str(second))
        before, after = self.states[first], self.states[second]
        return [
            self._change(place[0], _resource(before, place), _resource(after, place))
            for place in before.keys() | after.keys()
            if before.get(place) != after.get(place)
        ]

    async def roll_back(
        self, principal: bytes, to: int, *, organization: str = ""
    ) -> Generation:
        changes = await self.compare(principal, len(self.edits), to)
        self.kept = {**self.kept, **self.states[to]}
        return self._edit("roll_back", changes)

    def _organization(self, principal: bytes, kind: str, asked: str) -> str:
        if principal not in (digest(KEY), digest(ADMIN_KEY)):
            raise ApiKeyUnknownError("The API key is unknown.")
        if kind not in _ANY_KEY and principal != digest(ADMIN_KEY):
            raise AdminKeyRequiredError("Use an admin key.")
        if asked and ("organization", asked, ()) not in self.kept:
            raise ResourceNotFoundError("No such organization.", kind="organization")
        return asked or "acme"

    def _owned(self, principal: bytes, kind: str, resource: Any) -> Any:
        asked = "" if kind == "organization" else resource.organization
        whose = self._organization(principal, kind, asked)
        if kind == "organization":
            return resource
        return msgspec.structs.replace(resource, organization=whose)

    def _all(self, kind: str, organization: str) -> Sequence[Stored]:
        return [s for k, s in self.kept.items() if k[:2] == (kind, organization)]

    def _check_name(self, kind: str, resource: Any) -> None:
        if not resource.name:
            raise RequestMalformedError("`name` must not be empty.", field="name")
        if any(
            s.resource.name == resource.name
            for s in self._all(kind, resource.organization)
        ):
            raise ResourceExistsError("The name is taken.", kind=kind, name="x")

    def _check(self, now: Stored, etag: str) -> None:
        if now.source == "file":
            raise DeclaredInFileError("The file declares it.", kind=now.kind, name="x")
        if etag and etag != now.etag:
            raise EditConflictError("It has changed.", kind=now.kind, etag=now.etag)

    def _keep(
        self,
        kind: str,
        resource: Any,
        action: str,
        secret: str = "",
        before: Stored | None = None,
    ) -> Stored:
        place = self._place(kind, resource)
        before = before or self.kept.get(place)
        number = self._record(kind, before and before.resource, resource, action)
        made = before.created_at if before else NOW
        stored = Stored(kind, resource, "api", f"e{number}", number, made, NOW)
        self.kept[place] = stored
        self.states[number] = {k: s for k, s in self.kept.items() if s.source == "api"}
        return dataclasses.replace(stored, secret=secret)

    def _record(self, kind: str, before: Any, after: Any, action: str) -> int:
        change = self._change(kind, before, after)
        return self._edit(action, [change]).number

    def _edit(self, action: str, changes: Sequence[Change]) -> Generation:
        number = next(self._numbers)
        edit = Generation(number, NOW, "acme/web/admin", action, changes)
        self.edits.append(edit)
        self.states[number] = {k: s for k, s in self.kept.items() if s.source == "api"}
        return edit

    def _change(self, kind: str, before: Any, after: Any) -> Change:
        return Change(
            kind, "/".join(self._place(kind, after or before)[2]), before, after
        )

    def _place(self, kind: str, resource: Any) -> tuple[str, str, tuple[str, ...]]:
        names = tuple(getattr(resource, name) for name in resources.NAMED_BY[kind])
        return kind, resource.organization, names


def _with_secret(key: resources.ApiKey) -> tuple[str, resources.ApiKey]:
    secret = f"hf-{uuid.uuid4().hex}"
    shown = resources.KeySecret(hint=secret[-4:])
    return secret, msgspec.structs.replace(key, secrets=(shown,))


def _resource(state: dict[Any, Stored], place: Any) -> Any:
    return state[place].resource if place in state else None
