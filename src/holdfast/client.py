"""The gateway for Python callers inside the cluster: resolve, then execute.

    async with HoldfastClient("resolver:50051", "executor:50052", caller) as client:
        messages = [{"role": "user", "content": "Hello"}]
        answer = await client.chat({"model": "claude-sonnet-4-5", "messages": messages})
        print(answer.completion["choices"][0]["message"]["content"])

The same two calls that the edge makes for a caller over HTTP. What administrators do
there, `holdfast.rpc.administration.RemoteAdministration` does for the bearer of an
API key.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import msgspec

from holdfast.errors import RequestMalformedError, ServiceUnavailableError
from holdfast.events import data_of
from holdfast.model import Attempt, Caller, Requirements
from holdfast.ports import ExecuteRequest, ResolveModelRequest
from holdfast.rpc.clients import RemoteExecutor, RemoteResolver
from holdfast.rpc.tls import MutualTls
from holdfast.signing import SignedPlan


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, and how it came about.

    Attributes:
        completion: An OpenAI chat completion.
        deployment_id: Who answered.
        attempts: Every attempt made; the last one succeeded.
        cost_usd_nanos: None if unknown.
    """

    completion: dict[str, Any]
    deployment_id: str
    attempts: tuple[Attempt, ...]
    cost_usd_nanos: int | None


class HoldfastClient:
    """Calls the resolver and the executor on behalf of one project."""

    def __init__(
        self,
        resolver: str,
        executor: str,
        caller: Caller,
        *,
        timeout_s: float | None = None,
        tls: MutualTls | None = None,
    ) -> None:
        """Prepare channels; nothing is called yet.

        Args:
            resolver: gRPC targets of the resolver, separated by commas. Each address
                behind a name is a replica of its own.
            executor: gRPC targets of the executor, likewise.
            caller: The project that is called for.
            timeout_s: For a whole request; the project's own if None.
            tls: Where the services want to see certificates, ours and whom we
                believe. None: in the clear.
        """
        self._resolver = RemoteResolver(resolver.split(","), tls=tls)
        self._executor = RemoteExecutor(executor.split(","), tls=tls)
        self._caller = caller
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the channels."""
        await self._resolver.close()
        await self._executor.close()

    async def resolve(
        self,
        model: str,
        *,
        session: str = "",
        requirements: Requirements | None = None,
        explain: bool = False,
    ) -> SignedPlan:
        """Resolve a name to a plan, without executing it.

        Args:
            model: A plain name, alias, custom model or pinned id.
            session: What ties the turns of one conversation together.
            requirements: What the request needs.
            explain: Whether the plan lists what was left out, too.

        Raises:
            GatewayError: The name is none, or nothing of it is allowed.
        """
        return await self._resolver.resolve_model(
            ResolveModelRequest(
                self._caller,
                model,
                session_id=session,
                requirements=requirements or Requirements(),
                explain=explain,
                validate_only=explain,
            ),
            deadline=self._deadline(),
        )

    async def chat(self, request: Mapping[str, Any], *, session: str = "") -> Answer:
        """Answer an OpenAI chat completions request that is not streamed.

        Raises:
            GatewayError: There is no answer; the kind says why.
        """
        response = await self._executor.execute(
            ExecuteRequest(
                await self._plan(request, session),
                msgspec.json.encode({**request, "stream": False}),
            ),
            deadline=self._deadline(),
        )
        served = response.served
        return Answer(
            msgspec.json.decode(response.body),
            served.deployment_id,
            tuple(response.attempts),
            served.cost_usd_nanos if served.HasField("cost_usd_nanos") else None,
        )

    async def stream_chat(
        self, request: Mapping[str, Any], *, session: str = ""
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Stream the chunks of an answer.

        Raises:
            GatewayError: There is no answer, or it broke off: what came before
                is then not the whole of it.
        """
        stream = self._executor.execute_stream(
            ExecuteRequest(
                await self._plan(request, session),
                msgspec.json.encode({**request, "stream": True}),
            ),
            deadline=self._deadline(),
        )
        try:
            async for message in stream:
                if message.HasField("completed"):
                    return
                for data in data_of(message.chunks.events):
                    yield msgspec.json.decode(data)
        finally:
            await stream.aclose()
        raise ServiceUnavailableError(
            "The executor ended the stream without saying that it was whole.",
            service="executor",
        )

    async def _plan(self, request: Mapping[str, Any], session: str) -> SignedPlan:
        model = request.get("model")
        if not isinstance(model, str):
            raise RequestMalformedError("`model` is missing: name one.", field="model")
        return await self.resolve(model, session=session)

    def _deadline(self) -> float | None:
        if self._timeout_s is None:
            return None
        return asyncio.get_running_loop().time() + self._timeout_s
