"""One call of one deployment: what is sent, and how it can fail."""

import asyncio
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

from holdfast.errors import RequestMalformedError
from holdfast.model import Deployment, Outcome
from holdfast_executor.allowances import allowance
from holdfast_executor.attempts import Record
from holdfast_executor.auth import Authentication, Identity, NoProofError
from holdfast_executor.auth.rotation import ABOUT_THE_CREDENTIAL
from holdfast_executor.chat import AnswerContext, Chat, Encoded
from holdfast_executor.dialects import CapabilityMissingError, Dialect, ProviderError
from holdfast_executor.dialects.links import MediaWantedError
from holdfast_executor.dialects.registry import DIALECTS
from holdfast_executor.dialects.signatures import unsent
from holdfast_executor.downloads import Downloads
from holdfast_executor.failures import fitted
from holdfast_executor.media import Media
from holdfast_executor.residency import AZURE_REGION
from holdfast_executor.transport import (
    FailureKind,
    HttpRequest,
    HttpResponse,
    Transport,
    TransportError,
)

T = TypeVar("T")

_ERROR_BYTES = 64 * 1024
"""Of an error's body: enough for any message, too little to hurt."""

_MOST_ANSWER_BYTES = 256 * 1024 * 1024
"""Of an answer: far above any model's, below what would take the process down."""

_TOKENS_PER_LIMIT = 1_000
_TOKENS_UNSAID = 3_000
_MOST_TOKENS = 1_000_000
"""An answer that is not streamed shows nothing until it is whole, so it gets
the first-token limit once more for each so many tokens it may have. At the
default of 30 s that asks for 33 tokens a second, half of what large models
write; 3,000 tokens is a long answer of one that was not bounded. A million is
more than any model writes, whatever number the caller gives."""

OUTCOMES: dict[FailureKind, Outcome] = {
    FailureKind.CONNECT: Outcome.CONNECTION_FAILED,
    FailureKind.TLS: Outcome.CONNECTION_FAILED,
    FailureKind.RESET: Outcome.CONNECTION_FAILED,
    FailureKind.TIMEOUT_CONNECT: Outcome.TIMED_OUT,
    FailureKind.TIMEOUT_RESPONSE: Outcome.TIMED_OUT,
    # Nothing the provider did: the configuration names an address that it may
    # not, which waiting does not change.
    FailureKind.ADDRESS_REFUSED: Outcome.UNUSABLE,
}
"""What each way that HTTP fails means for the attempt."""

_UNREADABLE = "invalid_encrypted_content"
"""What OpenAI calls thoughts that it has encrypted for somebody else."""

_UNAUTHENTICATED = frozenset({401, 403})
"""What a token that is no longer good is refused with."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request that is to be sent, whatever surface it is of.

    Attributes:
        body: The caller's own bytes.
        encode: Writes it for a deployment. Raises what a dialect's does.
        choice_count: How many answers are asked for.
        media: What was downloaded for it.
        unreadable: Deployments that could not read what was encrypted for them.
    """

    body: bytes
    encode: Callable[[Deployment], Encoded]
    choice_count: int = 1
    media: Media = field(default_factory=Media)
    unreadable: set[str] = field(default_factory=set)

    @classmethod
    def chat(cls, chat: Chat, record: Record) -> "Outgoing":
        """Send a chat in the deployment's own dialect."""
        encode = partial(_encoded, dialect_of(record), chat)
        return cls(chat.body, encode, chat.choice_count, chat.media, chat.unreadable)


def _encoded(dialect: Dialect, chat: Chat, deployment: Deployment) -> Encoded:
    encoded = dialect.encode(chat, deployment)
    if unsent_ones := unsent(chat, encoded.body):
        left_out = (*encoded.left_out, *unsent_ones)
        return dataclasses.replace(encoded, left_out=left_out)
    return encoded


class Caller:
    """Calls deployments; holds what every call needs."""

    def __init__(
        self,
        transport: Transport,
        authentication: Authentication,
        downloads: Downloads | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            transport: Sends requests.
            authentication: Shows who calls.
            downloads: Fetches what requests name by address. None: through the
                transport.
        """
        self._transport = transport
        self._authentication = authentication
        self._downloads = downloads or Downloads(transport.send)

    async def send(
        self, outgoing: Outgoing, record: Record, response_timeout: float
    ) -> HttpResponse | ProviderError:
        """Send a request and return its answer once its headers are there.

        Args:
            outgoing: The request.
            record: The attempt it is sent for.
            response_timeout: Until the headers, in seconds.
        """
        identity = self._authentication.ready(
            record.step.deployment
        ) or await self._identity(record)
        if isinstance(identity, ProviderError):
            return identity
        record.credential = identity.credential
        record.choice_count = outgoing.choice_count
        try:
            request = _request(outgoing, record, identity)
        except MediaWantedError as wanted:
            loop = asyncio.get_running_loop()
            ends = loop.time() + bounded(record, response_timeout)
            await self._downloads.fetch(wanted.addresses, outgoing.media, ends)
            response_timeout = ends - loop.time()
            request = _request(outgoing, record, identity)
        if isinstance(request, ProviderError):
            return request
        try:
            response = await self._transport.send(
                request,
                connect_timeout=bounded(
                    record, record.limits.connect_timeout.total_seconds()
                ),
                response_timeout=bounded(record, response_timeout),
            )
        except TransportError as error:
            return ProviderError(OUTCOMES[error.kind], error.message)
        record.allowance = allowance(response.headers)
        record.azure_region = response.headers.get(AZURE_REGION, "")
        if 200 <= response.status < 300:
            return response
        refusal = await _refused(response, dialect_of(record), record)
        refusal = fitted(refusal, outgoing.body)
        if refusal.code == _UNREADABLE:
            return _without_encrypted(outgoing, record, refusal)
        return self._doubted(identity, record, refusal)

    async def _identity(self, record: Record) -> Identity | ProviderError:
        """Say as whom to send, for as long as connecting may take."""
        deployment = record.step.deployment
        limit = bounded(record, record.limits.connect_timeout.total_seconds())
        try:
            async with asyncio.timeout(limit):
                return await self._authentication.identity(
                    deployment, record.session_key, record.tried_credentials
                )
        except NoProofError as error:
            return ProviderError(Outcome.UNUSABLE, error.message)
        except TimeoutError:
            return ProviderError(
                Outcome.UNUSABLE,
                f"no token for provider {deployment.provider_id} within {limit:g} s",
            )

    def _doubted(
        self, identity: Identity, record: Record, error: ProviderError
    ) -> ProviderError:
        """Take note of a refusal that may be the credential's rather than the place's.

        Another credential of the same provider, or a new token of this one, is
        as good as another deployment.
        """
        if error.outcome not in ABOUT_THE_CREDENTIAL or not identity.credential:
            return error
        if error.http_status in _UNAUTHENTICATED and identity.refused():
            return dataclasses.replace(error, ask_again=True)
        record.tried_credentials |= {identity.credential}
        ask_again = self._authentication.has_another(
            record.step.deployment, record.tried_credentials
        )
        return dataclasses.replace(error, ask_again=True) if ask_again else error


def _without_encrypted(
    outgoing: Outgoing, record: Record, error: ProviderError
) -> ProviderError:
    """Have a deployment asked again without what it cannot read, once.

    An account's keys change, and a conversation lasts: it goes on without the thoughts.
    """
    deployment_id = record.step.deployment.id
    ask_again = deployment_id not in outgoing.unreadable
    outgoing.unreadable.add(deployment_id)
    return dataclasses.replace(error, ask_again=ask_again)


def translated(write: Callable[[], T]) -> T | ProviderError:
    """Have a dialect write, and say how the attempt ended if it cannot."""
    try:
        return write()
    except CapabilityMissingError as error:
        return ProviderError(
            Outcome.CAPABILITY_MISSING, error.message, param=error.param
        )
    except RequestMalformedError as error:
        return ProviderError(
            Outcome.REJECTED,
            error.message,
            http_status=400,
            param=error.metadata.get("field", ""),
        )


def address(base_uri: str, path: str) -> str:
    """Append a path to an endpoint, in front of the endpoint's query if it has one.

    Azure's classic and Foundry's endpoints name their `api-version` in it.
    """
    place, mark, query = base_uri.partition("?")
    if not mark:
        return base_uri + path
    return f"{place}{path}{'&' if '?' in path else '?'}{query}"


def _request(
    outgoing: Outgoing, record: Record, identity: Identity
) -> HttpRequest | ProviderError:
    """Write the request, and last of all what proves who sends it."""
    deployment = record.step.deployment
    encoded = translated(partial(outgoing.encode, deployment))
    if isinstance(encoded, ProviderError):
        return encoded
    record.left_out = encoded.left_out
    url = address(deployment.base_uri, encoded.path)
    try:
        proof = identity.prove(deployment, url, encoded)
    except NoProofError as error:
        return ProviderError(Outcome.UNUSABLE, error.message)
    return HttpRequest(
        "POST",
        url,
        (*encoded.headers, *proof, *_named(record)),
        encoded.body,
        deployment.allow_private_network,
    )


def _named(record: Record) -> tuple[tuple[str, str], ...]:
    """Name the attempt to its provider, whose own spans are then below it."""
    return (("traceparent", record.traceparent),) if record.traceparent else ()


async def _refused(
    response: HttpResponse, dialect: Dialect, record: Record
) -> ProviderError:
    """Read why a provider refused, as far as it says."""
    try:
        async with asyncio.timeout(
            bounded(record, record.limits.idle_timeout.total_seconds())
        ):
            body = await response.read(_ERROR_BYTES)
    except (TransportError, TimeoutError):
        body = b""
    finally:
        await response.close()
    return dialect.decode_error(response.status, response.headers, body)


async def whole(response: HttpResponse, ends: float) -> bytes | ProviderError:
    """Read an answer to its end.

    Args:
        response: The answer.
        ends: When it must be there, on the event loop's clock.
    """
    try:
        async with asyncio.timeout_at(ends):
            body = await response.read(_MOST_ANSWER_BYTES)
    except TransportError as error:
        return ProviderError(OUTCOMES[error.kind], error.message, response.status)
    except TimeoutError:
        return ProviderError(
            Outcome.TIMED_OUT, "the answer did not end in time", response.status
        )
    finally:
        await response.close()
    if not response.at_end:
        return ProviderError(
            Outcome.SERVER_ERROR, "the answer is longer than any may be", 200
        )
    return body


def dialect_of(record: Record) -> Dialect:
    """Return the dialect of an attempt's deployment."""
    return DIALECTS[record.step.deployment.dialect]


def context(record: Record, trace_id: str) -> AnswerContext:
    """Say what the frame of an attempt's answer is to say."""
    return AnswerContext(
        record.step.response_model,
        f"chatcmpl-{trace_id}",
        record.start_time_ms // 1_000,
        record.step.deployment.pricing,
        record.earlier_cost_usd_nanos,
        record.choice_count,
        record.step.deployment,
    )


def bounded(record: Record, seconds: float) -> float:
    """Shorten a limit to what is left of the request's own time, in seconds."""
    left = record.deadline - asyncio.get_running_loop().time()
    return max(0.001, min(seconds, left))


def first_content_limit(record: Record) -> float:
    """Return the limit for a streamed answer's first content, in seconds."""
    return min(record.limits.first_token_timeout.total_seconds(), record.patience_s)


def whole_answer_limit(record: Record, chat: Chat) -> float:
    """Return the limit for an answer that comes in one piece, in seconds."""
    tokens = chat.max_tokens if chat.max_tokens > 0 else _TOKENS_UNSAID
    tokens = min(tokens, _MOST_TOKENS)
    spans = 1 + tokens / _TOKENS_PER_LIMIT
    limit: timedelta = record.limits.first_token_timeout * spans
    return min(limit.total_seconds(), record.patience_s)
