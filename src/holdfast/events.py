r"""The events of a streamed answer: framed where they are made, and passed on as bytes.

    event(b'{"choices":[]}')            # b'data: {"choices":[]}\n\n'
    data_of(chunks.events)              # [b'{"choices":[]}', ...]

Whoever lies between the two handles many events as one piece, and none by itself.
"""

_BEFORE = b"data: "
_AFTER = b"\n\n"


def event(data: bytes) -> bytes:
    """Frame a JSON object as a server-sent event of one line."""
    if b"\n" in data or b"\r" in data:
        # Line ends are the framing's own, and mean nothing between JSON's
        # tokens, which is the only place they can be.
        data = b" ".join(data.splitlines())
    return _BEFORE + data + _AFTER


def data_of(events: bytes) -> list[bytes]:
    """Return what each of some events that `event` framed holds."""
    return [one.removeprefix(_BEFORE) for one in events.split(_AFTER) if one]
