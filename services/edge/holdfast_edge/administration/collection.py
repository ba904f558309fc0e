"""All resources of a kind: listing them, and making another."""

from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from holdfast.control.administration import Administration
from holdfast_edge.administration.asking import Asking
from holdfast_edge.administration.documents import document_of
from holdfast_edge.administration.kinds import Kind
from holdfast_edge.administration.preconditions import etag_header
from holdfast_edge.administration.shelf import Shelf
from holdfast_edge.administration.views import shown
from holdfast_edge.body import read_json_body
from holdfast_edge.paging import Page, listed
from holdfast_edge.reply import send_json

METHODS = ("GET", "POST")


@dataclass(frozen=True, slots=True)
class Collection:
    """GET lists, POST makes one."""

    administration: Administration
    shelf: Shelf
    kind: Kind

    @property
    def surface(self) -> str:
        """What its requests are counted as."""
        return self.kind.surface

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        asking = Asking.of(scope)
        if scope["method"] == "POST":
            await self._make(asking, receive, send)
        else:
            await self._list(asking, send)

    async def _list(self, asking: Asking, send: Send) -> None:
        found = await self.administration.list(
            asking.principal,
            self.kind.name,
            organization=asking.organization,
            project=asking.path.get("project", asking.query.get("project", "")),
        )
        page = Page.of(asking.query)
        rows = await self.shelf.documents(asking.principal, page.rows(found))
        await send_json(send, listed(rows, total=len(found)))

    async def _make(self, asking: Asking, receive: Receive, send: Send) -> None:
        document = document_of(
            self.kind,
            await read_json_body(asking.head, receive),
            path=asking.path,
            organization=asking.organization,
        )
        made = await self.administration.create(
            asking.principal,
            self.kind.name,
            document.resource(),
            credential=document.credential or "",
        )
        await send_json(
            send,
            shown(made),
            status=self.kind.created,
            headers=[
                etag_header(made.etag),
                (b"location", self.kind.location(made.resource).encode()),
            ],
        )
