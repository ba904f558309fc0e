"""The `Administration` of one replica: looks, checks, and makes edits.

Reading is from memory. An edit is decided on what is known and made in etcd as one
transaction; where another replica was faster it is decided again on what that left.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import cast

import msgspec

from holdfast.control.administration import Change, Generation, Stored
from holdfast.control.resources import KINDS, ApiKey, CustomModel
from holdfast.control.resources import Any as AnyResource
from holdfast_resolver.control import history, previews
from holdfast_resolver.control.authorization import (
    Actor,
    not_found,
    require,
    require_parent,
    seen,
)
from holdfast_resolver.control.changing import (
    check_etag,
    check_not_taken,
    in_place_of,
    made_by,
    of_the_api,
)
from holdfast_resolver.control.records import Kept, Path, path_of
from holdfast_resolver.control.sealed import Sealed
from holdfast_resolver.control.secret_keys import new_secret, rotated
from holdfast_resolver.control.shelf import Shelf
from holdfast_resolver.control.state import State
from holdfast_resolver.control.store import Changes, ControlStore
from holdfast_resolver.control.validation.checks import (
    DELETING,
    KEEPING,
    RENAMING,
)
from holdfast_resolver.control.validation.endpoints import check_not_moved
from holdfast_resolver.control.validation.keys import check_not_own
from holdfast_resolver.control.validation.scopes import that_goes_with
from holdfast_resolver.control.validation.shape import check_shape, malformed
from holdfast_resolver.control.validation.world import World
from holdfast_resolver.directory import Membership
from holdfast_resolver.organization import Organization
from holdfast_resolver.tenants import Tenants

_HISTORY = "generation"
"""What is no kind of resource, and is for administrators as well."""


def _now() -> datetime:
    return datetime.now(UTC)


class AdministrationService:
    """Answers for one replica; see `holdfast.control.administration`."""

    def __init__(
        self,
        store: ControlStore,
        tenants: Tenants,
        sealed: Sealed,
        *,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """Put the parts together.

        Args:
            store: Where resources are kept.
            tenants: Makes of them what callers may use.
            sealed: Checks where custom models are, and seals their credentials.
            clock: Says when it is.
        """
        self._store = store
        self._tenants = tenants
        self._sealed = sealed
        self._clock = clock
        self._shelf = Shelf(tenants.declared, store.state)

    async def create(
        self,
        principal: bytes,
        kind: str,
        resource: AnyResource,
        *,
        credential: str = "",
    ) -> Stored:
        """Make a resource; see `Administration.create`."""
        _check_kind(kind)
        actor, resource = self._placed(principal, kind, resource)
        secret, kept_secret = new_secret() if kind == "key" else ("", None)
        resource = made_by(actor, kind, resource, kept_secret)
        check_shape(kind, resource)
        if isinstance(resource, CustomModel):
            resource = await self._sealed.complete(resource, credential)
        elif credential:
            raise malformed("credential", f"is none of a {kind}'s fields")
        path = path_of(kind, resource)

        def decide(state: State) -> Changes:
            self._placed(principal, kind, resource)
            check_not_taken(path, state, self._tenants.declared)
            self._check_kept(kind, resource, None)
            return {path: resource}

        await self._store.edit(actor.text, "create", decide)
        return self._shown(path, resource, secret)

    async def get(
        self,
        principal: bytes,
        kind: str,
        names: Sequence[str],
        *,
        organization: str = "",
    ) -> Stored:
        """Show one; see `Administration.get`."""
        _, whose = self._seen(principal, kind, organization)
        found = self._shelf.find(kind, whose.id, names)
        if found is None:
            raise not_found(kind, _words(whose.id, names))
        if isinstance(found, Kept):
            return self._shelf.of_api(found)
        return self._shelf.of_file(kind, found)

    async def list(
        self, principal: bytes, kind: str, *, organization: str = "", project: str = ""
    ) -> Sequence[Stored]:
        """Show all of a kind; see `Administration.list`."""
        actor, whose = self._seen(principal, kind, organization)
        if kind != "organization" or organization:
            return self._shelf.all(kind, whose.id, project)
        own = actor.caller.organization_id
        visible = [own, *sorted(self._tenants.made_by(own))]
        return [each for one in visible for each in self._shelf.all(kind, one)]

    async def replace(  # noqa: PLR0913 - as the port has it
        self,
        principal: bytes,
        kind: str,
        names: Sequence[str],
        resource: AnyResource,
        *,
        etag: str = "",
        credential: str | None = None,
    ) -> Stored:
        """Change one; see `Administration.replace`."""
        actor, whose = self._seen(principal, kind, resource.organization, edits=True)
        kept = of_the_api(
            kind, names, self._shelf.find(kind, whose.id, names), whose.id
        )
        wanted = in_place_of(kept, resource, whose.id)
        check_shape(kind, wanted)
        if isinstance(wanted, CustomModel):
            wanted = await self._sealed.complete(wanted, credential)
        elif credential:
            raise malformed("credential", f"is none of a {kind}'s fields")
        path = path_of(kind, wanted)

        def decide(state: State) -> Changes:
            self._seen(principal, kind, whose.id, edits=True)
            found = self._shelf.find(kind, whose.id, kept.path.names)
            now = of_the_api(kind, names, found, whose.id)
            check_etag(now, etag)
            after = in_place_of(
                now, wanted, whose.id, keeps_credential=credential is None
            )
            if path != now.path:
                check_not_taken(path, state, self._tenants.declared)
            self._check_kept(kind, after, now)
            if after == now.resource:
                return {}
            changes: dict[Path, AnyResource | None] = {path: after}
            if path != now.path:
                changes[now.path] = None
            return self._guarded(changes, principal)

        await self._store.edit(actor.text, "update", decide)
        return self._shown(path, wanted)

    async def delete(
        self,
        principal: bytes,
        kind: str,
        names: Sequence[str],
        *,
        organization: str = "",
        etag: str = "",
    ) -> None:
        """Delete one; see `Administration.delete`."""
        actor, whose = self._seen(principal, kind, organization, edits=True)

        def decide(state: State) -> Changes:
            self._seen(principal, kind, whose.id, edits=True)
            found = self._shelf.find(kind, whose.id, names)
            # What the file has declared since can be cleared away.
            behind = state.get(Path(kind, whose.id, tuple(names)))
            now = of_the_api(kind, names, behind or found, whose.id)
            check_etag(now, etag)
            world = self._world(whose.id, now)
            for check in DELETING.get(kind, ()):
                check(kind, now.resource, world)
            changes: dict[Path, AnyResource | None] = {now.path: None}
            changes |= dict.fromkeys(that_goes_with(now.resource, state))
            return self._guarded(changes, principal)

        await self._store.edit(actor.text, "delete", decide)

    async def rotate(
        self,
        principal: bytes,
        project: str,
        key: str,
        *,
        organization: str = "",
        overlap_s: float = 0,
    ) -> Stored:
        """Give a key another secret; see `Administration.rotate`."""
        actor, whose = self._seen(principal, "key", organization, edits=True)
        secret, kept_secret = new_secret()
        path = Path("key", whose.id, (project, key))

        def decide(_: State) -> Changes:
            self._seen(principal, "key", whose.id, edits=True)
            found = self._shelf.find("key", whose.id, path.names)
            now = of_the_api("key", path.names, found, whose.id)
            held = cast("ApiKey", now.resource)
            return {path: rotated(held, kept_secret, overlap_s, self._clock())}

        await self._store.edit(actor.text, "rotate", decide)
        found = self._shelf.find("key", whose.id, path.names)
        now = of_the_api("key", path.names, found, whose.id)
        return self._shelf.of_api(now, secret)

    def preview(self, principal: bytes, kind: str, written: bytes) -> Membership:
        """Say what a principal would be entitled to after an edit.

        Of an edit of a project or a key, what that would be.

        Args:
            principal: The digest of the key that asks.
            kind: One of `resources.KINDS`.
            written: The resource in JSON, without what is withheld.

        Raises:
            RequestMalformedError: It is none of the kind.
            GatewayError: The key may not make the edit.
        """
        _check_kind(kind)
        actor, resource = self._placed(principal, kind, previews.read(kind, written))
        check_shape(kind, resource)
        return previews.membership(self._tenants, kind, resource, actor.caller)

    async def generations(
        self, principal: bytes, *, organization: str = "", limit: int = 100
    ) -> Sequence[Generation]:
        """Show the last edits; see `Administration.generations`."""
        _, whose = self._seen(principal, _HISTORY, organization)
        log = self._store.state.log
        found = (history.generation_of(log[n], whose.id) for n in sorted(log)[::-1])
        return [each for each in found if each is not None][: max(0, limit)]

    async def compare(
        self, principal: bytes, first: int, second: int, *, organization: str = ""
    ) -> Sequence[Change]:
        """Say what differs between two generations; see `Administration.compare`."""
        _, whose = self._seen(principal, _HISTORY, organization)
        return history.compare(self._store.state, first, second, whose.id)

    async def roll_back(
        self, principal: bytes, to: int, *, organization: str = ""
    ) -> Generation:
        """Make an organization what it was; see `Administration.roll_back`."""
        actor, whose = self._seen(principal, _HISTORY, organization)

        def decide(state: State) -> Changes:
            self._seen(principal, _HISTORY, whose.id)
            changes = history.way_back(state, to, whose.id)
            return self._guarded(changes, principal)

        entry = await self._store.edit(actor.text, "roll_back", decide)
        made = None if entry is None else history.generation_of(entry, whose.id)
        number = self._store.state.generation
        return made or Generation(number, self._clock(), actor.text, "roll_back", ())

    def _actor(self, principal: bytes) -> Actor:
        member = self._tenants.directory.admit(principal, self._clock().timestamp())
        return Actor(member.caller, member.admin)

    def _seen(
        self, principal: bytes, kind: str, asked: str, *, edits: bool = False
    ) -> tuple[Actor, Organization]:
        """Return who asks, and which organization about."""
        if kind != _HISTORY:
            _check_kind(kind)
        actor = self._actor(principal)
        require(actor, kind)
        organization = seen(actor, asked, self._tenants.organization)
        if edits:
            require(actor, kind, edits_in=organization)
        return actor, organization

    def _placed(
        self, principal: bytes, kind: str, resource: AnyResource
    ) -> tuple[Actor, AnyResource]:
        """Return who makes a resource, and the resource with whose it is."""
        if kind == "organization":
            actor = self._actor(principal)
            require(actor, kind)
            require_parent(actor, self._tenants.declared)
            return actor, resource
        actor, whose = self._seen(principal, kind, resource.organization, edits=True)
        return actor, msgspec.structs.replace(resource, organization=whose.id)

    def _world(self, organization: str, before: Kept | None) -> World:
        return World(
            self._store.state,
            self._tenants.declared,
            self._tenants.organization(organization),
            before,
            self._clock(),
        )

    def _check_kept(
        self, kind: str, resource: AnyResource, before: Kept | None
    ) -> None:
        world = self._world(resource.organization, before)
        for check in KEEPING[kind]:
            check(kind, resource, world)
        renaming = RENAMING.get(kind, ())
        if renaming and before is not None and not world.was(resource, "name"):
            for check in renaming:
                check(kind, before.resource, world)
        if before is not None and isinstance(resource, CustomModel):
            resident = self._tenants.resident
            check_not_moved(cast("CustomModel", before.resource), resource, resident)

    def _guarded(self, changes: Changes, principal: bytes) -> Changes:
        """Return changes that do not shut out who makes them."""
        check_not_own(changes, self._actor(principal).caller, self._clock())
        return changes

    def _shown(self, path: Path, resource: AnyResource, secret: str = "") -> Stored:
        kept = self._store.state.get(path)
        if kept is not None:
            return self._shelf.of_api(kept, secret)
        # Somebody has deleted it since; it was made all the same.
        return Stored(path.kind, resource, "api", "", secret=secret)


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise malformed("kind", f"is none of {', '.join(KINDS)}")


def _words(organization: str, names: Sequence[str]) -> str:
    return "/".join(names) or organization
