"""Guardrails as the executor's callers see them: what gets in, and what gets out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest

from fakes.guardrails import JudgesOnly, guardrail, judged
from fakes.patience import until
from fakes.plans import CALLER, deployment, signed, step
from fakes.scene import (
    COST,
    PRICING,
    WITH_USAGE,
    Scene,
    messages,
    scene,
    text,
)
from fakes.scripted_provider import (
    ROLE,
    SILENCE,
    USAGE,
    completion,
    delta,
    failing,
    stream,
    streamed,
    whole,
)
from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.errors import (
    GuardrailBlockedError,
    PlanRefusedError,
    StructuredOutputInvalidError,
)
from holdfast.model import Capability, GuardrailResult, Outcome
from holdfast.ports import ExecuteRequest

CARD = "4111 1111 1111 1111"
ASKED = f"Is {CARD} good?"
BLOCKING = guardrail("block", "credit_card", name="no-cards")
REDACTING = guardrail("redact", "credit_card", name="no-cards")
FLAGGING = guardrail("flag", "credit_card", name="no-cards")
INPUT = frozenset({"input"})
OUTPUT = frozenset({"output"})


def asking(content: str = "Hi", **more) -> bytes:
    """Write a chat."""
    user = {"role": "user", "content": content}
    return msgspec.json.encode({"model": "m", "messages": [user], **more})


def result(action: str, stage: str, count: int = 1, *matched: str) -> GuardrailResult:
    kinds = matched or ("credit_card",)
    return GuardrailResult("no-cards", stage, action, count, kinds)


def sent(s: Scene, provider: int = 0) -> dict:
    """Return the last request that a provider got."""
    return msgspec.json.decode(s.providers[provider].taken[-1].body)


def said(body: bytes) -> str:
    return msgspec.json.decode(body)["choices"][0]["message"]["content"]


class TestWhatGoesIn:
    async def test_a_blocked_request_reaches_no_provider(self):
        """The error names the guardrail, and not what it has found."""
        async with scene(completion()) as s:
            with pytest.raises(GuardrailBlockedError) as raised:
                await s.execute(asking(ASKED), guardrails=(BLOCKING,))

        error = raised.value
        assert s.providers[0].taken == []
        assert error.message == "Guardrail 'no-cards' has blocked the request."
        assert error.metadata["guardrail_id"] == "no-cards"
        assert error.metadata["stage"] == "input"
        assert error.metadata["attempt_count"] == "0"
        assert error.attempts == ()
        assert "4111" not in f"{error.message} {error.metadata}"

    async def test_a_blocked_stream_never_begins(self):
        """It is an error like any other."""
        async with scene(streamed("Hi")) as s:
            with pytest.raises(GuardrailBlockedError):
                await messages(
                    s.stream(asking(ASKED, stream=True), guardrails=(BLOCKING,))
                )

        assert s.providers[0].taken == []

    async def test_a_provider_gets_what_was_redacted_and_all_else_as_it_was(self):
        """Byte for byte, with the model's name that each attempt exchanges."""
        body = b'{"model" : "m",\n "messages":[{"content" : "%b","n":1.0}] }'
        async with scene(completion()) as s:
            await s.execute(body % CARD.encode(), guardrails=(REDACTING,))

        assert s.providers[0].taken[0].body == body % b"***"

    async def test_each_attempt_gets_what_was_redacted(self):
        """The next deployment is sent the same as the first."""
        async with scene(failing(500), completion()) as s:
            await s.execute(asking(ASKED), guardrails=(REDACTING,))

        first, second = (sent(s, each) for each in (0, 1))
        assert first == second
        assert first["messages"][0]["content"] == "Is *** good?"

    async def test_an_embeddings_inputs_are_looked_into(self):
        """They are texts too. Its answer is none, whatever stands in it."""
        vector = "4111111111111111"
        reply = whole(
            200,
            {"data": [{"index": 0, "embedding": vector}], "usage": USAGE},
            content_type="application/json",
        )
        body = {"model": "m", "input": [ASKED], "encoding_format": "base64"}
        async with scene(reply) as s:
            response = await s.executor.execute(
                ExecuteRequest(
                    signed(*s.steps, guardrails=(REDACTING,)),
                    msgspec.json.encode(body),
                    pb.SURFACE_OPENAI_EMBEDDINGS,
                )
            )

        assert sent(s)["input"] == ["Is *** good?"]
        assert msgspec.json.decode(response.body)["data"][0]["embedding"] == vector

    @pytest.mark.parametrize(
        ("body", "guardrails"),
        [
            (asking("Hi"), (REDACTING,)),
            (asking(ASKED), (FLAGGING,)),
            (asking(ASKED), (guardrail("redact", "email"),)),
            (asking(ASKED), (guardrail("redact", "credit_card", stages=OUTPUT),)),
        ],
    )
    async def test_a_request_that_no_guardrail_changes_is_sent_as_it_came(
        self, body, guardrails
    ):
        """Nothing found, flagged only, or not what is looked for in requests."""
        async with scene(completion()) as s:
            await s.execute(body, guardrails=guardrails)

        assert s.providers[0].taken[0].body == body

    async def test_a_large_request_is_looked_into_all_the_same(self):
        """Beside other requests, which need not wait for it."""
        async with scene(completion()) as s:
            await s.execute(asking("word " * 50_000 + CARD), guardrails=(REDACTING,))

        assert sent(s)["messages"][0]["content"].endswith("word ***")

    async def test_several_guardrails_see_what_the_caller_wrote(self):
        """What one redacts another still finds; blocking goes before redacting."""
        async with scene(completion()) as s:
            with pytest.raises(GuardrailBlockedError):
                await s.execute(
                    asking(ASKED), guardrails=(REDACTING, FLAGGING, BLOCKING)
                )

            (finished,) = s.finished
        assert [each.action for each in finished.guardrail_results] == [
            "redact",
            "flag",
            "block",
        ]

    async def test_a_guardrail_that_cannot_be_enforced_lets_nothing_through(self):
        """A newer resolver's preset: refused, not passed over."""
        newer = guardrail("flag", "shoe_size")
        async with scene(completion()) as s:
            with pytest.raises(PlanRefusedError, match="'shoe_size' is no preset"):
                await s.execute(guardrails=(newer,))

        assert s.providers[0].taken == []

    async def test_only_what_providers_got_is_kept(self):
        """Where a project keeps content, what was redacted is not in it."""
        async with scene(completion(f"It is {CARD}")) as s:
            await s.execute(
                asking(ASKED), guardrails=(REDACTING,), content_retained=True
            )
            with pytest.raises(GuardrailBlockedError):
                await s.execute(
                    asking(ASKED), guardrails=(BLOCKING,), content_retained=True
                )

        passed, blocked = s.finished
        assert b"Is *** good?" in passed.request_content
        assert b"It is ***" in passed.response_content
        assert blocked.request_content == b""
        assert blocked.error_reason == "GUARDRAIL_BLOCKED"


class TestWhatComesOutWhole:
    async def test_an_answer_is_redacted(self):
        """Everything but the match is as the provider wrote it."""
        async with scene(completion(f"It is {CARD}.")) as s:
            response = await s.execute(guardrails=(REDACTING,))

        assert said(response.body) == "It is ***."
        assert s.outcomes == [("a/m-eu", Outcome.SUCCEEDED)]

    async def test_a_blocked_answer_was_paid_for_and_nobody_else_is_asked(self):
        """Another deployment would dodge the guardrail."""
        async with scene(completion(f"It is {CARD}."), completion()) as s:
            with pytest.raises(GuardrailBlockedError) as raised:
                await s.execute(guardrails=(BLOCKING,))

        error = raised.value
        assert error.message == "Guardrail 'no-cards' has blocked the answer."
        assert error.metadata["stage"] == "output"
        (attempt,) = error.attempts
        assert (attempt.outcome, attempt.cost_usd_nanos) == (Outcome.BLOCKED, COST)
        assert s.outcomes == [("a/m-eu", Outcome.BLOCKED)]
        assert s.providers[1].taken == []
        assert s.finished[0].cost_usd_nanos == COST

    async def test_a_flagged_answer_is_returned_as_it_came(self):
        """What was found is told, and how often."""
        async with scene(completion(f"{CARD}, {CARD}")) as s:
            response = await s.execute(guardrails=(FLAGGING,))

            (finished,) = s.finished
        assert said(response.body) == f"{CARD}, {CARD}"
        assert finished.guardrail_results == (result("flag", "output", 2),)


class TestWhatComesOutInAStream:
    async def test_a_stream_is_redacted(self):
        """However the provider cuts it."""
        words = [*f"It is {CARD}, yes"]
        async with scene(streamed(*words)) as s:
            taken = await messages(s.stream(WITH_USAGE, guardrails=(REDACTING,)))

            (finished,) = s.finished
        assert text(taken) == "It is ***, yes"
        assert taken[0].HasField("served")
        assert taken[-1].completed.cost_usd_nanos == COST
        assert finished.guardrail_results == (result("redact", "output"),)
        assert s.outcomes == [("a/m-eu", Outcome.SUCCEEDED)]

    async def test_without_guardrails_on_answers_nothing_is_touched(self):
        """The events are those that the dialect writes, to the byte."""
        answer = streamed(*f"It is {CARD}, yes")
        asks = guardrail("block", "credit_card", stages=INPUT)
        async with scene(answer) as s:
            plain = await messages(s.stream())
            guarded = await messages(s.stream(guardrails=(asks,)))

        assert b"".join(each.chunks.events for each in guarded) == b"".join(
            each.chunks.events for each in plain
        )

    async def test_a_stream_that_is_blocked_ends_there(self):
        """The caller may have what came before; of the match it has nothing."""
        words = ["One ", "two ", *CARD, " three"]
        taken = []
        async with scene(streamed(*words), completion()) as s:
            with pytest.raises(GuardrailBlockedError) as raised:
                await messages(s.stream(guardrails=(BLOCKING,)), taken)

        assert "One two ".startswith(text(taken))
        assert not any(each.HasField("completed") for each in taken)
        (attempt,) = raised.value.attempts
        assert attempt.outcome is Outcome.BLOCKED
        assert attempt.cost_usd_nanos > 0
        assert s.outcomes == [("a/m-eu", Outcome.BLOCKED)]
        assert s.providers[1].taken == []

    async def test_a_stream_that_is_blocked_before_it_says_anything_is_an_error(self):
        """Nobody is told of an answer of which there is nothing."""
        taken = []
        async with scene(streamed(*CARD, " three")) as s:
            with pytest.raises(GuardrailBlockedError):
                await messages(s.stream(guardrails=(BLOCKING,)), taken)

        assert taken == []

    async def test_a_blocked_stream_lets_go_of_the_provider(self):
        """What follows the match is not waited for, nor paid for."""
        begun = stream(
            ROLE, *(delta(content=each) for each in f"{CARD} no"), holds=True
        )
        async with scene(begun) as s:
            with pytest.raises(GuardrailBlockedError):
                await messages(s.stream(guardrails=(BLOCKING,)))

            await asyncio.wait_for(s.providers[0].hung_up.wait(), 5)

    async def test_a_flagged_stream_is_as_it_came(self):
        """Not a byte is held back."""
        answer = streamed(*f"It is {CARD}, yes")
        async with scene(answer) as s:
            plain = await messages(s.stream())
            flagged = await messages(s.stream(guardrails=(FLAGGING,)))

        assert b"".join(each.chunks.events for each in flagged) == b"".join(
            each.chunks.events for each in plain
        )
        assert s.finished[1].guardrail_results == (result("flag", "output"),)

    async def test_what_is_found_is_told_when_the_caller_goes_away(self):
        """Half an answer may have held something."""
        begun = stream(
            ROLE, delta(content=f"{CARD}, a"), delta(content="nd"), holds=True
        )
        async with scene(begun) as s:
            answer = s.stream(guardrails=(REDACTING,))
            async for message in answer:
                if message.chunks.events:
                    break
            await answer.aclose()

            (finished,) = s.finished
        assert finished.guardrail_results == (result("redact", "output"),)


FORM = {
    "type": "json_schema",
    "json_schema": {
        "name": "payment",
        "schema": {
            "type": "object",
            "properties": {"card": {"type": "string", "minLength": 16}},
            "required": ["card"],
        },
    },
}


class TestAnAnswerWithAForm:
    """It is checked as the model wrote it, and looked into then."""

    @pytest.mark.parametrize("stream", [False, True])
    async def test_is_redacted_once_it_fits(self, stream):
        """What is left need not fit any more, and nothing is asked again."""
        written = msgspec.json.encode({"card": CARD}).decode()
        body = asking(response_format=FORM, stream=stream)
        async with scene(streamed(*written) if stream else completion(written)) as s:
            if stream:
                got = text(await messages(s.stream(body, guardrails=(REDACTING,))))
            else:
                got = said((await s.execute(body, guardrails=(REDACTING,))).body)

        assert msgspec.json.decode(got) == {"card": "***"}
        assert len(s.providers[0].taken) == 1

    async def test_that_does_not_fit_is_not_quoted(self):
        """No guardrail has looked into what is no answer."""
        async with scene(completion(f"{CARD}!")) as s:
            with pytest.raises(StructuredOutputInvalidError) as raised:
                await s.execute(
                    asking(response_format=FORM),
                    guardrails=(REDACTING,),
                    content_retained=True,
                )

        assert "4111" not in f"{raised.value.message} {raised.value.metadata}"


PREFIX = frozenset({Capability.ASSISTANT_PREFIX})


class TestABrokenStream:
    """Whoever takes it up goes on from what the caller has, not from what was held."""

    async def test_is_gone_on_with_from_what_was_let_through(self):
        """What was held back is not known to the next deployment, and found again."""
        broken = stream(ROLE, delta(content=f"{CARD}, my num"), delta(content="ber 41"))
        rest = streamed("ber ", *CARD, ", yes")
        async with scene(broken, rest, capabilities=PREFIX) as s:
            taken = await messages(s.stream(guardrails=(REDACTING,)))

        asked = sent(s, 1)["messages"][-1]
        assert asked["role"] == "assistant"
        assert asked["content"].startswith("***, my num")
        assert "41" not in asked["content"]
        assert text(taken).startswith("***, my num")
        assert text(taken).endswith("***, yes")
        assert "1111" not in text(taken)

    async def test_is_repeated_up_to_what_was_let_through(self):
        """A replay is redacted too, and so begins as the caller's answer does."""
        words = ["Card ", *CARD, ", yes", " indeed"]
        broken = stream(ROLE, *(delta(content=each) for each in words[:-1]))
        async with scene(broken, streamed(*words)) as s:
            taken = await messages(s.stream(guardrails=(REDACTING,)))

        assert text(taken) == "Card ***, yes indeed"
        assert [outcome for _, outcome in s.outcomes] == [
            Outcome.INTERRUPTED,
            Outcome.SUCCEEDED,
        ]

    async def test_is_looked_into_as_one_text(self):
        """A word that goes on in the second half is no word of its own."""
        words = guardrail("redact", patterns=(r"\bcat\b",), stages=OUTPUT)
        broken = stream(ROLE, delta(content="a bob"))
        async with scene(broken, streamed("cat, a cat"), capabilities=PREFIX) as s:
            taken = await messages(s.stream(guardrails=(words,)))

        assert text(taken) == "a bobcat, a ***"

    async def test_may_still_be_blocked(self):
        """The error is the guardrail's, and not that the stream broke off."""
        broken = stream(ROLE, delta(content="My number "))
        rest = streamed("My number ", "is ", *CARD, " ok")
        taken = []
        async with scene(broken, rest) as s:
            with pytest.raises(GuardrailBlockedError):
                await messages(s.stream(guardrails=(BLOCKING,)), taken)

        assert text(taken) in {"My number ", "My number is "}


YES, NO = '{"flagged": true}', 'Fine. {"flagged": "no"}'


@contextlib.asynccontextmanager
async def court(*replies) -> AsyncIterator[tuple[Scene, JudgesOnly]]:
    """Have a scene whose last provider is where the judge is, and only that."""
    resolver = JudgesOnly()
    async with scene(*replies, resolver=resolver) as s:
        place = s.steps.pop().deployment
        judge = deployment("j/judge-eu", base_uri=place.base_uri, pricing=PRICING)
        resolver.steps = [step(judge, response_model="judge")]
        yield s, resolver


class TestAJudge:
    async def test_that_says_yes_blocks_a_request(self):
        """The provider is not asked."""
        async with court(completion(), completion(YES)) as (s, _):
            with pytest.raises(GuardrailBlockedError) as raised:
                await s.execute(asking("You fool"), guardrails=(judged(stages=INPUT),))

        assert raised.value.message == "Guardrail 'g' has blocked the request."
        assert s.providers[0].taken == []
        assert s.finished[-1].guardrail_results == (
            GuardrailResult("g", "input", "block", 1, ("judge",)),
        )
        rule, texts = sent(s, 1)["messages"]
        assert "Is it rude?" in rule["content"]
        assert msgspec.json.decode(texts["content"]) == {"texts": ["You fool"]}

    async def test_that_says_no_lets_a_request_pass(self):
        """What it costs is told of a request of its own, on the caller's behalf."""
        async with court(completion("Hello"), completion(NO)) as (s, resolver):
            response = await s.execute(
                asking("Hi"), guardrails=(judged(stages=INPUT),), tags={"team": "a"}
            )

        assert said(response.body) == "Hello"
        (asked,) = resolver.asked
        assert (asked.principal, asked.model) == (CALLER, "judge")
        assert asked.tags == {"team": "a", "guardrail": "g"}
        judge, request = s.finished
        assert judge.deployment_id == "j/judge-eu"
        assert judge.cost_usd_nanos == request.cost_usd_nanos == COST
        assert judge.trace_id == request.trace_id
        assert request.guardrail_results == ()

    async def test_that_says_yes_blocks_an_answer(self):
        """It was paid for, and nobody else is asked."""
        replies = completion("You fool"), completion(), completion(YES)
        async with court(*replies) as (s, _):
            with pytest.raises(GuardrailBlockedError):
                await s.execute(guardrails=(judged(stages=OUTPUT),))

        assert ("a/m-eu", Outcome.BLOCKED) in s.outcomes
        assert s.providers[1].taken == []
        texts = sent(s, 2)["messages"][1]["content"]
        assert msgspec.json.decode(texts) == {"texts": ["You fool"]}

    async def test_that_may_block_holds_back_a_stream_until_it_is_whole(self):
        """That there is one is told at once, so that the connection stays open."""
        async with court(streamed("Hel", "lo"), SILENCE) as (s, _):
            answer = s.stream(guardrails=(judged(stages=OUTPUT),))
            served = await anext(answer)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(answer), 0.2)

        assert served.HasField("served")

    async def test_that_says_no_lets_a_stream_pass(self):
        """All of it, as it came."""
        async with court(streamed("Hel", "lo"), completion(NO)) as (s, _):
            plain = await messages(s.stream())
            taken = await messages(s.stream(guardrails=(judged(stages=OUTPUT),)))

        assert b"".join(each.chunks.events for each in taken) == b"".join(
            each.chunks.events for each in plain
        )

    async def test_that_says_yes_blocks_a_stream(self):
        """Nothing of it has gone out."""
        taken = []
        async with court(streamed("You ", "fool"), completion(YES)) as (s, _):
            with pytest.raises(GuardrailBlockedError):
                await messages(s.stream(guardrails=(judged(stages=OUTPUT),)), taken)

        assert text(taken) == ""
        assert s.outcomes[-1] == ("a/m-eu", Outcome.BLOCKED)

    async def test_that_flags_holds_nothing_back(self):
        """It is asked when the caller has the answer."""
        guard = judged("flag", stages=OUTPUT)
        async with court(streamed("You ", "fool"), completion(YES)) as (s, _):
            taken = await messages(s.stream(guardrails=(guard,)))

        assert text(taken) == "You fool"
        assert s.finished[-1].guardrail_results == (
            GuardrailResult("g", "output", "flag", 1, ("judge",)),
        )

    async def test_sees_what_was_redacted_as_providers_do(self):
        """It is a provider too."""
        guards = REDACTING, judged(stages=INPUT)
        async with court(completion(), completion(NO)) as (s, _):
            await s.execute(asking(ASKED), guardrails=guards)

        assert "4111" not in s.providers[1].taken[0].body.decode()

    async def test_is_not_asked_about_what_is_blocked_already(self):
        """Patterns cost nothing, and judges do."""
        async with court(completion(), completion(NO)) as (s, _):
            with pytest.raises(GuardrailBlockedError):
                await s.execute(asking(ASKED), guardrails=(judged(), BLOCKING))

        assert s.providers[1].taken == []

    async def test_is_not_asked_about_itself(self):
        """Its own plan has the guardrail, since it is the same project's."""
        async with court(completion(), completion(NO)) as (s, resolver):
            resolver.plan = {"guardrails": (judged(),)}
            await s.execute(guardrails=(judged(stages=INPUT),))

        assert len(s.providers[1].taken) == 1

    async def test_judges_are_asked_side_by_side(self):
        """Each of its own guardrail; the first that blocks is named."""
        guards = judged("flag", name="a", stages=INPUT), judged(name="b", stages=INPUT)
        async with court(completion(), completion(YES)) as (s, _):
            with pytest.raises(GuardrailBlockedError, match="'b'"):
                await s.execute(guardrails=guards)

        assert len(s.providers[1].taken) == 2
        assert [each.action for each in s.finished[-1].guardrail_results] == [
            "flag",
            "block",
        ]

    @pytest.mark.parametrize(
        ("action", "on_error", "passes"),
        [
            ("block", None, False),
            ("block", "block", False),
            ("block", "allow", True),
            ("flag", None, True),
            ("flag", "allow", True),
            ("flag", "block", False),
        ],
    )
    @pytest.mark.parametrize("reply", [failing(400), completion("I would not say so")])
    async def test_without_a_verdict_the_guardrail_says_what_becomes_of_it(
        self, action, on_error, passes, reply
    ):
        """A failure, or an answer that is none, is no verdict; it is noted."""
        guards = (judged(action, on_error=on_error, stages=INPUT),)
        async with court(completion("Hello"), reply) as (s, _):
            if passes:
                assert said((await s.execute(guardrails=guards)).body) == "Hello"
            else:
                with pytest.raises(GuardrailBlockedError, match="gave no verdict"):
                    await s.execute(guardrails=guards)

        done = "flag" if passes else "block"
        assert s.finished[-1].guardrail_results == (
            GuardrailResult("g", "input", done, 1, ("judge_failed",)),
        )

    async def test_that_nobody_may_call_gives_no_verdict(self):
        """A model that the project has not, or no resolver at all."""
        async with court(completion(), completion(NO)) as (s, resolver):
            resolver.steps = []
            with pytest.raises(GuardrailBlockedError, match="gave no verdict"):
                await s.execute(guardrails=(judged(),))
        async with scene(completion()) as s:
            with pytest.raises(GuardrailBlockedError, match="gave no verdict"):
                await s.execute(guardrails=(judged(),))

    async def test_has_no_longer_than_the_request(self):
        """A silent judge is a judge that gave no verdict."""
        async with court(completion(), SILENCE) as (s, _):
            with pytest.raises(GuardrailBlockedError, match="gave no verdict"):
                await s.execute(guardrails=(judged(),), seconds=0.2)

    async def test_of_an_answer_nobody_waits_for_leaves_the_attempt_told(self):
        """What the answer cost is known, though the caller went away."""
        async with court(completion(), SILENCE) as (s, _):
            asked = asyncio.create_task(s.execute(guardrails=(judged(stages=OUTPUT),)))
            await until(lambda: bool(s.providers[1].taken))
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

        assert ("a/m-eu", Outcome.SUCCEEDED) in s.outcomes
