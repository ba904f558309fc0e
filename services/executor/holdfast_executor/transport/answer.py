"""Reading an answer out of the bytes that arrive: whole, broken, or yet to end.

No socket is known here. What is whole and what is not is decided here alone,
and one is never taken for the other.
"""

import re
from dataclasses import dataclass, field

import httptools

from holdfast_executor.transport.limits import TransportLimits

_BLOCK_COST = 48
"""What CPython adds to a block of a few bytes: its object and its place in a list."""

_TIMEOUT = re.compile(rb"timeout=(\d{1,6})\b")


@dataclass(slots=True)
class Answer:
    """An answer, as far as it has arrived.

    Attributes:
        headers: By lower-case name; values of one name are joined by a comma.
        has_head: Whether status and headers are there.
        is_whole: Whether all of it has arrived.
        broken: How it broke off, if it did.
        held_bytes: What has arrived of the body and was not taken yet costs.
    """

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    has_head: bool = False
    is_whole: bool = False
    broken: str | None = None
    held_bytes: int = 0
    _blocks: list[bytes] = field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will arrive."""
        return self.is_whole or self.broken is not None

    @property
    def keepalive_s(self) -> float | None:
        """How long the peer keeps an idle connection, if it says so, in seconds."""
        hint = self.headers.get(b"keep-alive")
        said = _TIMEOUT.search(hint.lower()) if hint else None
        return float(said[1]) if said else None

    def add(self, block: bytes) -> None:
        """Append to the body."""
        self.held_bytes += len(block) + _BLOCK_COST
        self._blocks.append(block)

    def take(self) -> bytes:
        """Return what has arrived of the body since this was last asked."""
        blocks = self._blocks
        if not blocks:
            return b""
        self._blocks = []
        self.held_bytes = 0
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)


class AnswerParser:
    """Parses the answers of one connection, one after the other.

    Attributes:
        answer: The one being read.
        is_reusable: Whether another request may follow the answer that is whole.
    """

    def __init__(self, limits: TransportLimits) -> None:
        self._limits = limits
        self._pieces: list[bytes] = []
        # The parser calls it with each piece of a body: many to a read, so quickly.
        self.on_body = self._pieces.append
        # Strict as it comes: its leniencies are what smuggling is made of.
        self._parser = httptools.HttpResponseParser(self)
        self.answer = self.begin()

    def begin(self) -> Answer:
        """Await the answer to a request that is about to be sent."""
        self.answer = Answer()
        self.is_reusable = False
        self._until_close = False
        self._bytes_since_body = 0
        return self.answer

    def feed(self, data: bytes | memoryview) -> None:
        """Take what has arrived; whatever is no HTTP breaks the answer."""
        answer = self.answer
        if answer.is_whole:  # nobody asked for more
            self.is_reusable = False
            return
        self._bytes_since_body += len(data)
        is_valid = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.is_reusable = is_valid = False
        if self._pieces:
            self._bytes_since_body = 0
            answer.add(b"".join(self._pieces))
            self._pieces.clear()
        elif self._bytes_since_body > self._limits.head_bytes:
            # Heads, trailers and chunks' extensions can be endless.
            is_valid = False
        if not is_valid and not answer.is_whole:
            answer.broken = "sent what is no valid HTTP"

    def end(self) -> None:
        """Take the orderly end of the connection, which may be the answer's end."""
        if self.answer.has_head and self._until_close:
            self.answer.is_whole = True

    def cut(self) -> None:
        """Take the end of the connection, which is no answer's end."""
        answer = self.answer
        if not answer.is_settled:
            answer.broken = (
                "closed the connection within its answer"
                if answer.has_head
                else "closed the connection before it answered"
            )

    def on_message_begin(self) -> None:
        """See an answer begin; the parser calls it."""
        if self.answer.is_whole:
            raise ValueError("nobody asked for a second answer")

    def on_status(self, status: bytes) -> None:
        """Take a reason phrase; the parser calls it."""
        self._require_short(len(status))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header or a trailer; the parser calls it."""
        self._require_short(len(name) + len(value))
        if self.answer.has_head:
            return
        headers = self.answer.headers
        name, value = name.lower(), value.strip(b" \t")
        headers[name] = headers[name] + b", " + value if name in headers else value

    def on_headers_complete(self) -> None:
        """Take a head as whole; the parser calls it."""
        answer = self.answer
        status = self._parser.get_status_code()
        if status < 200:
            answer.headers.clear()  # an interim answer: the real one follows
            return
        if self._parser.get_http_version() not in {"1.1", "1.0"}:
            raise ValueError("that version was not asked for")
        coding = answer.headers.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise ValueError("no other coding was asked for")
        self._until_close = coding is None and b"content-length" not in answer.headers
        answer.status = status
        answer.has_head = True

    def on_message_complete(self) -> None:
        """Take an answer as whole; the parser calls it."""
        if self.answer.has_head:
            self.answer.is_whole = True
            parser = self._parser
            # What HTTP/1.0 calls keeping alive, proxies in between may not know.
            self.is_reusable = (
                parser.should_keep_alive() and parser.get_http_version() == "1.1"
            )

    def _require_short(self, size: int) -> None:
        if size > self._limits.header_line_bytes:
            raise ValueError("a line is too long")
