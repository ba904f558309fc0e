"""Events are framed and read back without loss."""

from holdfast.events import data_of, event


def test_what_is_framed_is_read_back() -> None:
    """Many events are one piece of bytes, and each is found in it."""
    many = event(b'{"a":1}') + event(b"[DONE]") + event(b'"\\n"')

    assert many == b'data: {"a":1}\n\ndata: [DONE]\n\ndata: "\\n"\n\n'
    assert data_of(many) == [b'{"a":1}', b"[DONE]", b'"\\n"']
    assert data_of(b"") == []


def test_an_event_is_on_one_line() -> None:
    """Line ends between JSON's tokens do not break the framing."""
    pretty = b'{\r\n "a": 1,\n "b": 2\r}'

    assert event(pretty) == b'data: {  "a": 1,  "b": 2 }\n\n'
