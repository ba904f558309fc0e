"""Signing in and out of the console, and its pages."""

import hashlib
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

import msgspec
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from holdfast.errors import ApiKeyUnknownError, NotServedError
from holdfast.ports import Resolver
from holdfast_edge.body import read_json_body
from holdfast_edge.console.sessions import COOKIE, LIFE_S, Sessions, cookie_of
from holdfast_edge.decoding import decode, malformed
from holdfast_edge.headers import Head, Header
from holdfast_edge.identity import identity_of
from holdfast_edge.page_files import PAGE_HEADERS
from holdfast_edge.reply import send_bytes, send_json, send_nothing

_INDEX = "index.html"

_NOT_MODIFIED = 304


class _SignIn(msgspec.Struct):
    key: str


_decoder = msgspec.json.Decoder(_SignIn)


@dataclass(frozen=True, slots=True)
class Session:
    """`/console/session`: sign in, see who one is, sign out."""

    sessions: Sessions
    resolver: Resolver
    surface: str = "console"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by method."""
        head = Head.of(scope)
        if scope["method"] == "DELETE":
            gone = _cookie("", 0, scope, head)
            await send_nothing(send, 204, headers=[gone])
            return
        if scope["method"] == "GET":
            session = self.sessions.known(cookie_of(head))
            if session is None:
                raise ApiKeyUnknownError("Nobody is signed in here; sign in.")
            who = await identity_of(self.resolver, session.digest)
            await send_json(send, {**who, "csrf": session.csrf}, headers=_NO_STORE)
            return
        key = decode(_decoder, await read_json_body(head, receive)).key.strip()
        if not key:
            raise malformed("key", "must be an API key")
        digest = hashlib.sha256(key.encode()).digest()
        who = await identity_of(self.resolver, digest)
        value = self.sessions.begin(digest)
        begun = self.sessions.known(value)
        await send_json(
            send,
            {**who, "csrf": begun.csrf if begun else ""},
            headers=[_cookie(value, LIFE_S, scope, head), *_NO_STORE],
        )


_NO_STORE: tuple[Header, ...] = ((b"cache-control", b"no-store"),)


def _cookie(value: str, life_s: int, scope: Scope, head: Head) -> Header:
    """Write the cookie: for this site's own requests, and out of scripts' reach."""
    is_secure = "https" in (scope.get("scheme"), head.text(b"x-forwarded-proto"))
    secure = "; Secure" if is_secure else ""
    rules = f"Path=/; Max-Age={life_s}; HttpOnly; SameSite=Strict{secure}"
    return b"set-cookie", f"{COOKIE}={value}; {rules}".encode()


@dataclass(frozen=True, slots=True)
class Page:
    """`/console` and what it is made of.

    Any path without a file's ending is the one page, which shows what the path says.
    """

    surface: str = "console"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a file."""
        head = Head.of(scope)
        name = scope["path_params"].get("name", "")
        body, kind = _file(name if "." in name else _INDEX)
        etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'.encode()
        headers = [(b"etag", etag), *PAGE_HEADERS]
        if head.headers.get(b"if-none-match") == etag:
            await send_nothing(send, _NOT_MODIFIED, headers=headers)
            return
        await send_bytes(send, body, content_type=kind, headers=headers)


def _file(name: str) -> tuple[bytes, bytes]:
    """Read a file of the console's.

    Raises:
        NotServedError: There is none of that name.
    """
    folder = resources.files("holdfast_edge.console") / "static"
    parts = name.split("/")
    place = folder.joinpath(*parts)
    if any(part in ("", ".", "..") for part in parts) or not place.is_file():
        raise NotServedError(f"/console/{name} is not served.", field="path")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    suffix = "; charset=utf-8" if kind.startswith("text/") else ""
    return place.read_bytes(), f"{kind}{suffix}".encode()


def routes(sessions: Sessions, resolver: Resolver) -> Iterator[Route]:
    """Give the console's routes."""
    session = Session(sessions, resolver)
    yield Route("/console/session", session, methods=["GET", "POST", "DELETE"])
    yield Route("/console", Page(), methods=["GET"])
    yield Route("/console/{name:path}", Page(), methods=["GET"])
