"""Answers that are to have a form: what is asked, what is told, what comes back."""

import asyncio
import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fakes.scene import COST, Scene, messages, scene, text
from fakes.scripted_provider import (
    ENDING,
    ROLE,
    SILENCE,
    USAGE,
    Reply,
    completion,
    delta,
    failing,
    stream,
    streamed,
    whole,
)
from holdfast.errors import (
    AllAttemptsFailedError,
    ProviderRejectedRequestError,
    RequestMalformedError,
    StructuredOutputInvalidError,
)
from holdfast.events import data_of
from holdfast.model import Capability, Limits, Outcome, StepReason

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
BO = '{"name":"Bo","age":7}'
SECRET = '{"name":"Bo","age":"secret-word"}'
PROSE = "I would rather not say."
FENCED = f"Here you are:\n```json\n{BO}\n```\nAnything else?"
OBJECT = {"type": "json_object"}


def asked(wanted: Any = None, *, stream: bool = False, **fields: Any) -> bytes:
    """Write a request that asks for a form; for a person unless it says otherwise."""
    named = {"name": "person", "schema": PERSON, "strict": True}
    request = {
        "model": "m",
        "messages": [{"role": "user", "content": "Who?"}],
        "response_format": wanted or {"type": "json_schema", "json_schema": named},
        **fields,
    }
    return json.dumps(request | ({"stream": True} if stream else {})).encode()


def sent(s: Scene, provider: int = 0, attempt: int = 0) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(s.providers[provider].taken[attempt].body)
    return body


async def content(s: Scene, body: bytes, **plan: Any) -> str:
    response = await s.execute(body, **plan)
    choice = msgspec.json.decode(response.body)["choices"][0]
    assert choice["finish_reason"] == "stop"
    return str(choice["message"]["content"])


async def said(s: Scene, wanted: Any = None, *, streams: bool, **plan: Any) -> str:
    """Ask whole or streamed, and return what the caller reads."""
    if streams:
        return text(await messages(s.stream(asked(wanted, stream=True), **plan)))
    return await content(s, asked(wanted), **plan)


def answering(text_: str, *, streams: bool) -> Reply:
    if not streams:
        return completion(text_)
    return streamed(*(text_[at : at + 5] for at in range(0, len(text_), 5)))


BOTH = pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])


@BOTH
async def test_an_answer_that_fits_is_the_answer(streams: bool) -> None:
    """As the model wrote it, and asked for natively."""
    async with scene(answering(BO, streams=streams)) as s:
        assert await said(s, streams=streams) == BO

    assert s.outcomes == [("a/m-eu", Outcome.SUCCEEDED)]
    assert sent(s)["response_format"]["json_schema"]["schema"] == PERSON


@BOTH
@pytest.mark.parametrize(
    "wrapped",
    [
        FENCED,
        f"```json\n{BO}\n```",
        f"```\n{BO}",
        f"\ufeff {BO}\n",
        f"Sure! {BO} Is that what you [the user] meant?",
        f"<think>A person {{maybe}}.</think>\n{BO}",
    ],
    ids=["fenced", "fence", "unclosed", "marked", "prose", "thought"],
)
async def test_what_stands_around_an_answer_is_left_out(
    wrapped: str, streams: bool
) -> None:
    """Fences, introductions, farewells, byte order marks: one attempt does."""
    async with scene(answering(wrapped, streams=streams)) as s:
        assert await said(s, streams=streams) == BO

    assert len(s.told) == 1


@BOTH
@pytest.mark.parametrize("bad", [PROSE, SECRET, BO[:-4]], ids=["prose", "type", "cut"])
async def test_the_same_model_is_told_what_was_wrong(bad: str, streams: bool) -> None:
    """Its own answer and the fault, after the words of the caller, which stay."""
    replies = [answering(each, streams=streams) for each in (bad, BO)]
    async with scene(replies) as s:
        assert await said(s, streams=streams) == BO

    assert s.outcomes == [
        ("a/m-eu", Outcome.PARSE_FAILED),
        ("a/m-eu", Outcome.SUCCEEDED),
    ]
    first, second = sent(s)["messages"], sent(s, attempt=1)["messages"]
    assert second[: len(first)] == first
    assert [each["role"] for each in second[len(first) :]] == ["assistant", "user"]
    assert second[-2]["content"] == bad
    assert "corrected" in second[-1]["content"]
    assert sent(s)["response_format"] == sent(s, attempt=1)["response_format"]


async def test_the_fault_is_named_to_the_model() -> None:
    """Where it is, and what it offends against."""
    async with scene([completion(SECRET), completion(BO)]) as s:
        await s.execute(asked())

    told = sent(s, attempt=1)["messages"][-1]["content"]
    assert "/age" in told
    assert "integer" in told


@BOTH
async def test_each_deployment_is_asked_again_as_often_as_the_plan_says(
    streams: bool,
) -> None:
    """Then the next, which begins with the caller's own words."""
    bad, good = (answering(each, streams=streams) for each in (PROSE, BO))
    async with scene(bad, good) as s:
        assert await said(s, streams=streams, limits=Limits(parse_retries=1)) == BO

    assert [each for each, _ in s.outcomes] == ["a/m-eu", "a/m-eu", "b/m-eu"]
    assert sent(s, 1)["messages"] == sent(s)["messages"]


async def test_corrections_do_not_use_up_the_attempts() -> None:
    """Two deployments are tried though two attempts are all that is allowed."""
    limits = Limits(max_attempts=2, parse_retries=3)
    async with scene(completion(PROSE), completion(BO)) as s:
        assert await content(s, asked(), limits=limits) == BO

    assert [each for each, _ in s.outcomes] == ["a/m-eu"] * 4 + ["b/m-eu"]


async def test_all_attempts_together_are_bounded() -> None:
    """However many corrections are allowed."""
    async with scene(completion(PROSE), completion(PROSE)) as s:
        with pytest.raises(StructuredOutputInvalidError):
            await s.execute(asked(), limits=Limits(parse_retries=100))

    assert len(s.told) == 32


@pytest.mark.parametrize("retries", [0, 2])
async def test_who_never_asks_again_is_told_at_once(retries: int) -> None:
    """`parse_retries: 0` tries each deployment once."""
    async with scene(completion(PROSE)) as s:
        with pytest.raises(StructuredOutputInvalidError):
            await s.execute(asked(), limits=Limits(parse_retries=retries))

    assert len(s.told) == 1 + retries


@BOTH
async def test_every_attempt_is_reported_with_its_cost(streams: bool) -> None:
    """That of a bad answer, too."""
    replies = [answering(each, streams=streams) for each in (PROSE, BO)]
    async with scene(replies) as s:
        await said(s, streams=streams)

    assert [each.cost_usd_nanos for each in s.told] == [COST, COST]
    assert [each.usage.output_tokens for each in s.told if each.usage] == [100, 100]


async def test_an_answers_cost_is_that_of_all_its_attempts() -> None:
    """While its usage is its own."""
    async with scene([completion(PROSE), completion(BO)]) as s:
        response = await s.execute(asked())

    assert response.served.cost_usd_nanos == 2 * COST
    usage = msgspec.json.decode(response.body)["usage"]
    assert usage["cost"] == pytest.approx(2 * COST / 1e9)
    assert usage["completion_tokens"] == USAGE["completion_tokens"]


async def test_nothing_is_said_of_a_deployments_health() -> None:
    """Neither its rest nor the project's budget is touched by what a model writes."""
    async with scene(completion(PROSE), completion(BO)) as s:
        await s.execute(asked())

        assert not s.lessons.budget.has_just_failed("a/m-eu")
        assert s.lessons.budget.counts.paid == 0


async def test_who_gives_an_answer_that_does_not_fit_has_answered() -> None:
    """It is up, and nothing is paid for trying it again."""
    async with scene(completion(PROSE)) as s:
        s.lessons.budget.failed("a/m-eu", Outcome.SERVER_ERROR)
        with pytest.raises(StructuredOutputInvalidError):
            await s.execute(asked())

        assert not s.lessons.budget.has_just_failed("a/m-eu")
        assert s.lessons.budget.counts.paid == 0


@BOTH
async def test_when_nobody_fits_the_error_says_where_and_quotes_nothing(
    streams: bool,
) -> None:
    """Paths and keywords are the caller's own; values are the model's."""
    bad = answering(SECRET[:-1] + ',"mood":"secret-too"}', streams=streams)
    async with scene(bad, bad) as s:
        with pytest.raises(StructuredOutputInvalidError) as raised:
            await said(s, streams=streams)

    error = raised.value
    lines = error.metadata["violations"].splitlines()
    assert {line.rpartition(" ")[::2] for line in lines} == {
        ("/age", "type"),
        ("", "additionalProperties"),
    }
    assert error.metadata["deployment_id"] == "b/m-eu"
    assert "text" not in error.metadata
    assert len(error.attempts) == 6
    told = [error.message, *error.metadata.values(), *map(str, s.told)]
    assert not any("secret" in each or "mood" in each for each in told)


async def test_the_answer_itself_is_told_where_content_is_kept() -> None:
    """The beginning of it, since an error has only so much room."""
    async with scene(completion(PROSE + "." * 5_000)) as s:
        with pytest.raises(StructuredOutputInvalidError) as raised:
            await s.execute(asked(), content_retained=True)

    assert raised.value.metadata["text"].startswith(PROSE)
    assert len(raised.value.metadata["text"]) == 2_000


async def test_who_could_not_be_reached_may_be_back() -> None:
    """Then the error says when to try again."""
    limited = failing(429, retry_after=7)
    async with scene(completion(PROSE), limited) as s:
        with pytest.raises(StructuredOutputInvalidError) as raised:
            await s.execute(asked())

    assert raised.value.metadata["retry_after_seconds"] == "7"


async def test_a_refusal_at_the_end_is_told_in_the_providers_words() -> None:
    """It would refuse the next request as well."""
    async with scene(completion(PROSE), failing(400, "bad")) as s:
        with pytest.raises(ProviderRejectedRequestError):
            await s.execute(asked())


async def test_without_a_form_a_bad_answer_is_an_error_of_the_provider() -> None:
    """As it was: nothing is checked that nobody asked for."""
    async with scene(whole(200, {"choices": []})) as s:
        with pytest.raises(AllAttemptsFailedError):
            await s.execute()


@BOTH
async def test_any_object_will_do_for_json_object(streams: bool) -> None:
    """And nothing else."""
    replies = [answering(each, streams=streams) for each in ("[1]", "7", '{"a": 1.0}')]
    async with scene(replies) as s:
        assert await said(s, OBJECT, streams=streams) == '{"a": 1.0}'

    assert len(s.told) == 3


async def test_two_answers_in_one_are_none() -> None:
    """Which one was meant is a guess."""
    two = f"Either {BO} or {BO.replace('7', '8')}."
    async with scene([completion(two), completion(f"{BO}\n{BO}")]) as s:
        assert await content(s, asked()) == BO

    assert len(s.told) == 2


async def test_part_of_an_answer_is_none() -> None:
    """An object within one that was broken off is not what was asked for."""
    async with scene(
        [completion('{"people": {"name": "Bo"}, "x'), completion("{}")]
    ) as s:
        assert await content(s, asked(OBJECT)) == "{}"


def choices(*messages_: dict[str, Any], reason: str = "stop") -> Reply:
    listed = [
        {
            "index": index,
            "message": {"role": "assistant", "content": None, **message},
            "finish_reason": reason,
            "logprobs": None,
        }
        for index, message in enumerate(messages_)
    ]
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "u"}
    return whole(200, {**body, "choices": listed, "usage": USAGE})


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": BO}}
TOOLS = [{"type": "function", "function": {"name": "f"}}]


async def test_a_refusal_is_passed_on() -> None:
    """It is an answer, and the SDKs know it."""
    async with scene(choices({"refusal": "No."})) as s:
        response = await s.execute(asked())

    message = msgspec.json.decode(response.body)["choices"][0]["message"]
    assert message["refusal"] == "No."
    assert s.outcomes == [("a/m-eu", Outcome.SUCCEEDED)]


async def test_a_call_of_the_callers_tools_is_passed_on() -> None:
    """The answer comes once the tool has been called."""
    async with scene(choices({"tool_calls": [CALL]}, reason="tool_calls")) as s:
        response = await s.execute(asked(tools=TOOLS))

    choice = msgspec.json.decode(response.body)["choices"][0]
    assert choice["message"]["tool_calls"] == [CALL]
    assert choice["finish_reason"] == "tool_calls"


async def test_a_call_of_no_tool_of_the_callers_is_the_answer() -> None:
    """Some models say JSON that way, asked or not."""
    async with scene(choices({"tool_calls": [CALL]}, reason="tool_calls")) as s:
        response = await s.execute(asked())

    choice = msgspec.json.decode(response.body)["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": BO}
    assert choice["finish_reason"] == "stop"


async def test_a_streamed_call_of_no_tool_is_the_answer_too() -> None:
    """In content, as it was asked for."""
    function = {"name": "f", "arguments": BO[:5]}
    calls = (
        delta(
            tool_calls=[
                {"index": 0, "id": "c", "type": "function", "function": function}
            ]
        ),
        delta(tool_calls=[{"index": 0, "function": {"arguments": BO[5:]}}]),
    )
    async with scene(stream(ROLE, *calls, delta("tool_calls"), *ENDING[1:])) as s:
        taken = await messages(s.stream(asked(stream=True)))

    assert text(taken) == BO
    assert b"tool_calls" not in b"".join(each.chunks.events for each in taken)


async def test_each_of_several_answers_has_to_fit() -> None:
    """And what stands around each is left out."""
    bad = choices({"content": BO}, {"content": PROSE})
    async with scene([bad, choices({"content": BO}, {"content": FENCED})]) as s:
        response = await s.execute(asked(n=2))

    both = msgspec.json.decode(response.body)["choices"]
    assert [each["message"]["content"] for each in both] == [BO, BO]
    assert len(s.told) == 2


async def test_an_answer_cut_at_the_callers_own_limit_is_passed_on() -> None:
    """It says why it ended, and would be cut there by anybody."""
    async with scene(choices({"content": BO[:9]}, reason="length")) as s:
        response = await s.execute(asked(max_tokens=5))

    choice = msgspec.json.decode(response.body)["choices"][0]
    assert choice["message"]["content"] == BO[:9]
    assert choice["finish_reason"] == "length"


async def test_an_answer_cut_at_a_deployments_limit_is_asked_of_the_next() -> None:
    """Which may have more room; the same would cut it at the same place."""
    async with scene(
        choices({"content": BO[:9]}, reason="length"), completion(BO)
    ) as s:
        assert await content(s, asked()) == BO

    assert [each for each, _ in s.outcomes] == ["a/m-eu", "b/m-eu"]


@BOTH
async def test_an_empty_answer_is_never_served(streams: bool) -> None:
    """It is no JSON; nothing is shown to the model, which is asked once more."""
    empty = stream(ROLE, *ENDING) if streams else completion("")
    async with scene([empty, answering(BO, streams=streams)]) as s:
        assert await said(s, streams=streams) == BO

    assert sent(s, attempt=1)["messages"] == sent(s)["messages"]


async def test_an_answer_that_the_caller_began_is_returned_whole() -> None:
    """Whether a model goes on with it or begins anew."""
    begun = [
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": '{"name":'},
    ]
    async with scene([completion('"Bo","age":7}'), completion(BO)]) as s:
        went_on = await content(s, asked(messages=begun))
        began_anew = await content(s, asked(messages=begun))

    assert went_on == '{"name":"Bo","age":7}'
    assert began_anew == BO


class TestWhoLacksASchemaMode:
    """Deployments that cannot be asked natively are asked in words."""

    TOLD = frozenset({Capability.TOOLS})

    async def test_the_schema_is_in_the_system_prompt(self) -> None:
        """And no field that its provider would refuse."""
        async with scene(completion(BO), capabilities=self.TOLD) as s:
            assert await content(s, asked()) == BO

        system, user = sent(s)["messages"]
        assert system["role"] == "system"
        assert '"required":["name","age"]' in system["content"]
        assert user == {"role": "user", "content": "Who?"}
        assert "response_format" not in sent(s)

    @pytest.mark.parametrize(
        "prompt", ["Be brief.", [{"type": "text", "text": "Be brief."}]]
    )
    async def test_it_follows_the_callers_own(self, prompt: Any) -> None:
        """Which is the first thing said, still, for the sake of prompt caches."""
        messages_ = [
            {"role": "system", "content": prompt},
            {"role": "user", "content": "Who?"},
        ]
        async with scene(completion("{}"), capabilities=self.TOLD) as s:
            await s.execute(asked(OBJECT, messages=messages_))

        told = sent(s)["messages"][0]["content"]
        if isinstance(prompt, str):
            assert told.startswith("Be brief.\n\nAnswer with one JSON object")
        else:
            assert told[0] == prompt[0]
            assert told[1]["text"].startswith("Answer with one JSON object")
        assert len(sent(s)["messages"]) == 2

    @BOTH
    async def test_a_refusal_of_the_field_is_asked_again_in_words(
        self, streams: bool
    ) -> None:
        """At once, and from then on at first."""
        error = {"message": "response_format is not supported", "type": "x"}
        refused = whole(400, {"error": {**error, "param": None, "code": None}})
        good = answering(BO, streams=streams)
        async with scene([refused, good]) as s:
            assert await said(s, streams=streams) == BO
            assert await said(s, streams=streams) == BO

        assert [outcome for _, outcome in s.outcomes] == [
            Outcome.CAPABILITY_MISSING,
            Outcome.SUCCEEDED,
            Outcome.SUCCEEDED,
        ]
        assert "response_format" in sent(s)
        assert "response_format" not in sent(s, attempt=1)
        assert "response_format" not in sent(s, attempt=2)

    async def test_a_refusal_for_another_reason_is_the_callers(self) -> None:
        """Words would not mend it."""
        async with scene(failing(400, "bad")) as s:
            with pytest.raises(ProviderRejectedRequestError):
                await s.execute(asked())

    async def test_a_refusal_of_a_correction_moves_on(self) -> None:
        """It is about what was made of the request, not about the request."""
        replies = [completion(PROSE), failing(400, "alternate")]
        async with scene(replies, completion(BO)) as s:
            assert await content(s, asked()) == BO

        assert [each for each, _ in s.outcomes] == ["a/m-eu", "a/m-eu", "b/m-eu"]


class TestTheCallersSchema:
    """What is wrong with it is the caller's to mend, and nobody is asked."""

    @pytest.mark.parametrize(
        ("schema", "words"),
        [
            ({"type": "strin"}, "/type"),
            ({"$ref": "http://127.0.0.1:9/x"}, "127.0.0.1:9"),
            ({"$ref": "file:///etc/passwd"}, "passwd"),
            ({"$ref": "#/$defs/none"}, "none"),
            ({"pattern": "(a"}, "pattern"),
            ({"properties": {"a": {"enum": 3}}}, "enum"),
        ],
    )
    async def test_one_that_is_none_is_refused(
        self, schema: dict[str, Any], words: str
    ) -> None:
        """With the field that it stands in, and nothing fetched."""
        wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
        async with scene(completion(BO)) as s:
            with pytest.raises(RequestMalformedError) as raised:
                await s.execute(asked(wanted))

        assert raised.value.metadata["field"] == "response_format.json_schema.schema"
        assert words in raised.value.message
        assert not s.providers[0].taken

    @pytest.mark.parametrize(
        ("wanted", "field"),
        [
            ({"type": "json_schema"}, "response_format.json_schema"),
            (
                {"type": "json_schema", "json_schema": {"schema": 3}},
                "response_format.json_schema.schema",
            ),
            (
                {"type": "json_schema", "json_schema": {"schema": {}, "via": "yaml"}},
                "response_format.json_schema.via",
            ),
            ({"type": "xml"}, "response_format.xml"),
            ({"type": "xml", "xml": {"root": "a b"}}, "response_format.xml.root"),
            (
                {"type": "xml", "xml": {"root": "a", "schema": 3}},
                "response_format.xml.schema",
            ),
        ],
    )
    @BOTH
    async def test_a_form_that_cannot_be_understood_is_refused(
        self, wanted: dict[str, Any], field: str, streams: bool
    ) -> None:
        """By the name of what is wrong."""
        async with scene(completion(BO)) as s:
            with pytest.raises(RequestMalformedError) as raised:
                await said(s, wanted, streams=streams)

        assert raised.value.metadata["field"] == field

    async def test_what_only_a_provider_knows_is_left_to_it(self) -> None:
        """A type that is neither ours nor OpenAI's goes through as it is."""
        async with scene(completion(PROSE)) as s:
            assert await content(s, asked({"type": "grammar", "grammar": "g"})) == PROSE

        assert sent(s)["response_format"] == {"type": "grammar", "grammar": "g"}

    async def test_null_asks_for_nothing(self) -> None:
        """As with every optional field."""
        body = asked().replace(
            json.dumps(json.loads(asked())["response_format"]).encode(), b"null"
        )
        async with scene(completion(PROSE)) as s:
            assert await content(s, body) == PROSE


class TestWhoIsTriedFirst:
    """Deployments that mostly fail a schema are tried after others of their model."""

    async def failed_before(self, s: Scene) -> None:
        with pytest.raises(StructuredOutputInvalidError):
            await s.execute(asked(), limits=Limits(max_attempts=1))

    async def test_one_that_mostly_fails_comes_after_the_others(self) -> None:
        """For this schema alone."""
        async with scene(completion(PROSE), completion(BO)) as s:
            await self.failed_before(s)
            s.told.clear()
            await s.execute(asked())
            await s.execute()

        assert [each for each, _ in s.outcomes] == ["b/m-eu", "a/m-eu"]

    @pytest.mark.parametrize("reason", [StepReason.STICKY, StepReason.PROBE])
    async def test_a_sessions_own_deployment_stays_first(
        self, reason: StepReason
    ) -> None:
        """Its prompt cache is warm, so a second try is cheaper than another place."""
        async with scene(completion(PROSE), completion(BO)) as s:
            await self.failed_before(s)
            s.told.clear()
            s.steps[0] = dataclasses.replace(s.steps[0], reason=reason)
            await s.execute(asked())

        assert s.outcomes[0][0] == "a/m-eu"

    async def test_the_order_of_an_alias_stays_as_it_is(self) -> None:
        """A member comes before the next however bad it is."""
        async with scene(completion(PROSE), completion(BO)) as s:
            await self.failed_before(s)
            s.told.clear()
            s.steps[1] = dataclasses.replace(s.steps[1], response_model="another")
            await s.execute(asked())

        assert s.outcomes[0][0] == "a/m-eu"


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


XML = {"type": "xml", "xml": {"root": "person"}}
BO_XML = "<person><name>Bo</name></person>"
BOMB = (
    '<!DOCTYPE person [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<person>&b;</person>"
)
XSD = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="person">'
    '<xs:complexType><xs:sequence><xs:element name="age" type="xs:integer"/>'
    "</xs:sequence></xs:complexType></xs:element></xs:schema>"
)


class TestXml:
    """Well-formed, by its root, and by a schema where there is one."""

    @BOTH
    @pytest.mark.parametrize(
        "wrapped",
        [BO_XML, f"Here:\n```xml\n{BO_XML}\n```", f"It is {BO_XML}, I think (x > y)."],
    )
    async def test_xml_is_asked_for_in_words(self, wrapped: str, streams: bool) -> None:
        """No provider has a field for it."""
        async with scene(answering(wrapped, streams=streams)) as s:
            assert await said(s, XML, streams=streams) == BO_XML

        assert "response_format" not in sent(s)
        assert "<person>" in sent(s)["messages"][0]["content"]

    @pytest.mark.parametrize(
        ("bad", "keyword"),
        [
            ("<person><name>Bo</person>", "xml"),
            ("<dog/>", "root"),
            (PROSE, "xml"),
            (BOMB, "doctype"),
            ("<person>&lol;</person>", "xml"),
            ("<person>" + "<a>" * 150 + "</a>" * 150 + "</person>", "depth"),
            ("<person>" + "<a>" * 9_999 + "</a>" * 9_999 + "</person>", "xml"),
        ],
        ids=["broken", "root", "prose", "bomb", "entity", "deep", "deeper"],
    )
    async def test_what_is_no_such_xml_is_asked_for_again(
        self, bad: str, keyword: str
    ) -> None:
        """Bombs are not opened."""
        async with scene([completion(bad), completion(BO_XML)]) as s:
            assert await content(s, asked(XML)) == BO_XML
        async with scene(completion(bad)) as s:
            with pytest.raises(StructuredOutputInvalidError) as raised:
                await s.execute(asked(XML))

        assert raised.value.metadata["violations"] == f" {keyword}"

    async def test_a_schema_has_to_be_kept(self) -> None:
        """By what it calls types."""
        wanted = {"type": "xml", "xml": {"root": "person", "schema": XSD}}
        good = "<person><age>7</age></person>"
        bad = "<person><age>secret</age></person>"
        async with scene([completion(bad), completion(good)]) as s:
            assert await content(s, asked(wanted)) == good
        async with scene(completion(bad)) as s:
            with pytest.raises(StructuredOutputInvalidError) as raised:
                await s.execute(asked(wanted), limits=Limits(parse_retries=0))

        (line,) = raised.value.metadata["violations"].splitlines()
        assert line.startswith("/person/age cvc-datatype-valid")

    @pytest.mark.parametrize("schema", ["<a>", "<a/>", BOMB])
    async def test_a_schema_that_is_none_is_the_callers_fault(
        self, schema: str
    ) -> None:
        """Nobody is asked."""
        wanted = {"type": "xml", "xml": {"root": "person", "schema": schema}}
        async with scene(completion(BO_XML)) as s:
            with pytest.raises(RequestMalformedError) as raised:
                await s.execute(asked(wanted))

        assert raised.value.metadata["field"] == "response_format.xml.schema"
        assert not s.providers[0].taken

    @pytest.mark.parametrize("way", ["import", "include", "redefine"])
    async def test_nothing_is_read_for_a_schema(self, way: str, tmp_path: Path) -> None:
        """A file that is there is not looked at."""
        other = tmp_path / "other.xsd"
        other.write_text(XSD.replace('"person"', '"another"'))
        within = f'<xs:{way} schemaLocation="{other}"/>'
        schema = XSD.replace("<xs:element", f"{within}<xs:element", 1)
        wanted = {"type": "xml", "xml": {"root": "person", "schema": schema}}
        async with scene(completion(BO_XML)) as s:
            with pytest.raises(RequestMalformedError) as raised:
                await s.execute(asked(wanted))

        assert f"<{way}>" in raised.value.message

    async def test_json_may_be_asked_for_by_way_of_xml(self) -> None:
        """The model writes XML, and the caller gets the JSON that it stands for."""
        named = {"name": "person", "schema": PERSON, "via": "xml"}
        wanted = {"type": "json_schema", "json_schema": named}
        written = "<answer><name>Bo &amp; co</name><age>7</age></answer>"
        async with scene(
            [completion("<answer><age>x</age></answer>"), completion(written)]
        ) as s:
            answer = await content(s, asked(wanted))

        assert json.loads(answer) == {"name": "Bo & co", "age": 7}
        assert "<answer><name>text</name>" in sent(s)["messages"][0]["content"]
        assert "/name" in sent(s, attempt=1)["messages"][-1]["content"]

    async def test_a_stream_made_from_xml_cannot_be_early(self) -> None:
        """There is no JSON before all the XML is there."""
        named = {"name": "person", "schema": PERSON, "via": "xml"}
        body = asked(
            {"type": "json_schema", "json_schema": named},
            stream=True,
            stream_validation="end",
        )
        async with scene(completion(BO)) as s:
            with pytest.raises(RequestMalformedError):
                await messages(s.stream(body))
