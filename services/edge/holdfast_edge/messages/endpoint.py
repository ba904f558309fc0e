"""POST /v1/messages and /v1/messages/count_tokens."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.errors import GatewayError
from holdfast.ports import Resolver
from holdfast_edge import errors
from holdfast_edge.auth import api_key_digest
from holdfast_edge.body import read_json_body
from holdfast_edge.chat_request import parse_chat
from holdfast_edge.decoding import malformed
from holdfast_edge.formats import Exchange, Format
from holdfast_edge.headers import Head
from holdfast_edge.messages.answer import message_of
from holdfast_edge.messages.errors import messages_shape
from holdfast_edge.messages.request import chat_of
from holdfast_edge.messages.stream import MessageStream
from holdfast_edge.reply import send_json
from holdfast_edge.token_estimates import input_tokens


class _MessageEvents:
    """Writes one streamed Message; see `sse.Writer`."""

    def __init__(self) -> None:
        stream = MessageStream()
        self.feed: Callable[[bytes], bytes] | None = stream.feed
        self.end = stream.end

    def failed(self, error: GatewayError, trace_id: str) -> bytes:
        """Say why the answer is not whole."""
        return b"event: error\n" + errors.render(error, trace_id, messages_shape).event


def _read(body: bytes, head: Head) -> Exchange:
    chat = chat_of(body, head.text(b"anthropic-beta"))
    if parse_chat(chat).max_tokens is None:
        raise malformed("max_tokens", "is missing")
    return Exchange(chat, message_of, _MessageEvents)


MESSAGES = Format(
    "messages",
    executor_pb.SURFACE_ANTHROPIC_MESSAGES,
    read=_read,
    error_shape=messages_shape,
)


@dataclass(frozen=True, slots=True)
class CountTokens:
    """How many tokens a request has, estimated: who answers is not known yet."""

    resolver: Resolver
    surface: str = "count_tokens"
    error_shape: errors.Shape = messages_shape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the estimate that deployments are chosen by."""
        head = Head.of(scope)
        digest = api_key_digest(head)
        chat = chat_of(await read_json_body(head, receive))
        counted = await input_tokens(self.resolver, digest, chat, head)
        await send_json(send, {"input_tokens": counted})
