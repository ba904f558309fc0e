"""Answers that are to have a form: what is asked, what is told, what comes back."""

import dataclasses
import json
from typing import Any

import msgspec
import pytest

from fakes.formed import (
    BO,
    BOTH,
    FENCED,
    OBJECT,
    PERSON,
    PROSE,
    SECRET,
    answering,
    asked,
    content,
    said,
    sent,
)
from fakes.scene import COST, Scene, messages, scene, text
from fakes.scripted_provider import (
    ENDING,
    ROLE,
    USAGE,
    Reply,
    completion,
    delta,
    failing,
    stream,
    whole,
)
from holdfast.errors import (
    AllAttemptsFailedError,
    ProviderRejectedRequestError,
    RequestMalformedError,
    StructuredOutputInvalidError,
)
from holdfast.model import Capability, Limits, Outcome, StepReason


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
