"""Claude on Vertex AI: Anthropic's format under Google's addresses.

The body is Anthropic's but for what Google takes from elsewhere: the model is in
the path, and the version, which is a header at Anthropic's, in the body; and what
is given by its address, which Google does not fetch for Claude. Answers and
streams are Anthropic's own.
"""

from urllib.parse import quote

import msgspec

from holdfast.model import Deployment
from holdfast_executor.chat import Chat, Encoded
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.anthropic_messages import AnthropicMessages
from holdfast_executor.dialects.anthropic_parts import Takes
from holdfast_executor.dialects.anthropic_request import (
    SPOKEN,
    betas_of,
    messages_request,
)
from holdfast_executor.dialects.links import Links

_VERSION = "vertex-2023-10-16"
"""The only one there is of Anthropic's format on Vertex AI."""

_NOT_HERE = ("model", "service_tier")
"""What has no place in the body: the path names the one, and Google sells capacity
in another way than the tiers that are Anthropic's."""

_SPOKEN = SPOKEN.difference(_NOT_HERE) | {"model"}


class AnthropicVertex(AnthropicMessages):
    """Translates to and from Anthropic's format as Vertex AI has it. Holds nothing."""

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
            fields, deployment, stream=chat.stream, takes=Takes(links)
        )
        links.settle()
        body = {"anthropic_version": _VERSION, **said}
        for field in _NOT_HERE:
            body.pop(field, None)
        headers = [("content-type", "application/json")]
        if betas := betas_of(fields):
            headers.append(("anthropic-beta", ",".join(betas)))
        model = quote(deployment.provider_model, safe="@")
        method = "streamRawPredict" if chat.stream else "rawPredict"
        return Encoded(
            f"/models/{model}:{method}",
            msgspec.json.encode(body),
            tuple(headers),
            read.left_out(fields, _SPOKEN),
        )
