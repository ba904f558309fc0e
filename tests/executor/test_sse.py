"""Server-sent events, as providers send them and as networks cut them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast_executor.sse import (
    EVENT_BYTES_MAX,
    Event,
    EventParser,
    EventTooLargeError,
)


def parsed(*blocks: bytes) -> list[Event]:
    parser = EventParser()
    events = [event for block in blocks for event in parser.feed(block)]
    return events + parser.finish()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b'data: {"a":1}\n\n', [Event(data=b'{"a":1}')], id="usual"),
        pytest.param(b"data:x\n\n", [Event(data=b"x")], id="no-space"),
        pytest.param(b"data:  x\n\n", [Event(data=b" x")], id="one-space-goes"),
        pytest.param(b"data\n\ndata:\n\n", [], id="empty-data-is-no-event"),
        pytest.param(b"data: a\r\n\r\n", [Event(data=b"a")], id="crlf"),
        pytest.param(b"data: a\r\r", [Event(data=b"a")], id="cr"),
        pytest.param(b"data: a\ndata: b\n\n", [Event(data=b"a\nb")], id="two-lines"),
        pytest.param(
            b"data: a\r\ndata: b\r\n\r\n", [Event(data=b"a\nb")], id="crlf-in-an-event"
        ),
        pytest.param(b": OPENROUTER PROCESSING\n\n", [], id="comment"),
        pytest.param(b": hi\ndata: a\n\n", [Event(data=b"a")], id="comment-before"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [Event(data=b"a")], id="bom"),
        pytest.param(b"\n\n\ndata: a\n\n\n\n", [Event(data=b"a")], id="blank-lines"),
        pytest.param(
            b'event: error\ndata: {"e":1}\n\n', [Event("error", b'{"e":1}')], id="named"
        ),
        pytest.param(b"event: ping\n\n", [Event("ping")], id="name-alone"),
        pytest.param(b"id: 7\nretry: 10\n\n", [], id="other-fields"),
        pytest.param(
            b'error: {"code":500}\n\n', [Event(error=b'{"code":500}')], id="error-field"
        ),
        pytest.param(
            b'{"error":{"message":"no"}}\n',
            [Event(error=b'{"error":{"message":"no"}}')],
            id="json-body",
        ),
        pytest.param(
            b'data: a\n\n{\n "error": "no"\n}',
            [Event(data=b"a"), Event(error=b'{\n "error": "no"\n}')],
            id="json-body-amid-events",
        ),
        pytest.param(b"<html>", [Event(error=b"<html>")], id="html-body"),
        pytest.param(b"data: a", [Event(data=b"a")], id="ends-amid-an-event"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_reads_every_form_of_an_event(stream: bytes, events: list[Event]) -> None:
    """Each form gives its events, whole and byte by byte."""
    bytewise = [bytes([byte]) for byte in stream]

    assert parsed(stream) == events
    assert parsed(*bytewise) == events


LINES = st.sampled_from(
    [b"data: x", b"data: \xc3\xa9", b"event: e", b": c", b"error: e", b"", b"", b"{"]
)
ENDINGS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(
    lines=st.lists(st.tuples(LINES, ENDINGS)),
    cuts=st.lists(st.integers(min_value=0, max_value=200)),
)
def test_where_the_network_cuts_changes_nothing(
    lines: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    """Any stream gives the same events however it is cut."""
    stream = b"".join(line + ending for line, ending in lines)
    places = [0, *sorted(cuts), len(stream)]
    blocks = [stream[start:end] for start, end in pairwise(places)]

    assert parsed(*blocks) == parsed(stream)


def test_an_event_comes_out_with_its_last_byte() -> None:
    """A reader does not wait for the next event, however lines end."""
    parser = EventParser()

    assert parser.feed(b"data: a\n\n") == [Event(data=b"a")]
    assert parser.feed(b"data: b\r\n\r\n") == [Event(data=b"b")]
    assert parser.feed(b"data: c\r\r") == [Event(data=b"c")]
    assert parser.feed(b"data: d\n") == []
    assert parser.feed(b"\n") == [Event(data=b"d")]


def test_an_endless_event_fails_instead_of_filling_the_memory() -> None:
    """What is held back is bounded."""
    parser = EventParser()
    parser.feed(b"data: " + b"x" * (EVENT_BYTES_MAX - 6))

    with pytest.raises(EventTooLargeError):
        parser.feed(b"x")
