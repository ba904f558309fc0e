"""A chat request as far as the gateway acts on it. The rest is carried unread."""

import msgspec

from holdfast_edge.decoding import decode, malformed

NOTHING = msgspec.Raw(b"null")


class StreamOptions(msgspec.Struct):
    """How a stream is to be written."""

    include_usage: bool | None = None


class Format(msgspec.Struct):
    """What the answer is to look like: read for what is wrong with it, and no more."""

    type: str | None = None


class ChatMessage(msgspec.Struct):
    """One message: who speaks, and the JSON of what is said."""

    role: str
    content: msgspec.Raw = NOTHING


class ChatRequest(msgspec.Struct):
    """The fields of a Chat Completions request that are acted upon."""

    model: str
    messages: list[ChatMessage]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    tools: list[msgspec.Raw] | None = None
    functions: list[msgspec.Raw] | None = None
    response_format: Format | None = None
    prompt_cache_key: str | None = None


_decoder = msgspec.json.Decoder(ChatRequest)


def parse_chat(body: bytes) -> ChatRequest:
    """Read a chat request.

    Raises:
        JsonInvalidError: The body is no JSON.
        RequestMalformedError: A field that is acted upon is missing or wrong.
    """
    chat = decode(_decoder, body)
    if not chat.model.strip():
        raise malformed("model", "must name a model")
    if not chat.messages:
        raise malformed("messages", "must hold at least one message")
    for index, tool in enumerate(chat.tools or ()):
        if memoryview(tool)[0] != ord("{"):
            raise malformed(f"tools[{index}]", "must be an object")
    return chat


def is_list(content: msgspec.Raw) -> bool:
    """Say whether a content is a list of parts, and no text."""
    return memoryview(content)[0] == ord("[")
