"""Vectors as callers of the executor get them, over real HTTP."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from fakes.embedding_requests import place, request
from fakes.listener import Answer, Asked, Listener
from fakes.plans import signed, step
from fakes.scene import PRICING, Scene, scene
from fakes.scripted_provider import SILENCE, Reply, completion, failing, whole
from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.errors import (
    AllAttemptsFailedError,
    AllAttemptsRateLimitedError,
    AllDeploymentsUnavailableError,
    DeadlineExceededError,
    ProviderRejectedRequestError,
    RequestMalformedError,
)
from holdfast.model import Limits, Outcome
from holdfast.ports import ExecuteRequest, ExecuteResponse

VECTOR = [0.5, -0.25]
HASTY = Limits(first_token_timeout=timedelta(milliseconds=150))


def vectors(count: int = 1, *, tokens: int | None = 1_000) -> Reply:
    """Answer with so many vectors."""
    items = [
        {"object": "embedding", "index": n, "embedding": VECTOR} for n in range(count)
    ]
    usage = {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
    return whole(
        200,
        {"object": "list", "data": items, "model": "up", **(usage if tokens else {})},
    )


async def embed(
    s: Scene, body: bytes | None = None, *, seconds: float | None = None, **plan: Any
) -> ExecuteResponse:
    deadline = asyncio.get_running_loop().time() + seconds if seconds else None
    return await s.executor.execute(
        ExecuteRequest(
            signed(*s.steps, **plan),
            body or request("Hi"),
            pb.SURFACE_OPENAI_EMBEDDINGS,
        ),
        deadline=deadline,
    )


async def test_an_answer_says_who_gave_it_and_what_it_cost() -> None:
    """Of tokens there are those of the input alone."""
    async with scene(vectors()) as s:
        response = await embed(s)

    answer = json.loads(response.body)
    assert answer["data"] == [{"object": "embedding", "index": 0, "embedding": VECTOR}]
    assert answer["model"] == "m"
    assert answer["usage"] == {
        "prompt_tokens": 1_000,
        "total_tokens": 1_000,
        "cost": 0.003,
    }
    assert response.served.deployment_id == "a/m-eu"
    assert response.served.cost_usd_nanos == 1_000 * PRICING.input // 1_000
    (attempt,) = s.told
    assert attempt.outcome is Outcome.SUCCEEDED
    assert attempt.usage.input_tokens == 1_000
    assert attempt.usage.output_tokens == 0


async def test_a_cost_that_is_unknown_is_not_told() -> None:
    """The tokens must be there for OpenAI's SDK, and are zero."""
    async with scene(vectors(tokens=None)) as s:
        response = await embed(s)

    assert json.loads(response.body)["usage"] == {"prompt_tokens": 0, "total_tokens": 0}
    assert not response.served.HasField("cost_usd_nanos")


@pytest.mark.parametrize(
    ("first", "outcome"),
    [
        (failing(429), Outcome.RATE_LIMITED),
        (failing(503), Outcome.SERVER_ERROR),
        (failing(401), Outcome.UNUSABLE),
        (completion(), Outcome.SERVER_ERROR),
        (vectors(0), Outcome.SERVER_ERROR),
        (vectors(2), Outcome.SERVER_ERROR),
        (SILENCE, Outcome.TIMED_OUT),
    ],
)
async def test_another_deployment_answers_for_one_that_fails(
    first: Reply, outcome: Outcome
) -> None:
    """As for chats; and too few vectors, or too many, are a failure."""
    async with scene(first, vectors()) as s:
        response = await embed(s, limits=HASTY)

    assert s.outcomes == [("a/m-eu", outcome), ("b/m-eu", Outcome.SUCCEEDED)]
    assert response.served.attempt_count == 2


async def test_a_request_that_is_wrong_is_told_in_the_providers_words() -> None:
    """No other deployment is asked."""
    async with scene(failing(400, "bad"), vectors()) as s:
        with pytest.raises(ProviderRejectedRequestError, match="it went 400"):
            await embed(s)

    assert len(s.told) == 1


async def test_when_all_are_rate_limited_the_error_says_so() -> None:
    """With a wait."""
    async with scene(failing(429, retry_after=7), failing(429, retry_after=9)) as s:
        with pytest.raises(AllAttemptsRateLimitedError) as caught:
            await embed(s)

    assert caught.value.metadata["retry_after_seconds"] == "7"


async def test_the_error_names_the_models_that_must_not_stand_in() -> None:
    """So that nobody wonders why an alias did not fall back."""
    async with scene(failing(503)) as s:
        with pytest.raises(AllDeploymentsUnavailableError) as caught:
            await embed(s, incomparable_models=("other",))

    assert "Not tried: other, since vectors of different models" in str(caught.value)


async def test_a_step_with_another_model_is_passed_over() -> None:
    """Where somebody had a plan made without saying what for."""
    async with scene(failing(503), vectors()) as s:
        s.steps[1] = step(dataclasses.replace(s.steps[1].deployment, model_id="other"))
        with pytest.raises(AllAttemptsFailedError):
            await embed(s)

    assert s.outcomes[1] == ("b/m-eu", Outcome.CAPABILITY_MISSING)
    assert s.providers[1].taken == []


async def test_a_deployment_whose_dialect_has_no_vectors_is_passed_over() -> None:
    """Without a call."""
    async with scene(vectors(), vectors()) as s:
        mute = dataclasses.replace(
            s.steps[0].deployment, dialect="anthropic-messages", auth="none"
        )
        s.steps[0] = step(mute)
        await embed(s)

    assert s.outcomes[0] == ("a/m-eu", Outcome.CAPABILITY_MISSING)
    assert s.providers[0].taken == []


async def test_the_deadline_is_the_callers() -> None:
    """Whatever the limits say."""
    async with scene(SILENCE) as s:
        with pytest.raises(DeadlineExceededError):
            await embed(s, seconds=0.2)


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"model":"m"}', b'{"input":'])
async def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    """Before anybody is asked."""
    async with scene(vectors()) as s:
        with pytest.raises(RequestMalformedError):
            await embed(s, body)

    assert s.told == []


async def test_vectors_are_not_streamed() -> None:
    """And a surface that there is not is named."""
    async with scene(vectors()) as s:
        asked = ExecuteRequest(
            signed(*s.steps), request(), pb.SURFACE_OPENAI_EMBEDDINGS
        )
        with pytest.raises(
            RequestMalformedError, match="none that this version streams"
        ):
            await anext(s.executor.execute_stream(asked))


def titan(asked: Asked) -> Answer:
    """Answer as Titan does: with one vector, whose first number is the text's."""
    number = int(json.loads(asked.body)["inputText"].split()[-1])
    return 200, {"embedding": [number, 1.0], "inputTextTokenCount": 10}


@contextlib.asynccontextmanager
async def one_at_a_time(
    answer: Callable[[Asked], Answer], *more: Reply
) -> AsyncIterator[tuple[Scene, Listener]]:
    """Put a provider that takes one text a call before others that take many."""
    async with scene(vectors(), *more) as s:
        with Listener(answer) as provider:
            first = place(
                "bedrock-titan",
                "aws/m-eu",
                base_uri=provider.uri,
                pricing=PRICING,
            )
            s.steps[0] = step(first)
            yield s, provider


async def test_many_texts_are_one_attempt_where_a_call_takes_one() -> None:
    """In the order they were given, whichever call ended first."""
    texts = [f"text {n}" for n in range(30)]
    async with one_at_a_time(titan) as (s, provider):
        response = await embed(s, request(texts))

    answer = json.loads(response.body)
    assert [item["embedding"][0] for item in answer["data"]] == list(range(30))
    assert [item["index"] for item in answer["data"]] == list(range(30))
    assert answer["usage"]["prompt_tokens"] == 300
    assert len(provider.asked) == 30
    assert s.outcomes == [("aws/m-eu", Outcome.SUCCEEDED)]
    assert response.served.cost_usd_nanos == 300 * PRICING.input // 1_000


async def test_one_call_that_fails_fails_the_attempt() -> None:
    """Another deployment gives all the vectors, and what was used is counted."""
    texts = [f"text {n}" for n in range(30)]

    def answer(asked: Asked) -> Answer:
        return (429, {"message": "slow"}) if b"text 20" in asked.body else titan(asked)

    async with one_at_a_time(answer, vectors(30)) as (s, _):
        response = await embed(s, request(texts))

    assert len(json.loads(response.body)["data"]) == 30
    assert s.outcomes == [
        ("aws/m-eu", Outcome.RATE_LIMITED),
        ("b/m-eu", Outcome.SUCCEEDED),
    ]
    spent = s.told[0].usage.input_tokens
    assert spent >= 130
    assert response.served.cost_usd_nanos == (1_000 + spent) * PRICING.input // 1_000


def short(asked: Asked, most: int, words: str) -> Answer:
    """Embed so many texts a call and no more; a vector is its text's number."""
    texts = json.loads(asked.body)["input"]
    if len(texts) > most:
        message = words.format(sent=len(texts), most=most)
        return 400, {"error": {"message": message, "type": "invalid_request_error"}}
    items = [
        {"index": n, "embedding": [int(text.split()[-1]), 1.0]}
        for n, text in enumerate(texts)
    ]
    tokens = 10 * len(texts)
    return 200, {"data": items, "usage": {"prompt_tokens": tokens}}


TOO_MANY = (
    "batch size {sent} > maximum allowed batch size {most}",
    "batch size is invalid, it should not be larger than {most}.: input.contents",
    "invalid request: total number of texts must be at most {most} - received {sent}",
    "Too many inputs. The max number of inputs is {most}.",
    "Expected an array with maximum length {most}, but got one of length {sent}.",
    "Too many tokens overall, split into more batches.",
    "Requested 304000 tokens, max 300000 tokens per request",
)


@contextlib.asynccontextmanager
async def few_at_a_time(
    words: str, most: int = 10
) -> AsyncIterator[tuple[Scene, Listener]]:
    async with scene(vectors()) as s:
        with Listener(lambda asked: short(asked, most, words)) as provider:
            first = place("openai", "few/m-eu", base_uri=provider.uri, pricing=PRICING)
            s.steps[0] = step(first)
            yield s, provider


@pytest.mark.parametrize("words", TOO_MANY)
async def test_many_texts_are_cut_to_what_a_provider_takes(words: str) -> None:
    """In one attempt, in the order they were given, and the usage is that of all."""
    async with few_at_a_time(words) as (s, provider):
        response = await embed(s, request([f"text {n}" for n in range(35)]))

    answer = json.loads(response.body)
    assert [item["embedding"][0] for item in answer["data"]] == list(range(35))
    assert [item["index"] for item in answer["data"]] == list(range(35))
    assert answer["usage"]["prompt_tokens"] == 350
    assert s.outcomes == [("few/m-eu", Outcome.SUCCEEDED)]
    assert len(provider.asked) <= 9


async def test_what_a_provider_takes_is_remembered() -> None:
    """It refuses once, and not once a request."""
    async with few_at_a_time(TOO_MANY[0]) as (s, provider):
        for _ in range(3):
            await embed(s, request([f"text {n}" for n in range(25)]))

    assert len(provider.asked) == 1 + 3 * 3


async def test_another_refusal_is_no_reason_to_send_less() -> None:
    """A text that is too long is so in any company."""
    words = "The input must have less than 512 tokens. Given: 600"
    async with few_at_a_time(words, most=0) as (s, provider):
        with pytest.raises(ProviderRejectedRequestError, match="512 tokens"):
            await embed(s, request(["text 1", "text 2"]))

    assert len(provider.asked) == 1


async def test_so_many_calls_are_too_many() -> None:
    """Of one request: as where a provider takes one text a call."""
    async with few_at_a_time(TOO_MANY[0], most=1) as (s, provider):
        with pytest.raises(ProviderRejectedRequestError, match="at most 256 inputs"):
            await embed(s, request([f"text {n}" for n in range(257)]))

    assert len(provider.asked) == 1
