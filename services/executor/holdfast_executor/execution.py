"""Carry out a plan: call its deployments in turn until one answers. Read this first.

Knows nothing of HTTP or gRPC. What it means to call a deployment is passed in,
so that a test can say in one line how each call ends. The loop is the same
whether the answer comes whole or as a stream: a streamed attempt has succeeded
once its first content is there, and until then a failure falls back unseen.
"""

import asyncio
import dataclasses
import zlib
from collections.abc import (
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Sequence,
)
from datetime import timedelta
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import urlsplit

import structlog

from holdfast.errors import (
    DeadlineExceededError,
    ExecutionError,
    GatewayError,
    PlanRefusedError,
)
from holdfast.model import (
    Deployment,
    Hedge,
    Outcome,
    PlanStep,
    StepReason,
)
from holdfast.outcome import CONSEQUENCES, Then
from holdfast.policy import broken_promise, objection
from holdfast.standpoint import OUT_OF_TOUCH
from holdfast_executor.attempts import Empty, Progress, Record, is_late
from holdfast_executor.dialects import ProviderError
from holdfast_executor.hedging import Race
from holdfast_executor.lessons import Lessons
from holdfast_executor.retry_budget import Fare
from holdfast_executor.retrying import UNREADABLE, Retrying
from holdfast_executor.verdict import verdict

_log = structlog.get_logger("holdfast.executor")

_MOST_MADE = 32
"""Attempts of one request, those that correct an answer included: above the eighteen
that the defaults allow, and a bound on what one request can cost. `max_attempts` where
that is more."""

_SPREAD = 0.1
"""By what share of itself a wait is longer at most, so that those who were refused
together do not come back together. Never shorter: it was asked for."""


_Answer = TypeVar("_Answer")

_CameTo: TypeAlias = _Answer | Empty[_Answer] | ProviderError

Call = Callable[[Record], Awaitable[_CameTo[_Answer]]]
"""Calls a deployment; a failure is a value, not an exception."""


Arrange = Callable[[Sequence[PlanStep]], Sequence[PlanStep]]
"""Puts the steps of a plan into another order."""

_ABANDONED = ProviderError(Outcome.CANCELLED, "the caller went away")
_NEEDLESS = ProviderError(
    Outcome.CANCELLED, "the attempt beside it decided the request"
)
_EMPTY = ProviderError(
    Outcome.PARSE_FAILED, "the model stopped without a word", http_status=200
)


class Walk(Generic[_Answer]):
    """One request's way through the steps of its plan."""

    def __init__(
        self,
        progress: Progress,
        call: Call[_Answer],
        lessons: Lessons | None = None,
        drop: Callable[[_Answer], Awaitable[None]] | None = None,
        arrange: Arrange | None = None,
    ) -> None:
        """Begin before the first step.

        Args:
            progress: Where attempts are noted. An answer's own attempt is left
                to whoever takes the answer, since it has not ended yet.
            call: Calls one deployment.
            lessons: What earlier requests taught. None: nothing.
            drop: Lets go of an answer that nobody will have. None: there is
                nothing to let go of.
            arrange: Puts the steps into another order. None: that of the plan.
        """
        self._drop = drop
        self._hedged_id = ""
        self._is_decided = False
        self._lessons = lessons or Lessons()
        self._probes = 0
        self._refused = 0
        self._fare = Fare.FREE
        self._untried: list[timedelta] = []
        self._progress = progress
        self._order = progress.order
        steps = progress.order.plan.steps
        self._plan_steps = steps if arrange is None else arrange(steps)
        self._corrections = 0
        self._call = call
        self._window = 0
        self._failures: list[ProviderError] = []
        self._empty: Empty[_Answer] | None = None

    async def go(self) -> _Answer:
        """Call each step's deployment in turn until one answers.

        An answer without a word is one more deployment's to better. If that has
        none either, the model has nothing to say.

        Raises:
            GatewayError: None did; the kind says why.
        """
        try:
            return await self._go()
        except BaseException as error:
            if isinstance(error, ExecutionError):
                error.metadata["revision"] = self._order.plan.revision
            await self._forget()
            raise

    async def _go(self) -> _Answer:
        self._lessons.budget.open(self._order.plan.caller)
        for step in self._steps():
            if self._empty is not None:
                self._set_aside(self._empty)
            attempt = self._raced if self._may_be_hedged(step) else self._try
            answer = await attempt(step, self._fare)
            if isinstance(answer, Empty):
                if self._empty is None:
                    self._empty = answer
                    continue
                answer = answer.answer
            if not isinstance(answer, ProviderError):
                await self._forget()
                return answer
            if self._is_late() or self._ends(answer, step) or self._reaches_nobody():
                break
        if self._empty is not None:
            return self._kept(self._empty)
        if self._is_late():
            raise self._late()
        if self._refused and not self._failures:
            raise PlanRefusedError(
                "No step of the plan obeys the policies it bears.", key_id=""
            )
        raise self._verdict()

    def _steps(self) -> Iterator[PlanStep]:
        """Give the steps that may be tried, each as its turn comes."""
        plan = self._order.plan
        for step in by_health(
            self._plan_steps, self._lessons, self._progress.broken_off
        ):
            if not self._has_room():
                return
            if self._too_small(step) or step.deployment.id == self._hedged_id:
                continue
            rule = self._objection(step)
            if rule is not None:
                self._refused += 1
                _log.error(
                    "step_refused",
                    plan_id=plan.plan_id,
                    deployment_id=step.deployment.id,
                    rule=rule,
                )
            elif not self._made or self._may_try(step):
                yield step

    def _objection(self, step: PlanStep) -> str | None:
        """Say why the policies of the plan do not allow a step, None if they do.

        Asked just before each call, since what a deployment promises may turn out
        otherwise at any time.
        """
        policies = self._order.plan.policies
        if not policies:
            return None
        return objection(policies, step.deployment) or broken_promise(
            policies, step.deployment, self._lessons.strays.place
        )

    def _may_be_hedged(self, step: PlanStep) -> bool:
        """Tell whether another may be asked beside a step: beside the first alone."""
        if self._order.plan.limits.hedge is None or self._made:
            return False
        return step.reason is not StepReason.PROBE

    async def _raced(self, step: PlanStep, fare: Fare) -> _CameTo[_Answer]:
        """Try a step, and another one beside it if it shows nothing for a while."""
        hedge = self._order.plan.limits.hedge or Hedge()
        self._lessons.hedges.open(self._order.plan.caller, hedge.max_share)
        beside: list[PlanStep] = []

        def join() -> Coroutine[Any, Any, _CameTo[_Answer]] | None:
            chosen = self._beside(step)
            if chosen is None:
                return None
            beside.append(chosen)
            self._hedged_id = chosen.deployment.id
            return self._try(chosen, Fare.FREE, once=True)

        race = Race(
            join,
            decides=lambda first: self._decides(first, step),
            wins=self._serves,
            drop=self._dropped,
        )
        try:
            finish = await race.run(self._try(step, fare), hedge.after.total_seconds())
        except BaseException:
            for record in self._progress.under_way():
                self._progress.fail(record, _ABANDONED)
            raise
        came_to = finish.first
        if finish.second is not None:
            came_to = await self._better(came_to, step, finish.second, beside[0])
        if came_to is None:
            raise RuntimeError("both sides of a race were called off")
        earlier = sum(each.cost_usd_nanos for each in self._progress.attempts)
        for record in self._progress.under_way():
            record.earlier_cost_usd_nanos = earlier
        return came_to

    def _beside(self, step: PlanStep) -> PlanStep | None:
        """Choose whom to ask beside a step that shows nothing; None for nobody."""
        plan, lessons = self._order.plan, self._lessons
        is_first = self._made == 1 and bool(self._progress.under_way())
        if not is_first or plan.limits.max_attempts == 1:
            return None
        for each in by_health(self._plan_steps, lessons):
            if _left(each, lessons.resting.left) is not None:
                return None
            if (
                each.deployment.id != step.deployment.id
                and each.reason is not StepReason.PROBE
                and not lessons.budget.has_just_failed(each.deployment.id)
                and self._objection(each) is None
            ):
                return each if lessons.hedges.take(plan.caller) else None
        return None

    def _serves(self, came_to: _CameTo[_Answer]) -> bool:
        """Tell whether one side of a race has something to serve."""
        self._is_decided = not isinstance(came_to, ProviderError | Empty)
        return self._is_decided

    def _decides(self, came_to: _CameTo[_Answer], step: PlanStep) -> bool:
        """Tell whether the first side of a race ends it.

        The other side does so only by answering. What it refuses never ends the
        request while the first may answer: nobody would have asked it yet.
        """
        if isinstance(came_to, ProviderError):
            self._is_decided = self._is_late() or self._ends(came_to, step)
            return self._is_decided
        return self._serves(came_to)

    async def _better(
        self,
        first: _CameTo[_Answer] | None,
        step: PlanStep,
        second: _CameTo[_Answer],
        beside: PlanStep,
    ) -> _CameTo[_Answer]:
        """Choose what a race came to, and let go of the rest."""
        if isinstance(second, Empty) and isinstance(first, ProviderError):
            self._empty = second
            return first
        if isinstance(second, Empty) and isinstance(first, Empty):
            self._set_aside(first)
            self._empty = first
            return second
        if first is not None and self._decides(first, step):
            await self._dropped(second)
            for record in self._progress.under_way():
                if record.step is beside:
                    self._progress.fail(record, _NEEDLESS)
            self._tell_last(first, step)
            return first
        if isinstance(second, ProviderError) and first is not None:
            if not self._ends(second, beside):
                return first
            if isinstance(first, Empty):
                self._empty = first
            self._tell_last(second, beside)
            return second
        if first is not None:
            await self._dropped(first)
        self._lessons.hedges.counts.won += 1
        return second

    async def _dropped(self, came_to: _CameTo[_Answer]) -> None:
        """Let go of what one side of a race came to."""
        if isinstance(came_to, Empty):
            self._set_aside(came_to)
            await came_to.close()
        elif not isinstance(came_to, ProviderError) and self._drop is not None:
            await self._drop(came_to)

    def _tell_last(self, came_to: _CameTo[_Answer], step: PlanStep) -> None:
        """Have the failure that ended the request stand last, as all others do."""
        if not isinstance(came_to, ProviderError):
            return
        failures, attempts = self._failures, self._progress.attempts
        place = next(i for i, each in enumerate(failures) if each is came_to)
        failures.append(failures.pop(place))
        place = max(
            i
            for i, each in enumerate(attempts)
            if each.deployment_id == step.deployment.id
        )
        attempts.append(attempts.pop(place))

    def _set_aside(self, empty: Empty[_Answer]) -> None:
        """Note an empty answer as a failure, since another is asked for."""
        if self._progress.is_under_way(empty.record):
            empty.record.usage = empty.usage
            self._progress.fail(empty.record, _EMPTY)

    def _kept(self, empty: Empty[_Answer]) -> _Answer:
        """Serve an empty answer, for want of any other."""
        if not self._progress.is_under_way(empty.record):
            self._progress.ended.add(empty.record.ordinal)
        return empty.answer

    async def _forget(self) -> None:
        if self._empty is not None:
            empty, self._empty = self._empty, None
            await empty.close()

    async def _try(
        self, step: PlanStep, fare: Fare, *, once: bool = False
    ) -> _CameTo[_Answer]:
        """Call a step's deployment, as often as the limits say.

        Args:
            step: What to try.
            fare: What its first attempt costs.
            once: Whether it is called once, whatever comes of it.
        """
        limits = self._order.plan.limits
        budget, caller = self._lessons.budget, self._order.plan.caller
        retrying = Retrying(step.reason, limits, once=once)
        tried_credentials: frozenset[str] = frozenset()
        while True:
            record = self._progress.begin(step, tried_credentials)
            self._probes += record.is_probe
            try:
                answer = await self._call(record)
            except Exception:  # noqa: BLE001 - another deployment may answer yet
                _log.exception(
                    "attempt_crashed",
                    plan_id=self._order.plan.plan_id,
                    deployment_id=step.deployment.id,
                )
                answer = UNREADABLE
            except BaseException:
                why = _NEEDLESS if self._is_decided else _ABANDONED
                self._progress.fail(record, why)
                raise
            if not isinstance(answer, ProviderError):
                budget.answered(caller, step.deployment.id, fare)
                return answer
            if self._is_late():
                # The caller's time ran out, not the deployment's.
                answer = dataclasses.replace(answer, outcome=Outcome.CANCELLED)
            self._progress.fail(record, answer)
            self._failures.append(answer)
            budget.failed(step.deployment.id, answer.outcome)
            if CONSEQUENCES[answer.outcome].doubtful:
                self._lessons.vantage.miss(urlsplit(step.deployment.base_uri).netloc)
            if answer.unfit is not None:
                # It answered; what the model wrote is no fault of the place.
                budget.answered(caller, step.deployment.id, fare)
            tried_credentials = record.tried_credentials
            wait = retrying.wait(answer)
            if (
                wait is None
                or self._is_late()
                or self._reaches_nobody()
                or not self._has_room(corrects=retrying.corrects)
                or self._objection(step) is not None
                or not self._may_try(step)
                or not await self._slept(wait + wait * _SPREAD * self._place)
            ):
                return answer
            fare = self._fare
            self._corrections += retrying.corrects

    @property
    def _place(self) -> float:
        """Where this request is among others, from 0 to 1, as its plan's id has it."""
        return zlib.crc32(self._order.plan.plan_id.encode()) / 2**32

    async def _slept(self, wait: timedelta) -> bool:
        """Wait, unless the request would end meanwhile."""
        if not wait:
            return True
        seconds = wait.total_seconds()
        if asyncio.get_running_loop().time() + seconds >= self._order.deadline:
            return False
        await asyncio.sleep(seconds)
        return True

    @property
    def _made(self) -> int:
        """How many attempts count: a probe is for the others, not for the caller.

        And what corrects an answer is counted by its own limit.
        """
        return len(self._progress.begun) - self._probes - self._corrections

    def _has_room(self, *, corrects: bool = False) -> bool:
        """Tell whether the limits allow a further attempt."""
        most = self._order.plan.limits.max_attempts
        if len(self._progress.begun) >= max(most, _MOST_MADE):
            return False
        return corrects or self._made < most

    def _may_try(self, step: PlanStep) -> bool:
        """Tell whether the project's budget allows a further attempt."""
        left = _left(step, self._lessons.resting.left)
        self._fare = self._lessons.budget.fare(
            self._order.plan.caller, step.deployment.id, is_aside=left is not None
        )
        if self._fare is not Fare.TOO_DEAR:
            return True
        if left is not None:
            self._untried.append(left)
        return False

    def _too_small(self, step: PlanStep) -> bool:
        """Skip what takes no more tokens than what was already too small."""
        window = step.deployment.context_window_tokens
        return bool(self._window and window and window <= self._window)

    def _ends(self, failure: ProviderError, step: PlanStep) -> bool:
        """Tell whether a failure ends the request, by the one table of outcomes.

        Whatever is wrong with a probe, the caller did not ask for it.
        """
        if step.reason is StepReason.PROBE:
            return False
        then = CONSEQUENCES[failure.outcome].then
        if then is Then.LARGER_WINDOW:
            # A limit of tokens in a span is an account's: a deployment with the
            # same window may have a larger one.
            if not failure.token_limit:
                window = step.deployment.context_window_tokens
                self._window = max(self._window, window)
            return False
        if then is Then.NEXT_IF_POLICY_SAYS:
            return not self._order.plan.limits.fall_back_on_content_filter
        return then is Then.RETURN

    def _reaches_nobody(self, *, is_last: bool = False) -> bool:
        """Tell whether another executor is to be asked instead.

        Args:
            is_last: Whether nobody is left to try. Then one host that takes no
                connection is enough, if nobody has answered since.
        """
        if not self._order.may_hand_on or self._empty is not None:
            return False
        if not all(CONSEQUENCES[each.outcome].doubtful for each in self._failures):
            return False
        if not self._failures:
            return False
        vantage = self._lessons.vantage
        if vantage.is_lost():
            return True
        began_ms = self._progress.begun[-1].start_time_ms
        return (
            is_last
            and self._failures[-1].outcome is Outcome.CONNECTION_FAILED
            and not vantage.has_heard_since(began_ms)
        )

    def _is_late(self) -> bool:
        return is_late(self._order.deadline)

    def _late(self) -> DeadlineExceededError:
        return DeadlineExceededError(
            "The request's time ran out before any deployment answered; "
            "allow it more, or ask for less.",
            attempts=self._progress.attempts,
            plan_id=self._order.plan.plan_id,
            attempt_count=str(len(self._progress.attempts)),
        )

    def _verdict(self) -> GatewayError:
        error = verdict(
            self._order.plan.plan_id,
            self._failures,
            tuple(self._progress.attempts),
            self._untried,
            longest_wait=self._order.plan.limits.retry_after_cap,
            incomparable=self._order.plan.incomparable_models,
            # No guardrail has looked into what is no answer.
            keeps=self._order.plan.content_retained and not self._order.plan.guardrails,
        )
        if self._reaches_nobody(is_last=True):
            error.metadata[OUT_OF_TOUCH] = "true"
        return error


_Left = Callable[[Deployment], timedelta | None]


def by_health(
    steps: Iterable[PlanStep], lessons: Lessons, last: str = ""
) -> Iterator[PlanStep]:
    """Give the steps in their order, but those last that rest, soonest back first.

    Of those that rest, one that has just failed here comes after all others: it is
    often back soon, since it has not failed for long, and would fail once more.

    A deployment may have been left aside since the plan was made. A probe is
    tried all the same: that is what it is for.

    Args:
        steps: In the order of the plan.
        lessons: Who rests, and who has just failed, when a step's turn comes.
        last: The id of the deployment that comes after all of these.
    """
    later: list[tuple[bool, bool, timedelta, PlanStep]] = []
    for step in steps:
        wait = _left(step, lessons.resting.left)
        deployment_id = step.deployment.id
        if wait is None and deployment_id != last:
            yield step
        else:
            failed = lessons.budget.has_just_failed(deployment_id)
            later.append((deployment_id == last, failed, wait or timedelta(), step))
    later.sort(key=lambda each: each[:3])
    for *_, step in later:
        yield step


def _left(step: PlanStep, left: _Left) -> timedelta | None:
    if step.reason is StepReason.PROBE:
        return None
    known = left(step.deployment)
    return step.cooldown if known is None else known
