"""Answers that are cut off anywhere: no part of one ever looks like all of it."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from hypothesis import event, given, settings
from hypothesis import strategies as st

from fakes.instant_loop import on_instant_loop
from fakes.plans import KEYS, deployment, signed, step
from fakes.scene import BODY, STREAMED, messages, text
from holdfast.errors import GatewayError
from holdfast.events import data_of
from holdfast.model import Hedge, Limits
from holdfast.ports import ExecuteRequest
from holdfast_executor.auth import Authentication
from holdfast_executor.calling import Caller
from holdfast_executor.credentials import Credentials
from holdfast_executor.service import ExecutorService
from holdfast_executor.transport import FailureKind, TransportError

WORDS = ["A ", "ship ", "came ", "in — ", "late", "."]
TEXT = "".join(WORDS)
HEDGED = Limits(hedge=Hedge(timedelta(seconds=2), max_share=1.0))


def _chunk(finish_reason=None, **delta) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    written = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "upstream",
        "choices": [choice],
    }
    return f"data: {msgspec.json.encode(written).decode()}\n\n"


STREAM = "".join(
    [
        _chunk(role="assistant", content=""),
        *(_chunk(content=word) for word in WORDS),
        _chunk("stop"),
        "data: [DONE]\n\n",
    ]
).encode()
WHOLE = msgspec.json.encode(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "upstream",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": TEXT},
                "finish_reason": "stop",
            }
        ],
    }
)


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of an answer on its way.

    Attributes:
        part: How much of it arrives, of 1.
        then: It ends in good order, breaks, or falls silent.
        pieces: In how many pieces it arrives.
        seconds: Before each piece.
    """

    part: float
    then: str
    pieces: int
    seconds: float


class _Response:
    """An answer that meets its fate."""

    status = 200
    at_end = False

    def __init__(self, body: bytes, fate: Fate, open_now: list["_Response"]) -> None:
        kind = b"text/event-stream" if body is STREAM else b"application/json"
        self.headers = {"content-type": kind.decode()}
        self._fate = fate
        arrives = body[: round(len(body) * fate.part)]
        size = max(1, -(-len(arrives) // fate.pieces))
        self._pieces = [arrives[i : i + size] for i in range(0, len(arrives), size)]
        self._open_now = open_now
        open_now.append(self)

    async def next_block(self) -> bytes:
        await asyncio.sleep(self._fate.seconds)
        if self._pieces:
            return self._pieces.pop(0)
        if self._fate.then == "breaks":
            raise TransportError(FailureKind.RESET, "it broke")
        if self._fate.then == "falls silent":
            await asyncio.sleep(100_000)
        self.at_end = True
        return b""

    async def read(self, limit: int | None = None) -> bytes:
        blocks = []
        while block := await self.next_block():
            blocks.append(block)
        return b"".join(blocks)

    async def close(self) -> None:
        if self in self._open_now:
            self._open_now.remove(self)


class _Transport:
    """Leads to providers that all answer the same, and to each one's fate."""

    def __init__(self, fates: list[Fate]) -> None:
        self._fates = fates
        self.open_now: list[_Response] = []

    async def send(self, request, **_limits) -> _Response:
        body = STREAM if b'"stream"' in request.body else WHOLE
        return _Response(body, self._fates["abc".index(request.url[7])], self.open_now)


fates = st.lists(
    st.builds(
        Fate,
        st.floats(0, 1) | st.just(1.0),
        st.sampled_from(["ends", "breaks", "falls silent"]),
        st.integers(1, 12),
        st.sampled_from([0.0, 0.3, 5.0]),
    ),
    min_size=1,
    max_size=3,
)
plans = st.sampled_from([Limits(), Limits(rescue_streams=False), HEDGED])
many = settings(max_examples=400, deadline=None)


def asked(transport: _Transport, limits: Limits, body: bytes):
    """Put an executor before it, and give it the request."""
    caller = Caller(transport, Authentication(Credentials({})))
    executor = ExecutorService(KEYS, caller, lambda *_: None)
    steps = [step(deployment(f"{name}/m-eu")) for name in "abc"]
    plan = signed(*steps[: len(transport._fates)], limits=limits)
    return executor, ExecuteRequest(plan, body)


@many
@given(fates, plans)
def test_a_stream_that_is_cut_anywhere_never_looks_whole(drawn, limits):
    """It is taken up so that all of it is there once, or it ends with an error."""
    transport = _Transport(drawn)
    taken = []

    async def streams() -> GatewayError | None:
        executor, request = asked(transport, limits, STREAMED)
        try:
            await messages(executor.execute_stream(request), taken)
        except GatewayError as error:
            return error
        return None

    error = on_instant_loop(streams())

    reasons = [
        choice["finish_reason"]
        for message in taken
        for data in data_of(message.chunks.events)
        for choice in msgspec.json.decode(data)["choices"]
        if choice["finish_reason"]
    ]
    has_completed = bool(taken) and taken[-1].HasField("completed")
    event(f"whole: {has_completed}, begun: {bool(taken)}")
    assert has_completed is (error is None)
    assert reasons == (["stop"] if has_completed else reasons[:1])
    assert text(taken) == TEXT if has_completed else TEXT.startswith(text(taken))
    assert transport.open_now == []


@many
@given(fates, plans)
def test_an_answer_that_is_cut_anywhere_is_no_answer(drawn, limits):
    """All of it is there, or there is an error."""
    transport = _Transport(drawn)

    async def asks() -> str | None:
        executor, request = asked(transport, limits, BODY)
        try:
            response = await executor.execute(request)
        except GatewayError:
            return None
        message = msgspec.json.decode(response.body)["choices"][0]["message"]
        return message["content"]

    content = on_instant_loop(asks())

    event(f"answered: {content is not None}")
    assert content in (None, TEXT)
    assert transport.open_now == []
