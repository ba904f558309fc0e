"""Streamed answers that are to have a form: held back, or judged at their end."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from fakes.formed import (
    BO,
    FENCED,
    PROSE,
    SECRET,
    answering,
    asked,
    sent,
)
from fakes.scene import messages, scene, text
from fakes.scripted_provider import (
    ENDING,
    ROLE,
    SILENCE,
    delta,
    stream,
)
from holdfast.errors import (
    StructuredOutputInvalidError,
)
from holdfast.events import data_of
from holdfast.model import Limits, Outcome


def chunk_events(taken: list[Any]) -> list[dict[str, Any]]:
    return [
        json.loads(data)
        for each in taken
        for data in data_of(each.chunks.events)
        if data
    ]


class TestStreams:
    """Held back until valid; or passed on as they come, and judged at the end."""

    async def test_a_held_stream_is_a_stream(self) -> None:
        """A role, pieces, why it ended, its usage and that it is whole."""
        body = asked(stream=True, stream_options={"include_usage": True})
        long = json.dumps({"name": "B" * 1_000, "age": 7})
        async with scene(answering(long, streams=True)) as s:
            taken = await messages(s.stream(body))

        chunks = chunk_events(taken)
        *others, usage = chunks
        assert others[0]["choices"][0]["delta"]["role"] == "assistant"
        assert others[-1]["choices"][0]["finish_reason"] == "stop"
        assert len(others) > 4
        assert usage["choices"] == []
        assert usage["usage"]["completion_tokens"] == 100
        assert {each["model"] for each in chunks} == {"m"}
        assert len({each["id"] for each in chunks}) == 1
        assert text(taken) == long
        assert [each.WhichOneof("step") for each in (taken[0], taken[-1])] == [
            "served",
            "completed",
        ]

    async def test_nothing_is_sent_of_an_answer_that_does_not_fit(self) -> None:
        """Who serves is known once it does."""
        async with scene(
            answering(PROSE, streams=True), answering(BO, streams=True)
        ) as s:
            taken = await messages(s.stream(asked(stream=True)))

        assert taken[0].served.deployment_id == "b/m-eu"
        assert text(taken) == BO

    async def test_what_was_thought_is_kept(self) -> None:
        """Reasoning comes before the answer."""
        thought = (delta(reasoning_content="Hm"), delta(reasoning_content="m."))
        reply = stream(ROLE, *thought, delta(content=BO), *ENDING)
        async with scene(reply) as s:
            chunks = chunk_events(await messages(s.stream(asked(stream=True))))

        deltas = [each["choices"][0]["delta"] for each in chunks]
        assert {"reasoning_content": "Hmm."} in deltas

    async def test_a_held_stream_that_breaks_off_is_asked_of_the_next(self) -> None:
        """The caller has nothing of it yet."""
        cut = stream(ROLE, delta(content=BO[:9]))
        async with scene(cut, answering(BO, streams=True)) as s:
            assert text(await messages(s.stream(asked(stream=True)))) == BO

        assert [outcome for _, outcome in s.outcomes] == [
            Outcome.CONNECTION_FAILED,
            Outcome.SUCCEEDED,
        ]

    async def test_a_silent_deployment_is_left_in_time(self) -> None:
        """The first content has its limit, held back or not."""
        limits = Limits(first_token_timeout=timedelta(milliseconds=100))
        async with scene(SILENCE, answering(BO, streams=True)) as s:
            taken = await messages(s.stream(asked(stream=True), limits=limits))

        assert text(taken) == BO
        assert s.outcomes[0] == ("a/m-eu", Outcome.TIMED_OUT)

    async def test_a_stream_that_is_held_for_long_shows_that_it_lives(self) -> None:
        """Its head is sent, once, and what is known by then; the answer follows."""
        limits = Limits(first_token_timeout=timedelta(milliseconds=300))
        good = answering(BO, streams=True)
        async with scene(SILENCE, good, silent_at_most_s=0.05) as s:
            taken = await messages(s.stream(asked(stream=True), limits=limits))

        kinds = [each.WhichOneof("step") for each in taken]
        assert kinds.count("served") == 1
        assert kinds[0] == "served"
        assert taken[0].served.deployment_id == "a/m-eu"
        assert text(taken) == BO

    async def test_an_error_follows_the_head_of_a_stream_that_was_held(self) -> None:
        """As one follows the first content of others."""
        limits = Limits(first_token_timeout=timedelta(milliseconds=300))
        bad = answering(PROSE, streams=True)
        taken: list[Any] = []
        async with scene(SILENCE, bad, silent_at_most_s=0.05) as s:
            with pytest.raises(StructuredOutputInvalidError):
                await messages(s.stream(asked(stream=True), limits=limits), taken)

        assert [each.WhichOneof("step") for each in taken] == ["served"]

    async def test_who_goes_away_while_a_stream_is_held_ends_it(self) -> None:
        """The provider is let go of, and the attempt is told."""
        async with scene(SILENCE, silent_at_most_s=0.05) as s:
            answer = s.stream(asked(stream=True))
            await anext(answer)
            await answer.aclose()
            await asyncio.wait_for(s.providers[0].hung_up.wait(), 5)

        assert s.outcomes == [("a/m-eu", Outcome.CANCELLED)]

    async def test_an_early_stream_that_fits_ends_well(self) -> None:
        """With all that came, as it came."""
        body = asked(stream=True, stream_validation="end")
        async with scene(answering(BO, streams=True)) as s:
            taken = await messages(s.stream(body))

        assert text(taken) == BO
        assert chunk_events(taken)[-1]["choices"][0]["finish_reason"] == "stop"
        assert s.outcomes == [("a/m-eu", Outcome.SUCCEEDED)]
        assert "stream_validation" not in sent(s)

    @pytest.mark.parametrize("bad", [PROSE, SECRET, FENCED])
    async def test_an_early_stream_that_does_not_fit_ends_in_an_error(
        self, bad: str
    ) -> None:
        """What went out cannot be mended; it does not say that it ended well."""
        body = asked(stream=True, stream_validation="end")
        taken: list[Any] = []
        async with scene(
            answering(bad, streams=True), answering(BO, streams=True)
        ) as s:
            with pytest.raises(StructuredOutputInvalidError):
                await messages(s.stream(body), taken)

        assert text(taken) == bad
        assert b'"stop"' not in b"".join(each.chunks.events for each in taken)
        assert s.outcomes == [("a/m-eu", Outcome.PARSE_FAILED)]
        assert not s.providers[1].taken

    async def test_an_early_stream_is_early(self) -> None:
        """Its first piece is there while the rest is still to come."""
        body = asked(stream=True, stream_validation="end")
        begun = stream(ROLE, delta(content='{"name":'), holds=True)
        async with scene(begun) as s:
            answer = s.stream(body)
            first = [await anext(answer) for _ in range(2)]
            await answer.aclose()

        assert text(first) == '{"name":'
