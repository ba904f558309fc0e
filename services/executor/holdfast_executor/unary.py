"""An attempt whose answer comes in one piece."""

from dataclasses import dataclass

from holdfast_executor.attempts import Record
from holdfast_executor.calling import (
    Caller,
    Outgoing,
    context,
    dialect_of,
    whole,
    whole_answer_limit,
)
from holdfast_executor.chat import Chat
from holdfast_executor.dialects import Decoded, ProviderError, refused


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, and the attempt that gave it."""

    record: Record
    http_status: int
    decoded: Decoded


async def ask(
    caller: Caller, chat: Chat, record: Record, trace_id: str
) -> Answer | ProviderError:
    """Call a deployment and read its whole answer."""
    limit = whole_answer_limit(record, chat)
    response = await caller.send(Outgoing.chat(chat, record), record, limit)
    if isinstance(response, ProviderError):
        return response
    body = await whole(response, min(record.start + limit, record.deadline))
    if isinstance(body, ProviderError):
        return body
    decoded = dialect_of(record).decode(body, context(record, trace_id))
    if isinstance(decoded, ProviderError):
        return decoded
    if decoded.is_refusal and record.limits.fall_back_on_content_filter:
        return refused(response.status)
    return Answer(record, response.status, decoded)
