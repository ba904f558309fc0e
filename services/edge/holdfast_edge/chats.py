"""Answering a chat: resolve the model, have the plan carried out.

Every API that is a chat underneath is answered here; `formats.py` says how each is
written.
"""

import asyncio
from dataclasses import dataclass
from functools import partial

from starlette.types import Receive, Scope, Send

from holdfast.ports import (
    ExecuteRequest,
    ExecuteResponse,
    Executor,
    ResolveModelRequest,
    Resolver,
)
from holdfast_edge import sse
from holdfast_edge.auth import api_key_digest
from holdfast_edge.body import read_json_body
from holdfast_edge.chat_request import parse_chat
from holdfast_edge.deadlines import Deadlines, deadlines
from holdfast_edge.errors import Shape
from holdfast_edge.formats import CHAT_COMPLETIONS, Exchange, Format
from holdfast_edge.headers import Head
from holdfast_edge.presence import CallerPresence
from holdfast_edge.reply import send_bytes
from holdfast_edge.requirements import requirements
from holdfast_edge.served import served_headers
from holdfast_edge.sessions import session_of
from holdfast_edge.tags import tags_of


@dataclass(frozen=True, slots=True)
class Chats:
    """One API that is a chat underneath, streamed or not."""

    resolver: Resolver
    executor: Executor
    format: Format = CHAT_COMPLETIONS

    @property
    def surface(self) -> str:
        """What it is called in metrics."""
        return self.format.name

    @property
    def error_shape(self) -> Shape:
        """How its clients expect errors."""
        return self.format.error_shape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        head = Head.of(scope)
        digest = api_key_digest(head)
        exchange = self.format.read(await read_json_body(head, receive), head)
        await self.answer(exchange, digest, scope, receive, send)

    async def answer(
        self,
        exchange: Exchange,
        digest: bytes,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer one request that has been read."""
        head, body = Head.of(scope), exchange.chat
        chat = parse_chat(body)
        limits = deadlines(
            head, now=asyncio.get_running_loop().time(), stream=bool(chat.stream)
        )
        session = session_of(
            chat,
            head,
            in_path=scope["path_params"].get("session", "") or exchange.session,
            api_key_digest=digest,
        )
        wanted = ResolveModelRequest(
            digest,
            chat.model,
            session_id=session.id,
            session_derived=session.derived,
            requirements=requirements(chat, body, exchange.needs),
            trace_id=head.trace_id,
            tags=tags_of(head),
            parent_span_id=head.parent_span_id,
        )
        presence = CallerPresence(receive)
        if chat.stream:
            await sse.relay(
                partial(self._stream, wanted, body, limits),
                send,
                presence,
                trace_id=head.trace_id,
                first_content_by=limits.first_content,
                writer=exchange.writer(),
                settle=exchange.settle,
            )
            return
        async with presence:
            response = await self._whole(wanted, body, limits)
        answer = exchange.answer_of(response.body)
        if exchange.settle is not None:
            await exchange.settle()
        await send_bytes(send, answer, headers=served_headers(response.served))

    async def _whole(
        self, wanted: ResolveModelRequest, body: bytes, limits: Deadlines
    ) -> ExecuteResponse:
        plan = await self.resolver.resolve_model(wanted, deadline=limits.whole)
        return await self.executor.execute(
            ExecuteRequest(plan, body, self.format.surface, asked=wanted),
            deadline=limits.whole,
        )

    async def _stream(
        self, wanted: ResolveModelRequest, body: bytes, limits: Deadlines
    ) -> sse.Steps:
        plan = await self.resolver.resolve_model(wanted, deadline=limits.whole)
        return self.executor.execute_stream(
            ExecuteRequest(plan, body, self.format.surface, asked=wanted),
            deadline=limits.whole,
        )
