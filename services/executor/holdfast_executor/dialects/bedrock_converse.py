"""Bedrock's Converse: `POST /model/{id}/converse`, the same for every model there.

Signing is not the dialect's: authentication sees the path and body as they are
sent.
"""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from holdfast.model import Deployment
from holdfast_executor.chat import AnswerContext, Chat, Encoded
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.bedrock_answer import completion
from holdfast_executor.dialects.bedrock_request import SPOKEN, converse_request
from holdfast_executor.dialects.bedrock_stream import ConverseStream
from holdfast_executor.dialects.links import Links
from holdfast_executor.failures import classify


def model_path(deployment: Deployment, operation: str) -> str:
    """Write the path of an operation.

    All but what RFC 3986 leaves unreserved is percent-encoded: an id has
    colons, an ARN slashes as well.
    """
    return f"/model/{quote(deployment.provider_model, safe='')}/{operation}"


class BedrockConverse:
    """Translates to and from Converse. Holds nothing."""

    def encode(self, chat: Chat, deployment: Deployment) -> Encoded:
        """Write the request for a deployment.

        Raises:
            RequestMalformedError: A field is none that can be understood.
            CapabilityMissingError: The model cannot do what a field asks for.
            MediaWantedError: Content at an address has to be fetched first.
        """
        fields = read.fields_of(chat)
        links = Links(chat.media)
        request = converse_request(fields, deployment, links, stream=chat.stream)
        links.settle()
        operation = "converse-stream" if chat.stream else "converse"
        return Encoded(
            model_path(deployment, operation),
            msgspec.json.encode(request),
            left_out=read.left_out(fields, SPOKEN),
        )

    def decode(self, body: bytes, context: AnswerContext) -> Decoded | ProviderError:
        """Read a whole answer that came with a status of success."""
        return completion(body, context)

    def decode_stream(self, context: AnswerContext) -> ConverseStream:
        """Begin to read a stream that came with a status of success."""
        return ConverseStream(context)

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes
    ) -> ProviderError:
        """Read an answer that came with any other status."""
        return classify(status, headers, body)
