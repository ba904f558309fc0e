"""OpenAI's Responses: `POST /responses`, its answers and streams.

Some models are served in no other format. Where a deployment speaks this one beside
Chat Completions, it is asked in it what callers ask in it. Nothing is stored with the
provider: what it wants back travels with the conversation.
"""

from collections.abc import Mapping

import msgspec

from holdfast.model import Deployment
from holdfast_executor.chat import AnswerContext, Chat, Encoded
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.openai_responses_answer import completion
from holdfast_executor.dialects.openai_responses_items import issuer_of
from holdfast_executor.dialects.openai_responses_request import (
    SPOKEN,
    responses_request,
)
from holdfast_executor.dialects.openai_responses_stream import OpenAIResponsesStream
from holdfast_executor.failures import classify

_PATH = "/responses"


class OpenAIResponses:
    """The dialect `openai-responses`. Holds nothing."""

    def encode(self, chat: Chat, deployment: Deployment) -> Encoded:
        """Write the request for a deployment.

        Raises:
            RequestMalformedError: A field is none that can be understood.
            CapabilityMissingError: Responses has no word for what a field asks for.
        """
        fields = read.fields_of(chat)
        # None has the name "", so that it is sent nothing that is encrypted.
        issuer = "" if deployment.id in chat.unreadable else issuer_of(deployment)
        request = responses_request(fields, deployment, issuer, stream=chat.stream)
        return Encoded(
            _PATH,
            msgspec.json.encode(request),
            left_out=read.left_out(fields, SPOKEN),
        )

    def decode(self, body: bytes, context: AnswerContext) -> Decoded | ProviderError:
        """Read a whole answer that came with a status of success."""
        return completion(body, context)

    def decode_stream(self, context: AnswerContext) -> OpenAIResponsesStream:
        """Begin to read a stream that came with a status of success."""
        return OpenAIResponsesStream(context)

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes
    ) -> ProviderError:
        """Read an answer that came with any other status."""
        return classify(status, headers, body)
