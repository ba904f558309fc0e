"""What administrators did: generations, what differs between two, and going back."""

from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from holdfast.control.administration import Administration
from holdfast_edge.administration import views
from holdfast_edge.administration.asking import Asking
from holdfast_edge.decoding import malformed
from holdfast_edge.paging import MOST_ROWS, Page
from holdfast_edge.reply import send_json


@dataclass(frozen=True, slots=True)
class Generations:
    """The last edits, newest first: who, what, before, after and when."""

    administration: Administration
    surface: str = "generations"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with one page of them."""
        asking = Asking.of(scope)
        page = Page.of(asking.query)
        kept = await self.administration.generations(
            asking.principal, organization=asking.organization, limit=MOST_ROWS
        )
        await send_json(send, page.cut(kept, views.generation))


@dataclass(frozen=True, slots=True)
class Compare:
    """What differs between two generations."""

    administration: Administration
    surface: str = "generations"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what was changed from the first to the second."""
        asking = Asking.of(scope)
        first, second = (_number(asking, name) for name in ("first", "second"))
        changes = await self.administration.compare(
            asking.principal, first, second, organization=asking.organization
        )
        await send_json(
            send,
            {
                "first": first,
                "second": second,
                "changes": [views.change(each) for each in changes],
            },
        )


@dataclass(frozen=True, slots=True)
class RollBack:
    """An organization's resources as they were, in a new generation."""

    administration: Administration
    surface: str = "generations"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the generation that this made."""
        asking = Asking.of(scope)
        made = await self.administration.roll_back(
            asking.principal,
            _number(asking, "generation"),
            organization=asking.organization,
        )
        await send_json(send, views.generation(made))


def _number(asking: Asking, name: str) -> int:
    text = asking.path[name]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise malformed(name, "must be the number of a generation")
    return int(text)
