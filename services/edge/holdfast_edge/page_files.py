"""Files of pages that the edge serves to browsers: read once, and strictly confined."""

from dataclasses import dataclass
from functools import cached_property
from importlib import resources

from starlette.types import Receive, Scope, Send

from holdfast_edge.headers import Header
from holdfast_edge.reply import send_bytes

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_TYPES = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
}

PAGE_HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    # What is shown is what this process serves, also after it was replaced.
    (b"cache-control", b"no-cache"),
)
"""For every page: nothing from elsewhere, nothing inline, in nobody's frame, and its
address told to nobody."""


@dataclass(frozen=True)
class PageFile:
    """One file of a page, read when it is asked for the first time.

    Attributes:
        package: The package that it lies in.
        name: What it is called there.
        surface: What its requests are counted as.
    """

    package: str
    name: str
    surface: str

    @cached_property
    def content(self) -> bytes:
        """What is in it."""
        return resources.files(self.package).joinpath(self.name).read_bytes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await send_bytes(
            send,
            self.content,
            content_type=_TYPES[self.name.rpartition(".")[2]],
            headers=PAGE_HEADERS,
        )
