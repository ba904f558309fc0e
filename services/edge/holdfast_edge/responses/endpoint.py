"""POST /v1/responses; GET and DELETE /v1/responses/{id}; counting and cancelling."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from starlette.types import Receive, Scope, Send

from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.errors import GatewayError, RequestMalformedError
from holdfast.ports import Resolver, StoredResponses
from holdfast_edge import errors, sse
from holdfast_edge.auth import api_key_digest
from holdfast_edge.body import read_json_body
from holdfast_edge.chat_request import parse_chat
from holdfast_edge.chats import Chats
from holdfast_edge.formats import Exchange, Format
from holdfast_edge.headers import Head
from holdfast_edge.reply import send_json
from holdfast_edge.responses.answer import response_of
from holdfast_edge.responses.errors import FIELDS, responses_shape
from holdfast_edge.responses.items import Frame, new_response_id
from holdfast_edge.responses.references import with_items
from holdfast_edge.responses.request import chat_of, needs_of, read
from holdfast_edge.responses.store import (
    Keeping,
    earlier_of,
    items_before,
    kept_chain,
    not_kept,
)
from holdfast_edge.responses.stream import ResponseStream
from holdfast_edge.sessions import session_of
from holdfast_edge.token_estimates import input_tokens

_encode = msgspec.json.Encoder().encode


def _stateless(body: bytes, _head: Head) -> Exchange:
    asked = read(body)
    return _exchange(Frame(asked, new_response_id(), is_stored=False), chat_of(asked))


RESPONSES = Format(
    "responses",
    executor_pb.SURFACE_OPENAI_RESPONSES,
    read=_stateless,
    error_shape=responses_shape,
)


@dataclass(frozen=True, slots=True)
class Responses:
    """OpenAI Responses, streamed or not.

    Attributes:
        store: What is kept to be gone on from. None: nothing.
    """

    chats: Chats
    store: StoredResponses | None = None
    surface: str = RESPONSES.name
    error_shape: errors.Shape = RESPONSES.error_shape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        head = Head.of(scope)
        digest = api_key_digest(head)
        asked = read(await read_json_body(head, receive))
        asked = await with_items(self.store, digest, asked)
        earlier = await earlier_of(self.store, digest, asked)
        response_id = new_response_id()
        frame = Frame(asked, response_id, is_stored=asked.stores and earlier.keeps)
        chat = chat_of(asked, earlier.items)
        keeping, session = None, earlier.session
        if self.store is not None and frame.is_stored:
            in_path = scope["path_params"].get("session", "")
            found = (
                session
                or session_of(
                    parse_chat(chat), head, in_path=in_path, api_key_digest=digest
                ).id
            )
            # What goes on from a first turn without a session needs one to go on in.
            session = session if found else response_id
            keeping = Keeping(self.store, digest, asked, found or session)
        exchange = _exchange(frame, chat, keeping, session)
        await self.chats.answer(exchange, digest, scope, receive, send)


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """One response that is kept."""

    store: StoredResponses | None
    surface: str = RESPONSES.name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Show it, or delete it."""
        digest = api_key_digest(Head.of(scope))
        response_id = scope["path_params"]["id"]
        if scope["method"] == "DELETE":
            if not self.store or not await self.store.forget(digest, response_id):
                raise not_kept(response_id)
            await send_json(
                send, {"id": response_id, "object": "response", "deleted": True}
            )
            return
        chain = await kept_chain(self.store, digest, response_id)
        await send_json(send, chain[-1].response)


@dataclass(frozen=True, slots=True)
class CancelResponse:
    """Cancelling a response, which none needs: each is whole when it is kept."""

    store: StoredResponses | None
    surface: str = "cancel_response"

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        """Say that there is nothing to cancel."""
        response_id = scope["path_params"]["id"]
        await kept_chain(self.store, api_key_digest(Head.of(scope)), response_id)
        raise RequestMalformedError(
            f"Response {response_id!r} was not made in the background: it is whole, "
            "and there is nothing to cancel. To stop one that is being made, close its "
            "connection.",
            field="id",
        )


@dataclass(frozen=True, slots=True)
class InputTokens:
    """How many tokens a request for a response has, estimated."""

    resolver: Resolver
    store: StoredResponses | None
    surface: str = "input_tokens"
    error_shape: errors.Shape = RESPONSES.error_shape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the estimate that deployments are chosen by."""
        head = Head.of(scope)
        digest = api_key_digest(head)
        asked = read(await read_json_body(head, receive), may_be_silent=True)
        asked = await with_items(self.store, digest, asked)
        chat = chat_of(asked, await items_before(self.store, digest, asked))
        needs = needs_of(asked)
        counted = await input_tokens(self.resolver, digest, chat, head, needs)
        await send_json(
            send, {"object": "response.input_tokens", "input_tokens": counted}
        )


def _exchange(
    frame: Frame, chat: bytes, keeping: Keeping | None = None, session: str = ""
) -> Exchange:
    def answer_of(body: bytes) -> bytes:
        response = response_of(body, frame)
        if keeping is not None:
            keeping.response = response
        return _encode(response)

    def writer() -> sse.Writer:
        return _ResponseEvents(frame, keeping)

    return Exchange(
        chat,
        answer_of,
        writer,
        session=session,
        needs=needs_of(frame.asked),
        settle=keeping.settle if keeping else None,
    )


class _ResponseEvents:
    """Writes one streamed Response; see `sse.Writer`."""

    def __init__(self, frame: Frame, keeping: Keeping | None) -> None:
        self._stream = ResponseStream(frame)
        self._keeping = keeping
        self.feed: Callable[[bytes], bytes] | None = self._stream.feed

    def end(self) -> bytes:
        """Write that it is whole."""
        last = self._stream.end()
        if self._keeping is not None:
            self._keeping.response = self._stream.response
        return last

    def failed(self, error: GatewayError, trace_id: str) -> bytes:
        """Write why it is not."""
        return self._stream.failed(FIELDS.told(errors.fields_of(error, trace_id)))
