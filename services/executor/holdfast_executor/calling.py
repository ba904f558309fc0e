"""One call of one deployment: what is sent, and how it can fail."""

import asyncio
from datetime import timedelta

from holdfast.errors import RequestMalformedError
from holdfast.model import Outcome
from holdfast_executor import auth
from holdfast_executor.chat import AnswerContext, Chat
from holdfast_executor.credentials import Credentials
from holdfast_executor.dialects import CapabilityMissingError, Dialect, ProviderError
from holdfast_executor.dialects.registry import DIALECTS
from holdfast_executor.execution import Record
from holdfast_executor.transport import (
    FailureKind,
    HttpRequest,
    HttpResponse,
    Transport,
    TransportError,
)

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


class Caller:
    """Calls deployments; holds what every call needs."""

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        """Call through a transport, with these credentials."""
        self._transport = transport
        self._credentials = credentials

    async def send(
        self, chat: Chat, record: Record, response_timeout: float
    ) -> HttpResponse | ProviderError:
        """Send a request and return its answer once its headers are there.

        Args:
            chat: The request.
            record: The attempt it is sent for.
            response_timeout: Until the headers, in seconds.
        """
        deployment = record.step.deployment
        dialect = dialect_of(record)
        proof = auth.headers(deployment, self._credentials)
        if proof is None:
            return ProviderError(
                Outcome.UNUSABLE,
                f"the executor has no credential for provider {deployment.provider_id}",
            )
        try:
            encoded = dialect.encode(chat, deployment)
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
        request = HttpRequest(
            "POST",
            deployment.base_uri + encoded.path,
            (*encoded.headers, *proof),
            encoded.body,
            deployment.allow_private_network,
        )
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
        if 200 <= response.status < 300:
            return response
        return await _refused(response, dialect, record)


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
    )


def bounded(record: Record, seconds: float) -> float:
    """Shorten a limit to what is left of the request's own time, in seconds."""
    left = record.deadline - asyncio.get_running_loop().time()
    return max(0.001, min(seconds, left))


def first_content_limit(record: Record) -> float:
    """Return the limit for a streamed answer's first content, in seconds."""
    return record.limits.first_token_timeout.total_seconds()


def whole_answer_limit(record: Record, chat: Chat) -> float:
    """Return the limit for an answer that comes in one piece, in seconds."""
    tokens = chat.max_tokens if chat.max_tokens > 0 else _TOKENS_UNSAID
    tokens = min(tokens, _MOST_TOKENS)
    spans = 1 + tokens / _TOKENS_PER_LIMIT
    limit: timedelta = record.limits.first_token_timeout * spans
    return limit.total_seconds()
