"""A caller's chat request, as it came, and what a dialect makes of it.

The bytes are the caller's own and nothing changes them: each attempt is
translated afresh from here.
"""

import functools
from dataclasses import dataclass, field
from typing import Any

import msgspec

from holdfast.model import Deployment, Pricing
from holdfast_executor.media import Media


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Routing(msgspec.Struct):
    """The few fields that decide how a request is carried out."""

    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: Any = None


_ROUTING_FIELDS = _Routing.__struct_fields__

_encode = msgspec.json.Encoder().encode
_decode_routing = msgspec.json.Decoder(_Routing).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


ISSUERS_MARKS = (b'"thinking_blocks"', b'"extra_content"')
"""The fields of messages in which providers' signatures come and go."""


@dataclass(frozen=True)
class Chat:
    """An OpenAI Chat Completions request.

    Attributes:
        body: The caller's JSON object, byte for byte.
        stream: Whether the answer is streamed.
        include_usage: Whether the caller wants the stream's usage chunk.
        max_tokens: The most output tokens asked for. Zero if not said.
        choice_count: How many answers are asked for, `n`.
        media: What has been fetched of what it names by address. Grows while
            attempts are made, so that nothing is fetched twice.
        translated: Whether the caller wrote it in another API's format, so that it
            holds fields which OpenAI's does not have.
        unreadable: Deployments that could not read what they should have encrypted
            themselves. They are sent nothing of the kind again.
    """

    body: bytes
    stream: bool = False
    include_usage: bool = False
    max_tokens: int = 0
    choice_count: int = 1
    media: Media = field(default_factory=Media, compare=False, repr=False)
    translated: bool = False
    unreadable: set[str] = field(default_factory=set, compare=False, repr=False)

    @classmethod
    def parse(cls, body: bytes, *, translated: bool = False) -> "Chat":
        """Read what decides how the request is carried out.

        Args:
            body: The caller's, or what the edge has made of it.
            translated: Whether the edge has.

        Raises:
            msgspec.DecodeError: The body is no such JSON object.
        """
        fields = _decode_fields(body)
        # A large body is gone through once; what is read of it is small.
        few = {name: fields[name] for name in _ROUTING_FIELDS if name in fields}
        routing = _decode_routing(_encode(few))
        options = routing.stream_options
        chat = cls(
            body,
            stream=bool(routing.stream),
            include_usage=bool(options and options.include_usage),
            max_tokens=routing.max_completion_tokens or routing.max_tokens or 0,
            choice_count=routing.n if isinstance(routing.n, int) else 1,
            translated=translated,
        )
        vars(chat)["fields"] = fields
        return chat

    @functools.cached_property
    def fields(self) -> dict[str, msgspec.Raw]:
        """The top-level fields in order, each as its own bytes. Not to be changed."""
        return _decode_fields(self.body)

    @functools.cached_property
    def is_marked(self) -> bool:
        """Whether its history bears what only the issuer of it can read.

        Searched for once a request, in bytes: most have nothing of the kind.
        """
        return any(mark in self.body for mark in ISSUERS_MARKS)

    @functools.cached_property
    def parsed(self) -> dict[str, Any]:
        """The whole request as Python values. Not to be changed."""
        parsed: dict[str, Any] = msgspec.json.decode(self.body)
        return parsed


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What an answer's frame says, whoever wrote the answer.

    Attributes:
        model: What its `model` field says.
        answer_id: Its `id`, where the provider gives none that can be used.
        created: When the attempt began, in Unix seconds; likewise.
        pricing: The deployment's. None if unknown.
        earlier_cost_usd_nanos: What the failed attempts before it cost.
        choice_count: How many answers were asked for, `n`.
        deployment: Who answers, where what it encrypts is to go back to it. None:
            nobody is known.
    """

    model: str
    answer_id: str
    created: int
    pricing: Pricing | None = None
    earlier_cost_usd_nanos: int = 0
    choice_count: int = 1
    deployment: Deployment | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request in a provider's wire format.

    Attributes:
        path: Appended to the deployment's `base_uri`; begins with a slash.
        headers: Beside those of authentication.
        left_out: The caller's fields that the format has no counterpart for.
    """

    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = field(
        default=(("content-type", "application/json"),)
    )
    left_out: tuple[str, ...] = ()
