"""Server-sent events, from bytes cut anywhere to whole events.

Reads what the WHATWG standard describes (LF, CRLF, CR, comments, several
`data` lines, a byte order mark) and what providers send besides: an `error`
field, and a bare JSON or HTML body where events were due.
"""

import msgspec

EVENT_BYTES_MAX = 16 * 1024 * 1024
"""The longest event read. Longer ones would let a provider use up the memory;
the longest real ones hold an image or a recording of a few MiB."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BODY_OPENINGS = (b"{", b"[", b"<")
"""What JSON and HTML begin with. No field of an event does."""


class EventTooLargeError(ValueError):
    """An event is longer than `EVENT_BYTES_MAX`."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event of a stream.

    Attributes:
        event: Its name. Empty if it bears none.
        data: Its data; several lines are joined with a newline.
        error: The value of an `error` field, which Ollama and llama.cpp send in
            place of data, or the JSON or HTML that came without any field.
    """

    event: str = ""
    data: bytes = b""
    error: bytes = b""


class EventParser:
    """Puts one stream's events together. An event with a name alone counts."""

    __slots__ = ("_ends_with_cr", "_ends_with_lf", "_held", "_held_bytes", "_started")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._ends_with_cr = False
        self._ends_with_lf = False
        self._started = False

    def feed(self, block: bytes) -> list[Event]:
        """Take bytes, cut anywhere, and return the events they complete.

        Raises:
            EventTooLargeError: An event has grown beyond `EVENT_BYTES_MAX`.
        """
        return read(self.completed(block))

    def completed(self, block: bytes) -> bytes:
        """Take bytes, cut anywhere, and return the events they complete, unread.

        Their lines end with LF, and an empty line is between each two of them.

        Raises:
            EventTooLargeError: An event has grown beyond `EVENT_BYTES_MAX`.
        """
        if self._ends_with_cr or b"\r" in block:
            block = self._with_line_feeds(block)
        if not block:
            return b""
        if b"\n\n" not in block and not (self._ends_with_lf and block[:1] == b"\n"):
            self._hold(block)
            return b""
        if self._held:
            self._held.append(block)
            block = b"".join(self._held)
        if not self._started:
            block = self._begun(block)
        whole, _, rest = block.rpartition(b"\n\n")
        self._held = [rest] if rest else []
        self._held_bytes = len(rest)
        self._ends_with_lf = rest[-1:] == b"\n"
        return whole

    def finish(self) -> list[Event]:
        """Take the end of the stream and return the event that it cut short."""
        rest = b"".join(self._held)
        if not self._started:
            rest = self._begun(rest)
        self._held = []
        self._held_bytes = 0
        self._ends_with_cr = self._ends_with_lf = False
        return read(rest)

    def _with_line_feeds(self, block: bytes) -> bytes:
        """End every line with LF alone, be a CRLF cut in two or not."""
        if self._ends_with_cr and block:
            block = block.removeprefix(b"\n")
            self._ends_with_cr = False
        if block.endswith(b"\r"):
            self._ends_with_cr = True
        return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _hold(self, block: bytes) -> None:
        self._held.append(block)
        self._held_bytes += len(block)
        self._ends_with_lf = block.endswith(b"\n")
        if self._held_bytes > EVENT_BYTES_MAX:
            self._held = []
            raise EventTooLargeError(
                f"An event of the stream is longer than {EVENT_BYTES_MAX} bytes."
            )

    def _begun(self, block: bytes) -> bytes:
        """Leave out what may come before the first event."""
        self._started = True
        return block.removeprefix(_BYTE_ORDER_MARK)


def read(whole: bytes) -> list[Event]:
    """Read the events that `EventParser.completed` returned."""
    events = []
    for lines in whole.split(b"\n\n") if whole else ():
        if lines.startswith(b"data: ") and b"\n" not in lines:
            if len(lines) > len(b"data: "):
                events.append(Event("", lines[6:]))
        elif lines and (event := _read_two_lines(lines) or _read_fields(lines)):
            events.append(event)
    return events


def _read_two_lines(lines: bytes) -> Event | None:
    """Read an event of a name and one line of data. None if it is not that."""
    if not lines.startswith(b"event: "):
        return None
    name, found, data = lines[7:].partition(b"\ndata: ")
    if not found or not data or b"\n" in name or b"\n" in data:
        return None
    return Event(name.decode("utf-8", "replace"), data)


def _read_fields(lines: bytes) -> Event | None:
    """Read an event field by field. None if it says nothing."""
    name = error = b""
    data: list[bytes] = []
    rest = lines
    while rest:
        if rest.startswith(_BODY_OPENINGS):
            error = rest.rstrip()
            break
        line, _, rest = rest.partition(b"\n")
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
        elif field == b"error":
            error = value
    joined = b"\n".join(data)
    if not (joined or name or error):
        return None
    return Event(name.decode("utf-8", "replace"), joined, error)
