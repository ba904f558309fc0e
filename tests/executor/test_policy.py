"""Nobody is called whom the policies of a plan do not allow, whatever the plan says.

A resolver makes no such plan. The executor does not take its word for it.
"""

import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from fakes.embedding_requests import request
from fakes.plans import KEYS, plan, signed
from fakes.scene import STREAMED, Scene, messages, scene, text
from fakes.scripted_provider import (
    ROLE,
    SILENCE,
    Reply,
    completion,
    delta,
    failing,
    stream,
    streamed,
    whole,
)
from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.api.routing.v1 import plan_pb2
from holdfast.errors import (
    AllDeploymentsUnavailableError,
    PlanRefusedError,
    StreamInterruptedError,
)
from holdfast.model import (
    Capability,
    Deployment,
    Hedge,
    Limits,
    Outcome,
    ScopedPolicy,
    StepReason,
)
from holdfast.ports import ExecuteRequest
from holdfast.signing import SignedPlan

EU = (ScopedPolicy("project web", geographies=frozenset({"eu"})),)
AT_ONCE = Limits(hedge=Hedge(timedelta(milliseconds=50), 1.0))
CUT = stream(ROLE, delta(content="one "), delta(content="two "))
WHOLE = streamed("one ", "two ", "three")
PREFIX = frozenset({Capability.ASSISTANT_PREFIX})

Change = Callable[[Deployment], Deployment]


def abroad(place: Deployment) -> Deployment:
    """Have a deployment work where data may not go."""
    return dataclasses.replace(place, geography="us")


def unplaced(place: Deployment) -> Deployment:
    """Have it promise nothing."""
    return dataclasses.replace(place, geography="")


def change(s: Scene, which: int, by: Change, **step: object) -> None:
    """Have a step of the plan be other than the policy allows."""
    changed = by(s.steps[which].deployment)
    s.steps[which] = dataclasses.replace(s.steps[which], deployment=changed, **step)


def called(s: Scene) -> list[int]:
    """Say how often each provider was called."""
    return [len(each.taken) for each in s.providers]


@pytest.mark.parametrize("by", [abroad, unplaced])
async def test_nobody_falls_back_to_where_data_may_not_go(by: Change) -> None:
    """The next one that may is asked in its place, streamed or not."""
    async with scene(failing(503), completion(), completion()) as s:
        change(s, 1, by)
        await s.execute(policies=EU)
    async with scene(failing(503), streamed("Hi"), streamed("Hi")) as t:
        change(t, 1, by)
        await messages(t.stream(policies=EU))

    assert called(s) == called(t) == [1, 0, 1]


@pytest.mark.parametrize(
    ("rule", "by"),
    [
        (ScopedPolicy("key k", denied_providers=frozenset("a")), lambda place: place),
        (ScopedPolicy("key k", allowed_models=frozenset("n")), lambda place: place),
        (ScopedPolicy("key k", denies_training=True), lambda place: place),
        (
            ScopedPolicy("key k", max_retention_days=0),
            lambda place: dataclasses.replace(place, retention_days=1),
        ),
        (
            ScopedPolicy("key k", geographies=frozenset({"eu"})),
            lambda place: dataclasses.replace(
                place, dialect="bedrock-converse", provider_model="us.anthropic.m"
            ),
        ),
    ],
    ids=["provider", "model", "training", "retention", "address"],
)
async def test_every_rule_is_asked_once_more(rule: ScopedPolicy, by: Change) -> None:
    """A plan none of whose steps obeys is refused; the log names the rule."""
    async with scene(completion()) as s:
        change(s, 0, by)
        with capture_logs() as logged, pytest.raises(PlanRefusedError):
            await s.execute(policies=(rule,))

    assert called(s) == [0]
    [refused] = [line for line in logged if line["event"] == "step_refused"]
    assert refused["rule"].startswith("key k policy: ")


async def test_nobody_is_asked_beside_another_where_data_may_not_go() -> None:
    """The one after it is, whom policy allows."""
    async with scene(SILENCE, completion(), completion()) as s:
        change(s, 1, abroad)
        for _ in range(2):
            await s.execute(policies=EU, limits=AT_ONCE)

    assert called(s) == [2, 0, 2]


async def test_nobody_is_probed_where_data_may_not_go() -> None:
    """That it may be well again is not worth it."""
    async with scene(completion(), completion()) as s:
        change(s, 0, abroad, reason=StepReason.PROBE)
        await s.execute(policies=EU)

    assert called(s) == [0, 1]


async def test_no_pin_leads_where_data_may_not_go() -> None:
    """Though nobody else may answer in its place."""
    async with scene(completion()) as s:
        change(s, 0, abroad, reason=StepReason.PINNED)
        with pytest.raises(PlanRefusedError):
            await s.execute(policies=EU)

    assert called(s) == [0]


@pytest.mark.parametrize("capabilities", [frozenset(), PREFIX], ids=["anew", "on"])
async def test_no_stream_is_taken_up_where_data_may_not_go(
    capabilities: frozenset[Capability],
) -> None:
    """Neither by saying the answer anew nor by going on with it."""
    rest = streamed("three") if capabilities else WHOLE
    async with scene(CUT, rest, rest, capabilities=capabilities) as s:
        change(s, 1, abroad)
        taken = await messages(s.stream(policies=EU))

    assert text(taken) == "one two three"
    assert called(s) == [1, 0, 1]


async def test_a_stream_that_may_be_taken_up_nowhere_ends_with_an_error() -> None:
    """Half an answer is better than one from where the data may not go."""
    async with scene([CUT, failing(503)], WHOLE) as s:
        change(s, 1, abroad)
        with pytest.raises(StreamInterruptedError):
            await messages(s.stream(policies=EU))

    assert called(s)[1] == 0


async def test_no_text_is_embedded_where_data_may_not_go() -> None:
    """Vectors are made under the same policies."""
    vectors = whole(200, {"object": "list", "data": [{"index": 0, "embedding": [0.5]}]})
    async with scene(failing(503), vectors, vectors) as s:
        change(s, 1, abroad)
        asked = signed(*s.steps, policies=EU)
        await s.executor.execute(
            ExecuteRequest(asked, request("Hi"), pb.SURFACE_OPENAI_EMBEDDINGS)
        )

    assert called(s) == [1, 0, 1]


def from_virginia(reply: Reply) -> Reply:
    """Have a reply say that it comes from the United States."""
    first, *rest = reply.pieces
    status, _, others = first.partition(b"\r\n")
    return Reply([status + b"\r\nx-ms-region: East US\r\n" + others, *rest])


@pytest.mark.parametrize(
    "sorry", [failing(503, retry_after="0"), whole(200, [])], ids=["sorry", "garbled"]
)
async def test_who_was_seen_elsewhere_is_not_asked_again_by_the_same_request(
    sorry: Reply,
) -> None:
    """Though it might do better, and the plan is older than the news."""
    async with scene(from_virginia(sorry), completion()) as s:
        limits = Limits(retries_per_deployment=3)
        await s.execute(policies=EU, limits=limits)

    assert called(s) == [1, 1]


async def test_who_was_seen_elsewhere_is_called_by_no_older_plan() -> None:
    """Plans are good for two minutes; what is known in the meantime holds."""
    async with scene(from_virginia(completion()), completion()) as s:
        await s.execute(policies=EU)
        await s.execute(policies=EU)
        with pytest.raises(PlanRefusedError):
            await s.executor.execute(
                ExecuteRequest(signed(s.steps[0], policies=EU), b'{"messages": []}')
            )
        await s.execute()

    assert called(s) == [2, 1]


async def test_a_stream_is_not_taken_up_by_who_was_seen_elsewhere() -> None:
    """What it promised is not what it does."""
    async with scene(CUT, WHOLE, WHOLE) as s:
        s.lessons.strays.learn(s.steps[1].deployment, "us")
        await messages(s.stream(policies=EU))

    assert called(s) == [1, 0, 1]


async def test_what_is_left_is_not_called_where_all_that_is_allowed_is_down() -> None:
    """Failing is better than leaving."""
    async with scene(failing(503), completion(), completion()) as s:
        change(s, 1, abroad)
        change(s, 2, unplaced)
        with pytest.raises(AllDeploymentsUnavailableError) as raised:
            await s.execute(policies=EU)

    assert called(s) == [1, 0, 0]
    assert [each.outcome for each in raised.value.attempts] == [Outcome.SERVER_ERROR]


def without_policies(written: plan_pb2.Plan) -> None:
    """Take the policies away."""
    del written.policies[:]


def of_another_policy(written: plan_pb2.Plan) -> None:
    """Add what the policy does not allow to what it does."""
    written.policies[0].geographies.append("us")


def keeping_longer(written: plan_pb2.Plan) -> None:
    """Allow data to be kept."""
    written.policies[0].max_retention_days = 30


def swapped(written: plan_pb2.Plan) -> None:
    """Turn the order of the steps."""
    first, second = (
        plan_pb2.PlanStep.FromString(s.SerializeToString()) for s in written.steps
    )
    del written.steps[:]
    written.steps.extend([second, first])


def moved(written: plan_pb2.Plan) -> None:
    """Have a step promise what it does not."""
    written.steps[1].deployment.geography = "eu"


def of_another_key(written: plan_pb2.Plan) -> None:
    """Have somebody else pay."""
    written.caller.api_key_id = "another"


def lasting(written: plan_pb2.Plan) -> None:
    """Have it be good for another day."""
    written.expire_time.seconds += 86_400


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "tamper",
    [
        without_policies,
        of_another_policy,
        keeping_longer,
        swapped,
        moved,
        of_another_key,
        lasting,
    ],
)
async def test_a_plan_that_was_edited_is_refused(
    tamper: Callable[[plan_pb2.Plan], None], streams: bool
) -> None:
    """Whatever of it: not a byte is anybody's to change but the resolver's."""
    async with scene(completion(), completion()) as s:
        change(s, 1, abroad)
        wire = KEYS.sign(plan(*s.steps, policies=EU)).wire
        written = plan_pb2.Plan.FromString(wire.plan)
        tamper(written)
        wire.plan = written.SerializeToString()
        asked = ExecuteRequest(SignedPlan(wire), STREAMED if streams else b"{}")
        with pytest.raises(PlanRefusedError, match="signature is wrong"):
            await (
                messages(s.executor.execute_stream(asked))
                if streams
                else s.executor.execute(asked)
            )

    assert called(s) == [0, 0]


async def test_a_refusal_says_which_state_it_was_decided_on() -> None:
    """So does an answer."""
    async with scene(completion()) as s:
        answer = await s.execute(revision="r7")
    async with scene(failing(503)) as t:
        with pytest.raises(AllDeploymentsUnavailableError) as raised:
            await t.execute(revision="r7")

    assert answer.served.revision == "r7"
    assert raised.value.metadata["revision"] == "r7"
    assert json.loads(answer.body)["choices"]
