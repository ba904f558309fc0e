"""The guardrails of one request at work: on what goes in, and on what comes out."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec
import structlog

from holdfast.errors import GuardrailBlockedError
from holdfast.model import Guardrail, GuardrailResult, Outcome
from holdfast_executor.attempts import Progress
from holdfast_executor.guardrails.judging import JudgeFailedError, Judging
from holdfast_executor.guardrails.passage import Passage, Said
from holdfast_executor.guardrails.search import Found, Watch, watch_of
from holdfast_executor.guardrails.stream import Gate, GuardedStream, Source
from holdfast_executor.guardrails.texts import rewritten

INPUT, OUTPUT = "input", "output"

_AT_ONCE_BYTES = 64 * 1024
"""Of a body that is looked into right away: a few milliseconds. A larger one is left
to a thread, so that others need not wait for it."""

_UNJUDGED = frozenset({"functions", "response_format", "tools"})
"""Members of a request that programs write, and nobody says."""

_JUDGED, _UNANSWERED = "judge", "judge_failed"
"""What has matched where a judge says so, or gave no verdict."""

_log = structlog.get_logger("holdfast.executor")

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class Guard:
    """What one request and its answer pass through. Nothing, where a plan says so."""

    def __init__(
        self, progress: Progress, judging: Judging, *, answers_in_words: bool = True
    ) -> None:
        """Begin with nothing found.

        Args:
            progress: Of the request; what is found is noted there.
            judging: Asks judges.
            answers_in_words: Whether there is a text in the answer: vectors have none.

        Raises:
            PlanRefusedError: A guardrail of the plan cannot be enforced.
        """
        guardrails = progress.order.plan.guardrails
        self._progress = progress
        self._judging = judging
        self._input = watch_of(guardrails, INPUT) if guardrails else None
        looks_out = guardrails and answers_in_words
        self._output = watch_of(guardrails, OUTPUT) if looks_out else None
        self._found = {INPUT: Found(), OUTPUT: Found()} if guardrails else {}
        self._judged: list[GuardrailResult] = []
        self._told = 0
        self._blocker: tuple[Guardrail, str] | None = None

    @property
    def outcome(self) -> Outcome:
        """How the attempt ended whose answer has been looked into."""
        return Outcome.SUCCEEDED if self._blocker is None else Outcome.BLOCKED

    @property
    def holds_all(self) -> bool:
        """Whether nothing of a streamed answer goes out before all of it is there."""
        watch = self._output
        return watch is not None and any(
            each.judge is not None and each.action != "flag"
            for each in watch.guardrails
        )

    @property
    def reads_ahead(self) -> bool:
        """Whether a stream is read before the caller is told that there is one.

        An answer of which nothing may go out is then an error like any other. Not
        where all of it is held: the connection has to be kept open meanwhile.
        """
        return self._output is not None and not self.holds_all

    async def admitted(self, body: bytes) -> bytes:
        """Return a request's body as it may be sent.

        Raises:
            GuardrailBlockedError: It may not.
        """
        if self._input is None:
            return body
        body = await self._looked_into(self._input, INPUT, body)
        await self._judge(self._input, INPUT, lambda: _texts(body, _UNJUDGED))
        self.raise_if_blocked()
        return body

    async def released(self, body: bytes) -> bytes:
        """Return a whole answer as the caller may have it; `outcome` says if any."""
        if self._output is None:
            return body
        passed = await self._looked_into(self._output, OUTPUT, body)
        await self._judge(self._output, OUTPUT, lambda: _texts(passed))
        return body if passed is body else _without_logprobs(passed)

    def around(self, stream: Source, before: str = "") -> Source:
        """Return a streamed answer as the caller may have it.

        Args:
            stream: As it comes.
            before: The text that it goes on from, which the caller has.
        """
        watch = self._output
        if watch is None:
            return stream

        async def judge(said: Said) -> None:
            await self._judge(watch, OUTPUT, lambda: [*map("".join, said.values())])

        is_judged = any(each.judge is not None for each in watch.guardrails)
        passage = Passage(
            watch, self._found[OUTPUT], before=before, is_judged=is_judged
        )
        return GuardedStream(
            stream, passage, Gate(self._is_blocked, judge, self.holds_all)
        )

    def raise_if_blocked(self) -> None:
        """Say so where a guardrail has blocked the request or the answer.

        Raises:
            GuardrailBlockedError: One has.
        """
        if self._blocker is None:
            return
        guardrail, stage = self._blocker
        blocked = "request" if stage == INPUT else "answer"
        is_unjudged = any(
            each.guardrail == guardrail.name and each.matched == (_UNANSWERED,)
            for each in self._judged
        )
        why = ", since its judge gave no verdict" if is_unjudged else ""
        attempts = self._progress.attempts
        raise GuardrailBlockedError(
            f"Guardrail {guardrail.name!r} has blocked the {blocked}{why}.",
            attempts=attempts,
            guardrail_id=guardrail.name,
            stage=stage,
            plan_id=self._progress.order.plan.plan_id,
            attempt_count=str(len(attempts)),
        )

    async def _looked_into(self, watch: Watch, stage: str, body: bytes) -> bytes:
        if not watch.finds:
            return body
        read = watch.reader(self._found[stage])
        if len(body) > _AT_ONCE_BYTES:
            body = await asyncio.to_thread(rewritten, body, read)
        else:
            body = rewritten(body, read)
        self._is_blocked()
        return body

    def _is_blocked(self) -> bool:
        """Take note of what was found, and tell whether it blocks."""
        total = sum(found.counts.total() for found in self._found.values())
        if total != self._told:
            self._told = total
            for stage, watch in ((INPUT, self._input), (OUTPUT, self._output)):
                if watch is not None and self._blocker is None:
                    blocker = watch.blocker(self._found[stage])
                    self._blocker = None if blocker is None else (blocker, stage)
            self._note()
        return self._blocker is not None

    async def _judge(
        self, watch: Watch, stage: str, said: Callable[[], Sequence[str]]
    ) -> None:
        """Have all judges asked at once, unless it is decided already."""
        judges = [each for each in watch.guardrails if each.judge is not None]
        if not judges or self._blocker is not None or not (texts := said()):
            return
        found = await asyncio.gather(
            *(self._opinion(each, stage, texts) for each in judges)
        )
        for guardrail, (matched, action) in zip(judges, found, strict=True):
            if not matched:
                continue
            self._judged.append(
                GuardrailResult(guardrail.name, stage, action, 1, (matched,))
            )
            if action == "block" and self._blocker is None:
                self._blocker = (guardrail, stage)
        self._note()

    async def _opinion(
        self, guardrail: Guardrail, stage: str, texts: Sequence[str]
    ) -> tuple[str, str]:
        """Return what has matched, empty for nothing, and what is to be done."""
        order = self._progress.order
        try:
            flagged = await self._judging.flags(
                guardrail, stage, texts, order.plan, order.deadline
            )
        except JudgeFailedError as error:
            _log.warning(
                "judge_failed",
                trace_id=order.plan.trace_id,
                guardrail=guardrail.name,
                reason=error.reason,
            )
            on_error = guardrail.judge and guardrail.judge.on_error
            blocks = (on_error or guardrail.action) == "block"
            return _UNANSWERED, "block" if blocks else "flag"
        return _JUDGED if flagged else "", guardrail.action

    def _note(self) -> None:
        results: list[GuardrailResult] = []
        for stage, watch in ((INPUT, self._input), (OUTPUT, self._output)):
            if watch is not None:
                results += watch.results(stage, self._found[stage])
        self._progress.guardrail_results[:] = results + self._judged


def _texts(body: bytes, leaving_out: Collection[str] = ()) -> list[str]:
    """Return the texts of a body that are for a judge."""
    found: list[str] = []

    def read(text: bytes) -> None:
        if text.strip():
            found.append(text.decode(errors="replace"))

    rewritten(body, read, leaving_out=leaving_out, nested=False)
    return found


def _without_logprobs(body: bytes) -> bytes:
    """Leave out what says the text of an answer again, token by token."""
    if b'"logprobs"' not in body:
        return body
    answer = _decode(body)
    for choice in answer["choices"]:
        choice["logprobs"] = None
    return _encode(answer)
