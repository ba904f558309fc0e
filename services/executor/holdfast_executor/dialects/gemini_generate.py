"""Google's format: `generateContent` and `streamGenerateContent`.

On the Gemini API and on Vertex AI, whose addresses differ up to the model and
whose bodies do not.
"""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from holdfast.model import Deployment
from holdfast_executor.chat import AnswerContext, Chat, Encoded
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.gemini_answer import completion
from holdfast_executor.dialects.gemini_request import SPOKEN, generate_request
from holdfast_executor.dialects.gemini_stream import GeminiStream
from holdfast_executor.dialects.links import Links
from holdfast_executor.failures import classify


class Gemini:
    """Translates to and from Google's format. Holds nothing."""

    def encode(self, chat: Chat, deployment: Deployment) -> Encoded:
        """Write the request for a deployment.

        Raises:
            RequestMalformedError: A field is none that can be understood.
            CapabilityMissingError: Gemini cannot do what a field asks for.
            MediaWantedError: Content at an address has to be fetched first.
        """
        fields = read.fields_of(chat)
        links = Links(chat.media)
        try:
            body = msgspec.json.encode(generate_request(fields, deployment, links))
        except RecursionError as error:
            raise read.malformed("tools", "less deeply nested") from error
        links.settle()
        method = "streamGenerateContent?alt=sse" if chat.stream else "generateContent"
        return Encoded(
            f"/{place_of(deployment.provider_model)}:{method}",
            body,
            left_out=read.left_out(fields, SPOKEN),
        )

    def decode(self, body: bytes, context: AnswerContext) -> Decoded | ProviderError:
        """Read a whole answer that came with a status of success."""
        return completion(body, context)

    def decode_stream(self, context: AnswerContext) -> GeminiStream:
        """Begin to read a stream that came with a status of success."""
        return GeminiStream(context)

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes
    ) -> ProviderError:
        """Read an answer that came with any other status."""
        return classify(status, headers, body)


def place_of(provider_model: str) -> str:
    """Return where a model is below the base: of a tuned one the name says it."""
    name = quote(provider_model, safe="/@:")
    return name if "/" in name else f"models/{name}"
