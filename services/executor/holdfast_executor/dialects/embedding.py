"""What a dialect that makes vectors is asked for, and what it gives back.

As a dialect does for chats it translates and does nothing else. Some providers take
one text a call, so a request may become several calls; they are one attempt.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from holdfast.model import Deployment, Outcome
from holdfast_executor.chat import Encoded
from holdfast_executor.dialects import CapabilityMissingError, ProviderError
from holdfast_executor.dialects.request_fields import malformed
from holdfast_executor.embeddings import Embeddings, opening

MOST_CALLS = 256
"""Of one request: a second or two of the fastest, eight at a time. Who has more
texts for a provider that takes one a call sends several requests."""

_decode_text = msgspec.json.Decoder(str).decode


@dataclass(frozen=True, slots=True)
class EmbeddingCall:
    """One call of a provider, for some of a request's inputs.

    Attributes:
        count: How many vectors its answer must hold.
    """

    encoded: Encoded
    count: int


@dataclass(frozen=True, slots=True)
class Vectors:
    """What a call gave.

    Attributes:
        written: The vectors in the order of the inputs, each as JSON: an array
            of numbers, or a string in base64.
        input_tokens: None if the provider does not say.
    """

    written: Sequence[msgspec.Raw]
    input_tokens: int | None


class Embedder(Protocol):
    """The half of a dialect that makes vectors."""

    def calls(
        self, asked: Embeddings, deployment: Deployment
    ) -> Sequence[EmbeddingCall]:
        """Write the calls that together answer a request, in order of its inputs.

        Raises:
            CapabilityMissingError: The deployment cannot be asked for this.
            holdfast.errors.RequestMalformedError: A field is wrong in a way that
                only shows when it is translated.
        """

    def decode(
        self, body: bytes, headers: Mapping[str, str]
    ) -> Vectors | ProviderError:
        """Read an answer that came with a status of success.

        Args:
            body: All of it.
            headers: By lower-case name; some say there what was used.
        """


def texts_of(asked: Embeddings) -> list[str]:
    """Return the inputs as texts, for a provider that takes nothing else.

    Raises:
        CapabilityMissingError: They are tokens, which mean something to the model
            alone whose tokens they are.
        RequestMalformedError: They are no text.
    """
    texts = []
    for raw in asked.inputs:
        if opening(raw) != '"':
            raise CapabilityMissingError(
                "This deployment embeds text, and `input` holds tokens.", "input"
            )
        try:
            texts.append(_decode_text(raw))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise malformed("input", "text in valid Unicode") from None
    return texts


def batches(texts: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """Cut texts into calls of so many at most.

    Raises:
        CapabilityMissingError: It would be too many calls.
    """
    if len(texts) > most * MOST_CALLS:
        raise CapabilityMissingError(
            f"This deployment embeds at most {most * MOST_CALLS} texts a request.",
            "input",
        )
    return (texts[at : at + most] for at in range(0, len(texts), most))


def no_vectors(body: bytes) -> ProviderError:
    """Say that what came under a status of success holds no vectors."""
    what = "is empty" if not body else "holds no vectors"
    return ProviderError(
        Outcome.SERVER_ERROR, f"The provider's answer {what}.", http_status=200
    )
