"""A streamed Message says what the whole one does, wherever it is looked at."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.message_reader import MessageReader
from fakes.translated_chats import ANSWERS, ChatAnswer, grouped
from holdfast.errors import StreamInterruptedError
from holdfast_edge.messages.answer import message_of
from holdfast_edge.messages.endpoint import _MessageEvents
from holdfast_edge.messages.stream import MessageStream

MANY = settings(deadline=None, max_examples=300)


@MANY
@given(answer=ANSWERS, data=st.data())
def test_a_streamed_message_is_the_whole_one(
    answer: ChatAnswer, data: st.DataObject
) -> None:
    """Put together, its events are the message that is sent in one piece."""
    stream, reader = MessageStream(), MessageReader()

    for frames in data.draw(grouped(answer.frames)):
        reader.read(stream.feed(frames))
    reader.read(stream.end())

    assert reader.is_whole
    assert reader.message == json.loads(message_of(answer.body))


@MANY
@given(answer=ANSWERS, data=st.data())
def test_a_message_that_breaks_off_never_looks_whole(
    answer: ChatAnswer, data: st.DataObject
) -> None:
    """After any event there is an error, and nothing says that the message ended."""
    events, reader = _MessageEvents(), MessageReader()
    frames = answer.frames[: data.draw(st.integers(0, len(answer.frames)))]

    assert events.feed is not None
    reader.read(events.feed(b"".join(frames)))
    reader.read(events.failed(StreamInterruptedError("It broke off."), "t-1"))

    assert not reader.is_whole
    assert reader.error is not None
    assert reader.error["code"] == "stream_interrupted"
    assert reader.message.get("stop_reason") is None
