"""What is sent: a request, checked and written as the bytes of its head."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from holdfast.addresses import is_host_name
from holdfast_executor.transport.dialing import Place
from holdfast_executor.transport.failure import FailureKind, TransportError


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What to send.

    Attributes:
        method: HEAD is none of them: its answer is framed as no other is.
        url: Absolute, sent as it is written.
        headers: In order. `host` and what frames the body are added.
        allow_private_network: Whether the address may be other than public.
    """

    method: Literal["GET", "POST"]
    url: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    allow_private_network: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads.

    Attributes:
        authority: Host and port as they are written, for the `host` header.
        path: Path and query as they are written, for the request line.
    """

    place: Place
    authority: str
    path: str


_PLAIN = re.compile(r"[\x21-\x7e]+")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_NOT_IN_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_PORTS = {"http": 80, "https": 443}
_FRAMING = frozenset(
    {"connection", "content-length", "expect", "host", "transfer-encoding", "upgrade"}
)
_DEFAULTS = (
    # Compression saves little on answers of a few kilobytes, and a compressor
    # holds back the events of a stream.
    ("accept-encoding", "identity"),
    ("accept", "*/*"),
    ("user-agent", "holdfast"),
)


def target_of(url: str, *, allow_private_network: bool) -> Target:
    """Parse a URL.

    Raises:
        TransportError: `CONNECT`. Whatever is wrong is the deployment's, so it
            is a failure to connect and not the program's.
    """
    if not _PLAIN.fullmatch(url):
        raise _unsendable("the URL holds what no URL may hold")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if is_literal := parts.netloc.startswith("["):
            ipaddress.IPv6Address(host)
    except ValueError as error:
        raise _unsendable("the URL is malformed") from error
    if "@" in parts.netloc:
        raise _unsendable("the URL holds a credential")
    usual_port = _PORTS.get(parts.scheme)
    if usual_port is None or port == 0 or not (is_literal or is_host_name(host)):
        raise _unsendable("the URL is no absolute HTTP URL")
    start = len(parts.scheme) + len("://") + len(parts.netloc)
    path = url.partition("#")[0][start:]
    return Target(
        Place(parts.scheme == "https", host, port or usual_port, allow_private_network),
        parts.netloc,
        path if path.startswith("/") else f"/{path}",
    )


def head_of(request: HttpRequest, target: Target) -> bytes:
    """Write request line and headers, with the empty line.

    Raises:
        TransportError: `CONNECT`, for a header that cannot be sent: a credential
            with a line break, say.
    """
    sent = request.headers
    names = {name.lower() for name, _ in sent}
    if not all(_TOKEN.fullmatch(name) for name, _ in sent) or _NOT_IN_A_VALUE.search(
        "\t".join([value for _, value in sent])
    ):
        raise _unsendable("a header holds what no header may hold")
    if not names.isdisjoint(_FRAMING):
        raise _unsendable("a header is set that is not the request's to set")
    headers = [header for header in _DEFAULTS if header[0] not in names]
    headers += sent
    if request.method == "POST" or request.body:
        headers.append(("content-length", str(len(request.body))))
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    line = f"{request.method} {target.path} HTTP/1.1\r\nhost: {target.authority}\r\n"
    return f"{line}{lines}\r\n".encode()


def _unsendable(why: str) -> TransportError:
    return TransportError(FailureKind.CONNECT, why)
