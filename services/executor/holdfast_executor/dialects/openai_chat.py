"""OpenAI Chat Completions: what OpenAI, and most providers after it, speak.

The caller's own format, so that next to nothing is translated: a request goes
through byte for byte, and an answer is mended only where a provider strays.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from holdfast.model import Deployment
from holdfast_executor.chat import AnswerContext, Chat, Encoded
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects.openai_answer import decode_answer
from holdfast_executor.dialects.openai_request import request_body
from holdfast_executor.dialects.openai_stream import OpenAIChatStream
from holdfast_executor.failures import classify


def _utc_now() -> datetime:
    return datetime.now(UTC)


class OpenAIChat:
    """The dialect `openai-chat`."""

    def __init__(self, now: Callable[[], datetime] = _utc_now) -> None:
        self._now = now

    def encode(self, chat: Chat, deployment: Deployment) -> Encoded:
        """Write the request for a deployment."""
        return Encoded("/chat/completions", request_body(chat, deployment))

    def decode(self, body: bytes, context: AnswerContext) -> Decoded | ProviderError:
        """Read a whole answer that came with a status of success."""
        return decode_answer(body, context)

    def decode_stream(self, context: AnswerContext) -> OpenAIChatStream:
        """Begin to read a stream that came with a status of success."""
        return OpenAIChatStream(context)

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes
    ) -> ProviderError:
        """Read an answer that came with any other status.

        Args:
            status: The HTTP status.
            headers: By lower-case name.
            body: Whatever came, at most 64 KiB of it.
        """
        return classify(status, headers, body, now=self._now())
