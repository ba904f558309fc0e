"""An executor in front of scripted providers, for tests of what its callers see.

async with scene(failing(503), streamed("Hello")) as s:
    taken = await messages(s.stream())
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec

from fakes.plans import KEYS, deployment, signed, step
from fakes.scripted_provider import Reply, ScriptedProvider
from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.events import data_of
from holdfast.model import Attempt, Capability, Finished, Limits, Outcome, Pricing
from holdfast.ports import ExecuteRequest, ExecuteResponse, Resolver
from holdfast_executor.auth import Authentication
from holdfast_executor.calling import Caller
from holdfast_executor.credentials import Credentials
from holdfast_executor.lessons import Lessons
from holdfast_executor.service import ExecutorService
from holdfast_executor.transport import Transport

BODY = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'
STREAMED = BODY[:-1] + b',"stream":true}'
WITH_USAGE = BODY[:-1] + b',"stream":true,"stream_options":{"include_usage":true}}'
PRICING = Pricing(3_000_000, 15_000_000, 300_000, 3_750_000)
COST = 1_000 * 3_000 + 100 * 15_000
"""Of the scripted provider's usage at that pricing, in nanodollars."""

HASTY = Limits(idle_timeout=timedelta(milliseconds=150))


class Scene:
    """An executor and the providers of its plan: `a`, `b` and so on in order."""

    def __init__(
        self,
        providers: list[ScriptedProvider],
        transport: Transport,
        capabilities: frozenset[Capability],
        resolver: Resolver | None = None,
        silent_at_most_s: float = 15.0,
    ) -> None:
        self.providers = providers
        self.told: list[Attempt] = []
        self.finished: list[Finished] = []
        self.lessons = Lessons()
        self.steps = [
            step(
                deployment(
                    f"{name}/m-eu",
                    base_uri=provider.base_uri,
                    pricing=PRICING,
                    capabilities=capabilities,
                )
            )
            for name, provider in zip("abc", providers, strict=False)
        ]
        self.executor = ExecutorService(
            KEYS,
            Caller(transport, Authentication(Credentials({}))),
            lambda _, attempt: self.told.append(attempt),
            finished=lambda _, finished: self.finished.append(finished),
            lessons=self.lessons,
            resolver=resolver,
            silent_at_most_s=silent_at_most_s,
        )

    async def execute(self, body=BODY, *, seconds=None, **plan) -> ExecuteResponse:
        return await self.executor.execute(
            ExecuteRequest(signed(*self.steps, **plan), body),
            deadline=_deadline(seconds),
        )

    def stream(self, body=STREAMED, *, seconds=None, held=None, attempts=0, **plan):
        made = signed(*self.steps, **plan)
        return self.executor.execute_stream(
            ExecuteRequest(made, body, held=held, attempts=attempts),
            deadline=_deadline(seconds),
        )

    @property
    def outcomes(self) -> list[tuple[str, Outcome]]:
        return [(each.deployment_id, each.outcome) for each in self.told]


def _deadline(seconds: float | None) -> float | None:
    if seconds is None:
        return None
    return asyncio.get_running_loop().time() + seconds


@contextlib.asynccontextmanager
async def scene(
    *replies: Reply | list[Reply],
    capabilities: frozenset[Capability] = frozenset(),
    resolver: Resolver | None = None,
    silent_at_most_s: float = 15.0,
) -> AsyncIterator[Scene]:
    """Have a provider for each reply, and a plan that tries them in order.

    Args:
        replies: What each says, again and again; or a list, one after another.
        capabilities: What each of them has.
        resolver: Whom the executor asks for plans. None: nobody.
        silent_at_most_s: When a stream that is held back shows that it lives.
    """
    async with contextlib.AsyncExitStack() as stack:
        providers = [
            await stack.enter_async_context(
                ScriptedProvider(reply if isinstance(reply, list) else [reply])
            )
            for reply in replies
        ]
        transport = Transport()
        await transport.start()
        stack.push_async_callback(transport.close)
        yield Scene(providers, transport, capabilities, resolver, silent_at_most_s)


async def messages(
    stream, into: list[pb.ExecuteStreamResponse] | None = None
) -> list[pb.ExecuteStreamResponse]:
    """Read a stream to its end; what came before it broke off is in `into`."""
    taken = [] if into is None else into
    async for message in stream:
        taken.append(message)
    return taken


def text(taken: list[pb.ExecuteStreamResponse]) -> str:
    """Join the content of all chunks."""
    chunks = [
        msgspec.json.decode(event)
        for message in taken
        for event in data_of(message.chunks.events)
    ]
    return "".join(
        choice["delta"].get("content") or ""
        for chunk in chunks
        for choice in chunk["choices"]
    )
