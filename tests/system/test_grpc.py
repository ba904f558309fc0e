"""What internal callers see of the resolver and the executor over gRPC."""

import dataclasses
import time
from collections.abc import Callable, Iterator

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from fakes.caller import in_time
from fakes.gateway import Gateway, configuration
from fakes.provider import SimulatedProviders
from holdfast.api.routing.v1 import plan_pb2
from holdfast.client import HoldfastClient
from holdfast.errors import (
    AllDeploymentsUnavailableError,
    ApiKeyUnknownError,
    ModelNotFoundError,
    PlanRefusedError,
    ProviderRejectedRequestError,
)
from holdfast.model import Caller, ScopedPolicy
from holdfast.ports import ExecuteRequest, ExecuteResponse
from holdfast.rpc.clients import RemoteExecutor
from holdfast.signing import (
    PLAN_LIFE_S,
    PlanKeys,
    SignedPlan,
    new_key,
    parse_keys,
)

pytestmark = pytest.mark.system

CALLER = Caller("acme", "web")
HELLO = [{"role": "user", "content": "Hello"}]
CHAT = b'{"model": "m", "messages": [{"role": "user", "content": "Hello"}]}'
STREAM = CHAT[:-1] + b', "stream": true}'

SERVICES = {
    "resolver": {
        "holdfast.api.resolver.v1.ResolverService",
        "holdfast.api.catalog.v1.CatalogService",
        "holdfast.api.admin.v1.AdminService",
    },
    "executor": {"holdfast.api.executor.v1.ExecutorService"},
}


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway with one model in two places."""
    deployments = [
        {"id": "one/m-eu", "provider": "one", "geography": "eu"},
        {"id": "two/m-us", "provider": "two", "geography": "us"},
    ]
    config = configuration(shared_sim, {"m": deployments})
    folder = tmp_path_factory.mktemp("grpc")
    with Gateway(config, folder, separate=separate) as running:
        yield running


@pytest.fixture
def sim(shared_sim: SimulatedProviders) -> SimulatedProviders:
    """Give the providers, with nothing received yet and none failing."""
    shared_sim.recover()
    shared_sim.forget()
    return shared_sim


def client(gateway: Gateway, caller: Caller = CALLER) -> HoldfastClient:
    """Return a client of both services."""
    return HoldfastClient(gateway.resolver, gateway.executor, caller)


@pytest.mark.parametrize("service", SERVICES)
class TestServices:
    """Both answer the standard services, in one process or in three."""

    async def test_health_says_serving(self, gateway: Gateway, service: str) -> None:
        """For the whole server and for each service by its name."""
        async with aio.insecure_channel(getattr(gateway, service)) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            told = [
                (await health.Check(health_pb2.HealthCheckRequest(service=name))).status
                for name in ("", *SERVICES[service])
            ]

        assert set(told) == {health_pb2.HealthCheckResponse.SERVING}

    async def test_reflection_lists_the_services(
        self, gateway: Gateway, service: str
    ) -> None:
        """So that grpcurl needs no proto files."""
        ask = reflection_pb2.ServerReflectionRequest(list_services="")
        async with aio.insecure_channel(getattr(gateway, service)) as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            call = stub.ServerReflectionInfo(iter([ask]))
            answer = await call.read()
            call.cancel()

        listed = {each.name for each in answer.list_services_response.service}
        assert listed >= SERVICES[service] | {"grpc.health.v1.Health"}


class TestClient:
    """`holdfast.client`, for Python callers inside the cluster."""

    async def test_a_chat_is_answered_and_says_how(
        self, gateway: Gateway, sim: SimulatedProviders
    ) -> None:
        """With failover as over HTTP, and each attempt told."""
        sim.fail("one", "503")
        async with client(gateway) as holdfast:
            answers = [
                await holdfast.chat({"model": "m", "messages": HELLO}) for _ in range(2)
            ]

        assert {answer.deployment_id for answer in answers} == {"two/m-us"}
        assert "one/m-eu" in {
            attempt.deployment_id for answer in answers for attempt in answer.attempts
        }
        for answer in answers:
            assert answer.completion["choices"][0]["message"]["content"]

    async def test_a_chat_is_streamed(
        self, gateway: Gateway, sim: SimulatedProviders
    ) -> None:
        """Chunk by chunk, to the finish reason."""
        async with client(gateway) as holdfast:
            chunks = [
                chunk
                async for chunk in holdfast.stream_chat(
                    {"model": "m", "messages": HELLO}
                )
            ]

        choices = [chunk["choices"][0] for chunk in chunks]
        assert "".join(c["delta"].get("content") or "" for c in choices)
        assert choices[-1]["finish_reason"] == "stop"

    async def test_failures_are_the_librarys_own_errors(
        self, gateway: Gateway, sim: SimulatedProviders
    ) -> None:
        """With a reason, whichever service found it."""
        for provider in ("one", "two"):
            sim.fail(provider, "400")
        async with client(gateway) as holdfast:
            with pytest.raises(ModelNotFoundError):
                await holdfast.chat({"model": "mm", "messages": HELLO})
            with pytest.raises(ProviderRejectedRequestError) as refused:
                await holdfast.chat({"model": "m", "messages": HELLO})
        async with client(gateway, Caller("acme", "nobody")) as stranger:
            with pytest.raises(ApiKeyUnknownError):
                await stranger.chat({"model": "m", "messages": HELLO})

        assert len(refused.value.attempts) == 1


def altered(signed: SignedPlan, keys: PlanKeys) -> SignedPlan:
    """Send it elsewhere, and leave the signature."""
    plan = plan_pb2.Plan.FromString(signed.wire.plan)
    plan.steps[0].deployment.base_uri = "http://127.0.0.1:1"
    signed.wire.plan = plan.SerializeToString()
    return signed


def of_another_key(signed: SignedPlan, keys: PlanKeys) -> SignedPlan:
    """Sign it with a key that the executor has not got."""
    return PlanKeys(parse_keys(new_key())).sign(keys.verify(signed))


def renamed_key(signed: SignedPlan, keys: PlanKeys) -> SignedPlan:
    """Sign it with another secret under the name of the right key."""
    forged = new_key().partition(":")[2]
    return PlanKeys(parse_keys(f"{signed.wire.key_id}:{forged}")).sign(
        keys.verify(signed)
    )


def disobedient(signed: SignedPlan, keys: PlanKeys) -> SignedPlan:
    """Have it bear a policy that none of its steps obeys."""
    plan = keys.verify(signed)
    apac = ScopedPolicy("project web", geographies=frozenset({"apac"}))
    return keys.sign(dataclasses.replace(plan, policies=(*plan.policies, apac)))


EU = ScopedPolicy("project web", geographies=frozenset({"eu"}))


def edited(
    signed: SignedPlan, keys: PlanKeys, edit: Callable[[plan_pb2.Plan], None]
) -> SignedPlan:
    """Have it bear a policy, properly signed; then edit it, and leave the signature."""
    obedient = dataclasses.replace(keys.verify(signed), policies=(EU,))
    wire = keys.sign(obedient).wire
    plan = plan_pb2.Plan.FromString(wire.plan)
    edit(plan)
    wire.plan = plan.SerializeToString()
    return SignedPlan(wire)


def without_its_policy(signed: SignedPlan, keys: PlanKeys) -> SignedPlan:
    """Take away what it obeys."""
    return edited(signed, keys, lambda plan: plan.ClearField("policies"))


def with_a_wider_policy(signed: SignedPlan, keys: PlanKeys) -> SignedPlan:
    """Allow more than was allowed."""
    return edited(signed, keys, lambda plan: plan.policies[0].geographies.append("us"))


def with_steps_swapped(signed: SignedPlan, keys: PlanKeys) -> SignedPlan:
    """Try the last first."""

    def swap(plan: plan_pb2.Plan) -> None:
        steps = [each.SerializeToString() for each in plan.steps]
        plan.ClearField("steps")
        plan.steps.extend(map(plan_pb2.PlanStep.FromString, reversed(steps)))

    return edited(signed, keys, swap)


def with_a_step_moved(signed: SignedPlan, keys: PlanKeys) -> SignedPlan:
    """Have what is elsewhere say that it is not."""

    def move(plan: plan_pb2.Plan) -> None:
        for each in plan.steps:
            each.deployment.geography = "eu"

    return edited(signed, keys, move)


def of_somebody_else(signed: SignedPlan, keys: PlanKeys) -> SignedPlan:
    """Have another key's account be charged."""

    def rename(plan: plan_pb2.Plan) -> None:
        plan.caller.api_key_id = "another"

    return edited(signed, keys, rename)


def good_for_longer(signed: SignedPlan, keys: PlanKeys) -> SignedPlan:
    """Put its end off."""

    def extend(plan: plan_pb2.Plan) -> None:
        plan.expire_time.seconds += 86_400

    return edited(signed, keys, extend)


def under_another_name(signed: SignedPlan, keys: PlanKeys) -> SignedPlan:
    """Say that another key signed it."""
    wire = signed.wire
    wire.key_id += "x"
    return SignedPlan(wire)


def unsigned(signed: SignedPlan, keys: PlanKeys) -> SignedPlan:
    """Leave the signature out."""
    wire = signed.wire
    wire.ClearField("signature")
    return SignedPlan(wire)


TAMPERED = [
    altered,
    of_another_key,
    renamed_key,
    disobedient,
    without_its_policy,
    with_a_wider_policy,
    with_steps_swapped,
    with_a_step_moved,
    of_somebody_else,
    good_for_longer,
    under_another_name,
    unsigned,
]


class TestPlans:
    """The executor carries out what the resolver made, and nothing else."""

    async def test_a_plan_as_it_was_made_is_carried_out(
        self, gateway: Gateway, sim: SimulatedProviders
    ) -> None:
        """By whoever holds it."""
        answer = await execute(gateway, lambda signed, _: signed)

        assert answer.served.deployment_id in {"one/m-eu", "two/m-us"}

    @pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
    @pytest.mark.parametrize("tamper", TAMPERED)
    async def test_a_plan_that_was_tampered_with_is_refused(
        self,
        gateway: Gateway,
        sim: SimulatedProviders,
        tamper: Callable[[SignedPlan, PlanKeys], SignedPlan],
        streams: bool,
    ) -> None:
        """And no provider is called."""
        with pytest.raises(PlanRefusedError):
            await (stream if streams else execute)(gateway, tamper)

        assert sim.received() == []

    async def test_a_plan_is_carried_out_within_the_policy_that_it_bears(
        self, gateway: Gateway, sim: SimulatedProviders
    ) -> None:
        """Of its two steps one is left, though that one fails."""
        sim.fail("one", "503")

        def european(signed: SignedPlan, keys: PlanKeys) -> SignedPlan:
            return edited(signed, keys, lambda _: None)

        with pytest.raises(AllDeploymentsUnavailableError) as refused:
            await execute(gateway, european)

        assert {each.deployment_id for each in refused.value.attempts} == {"one/m-eu"}
        assert sim.received("two") == []

    async def test_a_plan_that_is_shown_again_is_good_until_it_expires(
        self, gateway: Gateway, sim: SimulatedProviders
    ) -> None:
        """And never again after that, however often it was good."""
        nearly_over = keys_of(gateway, now=lambda: time.time() - PLAN_LIFE_S + 4)
        async with client(gateway) as holdfast:
            made = keys_of(gateway).verify(await holdfast.resolve("m"))
        plan = SignedPlan(nearly_over.sign(made).wire)
        executor = RemoteExecutor([gateway.executor])

        async def has_expired() -> bool:
            try:
                await executor.execute(ExecuteRequest(plan, CHAT))
            except PlanRefusedError as error:
                return "expired" in error.message
            return False

        try:
            is_good = not await has_expired()
            await in_time(has_expired)
            calls = len(sim.received())
            is_over = all([await has_expired() for _ in range(5)])
        finally:
            await executor.close()

        assert is_good
        assert is_over
        assert len(sim.received()) == calls

    async def test_a_plan_that_has_expired_is_refused(
        self, gateway: Gateway, sim: SimulatedProviders
    ) -> None:
        """Ten minutes after it was made."""
        then = keys_of(gateway, now=lambda: time.time() - 600)

        with pytest.raises(PlanRefusedError, match="expired"):
            await execute(gateway, lambda signed, keys: then.sign(keys.verify(signed)))

        assert sim.received() == []


async def stream(
    gateway: Gateway,
    change: Callable[[SignedPlan, PlanKeys], SignedPlan],
) -> None:
    """Have a plan made, change it, and have it carried out as a stream."""
    async with client(gateway) as holdfast:
        signed = await holdfast.resolve("m")
    executor = RemoteExecutor([gateway.executor])
    plan = change(signed, keys_of(gateway))
    try:
        async for _ in executor.execute_stream(ExecuteRequest(plan, STREAM)):
            pass
    finally:
        await executor.close()


async def execute(
    gateway: Gateway,
    change: Callable[[SignedPlan, PlanKeys], SignedPlan],
) -> ExecuteResponse:
    """Have a plan made, change it, and have it carried out."""
    async with client(gateway) as holdfast:
        signed = await holdfast.resolve("m")
    executor = RemoteExecutor([gateway.executor])
    try:
        return await executor.execute(
            ExecuteRequest(change(signed, keys_of(gateway)), CHAT)
        )
    finally:
        await executor.close()


def keys_of(gateway: Gateway, now: Callable[[], float] = time.time) -> PlanKeys:
    """Return the keys that the gateway's plans are signed with."""
    text = (gateway.folder / "state" / "plan.keys").read_text()
    return PlanKeys(parse_keys(text), now=now)
