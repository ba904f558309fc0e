"""The executor as its callers see it: signed plans in, answers out, over real HTTP."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from fakes.plans import deployment, signed, step
from fakes.scene import (
    BODY,
    COST,
    HASTY,
    STREAMED,
    WITH_USAGE,
    messages,
    scene,
    text,
)
from fakes.scripted_provider import (
    ENDING,
    ROLE,
    SILENCE,
    completion,
    delta,
    failing,
    stream,
    streamed,
)
from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.api.routing.v1 import plan_pb2
from holdfast.errors import (
    AllAttemptsRateLimitedError,
    DeadlineExceededError,
    PlanRefusedError,
    ProviderRejectedRequestError,
    RequestMalformedError,
    StreamInterruptedError,
)
from holdfast.events import data_of
from holdfast.model import Limits, Outcome, SessionAffinity
from holdfast.ports import ExecuteRequest
from holdfast.signing import SignedPlan


async def test_an_answer_says_who_gave_it_and_what_it_cost():
    """The caller's model name, the deployment, the attempts and the price."""
    async with scene(completion("Hello")) as s:
        response = await s.execute()

    answer = msgspec.json.decode(response.body)
    assert answer["choices"][0]["message"]["content"] == "Hello"
    assert answer["model"] == "m"
    assert answer["usage"]["cost"] == COST / 1e9
    assert response.served == pb.Served(
        deployment_id="a/m-eu",
        provider_id="a",
        geography="eu",
        session_affinity=plan_pb2.SESSION_AFFINITY_NONE,
        attempt_count=1,
        cost_usd_nanos=COST,
        ordinal=1,
    )
    assert s.outcomes == [("a/m-eu", Outcome.SUCCEEDED)]
    assert s.told[0].cost_usd_nanos == COST
    assert s.told[0].usage.input_tokens == 1_000


async def test_a_failing_deployment_is_fallen_back_from_unseen():
    """The answer counts the attempts; each is told as it ends."""
    async with scene(failing(500), failing(429, retry_after=9), completion()) as s:
        response = await s.execute()

    assert response.served.deployment_id == "c/m-eu"
    assert response.served.attempt_count == 3
    assert response.served.cost_usd_nanos == COST
    assert s.outcomes == [
        ("a/m-eu", Outcome.SERVER_ERROR),
        ("b/m-eu", Outcome.RATE_LIMITED),
        ("c/m-eu", Outcome.SUCCEEDED),
    ]
    assert s.told[1].retry_after == timedelta(seconds=9)
    assert [a.deployment_id for a in response.attempts] == [
        "a/m-eu",
        "b/m-eu",
        "c/m-eu",
    ]


async def test_each_attempt_is_sent_the_callers_own_request():
    """What the first deployment was sent changes nothing for the second."""
    async with scene(failing(500), completion()) as s:
        await s.execute()

    first, second = (provider.taken[0].body for provider in s.providers)
    assert first == second == BODY


async def test_a_request_of_the_callers_own_making_is_not_tried_elsewhere():
    """A 400 is told in the provider's words."""
    async with scene(failing(400, "bad"), completion()) as s:
        with pytest.raises(ProviderRejectedRequestError, match="it went 400"):
            await s.execute()

    assert s.providers[1].taken == []


async def test_all_being_rate_limited_carries_the_attempts_and_the_wait():
    """The soonest of them says when."""
    async with scene(failing(429, retry_after=9), failing(429, retry_after=4)) as s:
        with pytest.raises(AllAttemptsRateLimitedError) as raised:
            await s.execute()

    assert raised.value.metadata["retry_after_seconds"] == "4"
    assert len(raised.value.attempts) == 2


@pytest.mark.parametrize("streams", [False, True])
async def test_the_deadline_ends_the_request_and_blames_nobody(streams):
    """A silent deployment is left when the caller's time is up."""
    async with scene(SILENCE, completion()) as s:
        with pytest.raises(DeadlineExceededError):
            await (
                messages(s.stream(seconds=0.1)) if streams else s.execute(seconds=0.1)
            )

    assert s.outcomes == [("a/m-eu", Outcome.CANCELLED)]


async def test_a_plan_limits_a_request_whose_caller_named_no_time():
    """The project's own request timeout holds."""
    limits = Limits(request_timeout=timedelta(milliseconds=100))
    async with scene(SILENCE) as s:
        with pytest.raises(DeadlineExceededError):
            await s.execute(limits=limits)


async def test_an_altered_plan_is_refused_before_anything_is_sent():
    """Neither way of executing believes it."""
    async with scene(completion()) as s:
        wire = signed(*s.steps).wire
        wire.plan += b"\x0a\x00"
        plan = SignedPlan(wire)
        with pytest.raises(PlanRefusedError):
            await s.executor.execute(ExecuteRequest(plan, BODY))
        with pytest.raises(PlanRefusedError):
            await messages(s.executor.execute_stream(ExecuteRequest(plan, STREAMED)))

    assert s.providers[0].taken == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"[]", "body"),
        (b'{"stream": "yes"}', "body"),
        (STREAMED, "stream"),
    ],
)
async def test_a_body_that_is_no_request_is_refused(body, field):
    """Broken JSON, another type, and a stream that was not asked for as one."""
    async with scene(completion()) as s:
        with pytest.raises(RequestMalformedError) as raised:
            await s.execute(body)

    assert raised.value.metadata["field"] == field


async def test_another_surface_is_refused():
    """This version serves one."""
    async with scene(completion()) as s:
        with pytest.raises(RequestMalformedError, match="Surface 0"):
            await s.executor.execute(
                ExecuteRequest(signed(*s.steps), BODY, surface=pb.SURFACE_UNSPECIFIED)
            )


async def test_a_stream_says_who_serves_then_what_then_that_it_is_whole():
    """`served`, chunks, `completed`, in this order and each in its place."""
    async with scene(streamed("Hel", "lo")) as s:
        taken = await messages(s.stream())

    steps = [message.WhichOneof("step") for message in taken]
    assert steps[0] == "served"
    assert set(steps[1:-1]) == {"chunks"}
    assert steps[-1] == "completed"
    assert taken[0].served.deployment_id == "a/m-eu"
    assert text(taken) == "Hello"
    assert taken[-1].completed.cost_usd_nanos == COST
    assert s.told[0].first_token is not None
    assert s.told[0].usage.output_tokens == 100


@pytest.mark.parametrize("asked", [True, False])
async def test_a_stream_bears_its_usage_only_where_that_was_asked_for(asked):
    """The cost is in it; without being asked the gateway still learns it."""
    async with scene(streamed("Hello")) as s:
        taken = await messages(s.stream(WITH_USAGE if asked else STREAMED))

    last = msgspec.json.decode(data_of(taken[-2].chunks.events)[-1])
    assert (last["choices"] == []) is asked
    assert ("usage" in last and last["usage"]["cost"] == COST / 1e9) is asked


@pytest.mark.parametrize(
    "reply", [failing(503), stream(ROLE), stream(ROLE, *ENDING[2:])]
)
async def test_a_stream_that_fails_before_its_first_content_is_unseen(reply):
    """The caller sees one stream: that of the deployment that answered."""
    async with scene(reply, streamed("Hello")) as s:
        taken = await messages(s.stream())

    assert [message.served.deployment_id for message in taken[:1]] == ["b/m-eu"]
    assert taken[0].served.attempt_count == 2
    assert text(taken) == "Hello"


async def test_a_stream_that_is_not_to_be_rescued_ends_with_an_error():
    """What arrived is passed on; there is no `completed`, and nobody else is asked."""
    async with scene(stream(ROLE, delta(content="Hel")), streamed("Hello")) as s:
        taken = []
        with pytest.raises(StreamInterruptedError) as raised:
            await messages(s.stream(limits=Limits(rescue_streams=False)), taken)

    assert text(taken) == "Hel"
    assert not any(message.HasField("completed") for message in taken)
    assert s.outcomes == [("a/m-eu", Outcome.INTERRUPTED)]
    assert raised.value.metadata["deployment_id"] == "a/m-eu"
    assert [a.outcome for a in raised.value.attempts] == [Outcome.INTERRUPTED]


async def test_a_stream_that_falls_silent_is_broken_off():
    """The idle limit holds between any two pieces."""
    async with scene(stream(ROLE, delta(content="Hel"), holds=True)) as s:
        with pytest.raises(StreamInterruptedError, match="fell silent"):
            await messages(s.stream(limits=HASTY))

    assert s.outcomes == [("a/m-eu", Outcome.INTERRUPTED)]


async def test_a_stream_that_outlasts_the_callers_time_blames_nobody():
    """It is broken off, and the deployment is not left aside for it."""
    async with scene(stream(ROLE, delta(content="Hel"), holds=True)) as s:
        with pytest.raises(StreamInterruptedError):
            await messages(s.stream(seconds=0.2))

    assert s.outcomes == [("a/m-eu", Outcome.CANCELLED)]


async def test_closing_a_stream_hangs_up_on_the_provider():
    """What nobody reads is not generated, and the attempt counts as cancelled."""
    async with scene(stream(ROLE, delta(content="Hel"), holds=True)) as s:
        answer = s.stream()
        await anext(answer)
        await anext(answer)

        await answer.aclose()

        await asyncio.wait_for(s.providers[0].hung_up.wait(), 10)
    assert s.outcomes == [("a/m-eu", Outcome.CANCELLED)]


@pytest.mark.parametrize(
    ("bound", "planned", "told"),
    [
        ("a/m-eu", SessionAffinity.KEPT, plan_pb2.SESSION_AFFINITY_MOVED),
        ("b/m-eu", SessionAffinity.KEPT, plan_pb2.SESSION_AFFINITY_KEPT),
        ("", SessionAffinity.NEW, plan_pb2.SESSION_AFFINITY_NEW),
        ("x/m", SessionAffinity.UNKNOWN, plan_pb2.SESSION_AFFINITY_UNKNOWN),
    ],
)
async def test_affinity_is_told_by_who_served_in_the_end(bound, planned, told):
    """A session that fell back has moved, whatever the plan hoped for."""
    async with scene(failing(500), completion()) as s:
        response = await s.execute(session_affinity=planned, bound_deployment_id=bound)

    assert response.served.session_affinity == told


async def test_an_answer_without_a_known_price_has_no_cost():
    """Unknown is not zero."""
    async with scene(completion()) as s:
        s.steps = [step(deployment("a/m-eu", base_uri=s.providers[0].base_uri))]
        response = await s.execute()

    assert not response.served.HasField("cost_usd_nanos")
    assert "cost" not in msgspec.json.decode(response.body)["usage"]
