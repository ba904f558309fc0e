"""One request that asks for a form: how each deployment is asked, and what it said."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from holdfast.model import Capability, Deployment, Outcome, PlanStep, StepReason
from holdfast_executor.chat import Chat
from holdfast_executor.dialects import ProviderError
from holdfast_executor.structured.checker import Checker
from holdfast_executor.structured.rewriting import (
    begun_by_caller,
    corrected,
    in_words,
    natively,
)
from holdfast_executor.structured.track_record import TrackRecord
from holdfast_executor.structured.violations import Unfit, unfit
from holdfast_executor.structured.wish import Kind, Wish, wish_of

_FIRST = frozenset({StepReason.PINNED, StepReason.STICKY, StepReason.PROBE})
"""Steps that stay where they are. A session's own deployment has the conversation in
its prompt cache: to ask it twice costs less than to ask another once."""

_ABOUT_THE_FORM = re.compile(
    r"response[_ ]?(?:format|schema|json_?schema|mime_?type)|json[_ ]?(?:schema|mode)"
    r"|output_?(?:config|format)|structured output|text_?format"
    r"|too many states|invalid schema|grammar",
    re.IGNORECASE,
)
"""What providers call it in which an answer's form is asked for natively."""

_UNASKABLE = frozenset({Outcome.REJECTED, Outcome.CAPABILITY_MISSING})
_NOT_THE_CALLERS = _UNASKABLE | {Outcome.TOO_LONG}

_OWN_WAYS = frozenset({"openai-chat", "openai-responses"})
"""The dialects that say natively what their provider may not know. The others have a
way for every model: a grammar, a forced tool or words."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered, once.

    Attributes:
        calls: The arguments of the tools that it calls.
        refuses: Whether it says that it will not.
    """

    content: str
    finish_reason: str
    calls: Sequence[str] = ()
    refuses: bool = False


@dataclass(frozen=True, slots=True)
class Forms:
    """What all requests that ask for a form share.

    Attributes:
        checker: Checks answers.
        record: How often whom was right.
    """

    checker: Checker
    record: TrackRecord

    def of(self, chat: Chat) -> "Form | None":
        """Say what form a chat asks for; None for none.

        Raises:
            RequestMalformedError: It is none that can be understood.
        """
        wish = wish_of(chat)
        return None if wish is None else Form(wish, chat, self.checker, self.record)


@dataclass(slots=True)
class Form:
    """What one request asks for, and what has been said to it."""

    wish: Wish
    chat: Chat
    checker: Checker
    record: TrackRecord
    _bad: dict[str, Unfit] = field(default_factory=dict)
    _written: dict[Callable[[Chat, Wish], Chat], Chat] = field(default_factory=dict)

    async def prepare(self) -> None:
        """Make sure that answers can be checked.

        Raises:
            RequestMalformedError: The caller's schema is none.
        """
        await self.checker.prepare(self.wish)

    def arranged(self, steps: Sequence[PlanStep]) -> list[PlanStep]:
        """Put last, of each member of a name, who mostly gives answers that do not fit.

        And before them who has to be asked in words. Members keep their order.
        """
        pools: list[list[PlanStep]] = []
        for step in steps:
            if not pools or pools[-1][0].response_model != step.response_model:
                pools.append([])
            pools[-1].append(step)
        return [step for pool in pools for step in sorted(pool, key=self._rank)]

    def _rank(self, step: PlanStep) -> int:
        if step.reason in _FIRST:
            return 0
        if self.record.mostly_fails(step.deployment.id, self.wish.digest):
            return 2
        return int(self._way(step.deployment) is in_words)

    def chat_for(self, deployment: Deployment) -> Chat:
        """Write the chat for a deployment.

        Raises:
            RequestMalformedError: Its messages are none that can be read.
        """
        way = self._way(deployment)
        if (chat := self._written.get(way)) is None:
            chat = self._written[way] = way(self.chat, self.wish)
        bad = self._bad.get(deployment.id)
        return chat if bad is None else corrected(chat, self.wish, bad)

    def _way(self, deployment: Deployment) -> Callable[[Chat, Wish], Chat]:
        if self.wish.kind is Kind.XML or self.wish.via_xml:
            return in_words
        can = deployment.capabilities
        # One that states no capability at all says nothing, and is taken at that.
        lacks = bool(can) and Capability.JSON_SCHEMA not in can
        if lacks and deployment.dialect in _OWN_WAYS:
            return in_words
        if self.record.refuses(deployment.id, self.wish.digest):
            return in_words
        return natively

    def refused(self, failure: ProviderError, deployment: Deployment) -> ProviderError:
        """Say what a refusal comes to that is about what was made of the request."""
        bad = self._bad.get(deployment.id)
        if bad is not None and failure.outcome in _NOT_THE_CALLERS:
            return _failure(dataclasses.replace(bad, may_be_told=False))
        said = f"{failure.param} {failure.code} {failure.message}"
        if (
            failure.outcome in _UNASKABLE
            and self._way(deployment) is natively
            and _ABOUT_THE_FORM.search(said)
        ):
            self.record.refuse(deployment.id, self.wish.digest)
            return dataclasses.replace(
                failure, outcome=Outcome.CAPABILITY_MISSING, ask_again=True
            )
        return failure

    def unmended(self, text: str) -> ProviderError:
        """Say that an answer would have to be mended, and has gone out as it is."""
        return _failure(unfit("surroundings", "there are words around it", text))

    async def judged(
        self, deployment: Deployment, replies: Sequence[Reply]
    ) -> list[str | None] | ProviderError:
        """Say what each answer is without what stands around it.

        Args:
            deployment: Who gave them.
            replies: The answers.

        Returns:
            For each its text, or None where it is passed on as it came. Or that one
            of them does not fit.
        """
        texts: list[str | None] = []
        bad: Unfit | None = None
        for reply in replies:
            found = await self._found(reply)
            if isinstance(found, Unfit):
                bad = bad or found
            else:
                texts.append(found)
        if bad is None and not replies:
            bad = unfit("empty", "there is nothing in it")
        if bad is not None or any(text is not None for text in texts):
            fits = bad is None
            self.record.learn(deployment.id, self.wish.digest, fits=fits)
        if bad is not None:
            self._bad[deployment.id] = bad
            return _failure(bad)
        return texts

    async def _found(self, reply: Reply) -> str | Unfit | None:
        text = reply.content
        if reply.calls:
            if self._has_tools or len(reply.calls) > 1:
                return None
            # A model without tools that calls one means its arguments.
            text = reply.calls[0]
        elif reply.refuses:
            return None
        found = await self.checker.check(self.wish, text)
        if isinstance(found, Unfit) and (begun := begun_by_caller(self.chat)):
            whole = await self.checker.check(self.wish, begun + text)
            found = whole if isinstance(whole, str) else found
        if isinstance(found, Unfit) and reply.finish_reason == "length":
            if self.chat.max_tokens:
                return None
            # It would be cut off at the same place if it were asked again.
            return unfit("length", "it was cut off", text, final=True)
        return found

    @property
    def _has_tools(self) -> bool:
        return "tools" in self.chat.fields or "functions" in self.chat.fields


def _failure(bad: Unfit) -> ProviderError:
    return ProviderError(
        Outcome.PARSE_FAILED,
        f"The answer does not fit response_format ({bad.words}).",
        http_status=200,
        unfit=bad,
    )
