"""Wire formats, one module each: what to send, and what came back.

A dialect translates and does nothing else. It is called again for the same
chat on fallback, so nothing it is given is changed in place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from holdfast.model import Deployment, Outcome, Usage
from holdfast_executor.chat import AnswerContext, Chat, Encoded
from holdfast_executor.structured.violations import Unfit


class CapabilityMissingError(Exception):
    """A request asks for what a dialect cannot say to this deployment.

    The executor treats it as an attempt that ended with `CAPABILITY_MISSING`
    and goes on: another deployment may well take the request.

    Attributes:
        message: What cannot be done, for the caller; holds nothing of a prompt.
        param: The field that asks for it, e.g. `messages[2].content[0]`.
    """

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


@dataclass(frozen=True, slots=True)
class ProviderError:
    """How a provider failed, in terms of what it leads to.

    Attributes:
        outcome: Never `SUCCEEDED`.
        message: The provider's own words where it gave any, for the caller.
        http_status: Zero if there was no response.
        code: The provider's own code, e.g. `context_length_exceeded`.
        param: The field the provider objects to.
        retry_after: How long it asks to be left alone.
        ask_again: Whether the same deployment is asked again at once, with
            another credential or a new token.
        token_limit: How many tokens it takes in a span of time, where it said
            so when it refused. Zero if it did not.
        unfit: The answer, where it does not have the form that was asked for.
    """

    outcome: Outcome
    message: str
    http_status: int = 0
    code: str = ""
    param: str = ""
    retry_after: timedelta | None = None
    ask_again: bool = False
    token_limit: int = 0
    unfit: Unfit | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """A whole answer as an OpenAI chat completion.

    Attributes:
        body: A JSON object that OpenAI's SDK accepts.
        usage: None if the provider reported nothing.
        cost_usd_nanos: Of this attempt. None if usage or pricing is unknown.
        is_refusal: Whether the answer is that there is none, on the grounds of
            what was asked. A project may want another deployment asked then.
        says_nothing: Whether the model stopped of its own accord without a word,
            a thought or a call.
    """

    body: bytes
    usage: Usage | None
    cost_usd_nanos: int | None
    is_refusal: bool = False
    says_nothing: bool = False


def refused(status: int) -> ProviderError:
    """Say that an answer, which came with this status, is a refusal."""
    return ProviderError(
        Outcome.FILTERED,
        "The model refused to answer.",
        http_status=status,
        code="content_filter",
    )


class StreamDecoder(Protocol):
    """One attempt's stream, from the provider's bytes to OpenAI's events.

    What it returns is events as `holdfast.events.event` frames them, whole and as
    many as there are; nothing if there are none.

    Attributes:
        has_content: Whether a chunk with text, reasoning, a refusal or a tool
            call has come out. Until then the attempt is not committed.
        is_complete: Whether the answer is whole: a finish reason was seen, or
            the provider's own stop event.
        usage: What the provider has reported so far.
        failure: What the provider said went wrong, in the stream itself.
            Nothing that is fed after it counts.
        answer_id: The `id` that every chunk bears.
        is_refusal: Whether the answer was refused before anything was said.
        says_nothing: Whether the answer is whole and the model stopped of its
            own accord without a word, a thought or a call.
    """

    has_content: bool
    is_complete: bool
    is_refusal: bool
    says_nothing: bool
    usage: Usage | None
    failure: ProviderError | None
    answer_id: str

    def feed(self, block: bytes) -> bytes:
        """Take bytes, cut anywhere, and return the events they complete.

        Each holds one `chat.completion.chunk`, without the usage: that is
        written at the end, from `usage`.
        """

    def finish(self) -> bytes:
        """Take the end of the stream and return what was held back."""

    def usage_event(self, cost_usd_nanos: int | None) -> bytes:
        """Write the event with `choices: []` and the usage, nothing without it.

        Args:
            cost_usd_nanos: What `usage.cost` says. None leaves it out.
        """


class Dialect(Protocol):
    """A provider's wire format."""

    def encode(self, chat: Chat, deployment: Deployment) -> Encoded:
        """Write the request for a deployment.

        Raises:
            CapabilityMissingError: The deployment cannot be asked for this.
            holdfast.errors.RequestMalformedError: A field is missing or wrong
                in a way that only shows when it is translated.
            holdfast_executor.dialects.links.MediaWantedError: What is at an
                address has to be put into `chat.media` first.
        """

    def decode(self, body: bytes, context: AnswerContext) -> Decoded | ProviderError:
        """Read a whole answer that came with a status of success."""

    def decode_stream(self, context: AnswerContext) -> StreamDecoder:
        """Begin to read a stream that came with a status of success."""

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes
    ) -> ProviderError:
        """Read an answer that came with any other status.

        Args:
            status: The HTTP status.
            headers: By lower-case name.
            body: Whatever came, at most 64 KiB of it.
        """
