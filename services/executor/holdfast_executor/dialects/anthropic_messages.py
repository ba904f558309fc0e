"""Anthropic's Messages format: `POST /v1/messages`, its answers and streams.

Wherever Claude is served in this format, and every other model that is.
"""

from collections.abc import Mapping

import msgspec

from holdfast.model import Deployment
from holdfast_executor.chat import AnswerContext, Chat, Encoded
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.anthropic_answer import completion
from holdfast_executor.dialects.anthropic_request import (
    SPOKEN,
    betas_of,
    messages_request,
)
from holdfast_executor.dialects.anthropic_stream import AnthropicStream
from holdfast_executor.failures import classify

_PATH = "/v1/messages"
_VERSION = "2023-06-01"
"""The only version of the API there is; betas are asked for one by one."""


class AnthropicMessages:
    """Translates to and from Anthropic Messages. Holds nothing."""

    def encode(self, chat: Chat, deployment: Deployment) -> Encoded:
        """Write the request for a deployment.

        Raises:
            RequestMalformedError: A field is none that can be understood.
            CapabilityMissingError: Claude cannot do what a field asks for.
        """
        fields = read.fields_of(chat)
        request = messages_request(fields, deployment, stream=chat.stream)
        headers = [
            ("content-type", "application/json"),
            ("anthropic-version", _VERSION),
        ]
        if betas := betas_of(fields):
            headers.append(("anthropic-beta", ",".join(betas)))
        return Encoded(
            _PATH,
            msgspec.json.encode(request),
            tuple(headers),
            read.left_out(fields, SPOKEN),
        )

    def decode(self, body: bytes, context: AnswerContext) -> Decoded | ProviderError:
        """Read a whole answer that came with a status of success."""
        return completion(body, context)

    def decode_stream(self, context: AnswerContext) -> AnthropicStream:
        """Begin to read a stream that came with a status of success."""
        return AnthropicStream(context)

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes
    ) -> ProviderError:
        """Read an answer that came with any other status."""
        return classify(status, headers, body)
