"""How an API writes a request and an answer that are a chat underneath.

One value an API; `chats.py` answers for all of them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.model import Capability
from holdfast_edge import errors, sse
from holdfast_edge.headers import Head


def _as_it_is(body: bytes) -> bytes:
    return body


def _chat_events() -> sse.Writer:
    return sse.AS_IT_IS


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request of an API as a chat, and how its answer is written.

    Attributes:
        chat: The request.
        answer_of: Writes a chat's whole answer as the API's.
        writer: Begins to write a streamed answer.
        session: The conversation that the API itself names. Empty: none.
        needs: What it needs of a deployment that its chat does not show.
        settle: What is still to be done once the whole answer is known and before
            the last of it is sent. None: nothing.
    """

    chat: bytes
    answer_of: Callable[[bytes], bytes] = _as_it_is
    writer: Callable[[], sse.Writer] = _chat_events
    session: str = ""
    needs: frozenset[Capability] = frozenset()
    settle: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """An API that speaks of chats.

    Attributes:
        name: What it is called in metrics and traces.
        surface: What it is called towards the executor.
        read: Reads a request, or raises what is wrong with it.
        error_shape: Writes errors.
    """

    name: str
    surface: int
    read: Callable[[bytes, Head], Exchange]
    error_shape: errors.Shape = errors.openai_shape


CHAT_COMPLETIONS = Format(
    "chat_completions",
    executor_pb.SURFACE_OPENAI_CHAT_COMPLETIONS,
    read=lambda body, _head: Exchange(body),
)
