"""When the events of a guarded stream go on, one arriving after the other."""

from datetime import timedelta

import msgspec

from fakes.guardrails import guardrail
from holdfast.events import event
from holdfast.model import Guardrail, Outcome
from holdfast_executor.dialects import ProviderError
from holdfast_executor.guardrails.passage import Passage, Said
from holdfast_executor.guardrails.search import Found, Watch
from holdfast_executor.guardrails.stream import Gate, GuardedStream

CARD = "4111 1111 1111 1111"


class Arriving:
    """A stream whose events arrive one at a time."""

    record = response = decoder = None
    first_token = timedelta()

    def __init__(self, *events: bytes, broken: ProviderError | None = None) -> None:
        self._events = list(events)
        self._broken = broken
        self.failure: ProviderError | None = None
        self.is_closed = False

    async def read(self) -> bytes:
        if self._events:
            return self._events.pop(0)
        self.failure = self._broken
        return b""

    def usage_event(self, _cost: int | None) -> bytes:
        return b"data: usage\n\n"

    async def close(self) -> None:
        self.is_closed = True


def guarded(
    source: Arriving, *guardrails: Guardrail, holds_all: bool = False
) -> tuple[GuardedStream, list[Said]]:
    """Guard a stream; what a judge would be shown is in the list."""
    watch, found, judged = Watch(guardrails), Found(), []

    async def judge(said: Said) -> None:
        judged.append(said)

    passage = Passage(watch, found, is_judged=True)
    gate = Gate(lambda: watch.blocker(found) is not None, judge, holds_all)
    return GuardedStream(source, passage, gate), judged


def said(**delta: str) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return event(msgspec.json.encode({"choices": [choice]}))


ROLE = said(role="assistant", content="")
BLOCKING = guardrail("block", "credit_card")


async def test_words_go_on_as_they_come():
    """Each read gives what has arrived, and the end is no failure."""
    events = [said(content="One "), said(content="two ")]
    stream, _ = guarded(Arriving(*events), BLOCKING)

    assert [await stream.read() for _ in range(3)] == [*events, b""]
    assert stream.failure is None


async def test_nothing_goes_on_before_the_first_words():
    """Who speaks is told with what is said: until then it may be blocked unseen."""
    stream, _ = guarded(Arriving(ROLE, said(content="4"), said(content="a")), BLOCKING)

    assert await stream.read() == ROLE + said(content="4a")


async def test_a_match_ends_it_and_what_came_before_has_gone_on():
    """That it was blocked is a failure like others; nothing follows."""
    events = [
        ROLE,
        said(content="One "),
        said(content=CARD[:6]),
        said(content=CARD[6:]),
    ]
    stream, judged = guarded(Arriving(*events, said(content=" x"), ROLE), BLOCKING)

    assert await stream.read() == ROLE + said(content="One ")
    assert await stream.read() == b""
    assert stream.failure is not None
    assert stream.failure.outcome is Outcome.BLOCKED
    assert await stream.read() == b""
    assert judged == []


async def test_a_stream_that_breaks_off_is_not_judged_and_tells_nothing_held():
    """Whoever takes it up begins where the caller's answer ends."""
    broken = ProviderError(Outcome.CONNECTION_FAILED, "it broke")
    source = Arriving(said(content="One "), said(content="41"), broken=broken)
    stream, judged = guarded(source, BLOCKING)

    assert [await stream.read(), await stream.read()] == [said(content="One "), b""]
    assert stream.failure is broken
    assert judged == []


async def test_all_is_held_for_a_judge_that_may_block():
    """And then it goes on at once, as it came."""
    events = [ROLE, said(content="One "), said(content="two")]
    stream, judged = guarded(Arriving(*events), BLOCKING, holds_all=True)

    assert await stream.read() == b"".join(events)
    assert judged == [{(0, ("content",)): ["One ", "two"]}]


async def test_it_is_a_stream_like_others():
    """Usage and its end are the stream's own."""
    source = Arriving()
    stream, _ = guarded(source, BLOCKING)

    await stream.close()

    assert stream.usage_event(1) == b"data: usage\n\n"
    assert source.is_closed
