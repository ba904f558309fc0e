"""The gateway for Python callers inside: a resolver, an executor and a provider."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from fakes.directory import resolver, settings
from fakes.plans import CALLER, KEYS, deployment, model
from fakes.scripted_provider import (
    ROLE,
    Reply,
    ScriptedProvider,
    completion,
    delta,
    failing,
    stream,
    streamed,
)
from fakes.services import BreakingOffExecutor
from holdfast.api.executor.v1 import executor_service_pb2_grpc as executor_rpc
from holdfast.api.resolver.v1 import resolver_service_pb2_grpc as resolver_rpc
from holdfast.client import HoldfastClient
from holdfast.errors import (
    ModelNotFoundError,
    RequestMalformedError,
    ServiceUnavailableError,
    StreamInterruptedError,
)
from holdfast.model import Outcome
from holdfast.rpc.server import GrpcServer
from holdfast.settings import ProviderSettings, Settings
from holdfast_executor.auth import Authentication
from holdfast_executor.calling import Caller
from holdfast_executor.credentials import Credentials
from holdfast_executor.service import ExecutorService
from holdfast_executor.servicer import ExecutorServicer
from holdfast_executor.transport import Transport
from holdfast_resolver.servicer import ResolverServicer

ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def calling(*providers: ScriptedProvider) -> Settings:
    """Configure model `m` with a deployment at each of these, named `a`, `b`, ..."""
    places = dict(zip("abc", providers, strict=False))
    configured = settings(model("m", *(deployment(f"{name}/m-eu") for name in places)))
    for name, provider in places.items():
        configured.providers[name] = ProviderSettings(
            name, {}, "openai-chat", provider.base_uri, allow_private_network=True
        )
    return configured


@contextlib.asynccontextmanager
async def gateway(*replies: Reply, executor=None) -> AsyncIterator[HoldfastClient]:
    """Serve all of it, with a provider for each reply."""
    async with contextlib.AsyncExitStack() as stack:
        providers = [
            await stack.enter_async_context(ScriptedProvider([reply]))
            for reply in replies
        ]
        transport = Transport()
        await transport.start()
        stack.push_async_callback(transport.close)
        service = ExecutorService(
            KEYS, Caller(transport, Authentication(Credentials({}))), lambda *_: None
        )
        server = GrpcServer([])
        resolver_rpc.add_ResolverServiceServicer_to_server(
            ResolverServicer(resolver(calling(*providers))), server.grpc
        )
        executor_rpc.add_ExecutorServiceServicer_to_server(
            ExecutorServicer(executor or service), server.grpc
        )
        address = await server.start("127.0.0.1:0")
        stack.push_async_callback(server.stop, 0)
        yield await stack.enter_async_context(
            HoldfastClient(address, address, CALLER, timeout_s=30)
        )


async def test_a_chat_is_answered_with_how_it_came_about():
    """The completion, who gave it, and every attempt."""
    async with gateway(failing(500), completion("Hello")) as client:
        answer = await client.chat(ASKED, session="s1")

    assert answer.completion["choices"][0]["message"]["content"] == "Hello"
    assert answer.deployment_id == "b/m-eu"
    assert answer.attempts[-1].outcome is Outcome.SUCCEEDED
    assert answer.cost_usd_nanos is None


async def test_a_stream_gives_its_chunks_and_ends():
    """Each is an OpenAI chunk, as a dictionary."""
    async with gateway(streamed("Hel", "lo")) as client:
        chunks = [chunk async for chunk in client.stream_chat(ASKED)]

    said = [c["delta"].get("content") or "" for k in chunks for c in k["choices"]]
    assert "".join(said) == "Hello"


async def test_a_stream_that_breaks_off_raises():
    """What came is not taken for the whole."""
    async with gateway(stream(ROLE, delta(content="Hel"))) as client:
        with pytest.raises(StreamInterruptedError):
            [chunk async for chunk in client.stream_chat(ASKED)]


async def test_a_stream_that_just_ends_raises():
    """Only an executor that says so has given the whole answer."""
    stops = BreakingOffExecutor(None)
    async with gateway(completion(), executor=stops) as client:
        with pytest.raises(ServiceUnavailableError, match="without saying"):
            [chunk async for chunk in client.stream_chat(ASKED)]


async def test_a_name_is_resolved_without_being_executed():
    """The plan is the caller's to look at, excluded deployments too."""
    async with gateway(completion()) as client:
        plan = KEYS.verify(await client.resolve("m", explain=True))
        with pytest.raises(ModelNotFoundError):
            await client.resolve("no-such-model")

    assert [step.deployment.id for step in plan.steps] == ["a/m-eu"]


async def test_a_request_without_a_model_is_refused_at_once():
    """Nothing is called for it."""
    async with gateway(completion()) as client:
        with pytest.raises(RequestMalformedError, match="`model` is missing"):
            await client.chat({"messages": []})
