"""One resource: showing, changing, replacing and deleting it."""

from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from holdfast.control.administration import Administration, Stored
from holdfast.errors import EditConflictError, ResourceNotFoundError
from holdfast_edge.administration.asking import Asking
from holdfast_edge.administration.documents import Document, document_of
from holdfast_edge.administration.kinds import Kind, Place
from holdfast_edge.administration.preconditions import (
    etag_header,
    if_match,
    is_unchanged,
)
from holdfast_edge.administration.shelf import Shelf
from holdfast_edge.administration.views import shown
from holdfast_edge.body import read_json_body
from holdfast_edge.reply import send_json, send_nothing

METHODS = ("GET", "PATCH", "PUT", "DELETE")

_TRIES = 5
"""How often a change that is bound to no state is made anew upon what somebody else
has made of the resource meanwhile."""


@dataclass(frozen=True, slots=True)
class Item:
    """GET shows it, PATCH changes fields of it, PUT replaces it, DELETE deletes it."""

    administration: Administration
    shelf: Shelf
    kind: Kind
    place: Place

    @property
    def surface(self) -> str:
        """What its requests are counted as."""
        return self.kind.surface

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        asking = Asking.of(scope)
        match scope["method"]:
            case "PATCH":
                changed = await self._patch(asking, await self._sent(asking, receive))
                await self._show(changed, send)
            case "PUT":
                document = await self._sent(asking, receive)
                await self._put(asking, document, send)
            case "DELETE":
                await self._delete(asking)
                await send_nothing(send, 204)
            case _:
                await self._get(asking, send)

    async def _get(self, asking: Asking, send: Send) -> None:
        found = await self._found(asking, asking.organization)
        if is_unchanged(asking.head, found.etag) and not self.kind.is_live:
            await send_nothing(send, 304, headers=[etag_header(found.etag)])
            return
        (document,) = await self.shelf.documents(asking.principal, [found])
        await send_json(send, document, headers=[etag_header(found.etag)])

    async def _patch(self, asking: Asking, change: Document) -> Stored:
        tries = 1 if if_match(asking.head) else _TRIES
        while True:
            now = await self._found(asking, change.organization)
            await self._expected(asking, change.organization, now)
            tries -= 1
            try:
                return await self.administration.replace(
                    asking.principal,
                    self.kind.name,
                    self._names(asking),
                    change.upon(now.resource),
                    etag=now.etag,
                    credential=change.credential,
                )
            except EditConflictError:
                if not tries:
                    raise

    async def _put(self, asking: Asking, document: Document, send: Send) -> None:
        resource = document.resource()
        etag = await self._expected(asking, document.organization)
        try:
            stored = await self.administration.replace(
                asking.principal,
                self.kind.name,
                self._names(asking),
                resource,
                etag=etag,
                credential=document.credential,
            )
        except ResourceNotFoundError:
            if not self.kind.put_makes or if_match(asking.head) is not None:
                raise
            stored = await self.administration.create(
                asking.principal, self.kind.name, resource
            )
            await self._show(stored, send, status=self.kind.created)
            return
        await self._show(stored, send)

    async def _delete(self, asking: Asking) -> None:
        await self.administration.delete(
            asking.principal,
            self.kind.name,
            self._names(asking),
            organization=self._organization(asking, asking.organization),
            etag=await self._expected(asking, asking.organization),
        )

    async def _sent(self, asking: Asking, receive: Receive) -> Document:
        return document_of(
            self.kind,
            await read_json_body(asking.head, receive),
            path={each: asking.path.get(each, "") for each in self.kind.identity},
            organization=asking.organization,
        )

    async def _expected(
        self, asking: Asking, organization: str, now: Stored | None = None
    ) -> str:
        """Return the etag that an edit is bound to; empty for none.

        Raises:
            EditConflictError: It is bound to states that are not the present one.
        """
        expected = if_match(asking.head)
        if expected is None or expected.anything:
            return ""
        if now is None and len(expected.strong) == 1:
            return expected.strong[0]
        now = now or await self._found(asking, organization)
        if now.etag in expected.strong:
            return now.etag
        raise EditConflictError(
            "It has changed since: its etag is now "
            f'"{now.etag}". Read it again, and edit that.',
            kind=self.kind.name,
            name="/".join(self._names(asking)),
            etag=now.etag,
        )

    async def _found(self, asking: Asking, organization: str) -> Stored:
        found = await self.administration.get(
            asking.principal,
            self.kind.name,
            self._names(asking),
            organization=self._organization(asking, organization),
        )
        # By name and by id are two addresses: one is not taken for the other.
        for each in self.place.fields:
            if getattr(found.resource, each) != asking.path[each]:
                raise ResourceNotFoundError(
                    f"There is no {self.kind.word} at this address.",
                    kind=self.kind.name,
                    name=asking.path[each],
                )
        return found

    def _names(self, asking: Asking) -> tuple[str, ...]:
        return self.kind.names(asking.path, self.place)

    def _organization(self, asking: Asking, otherwise: str) -> str:
        return asking.path.get("organization", otherwise)

    async def _show(self, stored: Stored, send: Send, *, status: int = 200) -> None:
        await send_json(
            send, shown(stored), status=status, headers=[etag_header(stored.etag)]
        )
