"""An attempt whose answer is vectors: one call of the provider, or several at once.

Where a provider takes fewer texts a call than were given, the calls that it takes are
one attempt: it has succeeded if all of them have, and the first that fails ends it.
One that says only then how many it takes is asked once more in smaller calls.
"""

import asyncio
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import msgspec

from holdfast.model import Outcome, Usage
from holdfast.rpc.limits import MESSAGE_BYTES
from holdfast_executor.attempts import Record, is_late
from holdfast_executor.batch_sizes import BatchSizes
from holdfast_executor.calling import (
    Caller,
    Outgoing,
    first_content_limit,
    translated,
    whole,
)
from holdfast_executor.dialects import CapabilityMissingError, Decoded, ProviderError
from holdfast_executor.dialects.embedding import (
    MOST_CALLS,
    Embedder,
    EmbeddingCall,
    Vectors,
    no_vectors,
)
from holdfast_executor.dialects.registry import EMBEDDERS
from holdfast_executor.embeddings import Embeddings
from holdfast_executor.unary import Answer
from holdfast_executor.vectors import answer_body, misfit

_AT_ONCE = 8
"""Calls of one attempt under way: enough that a hundred short texts take a second
or two, too few for one request to use up the rate limit of everybody."""

_MOST_BYTES = MESSAGE_BYTES - 1024 * 1024
"""Of an answer: it has to go through to the edge in one piece, with its frame."""


class _CallFailedError(Exception):
    """One of several calls failed, so that the others are of no use."""

    def __init__(self, error: ProviderError, part: Record) -> None:
        super().__init__(error.message)
        self.error = error
        self.part = part


class Embedding:
    """What one request asks of each deployment that is tried."""

    def __init__(self, asked: Embeddings, batches: BatchSizes) -> None:
        """Ask for the vectors of a request's inputs.

        Args:
            asked: The request.
            batches: How many inputs deployments take in one call.
        """
        self._asked = asked
        self._batches = batches
        self._model = ""

    async def ask(
        self, caller: Caller, record: Record, _trace_id: str
    ) -> Answer | ProviderError:
        """Call a deployment for the vectors of all inputs."""
        deployment = record.step.deployment
        most = self._batches.most(deployment.id)
        while True:
            calls = translated(partial(self._calls, record, most))
            if isinstance(calls, ProviderError):
                return calls
            found = await self._made(caller, calls, record)
            if not isinstance(found, ProviderError):
                return self._answer(found, record)
            sent = max(call.count for call in calls)
            most = self._batches.smaller(deployment.id, found, sent)
            if most is None or is_late(record.deadline):
                return found

    def _calls(self, record: Record, most: int | None) -> Sequence[EmbeddingCall]:
        deployment = record.step.deployment
        self._model = self._model or deployment.model_id
        if deployment.model_id != self._model:
            # No plan that was made for vectors has such a step.
            raise CapabilityMissingError(
                f"The vectors of {deployment.model_id} do not compare with those of "
                f"{self._model}.",
                "model",
            )
        embedder = EMBEDDERS.get(deployment.dialect)
        if embedder is None:
            raise CapabilityMissingError(
                f"{deployment.id} has no embeddings: it speaks {deployment.dialect}.",
                "model",
            )
        parts = self._asked.parts(most)
        if len(parts) > MOST_CALLS:
            raise CapabilityMissingError(
                f"This deployment embeds at most {MOST_CALLS * (most or 1)} inputs a "
                "request.",
                "input",
            )
        return [call for part in parts for call in embedder.calls(part, deployment)]

    async def _made(
        self, caller: Caller, calls: Sequence[EmbeddingCall], record: Record
    ) -> list[Vectors] | ProviderError:
        """Make the calls, a few at a time, and return what each gave, in order."""
        if len(calls) == 1:
            one = await self._call(caller, calls[0], record)
            return one if isinstance(one, ProviderError) else [one]
        found: dict[int, Vectors] = {}
        waiting = iter(enumerate(calls))
        failed: _CallFailedError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(_AT_ONCE, len(calls))):
                    group.create_task(self._work(caller, waiting, record, found))
        except* _CallFailedError as several:
            failed = _first(several)
        if failed is None:
            return [found[at] for at in range(len(calls))]
        record.credential = failed.part.credential
        record.tried_credentials = failed.part.tried_credentials
        record.allowance = failed.part.allowance
        record.usage = _usage(found.values())
        return failed.error

    async def _work(
        self,
        caller: Caller,
        waiting: Iterator[tuple[int, EmbeddingCall]],
        record: Record,
        found: dict[int, Vectors],
    ) -> None:
        """Make one call after another of those that wait."""
        for at, call in waiting:
            # What a call learns of its credential is its own until it has failed.
            part = dataclasses.replace(record)
            result = await self._call(caller, call, part)
            if isinstance(result, ProviderError):
                raise _CallFailedError(result, part)
            found[at] = result
            record.credential = part.credential
            record.allowance = part.allowance or record.allowance

    async def _call(
        self, caller: Caller, call: EmbeddingCall, record: Record
    ) -> Vectors | ProviderError:
        """Make one call and read its whole answer."""
        limit = first_content_limit(record)
        ends = asyncio.get_running_loop().time() + limit
        outgoing = Outgoing(self._asked.body, lambda _: call.encoded)
        response = await caller.send(outgoing, record, limit)
        if isinstance(response, ProviderError):
            return response
        headers = response.headers
        body = await whole(response, min(ends, record.deadline))
        if isinstance(body, ProviderError):
            return body
        embedder: Embedder = EMBEDDERS[record.step.deployment.dialect]
        found = embedder.decode(body, headers)
        if isinstance(found, ProviderError):
            return found
        return misfit(self._asked, found, call.count) or found

    def _answer(
        self, found: Sequence[Vectors], record: Record
    ) -> Answer | ProviderError:
        usage = _usage(found)
        try:
            body = answer_body(
                self._asked,
                [vector for one in found for vector in one.written],
                model=record.step.response_model,
                usage=usage,
                cost_usd_nanos=record.total_cost_usd_nanos(usage),
            )
        except (ValueError, msgspec.DecodeError):
            return no_vectors(b"{}")
        if len(body) > _MOST_BYTES:
            record.usage = usage
            return ProviderError(
                Outcome.REJECTED,
                f"The answer is larger than {_MOST_BYTES >> 20} MiB; send fewer "
                "inputs, or ask for `encoding_format` base64.",
                http_status=413,
                param="input",
            )
        cost = None if usage is None else record.cost_usd_nanos(usage)
        return Answer(record, 200, Decoded(body, usage, cost))


def _first(several: BaseExceptionGroup[_CallFailedError]) -> _CallFailedError:
    """Return one of those that failed at the same moment."""
    first = several.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _usage(found: Iterable[Vectors]) -> Usage | None:
    """Add up what was used; None if any provider's answer does not say."""
    counts = [one.input_tokens for one in found]
    known = [count for count in counts if count is not None]
    return Usage(sum(known)) if known and len(known) == len(counts) else None
