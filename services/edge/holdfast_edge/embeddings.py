"""POST /v1/embeddings: resolve the model, have the plan carried out."""

import asyncio
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.ports import ExecuteRequest, Executor, ResolveModelRequest, Resolver
from holdfast_edge.auth import api_key_digest
from holdfast_edge.body import read_json_body
from holdfast_edge.deadlines import deadlines
from holdfast_edge.embeddings_request import embeddings_requirements, parse_embeddings
from holdfast_edge.headers import Head
from holdfast_edge.presence import CallerPresence
from holdfast_edge.reply import send_bytes
from holdfast_edge.served import served_headers
from holdfast_edge.sessions import named_session
from holdfast_edge.tags import tags_of


@dataclass(frozen=True, slots=True)
class Embeddings:
    """OpenAI Embeddings. A session counts only where one is named."""

    resolver: Resolver
    executor: Executor
    surface: str = "embeddings"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        head = Head.of(scope)
        digest = api_key_digest(head)
        body = await read_json_body(head, receive)
        asked = parse_embeddings(body)
        limits = deadlines(head, now=asyncio.get_running_loop().time(), stream=False)
        wanted = ResolveModelRequest(
            digest,
            asked.model,
            session_id=named_session(
                head, in_path=scope["path_params"].get("session", "")
            ),
            requirements=embeddings_requirements(asked),
            trace_id=head.trace_id,
            tags=tags_of(head),
            parent_span_id=head.parent_span_id,
        )
        async with CallerPresence(receive):
            plan = await self.resolver.resolve_model(wanted, deadline=limits.whole)
            response = await self.executor.execute(
                ExecuteRequest(
                    plan, body, executor_pb.SURFACE_OPENAI_EMBEDDINGS, asked=wanted
                ),
                deadline=limits.whole,
            )
        await send_bytes(send, response.body, headers=served_headers(response.served))
