"""The head of an HTTP request: its headers, and which of them may come once."""

import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from holdfast.errors import RequestMalformedError

Header = tuple[bytes, bytes]
"""A name in lower case, and its value."""

SINGLE = frozenset(
    {
        b"authorization",
        b"x-api-key",
        b"x-opper-api-key",
        b"x-holdfast-session",
        b"x-session-id",
        b"x-session-affinity",
        b"x-opper-trace-id",
        b"session_id",
        b"x-request-timeout",
        b"content-type",
        b"content-encoding",
        b"content-length",
        b"if-match",
        b"if-none-match",
    }
)
"""Headers of which two that differ are refused: which one is meant is a guess,
and a guess about a key, a session or a length is a hole. The same value twice,
as some proxies send it, leaves nothing to guess."""

TRACE_ID_HEADERS = (b"x-holdfast-trace-id", b"x-request-id", b"request-id")
"""Under what names an answer bears its trace id: ours, and where the clients of OpenAI
and of Anthropic look for the id of a request."""

_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-"
    rb"(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-|$)"
)
"""W3C Trace Context: version, trace id, parent id, flags; later versions may
append more."""

_SCOPE_KEY = "holdfast.head"


@dataclass(frozen=True, slots=True)
class Head:
    """What a request says before its body.

    Attributes:
        headers: By lower-case name; of several the first.
        trace_id: Identifies the request in traces: 32 hex digits.
        conflict: A header of `SINGLE` that came twice and differed. Empty for
            none.
        parent_span_id: The caller's own span: 16 hex digits. Empty for none.
        session_digest: Of the API key that somebody signed in to the console with.
            Empty for none.
    """

    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    trace_id: str = ""
    conflict: str = ""
    parent_span_id: str = ""
    session_digest: bytes = b""

    @classmethod
    def read(cls, raw: Iterable[Header], new_trace_id: Callable[[], str]) -> "Head":
        """Read the headers, and take the caller's trace id or make one up."""
        headers: dict[bytes, bytes] = {}
        conflict = b""
        for name, value in raw:
            if headers.setdefault(name, value) != value and name in SINGLE:
                conflict = name
        traceparent = _TRACEPARENT.match(headers.get(b"traceparent", b""))
        if traceparent is None:
            return cls(headers, new_trace_id(), conflict.decode())
        trace_id, span_id = traceparent[1].decode(), traceparent[2].decode()
        return cls(headers, trace_id, conflict.decode(), span_id)

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> "Head":
        """Return what was read of a request's head."""
        head: Head = scope[_SCOPE_KEY]
        return head

    def attach(self, scope: MutableMapping[str, Any]) -> None:
        """Keep what was read for the routes."""
        scope[_SCOPE_KEY] = self

    @property
    def has_body(self) -> bool:
        """Whether a body follows, by the rules of HTTP/1.1."""
        return (
            b"transfer-encoding" in self.headers
            or self.headers.get(b"content-length", b"0") != b"0"
        )

    def check(self) -> None:
        """Refuse a header that contradicts itself.

        Raises:
            RequestMalformedError: One of `SINGLE` came twice and differed.
        """
        if self.conflict:
            raise RequestMalformedError(
                f"The header {self.conflict} was sent twice with different values. "
                "Send it once.",
                field=self.conflict,
            )

    def text(self, name: bytes) -> str:
        """Return a header as text, stripped; empty if there is none."""
        return self.headers.get(name, b"").decode("utf-8", "replace").strip()


def header_value(text: str) -> bytes:
    """Write text as a header may hold it: percent-encoded where it must be."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return urllib.parse.quote(text, safe=" /:@").encode()
