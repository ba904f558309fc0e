"""A stream that breaks off after its first content, and what the caller holds then."""

import dataclasses
import json
from datetime import timedelta

import msgspec
import pytest

from fakes.scene import HASTY, STREAMED, WITH_USAGE, messages, scene, text
from fakes.scripted_provider import (
    ROLE,
    Reply,
    delta,
    event,
    failing,
    stream,
    streamed,
)
from holdfast.delivered import Held
from holdfast.errors import StreamInterruptedError
from holdfast.events import data_of
from holdfast.model import Capability, Limits, Outcome

CUT = stream(ROLE, delta(content="one "), delta(content="two "))
PREFIX = frozenset({Capability.ASSISTANT_PREFIX})
NO_PREFIX = Reply(
    [
        b"HTTP/1.1 400 -\r\ncontent-length: 24\r\n\r\n",
        b'{"error":{"message":""}}',
    ]
)


def finish_reasons(taken) -> list[str]:
    """Return every reason that the chunks give for their end."""
    return [
        choice["finish_reason"]
        for message in taken
        for data in data_of(message.chunks.events)
        for choice in msgspec.json.decode(data)["choices"]
        if choice["finish_reason"]
    ]


async def test_the_caller_gets_one_answer_from_two_that_say_the_same():
    """The second says it anew, and only what is missing is passed on."""
    async with scene(CUT, streamed("one ", "two ", "three")) as s:
        taken = await messages(s.stream())

    assert text(taken) == "one two three"
    assert finish_reasons(taken) == ["stop"]
    assert taken[-1].HasField("completed")
    assert s.outcomes == [
        ("a/m-eu", Outcome.INTERRUPTED),
        ("b/m-eu", Outcome.SUCCEEDED),
    ]


async def test_a_deployment_that_takes_a_beginning_is_given_it():
    """It is asked for the rest alone."""
    async with scene(CUT, streamed("three"), capabilities=PREFIX) as s:
        taken = await messages(s.stream())

        asked = json.loads(s.providers[1].taken[0].body)
    assert text(taken) == "one two three"
    assert asked["messages"][-1] == {"role": "assistant", "content": "one two"}


async def test_a_deployment_that_refuses_a_beginning_says_it_anew():
    """The catalog may be wrong about it."""
    refusing = [NO_PREFIX, streamed("one ", "two ", "three")]
    async with scene(CUT, refusing, capabilities=PREFIX) as s:
        taken = await messages(s.stream())

    assert text(taken) == "one two three"
    assert [outcome for _, outcome in s.outcomes] == [
        Outcome.INTERRUPTED,
        Outcome.CAPABILITY_MISSING,
        Outcome.SUCCEEDED,
    ]


async def test_one_that_says_something_else_is_passed_over():
    """Not a word of it reaches the caller."""
    async with scene(CUT, streamed("four ", "five"), streamed("one two three")) as s:
        taken = await messages(s.stream())

    assert text(taken) == "one two three"


async def test_the_one_that_broke_off_is_asked_last():
    """There is nobody else, and it answers now."""
    async with scene([CUT, streamed("one ", "two ", "three")]) as s:
        taken = await messages(s.stream())

    assert text(taken) == "one two three"


async def test_the_one_that_broke_off_is_asked_after_those_that_rest():
    """It would break off again and again, until no attempt is left."""
    said = ["one ", "two ", "three ", "four ", "five ", "six ", "seven "]
    cuts = [
        stream(ROLE, *(delta(content=word) for word in said[:count]))
        for count in range(1, len(said))
    ]
    async with scene(cuts, streamed(*said)) as s:
        s.steps[1] = dataclasses.replace(s.steps[1], cooldown=timedelta(seconds=30))
        taken = await messages(s.stream())

    assert text(taken) == "one two three four five six seven "
    assert s.outcomes == [
        ("a/m-eu", Outcome.INTERRUPTED),
        ("b/m-eu", Outcome.SUCCEEDED),
    ]


async def test_one_that_fell_silent_is_not_asked_again():
    """Its next silence would cost as much time."""
    silent = stream(ROLE, delta(content="one "), holds=True)
    async with scene(silent) as s:
        with pytest.raises(StreamInterruptedError):
            await messages(s.stream(limits=HASTY))

        assert len(s.providers[0].taken) == 1


async def test_a_second_break_is_taken_up_too():
    """As long as there is somebody who has not been asked."""
    further = stream(ROLE, *(delta(content=word) for word in ("one ", "two ", "three")))
    last = streamed("one ", "two ", "three ", "four")
    async with scene(CUT, further, last) as s:
        taken = await messages(s.stream())

    assert text(taken) == "one two three four"


async def test_no_more_attempts_are_made_than_the_limits_allow():
    """A rescue is an attempt like any other."""
    async with scene(CUT, streamed("one ", "two ", "three")) as s:
        with pytest.raises(StreamInterruptedError):
            await messages(s.stream(limits=Limits(max_attempts=1)))


async def test_a_tool_call_that_has_begun_is_not_taken_up():
    """Two halves do not make one; the caller is told."""
    call = {"index": 0, "id": "c1", "type": "function"}
    begun = delta(tool_calls=[{**call, "function": {"name": "f", "arguments": "{"}}])
    async with scene(stream(ROLE, begun), streamed("Hello")) as s:
        with pytest.raises(StreamInterruptedError):
            await messages(s.stream())

        assert not s.providers[1].taken


async def test_structured_output_that_has_begun_is_not_taken_up():
    """A caller that wants it early parses it as it comes."""
    wanted = b',"response_format":{"type":"json_object"},"stream_validation":"end"}'
    body = STREAMED[:-1] + wanted
    async with scene(CUT, streamed("one ", "two ", "three")) as s:
        with pytest.raises(StreamInterruptedError):
            await messages(s.stream(body))

        assert not s.providers[1].taken


async def test_an_error_says_what_was_delivered_and_billed():
    """So that a caller can go on by itself."""
    async with scene(CUT, failing(500)) as s:
        with pytest.raises(StreamInterruptedError) as raised:
            await messages(s.stream())

    assert raised.value.metadata["delivered_tokens"] == "2"
    # The first one's words, and its own again when it was asked last.
    billed = 2 * (len(STREAMED) // 4 * 3_000 + 2 * 15_000)
    assert float(raised.value.metadata["cost_usd"]) == pytest.approx(billed / 1e9)


async def test_the_usage_is_said_once_and_costs_cover_both():
    """The tokens are those of the answer that the caller holds."""
    async with scene(CUT, streamed("one ", "two ", "three")) as s:
        taken = await messages(s.stream(WITH_USAGE))

    usages = [
        usage
        for message in taken
        for data in data_of(message.chunks.events)
        if (usage := msgspec.json.decode(data).get("usage"))
    ]
    spent = sum(attempt.cost_usd_nanos for attempt in s.told)
    assert len(usages) == 1
    assert usages[0]["completion_tokens"] == 100
    assert usages[0]["cost"] == pytest.approx(spent / 1e9)
    assert all(attempt.cost_usd_nanos for attempt in s.told)


async def test_a_rescue_does_not_outlast_the_callers_time():
    """Who would read it?"""
    slow = Limits(first_token_timeout=timedelta(seconds=30))
    async with scene(CUT, stream(ROLE, holds=True)) as s:
        with pytest.raises(StreamInterruptedError):
            await messages(s.stream(seconds=0.3, limits=slow))


async def test_an_error_event_is_taken_up_like_a_cut():
    """However a stream breaks off, the caller holds half an answer."""
    broken = stream(
        ROLE, delta(content="one "), event({"error": {"message": "Overloaded."}})
    )
    async with scene(broken, streamed("one ", "two")) as s:
        taken = await messages(s.stream())

    assert text(taken) == "one two"


HELD = Held("one ", pieces=1, answer_id="chatcmpl-7", created=7)
"""What a caller has whose executor is gone."""


async def test_an_answer_that_another_executor_began_is_ended_here():
    """As one answer: the rest of the words, under the name that it began with."""
    async with scene(streamed("one ", "two ", "three")) as s:
        taken = await messages(s.stream(held=HELD))

    chunks = [
        msgspec.json.decode(data)
        for message in taken
        for data in data_of(message.chunks.events)
    ]
    assert text(taken) == "two three"
    assert finish_reasons(taken) == ["stop"]
    assert {(each["id"], each["created"]) for each in chunks} == {("chatcmpl-7", 7)}
    assert not any(message.HasField("served") for message in taken)
    assert taken[-1].HasField("completed")
    assert s.outcomes == [("a/m-eu", Outcome.SUCCEEDED)]


async def test_its_attempts_are_counted_on_from_those_of_the_other_executor():
    """So that each has a place of its own, and whoever passes it on knows which."""
    async with scene(failing(503), streamed("one ", "two")) as s:
        taken = await messages(s.stream(held=HELD, attempts=2))

    goes_on = taken[0].taken_up
    assert [each.ordinal for each in s.told] == [3, 4]
    assert (goes_on.deployment_id, goes_on.ordinal) == ("b/m-eu", 4)
    assert goes_on.attempt_count == s.finished[0].attempt_count == 4


async def test_an_answer_that_another_executor_began_is_not_ended_otherwise():
    """Nobody says what the caller has, so nobody goes on with it."""
    async with scene(streamed("four ", "five")) as s:
        with pytest.raises(StreamInterruptedError) as raised:
            await messages(s.stream(held=HELD))

    assert raised.value.metadata["delivered_tokens"] == "1"
