"""Claude on Bedrock in Anthropic's own format: `POST /model/{id}/invoke`.

The body is Anthropic's but for what AWS takes from elsewhere: the model is in
the path, and so is whether the answer is streamed; version and betas, which
are headers at Anthropic's, are in the body.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.model import Deployment
from holdfast_executor.chat import AnswerContext, Chat, Encoded
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.anthropic_answer import completion
from holdfast_executor.dialects.anthropic_parts import Takes
from holdfast_executor.dialects.anthropic_request import (
    SPOKEN,
    betas_of,
    messages_request,
)
from holdfast_executor.dialects.bedrock_converse import model_path
from holdfast_executor.dialects.bedrock_models import claude_traits
from holdfast_executor.dialects.bedrock_stream import InvokeStream
from holdfast_executor.dialects.links import Links
from holdfast_executor.failures import classify

_VERSION = "bedrock-2023-05-31"
"""The only one there is of Anthropic's format on Bedrock."""

_NOT_HERE = ("model", "service_tier")
"""What Bedrock refuses in the body: the path names the one, a header the other."""

_SPOKEN = SPOKEN.difference(_NOT_HERE) | {"model"}


class BedrockInvoke:
    """Translates to and from Anthropic's format as Bedrock has it. Holds nothing."""

    def encode(self, chat: Chat, deployment: Deployment) -> Encoded:
        """Write the request for a deployment.

        Raises:
            RequestMalformedError: A field is none that can be understood.
            CapabilityMissingError: Claude cannot do what a field asks for.
            MediaWantedError: Content at an address has to be fetched first.
        """
        fields = read.fields_of(chat)
        links = Links(chat.media)
        said = messages_request(
            fields,
            deployment,
            stream=False,
            traits=claude_traits(deployment),
            takes=Takes(links),
        )
        links.settle()
        body: dict[str, Any] = {"anthropic_version": _VERSION, **said}
        for field in _NOT_HERE:
            body.pop(field, None)
        # A mark of the whole request stands for one at its end.
        if (mark := body.pop("cache_control", None)) is not None:
            body["messages"][-1]["content"][-1].setdefault("cache_control", mark)
        if betas := betas_of(fields):
            body["anthropic_beta"] = betas
        operation = "invoke-with-response-stream" if chat.stream else "invoke"
        return Encoded(
            model_path(deployment, operation),
            msgspec.json.encode(body),
            left_out=read.left_out(fields, _SPOKEN),
        )

    def decode(self, body: bytes, context: AnswerContext) -> Decoded | ProviderError:
        """Read a whole answer that came with a status of success."""
        return completion(body, context)

    def decode_stream(self, context: AnswerContext) -> InvokeStream:
        """Begin to read a stream that came with a status of success."""
        return InvokeStream(context)

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes
    ) -> ProviderError:
        """Read an answer that came with any other status."""
        return classify(status, headers, body)
