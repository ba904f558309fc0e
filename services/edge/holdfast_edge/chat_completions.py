"""POST /v1/chat/completions: resolve the model, have the plan carried out."""

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
from holdfast_edge.headers import Head
from holdfast_edge.presence import CallerPresence
from holdfast_edge.reply import send_bytes
from holdfast_edge.requirements import requirements
from holdfast_edge.served import served_headers
from holdfast_edge.sessions import session_of
from holdfast_edge.tags import tags_of


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    """OpenAI Chat Completions, streamed or not."""

    resolver: Resolver
    executor: Executor
    surface: str = "chat_completions"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one chat."""
        head = Head.of(scope)
        digest = api_key_digest(head)
        body = await read_json_body(head, receive)
        chat = parse_chat(body)
        limits = deadlines(
            head, now=asyncio.get_running_loop().time(), stream=bool(chat.stream)
        )
        session = session_of(
            chat,
            head,
            in_path=scope["path_params"].get("session", ""),
            api_key_digest=digest,
        )
        wanted = ResolveModelRequest(
            digest,
            chat.model,
            session_id=session.id,
            session_derived=session.derived,
            requirements=requirements(chat, body),
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
            )
            return
        async with presence:
            response = await self._whole(wanted, body, limits)
        await send_bytes(send, response.body, headers=served_headers(response.served))

    async def _whole(
        self, wanted: ResolveModelRequest, body: bytes, limits: Deadlines
    ) -> ExecuteResponse:
        plan = await self.resolver.resolve_model(wanted, deadline=limits.whole)
        return await self.executor.execute(
            ExecuteRequest(plan, body), deadline=limits.whole
        )

    async def _stream(
        self, wanted: ResolveModelRequest, body: bytes, limits: Deadlines
    ) -> sse.Steps:
        plan = await self.resolver.resolve_model(wanted, deadline=limits.whole)
        return self.executor.execute_stream(
            ExecuteRequest(plan, body), deadline=limits.whole
        )
