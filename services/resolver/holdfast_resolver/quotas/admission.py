"""Lets requests in by their quotas, and settles what they have cost.

What is reserved for a request is what its dearest step may cost, as `estimate` has
it. What is settled is what its attempts have cost, each as it ends: those that failed
too, and those of a stream or a call that was broken off.

**An attempt counts in the calendar month, in UTC, in which it was started**
(`Attempt.start_time_ms`), whenever it ends and whenever that becomes known: so the
sum of `cost_usd_nanos` over a scope's attempts that were started in a month is what
is spent of its budget. A reservation counts in the month, and tokens in the minute,
in which the request was let in.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from holdfast.model import (
    Attempt,
    Budget,
    BudgetStatus,
    Caller,
    Plan,
    Requirements,
    Reservation,
)
from holdfast.pricing import usd
from holdfast.signing import PLAN_LIFE_S
from holdfast_resolver.directory import Membership
from holdfast_resolver.quotas.account import Account, Terms
from holdfast_resolver.quotas.accounts import (
    REQUESTS,
    SPEND,
    TOKENS,
    Accounts,
    Unit,
)
from holdfast_resolver.quotas.estimate import dearest_usd_nanos, most_tokens
from holdfast_resolver.quotas.exchange import Exchange
from holdfast_resolver.quotas.periods import Period, month
from holdfast_resolver.quotas.refusals import (
    NANOS_PER_MICRO,
    exhausted,
    rate_limited,
    unknown,
)
from holdfast_resolver.quotas.store import TalliesAwayError, TallyStore
from holdfast_resolver.quotas.tally import Tally
from holdfast_resolver.quotas.waiting import Verdict, Waiter

_log = structlog.get_logger("holdfast.resolver")

_PATIENCE_S = 0.5
"""How long a call waits near a limit: for the store, and for calls that have ended to
be settled, so that who calls again and again is not refused for his own last call. It
is settled within a quarter of that."""

_TICK_S = 1.0
_EXPIRY_S = 5.0
"""How often it is looked for what has run out: it is held in spans of 15 s."""


@dataclass(slots=True)
class AdmissionCounts:
    """What became of requests that have quotas, for metrics.

    Attributes:
        waited: Those that had to wait for the store, or for others to end.
        used_up: Those that were refused for a budget.
        rate_limited: Those that were refused for their key's rate.
        unknown: Those that were refused because the spend was not known.
        unshared: Those let in though it was not.
    """

    waited: int = 0
    used_up: int = 0
    rate_limited: int = 0
    unknown: int = 0
    unshared: int = 0


class Admission:
    """The quotas of everybody, at one replica.

    Attributes:
        counts: For metrics.
        exchange: What it knows and has to say is shared through this.
        accounts: What it knows.
    """

    def __init__(
        self,
        store: TallyStore,
        *,
        now: Callable[[], float] = time.time,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        """Begin with nothing known.

        Args:
            store: Where replicas share what is spent.
            now: Unix time in seconds.
            patience_s: How long a call waits to be let in, in seconds.
        """
        self._store = store
        self._now = now
        self._patience_s = patience_s
        self._cleared = ""
        self.counts = AdmissionCounts()
        accounts: dict[str, Account] = {}
        self.exchange = Exchange(store, accounts, now, _warn)
        self.accounts = Accounts(accounts, self.exchange)

    async def reserve(
        self, member: Membership, plan: Plan, wanted: Requirements
    ) -> Reservation | None:
        """Let a request in, and set aside what it may cost.

        Args:
            member: Who asks.
            plan: What is to be tried.
            wanted: What the request needs.

        Returns:
            What is to be told with its attempts. None: nothing needs to be.

        Raises:
            RateLimitedError: Its key has no more of this minute.
            BudgetExhaustedError: Nothing is left of a budget.
            BudgetUnknownError: The spend is not known, and a budget says to refuse
                calls then.
        """
        now = self._now()
        ends_s = int(now + PLAN_LIFE_S + plan.limits.request_timeout.total_seconds())
        let_in: list[tuple[Account, int]] = []
        warning = ""
        try:
            tokens = await self._by_rates(member, plan, wanted, ends_s, let_in)
            nanos = dearest_usd_nanos(plan.steps, wanted) if member.budgets else 0
            for budget in member.budgets:
                account = await self._by_budget(budget, nanos, ends_s)
                let_in.append((account, nanos))
                if account.warned:
                    warning = budget.id
        except BaseException:
            for account, amount in let_in:
                account.give_back(amount, ends_s)
            raise
        if not member.budgets and tokens is None:
            return None
        return Reservation(
            replica=self._store.replica,
            start_s=int(now),
            end_s=ends_s,
            budgets=tuple(budget.id for budget in member.budgets),
            usd_nanos=nanos,
            tokens=tokens,
            warning=warning,
        )

    def charge(
        self, caller: Caller, reservation: Reservation, attempt: Attempt
    ) -> None:
        """Settle what an attempt has cost, whichever replica let its request in.

        Args:
            caller: Whose it was.
            reservation: Its request's.
            attempt: Is told once here.
        """
        cost = attempt.cost_usd_nanos
        if cost:
            started = attempt.start_time_ms / 1_000 or self._now()
            for budget_id in reservation.budgets:
                account = self.accounts.at(SPEND, budget_id, started)
                account.settle(cost)
                self.exchange.mark(account, urgent=account.is_near)
        usage = attempt.usage
        if reservation.tokens is not None and usage is not None:
            counted = self._counted(caller, reservation)
            if counted is not None:
                counted.settle(usage.input_tokens + usage.output_tokens)
                self.exchange.mark(counted, urgent=counted.is_near)

    def finish(self, caller: Caller, reservation: Reservation) -> None:
        """Give back what was set aside for a request that has ended.

        Args:
            caller: Whose it was.
            reservation: The request's. Is told once here.
        """
        for budget_id in reservation.budgets:
            account = self.accounts.at(SPEND, budget_id, reservation.start_s)
            self._end(account, reservation, reservation.usd_nanos)
        if reservation.tokens is not None:
            counted = self._counted(caller, reservation)
            if counted is not None:
                self._end(counted, reservation, reservation.tokens)

    def status(self, budgets: Iterable[Budget]) -> tuple[BudgetStatus, ...]:
        """Say how budgets stand, as far as is known here."""
        now = self._now()
        period = month(now)
        known = self._store.is_known and not self.exchange.is_away
        return tuple(
            self._status(budget, period, now, known=known) for budget in budgets
        )

    async def close(self, patience_s: float = 2.0) -> None:
        """Tell what is spent, hold nothing ahead; `run` still runs."""
        if not await self.exchange.close(patience_s):
            _log.warning("quotas_untold")

    async def run(self) -> None:
        """Share what is spent until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.exchange.run())
            tasks.create_task(self._tick())

    async def _by_rates(
        self,
        member: Membership,
        plan: Plan,
        wanted: Requirements,
        ends_s: int,
        let_in: list[tuple[Account, int]],
    ) -> int | None:
        """Let a request in by its key's rates; return what was set aside of tokens."""
        caller = member.caller
        if member.requests_per_minute is not None:
            limit = member.requests_per_minute
            account = await self._by_rate(REQUESTS, scope_of(caller), limit, 1, ends_s)
            let_in.append((account, 1))
        if member.tokens_per_minute is None:
            return None
        tokens = most_tokens(plan.steps, wanted)
        account = await self._by_rate(
            TOKENS, scope_of(caller), member.tokens_per_minute, tokens, ends_s
        )
        let_in.append((account, tokens))
        return tokens

    async def _by_rate(
        self, unit: Unit, scope: str, limit: int, amount: int, ends_s: int
    ) -> Account:
        account = self.accounts.current(unit, scope, self._now())
        if account.source is not limit:
            account.source = limit
            account.follow(Terms(limit))
        verdict = await self._let_in(account, amount, ends_s)
        if verdict is Verdict.AWAY:
            verdict = self._let_in_alone(account, amount, ends_s)
        if verdict is Verdict.USED_UP:
            self.counts.rate_limited += 1
            left_s = account.ends_s - self._now()
            raise rate_limited(scope, f"{limit} {unit.name}", left_s)
        return account

    async def _by_budget(self, budget: Budget, nanos: int, ends_s: int) -> Account:
        account = self.accounts.current(SPEND, budget.id, self._now())
        if account.source is not budget:
            account.source = budget
            account.follow(_terms(budget))
        verdict = await self._let_in(account, nanos, ends_s)
        if verdict is Verdict.AWAY:
            if budget.denies_when_unreachable:
                self.counts.unknown += 1
                raise unknown(budget)
            verdict = self._let_in_alone(account, nanos, ends_s)
        if verdict is Verdict.USED_UP:
            self.counts.used_up += 1
            raise exhausted(budget, account)
        return account

    async def _let_in(self, account: Account, amount: int, ends_s: int) -> Verdict:
        if self._store.is_present and account.reserve(amount, ends_s):
            self.exchange.mark(account, urgent=account.free < account.low)
            return Verdict.LET_IN
        if self.exchange.is_away:
            return Verdict.AWAY
        self.counts.waited += 1
        return await self._wait(account, amount, ends_s)

    async def _wait(self, account: Account, amount: int, ends_s: int) -> Verdict:
        """Wait to be let in, by a turn or by a call that ends."""
        told: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

        def tell(verdict: Verdict) -> None:
            if not told.done():
                told.set_result(verdict)

        waiter = Waiter(amount, ends_s, tell)
        account.waiting.append(waiter)
        self.exchange.mark(account, urgent=True)
        try:
            await asyncio.wait((told,), timeout=self._patience_s)
        except BaseException:
            account.withdraw(waiter)
            if waiter.is_let_in:
                account.give_back(amount, ends_s)
            raise
        if told.done():
            return told.result()
        account.withdraw(waiter)
        if waiter.is_heard:
            return Verdict.USED_UP
        self.exchange.suspect()
        return Verdict.AWAY

    def _let_in_alone(self, account: Account, amount: int, ends_s: int) -> Verdict:
        """Decide by what is known here: all that was ever shared, and one's own."""
        if account.used >= account.terms.limit:
            return Verdict.USED_UP
        self.counts.unshared += 1
        account.owe(amount, ends_s)
        self.exchange.mark(account)
        return Verdict.LET_IN

    def _counted(self, caller: Caller, reservation: Reservation) -> Account | None:
        """Return where a request's tokens count, None if that minute is over."""
        started = reservation.start_s
        if TOKENS.period(started).ends_s <= self._now():
            return None
        return self.accounts.at(TOKENS, scope_of(caller), started)

    def _end(self, account: Account, reservation: Reservation, amount: int) -> None:
        if reservation.replica == self._store.replica:
            account.give_back(amount, reservation.end_s)
        elif reservation.end_s > self._now():
            account.relieve(reservation.replica, amount, reservation.end_s)
        self.exchange.mark(account, urgent=account.is_near)

    def _status(
        self, budget: Budget, period: Period, now: float, *, known: bool
    ) -> BudgetStatus:
        tally = self._store.get(SPEND.tally(budget.id, period)) or Tally()
        account = self.accounts.known(SPEND, budget.id, now)
        spent = tally.spent if account is None else account.spent
        terms = _terms(budget)
        return BudgetStatus(
            budget=budget,
            spent_usd_nanos=spent,
            reserved_usd_nanos=tally.reserved(now),
            reset_s=period.ends_s,
            warns=terms.warn_at is not None and spent >= terms.warn_at,
            is_current=known,
        )

    async def _tick(self) -> None:
        seconds = 0.0
        while True:
            await asyncio.sleep(_TICK_S)
            seconds += _TICK_S
            now = self._now()
            try:
                self.accounts.look_ahead(now)
                if seconds >= _EXPIRY_S:
                    seconds = 0.0
                    self.accounts.tidy(now)
                await self._forget_old_months(now)
            except Exception:  # noqa: BLE001, a background task has nobody else to tell
                _log.exception("quotas_untidy")

    async def _forget_old_months(self, now: float) -> None:
        """Delete the tallies of months before the last; the ledger has them."""
        this = month(now).name
        if this == self._cleared or not self._store.is_known:
            return
        last = month(
            datetime.strptime(this, "%Y-%m").replace(tzinfo=UTC).timestamp() - 1
        )
        old = [
            name
            for name in self._store.tallies
            if name[7:8] == "/" and name[:7] < last.name
        ]
        try:
            await self._store.forget(old)
        except TalliesAwayError:
            return
        self._cleared = this


def scope_of(caller: Caller) -> str:
    """Name whose quota it is: `acme/web/web-1`."""
    return "/".join(
        filter(None, (caller.organization_id, caller.project_id, caller.api_key_id))
    )


def _terms(budget: Budget) -> Terms:
    limit = budget.limit_usd_micros * NANOS_PER_MICRO
    # Who may spend nothing at all is not warned of having spent it.
    return Terms(limit, round(limit * budget.warn_at) if limit else None)


def _warn(account: Account) -> None:
    month_name, _, budget_id = account.name.split("/", 2)
    _log.warning(
        "budget_nearly_used_up",
        budget=budget_id,
        month=month_name,
        spent_usd=usd(account.spent),
        limit_usd=usd(account.terms.limit),
    )
