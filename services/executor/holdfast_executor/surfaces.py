"""Which APIs a request may be written in, and what carrying one out means.

One row a surface. What is parsed of a request and how it is asked of a deployment
is in the surface's own modules: `chat.py` with `unary.py` and `streaming.py`, and
`embeddings.py` with `embedding.py`; an answer that is to have a form is asked for by
`structured/whole.py` and `structured/streams.py`. How a provider says it is the
dialects'.
"""

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import msgspec

from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.errors import RequestMalformedError
from holdfast.model import RESPONSES_DIALECT, Plan
from holdfast_executor.attempts import Empty, Record
from holdfast_executor.batch_sizes import BatchSizes
from holdfast_executor.calling import Caller
from holdfast_executor.chat import Chat
from holdfast_executor.dialects import ProviderError
from holdfast_executor.embedding import Embedding
from holdfast_executor.embeddings import Embeddings
from holdfast_executor.streaming import OpenStream, open_stream
from holdfast_executor.structured.form import Form, Forms
from holdfast_executor.structured.streams import Beginning, open_formed
from holdfast_executor.structured.whole import ask_formed
from holdfast_executor.unary import Answer, ask

SURFACE_NAMES: Mapping[int, str] = MappingProxyType(
    {
        pb.SURFACE_OPENAI_CHAT_COMPLETIONS: "chat_completions",
        pb.SURFACE_OPENAI_EMBEDDINGS: "embeddings",
        pb.SURFACE_ANTHROPIC_MESSAGES: "messages",
        pb.SURFACE_OPENAI_RESPONSES: "responses",
    }
)
"""What each surface is called in traces and metrics."""

_TRANSLATED = frozenset({pb.SURFACE_ANTHROPIC_MESSAGES, pb.SURFACE_OPENAI_RESPONSES})
"""Those that the edge has written as chats, with fields of their own among OpenAI's."""

CHATS = _TRANSLATED | {pb.SURFACE_OPENAI_CHAT_COMPLETIONS}
"""Those whose requests and answers are chats by the time they are here."""


def natively(plan: Plan, surface: int) -> Plan:
    """Have deployments asked in the format of a surface, where they speak it too.

    Args:
        plan: Says in which format they are usually asked.
        surface: Which API the request is written in.
    """
    if surface != pb.SURFACE_OPENAI_RESPONSES:
        return plan
    steps = tuple(
        replace(step, deployment=replace(step.deployment, dialect=RESPONSES_DIALECT))
        if step.deployment.speaks_responses
        else step
        for step in plan.steps
    )
    return replace(plan, steps=steps)


_NO_STOPS = frozenset({b"", b"null", b"[]"})

Asking = Callable[
    [Caller, Record, str], Awaitable[Answer | Empty[Answer] | ProviderError]
]
"""Asks one deployment for a whole answer; the text is the trace id."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A request that has been read, and how it is asked of a deployment.

    Attributes:
        ask: Asks one deployment for a whole answer.
        form: What form the answer is to have. None: any.
    """

    ask: Asking
    form: Form | None = None


def errand(surface: int, body: bytes, forms: Forms, batches: BatchSizes) -> Errand:
    """Read a request whose answer comes in one piece.

    Args:
        surface: Which API it is written in.
        body: The request.
        forms: Knows about the forms that answers may be asked for in.
        batches: Knows how many inputs deployments embed at once.

    Raises:
        RequestMalformedError: The body is no request of the surface, or there is
            no such surface.
    """
    read = _WHOLE.get(surface)
    if read is None:
        raise RequestMalformedError(
            f"Surface {surface} is none that this version serves.", field="surface"
        )
    return read(body, forms, batches)


def streamed_chat(surface: int, body: bytes) -> Chat:
    """Read a request whose answer is streamed.

    Raises:
        RequestMalformedError: The body is no request of the surface, or the
            surface streams nothing.
    """
    if surface not in CHATS:
        raise RequestMalformedError(
            f"Surface {surface} is none that this version streams.", field="surface"
        )
    return _chat(body, stream=True, translated=surface in _TRANSLATED)


async def ask_streamed(
    caller: Caller, chat: Chat, form: Form | None, record: Record, trace_id: str
) -> Beginning | Empty[Beginning] | ProviderError:
    """Ask one deployment for a streamed answer."""
    if form is not None:
        return await open_formed(caller, form, record, trace_id)
    stream = await open_stream(caller, chat, record, trace_id)
    if isinstance(stream, OpenStream) and _is_empty(
        chat, says_nothing=stream.decoder.says_nothing
    ):
        return Empty(stream, record, stream.decoder.usage, stream.close)
    return stream


def _whole_chat(
    body: bytes, forms: Forms, _: BatchSizes, *, translated: bool = False
) -> Errand:
    chat = _chat(body, stream=False, translated=translated)
    form = forms.of(chat)
    if form is not None:
        return Errand(_formed(form), form)

    async def ask_whole(
        caller: Caller, record: Record, trace_id: str
    ) -> Answer | Empty[Answer] | ProviderError:
        answer = await ask(caller, chat, record, trace_id)
        if isinstance(answer, Answer) and _is_empty(
            chat, says_nothing=answer.decoded.says_nothing
        ):
            return Empty(answer, record, answer.decoded.usage, _nothing_to_close)
        return answer

    return Errand(ask_whole)


def _formed(form: Form) -> Asking:
    async def ask_formed_whole(
        caller: Caller, record: Record, trace_id: str
    ) -> Answer | ProviderError:
        return await ask_formed(caller, form, record, trace_id)

    return ask_formed_whole


def _embeddings(body: bytes, _: Forms, batches: BatchSizes) -> Errand:
    try:
        return Errand(Embedding(Embeddings.parse(body), batches).ask)
    except msgspec.DecodeError as error:
        raise RequestMalformedError(
            f"The body is no embeddings request: {error}.", field="body"
        ) from error


_WHOLE: Mapping[int, Callable[[bytes, Forms, BatchSizes], Errand]] = MappingProxyType(
    {
        pb.SURFACE_OPENAI_CHAT_COMPLETIONS: _whole_chat,
        pb.SURFACE_OPENAI_EMBEDDINGS: _embeddings,
        **dict.fromkeys(_TRANSLATED, functools.partial(_whole_chat, translated=True)),
    }
)
"""Reads the request of each surface."""


def _chat(body: bytes, *, stream: bool, translated: bool) -> Chat:
    try:
        chat = Chat.parse(body, translated=translated)
    except msgspec.DecodeError as error:
        raise RequestMalformedError(
            f"The body is no chat completions request: {error}.", field="body"
        ) from error
    if chat.stream is not stream:
        asked = "Execute" if chat.stream is False else "ExecuteStream"
        raise RequestMalformedError(
            f"`stream` in the body says otherwise than the call; use {asked}.",
            field="stream",
        )
    return chat


async def _nothing_to_close() -> None:
    """Let go of an answer that is all there."""


def _is_empty(chat: Chat, *, says_nothing: bool) -> bool:
    """Whether an answer is empty for no reason that the request gives.

    One that is told where to stop may stop at once.
    """
    return says_nothing and bytes(chat.fields.get("stop", b"")) in _NO_STOPS
