"""Takes the turns of one replica: what its accounts have to say goes to the store.

In the background, and of many accounts at once. What can wait is gathered for a
fifth of a second; where a call waits, or little is left, it goes at once.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog

from holdfast_resolver.quotas.account import Account
from holdfast_resolver.quotas.store import Found, Swap, TalliesAwayError, TallyStore
from holdfast_resolver.quotas.tally import Claim, Tally, Turn, take
from holdfast_resolver.quotas.waiting import Verdict

_log = structlog.get_logger("holdfast.resolver")

_LINGER_S = 0.2
"""How long what has been spent is known to this replica alone: what is lost at most
when it is killed. Five turns a second and quota cost etcd next to nothing."""

_BATCH = 40
"""Tallies changed in one call of the store: a third of what etcd takes."""

_PARTS_A_REPLICA = 4
"""Of what is left a quarter is held ahead of need, by all replicas together: it is
near enough to nothing when it matters, and lasts for many calls when it does not."""

_CONTESTED_S = 0.002
"""How long who came second waits before the next turn: so long takes one."""

_FIRST_BACKOFF_S = 0.05
_LAST_BACKOFF_S = 1.0


@dataclass(slots=True)
class ExchangeCounts:
    """What has become of turns, for metrics.

    Attributes:
        taken: Tallies changed.
        contested: Turns that another replica's came before.
        failed: Calls of the store that failed.
        lost: How often this replica was taken for gone.
    """

    taken: int = 0
    contested: int = 0
    failed: int = 0
    lost: int = 0


class Exchange:
    """The turns of one replica.

    Attributes:
        is_away: Whether the store could not be reached when it was tried last.
        counts: For metrics.
    """

    def __init__(
        self,
        store: TallyStore,
        accounts: Mapping[str, Account],
        now: Callable[[], float],
        warn: Callable[[Account], None],
        *,
        linger_s: float = _LINGER_S,
    ) -> None:
        """Prepare; `run` does the work.

        Args:
            store: Where the tallies are.
            accounts: This replica's, by the names of their tallies.
            now: Unix time in seconds.
            warn: Hears of each account of which a warning is due, once in all of the
                fleet.
            linger_s: How long what can wait is gathered, in seconds.
        """
        self._store = store
        self._accounts = accounts
        self._now = now
        self._warn = warn
        self._linger_s = linger_s
        self._marked: dict[Account, bool] = {}
        self._wary: set[Account] = set()
        self._was_present = False
        self._closes = False
        self._waiting = asyncio.Event()
        self._hurry = asyncio.Event()
        self._done = asyncio.Event()
        self._done.set()
        self.is_away = False
        self.counts = ExchangeCounts()
        store.listen(self._notice)

    def mark(self, account: Account, *, urgent: bool = False) -> None:
        """Have an account take its turn, soon or at once."""
        self._marked[account] = urgent or self._marked.get(account, False)
        self._done.clear()
        self._waiting.set()
        if urgent or self._closes:
            self._hurry.set()

    def look(self, account: Account) -> None:
        """Have an account see its tally as it is."""
        tally = self._store.get(account.name)
        if tally is not None and account.see(tally, self._store.replica, self._parts):
            self.mark(account)

    def suspect(self) -> None:
        """Take the store for away: a call has waited for it in vain."""
        self._note_away("no answer in time")

    async def run(self) -> None:
        """Take turns until cancelled, whatever the store does."""
        backoff_s = _FIRST_BACKOFF_S
        while True:
            await self._waiting.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._linger_s):
                    await self._hurry.wait()
            batch = self._next()
            try:
                answered, contested = await self._turns(batch)
            except TalliesAwayError as error:
                self._fail(batch, str(error))
            except Exception:  # noqa: BLE001, a background task has nobody else to tell
                _log.exception("quota_turns_failed")
                self._fail(batch, "internal")
            else:
                self._succeed(answered=answered)
                backoff_s = _FIRST_BACKOFF_S
                await asyncio.sleep(_CONTESTED_S if contested else 0)
                continue
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, _LAST_BACKOFF_S)

    async def close(self, patience_s: float) -> bool:
        """Tell all there is to tell, and hold nothing ahead; say whether it is done."""
        self._closes = True
        for account in self._accounts.values():
            self.mark(account)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._done.wait()
        return self._done.is_set()

    def _next(self) -> list[Account]:
        """Take out who is next: those first that are in a hurry."""
        hurried = sorted(self._marked, key=self._marked.__getitem__, reverse=True)
        for account in hurried[:_BATCH]:
            del self._marked[account]
        if not self._marked:
            self._waiting.clear()
        if not any(self._marked.values()) and not self._closes:
            self._hurry.clear()
        return [
            account
            for account in hurried[:_BATCH]
            if self._accounts.get(account.name) is account
        ]

    async def _turns(self, batch: list[Account]) -> tuple[bool, bool]:
        """Let each account take its turn.

        Returns:
            Whether the store was asked, and whether others came before any of them.
        """
        if not self._store.is_present:
            self._lose()
            await self._store.appear()
            self._was_present = True
        turns = [(account, *self._turn(account)) for account in batch]
        for account, before, claim, turn in turns:
            if turn.tally is before:
                account.unchanged(claim, turn)
                self._leave_as_it_is(account)
        sent = [each for each in turns if each[3].tally is not each[1]]
        if not sent and not self.is_away:
            return False, False
        for account, _, claim, turn in sent:
            account.send(claim, turn)
        answers = await self._store.swap([self._swap(*each) for each in sent])
        for (account, _, claim, turn), found in zip(sent, answers, strict=True):
            self._settle(account, claim, turn, found)
        return True, any(answers)

    def _turn(self, account: Account) -> tuple[Tally, Claim, Turn]:
        store = self._store
        before = store.get(account.name) or Tally()
        gone = before.shares.keys() - store.replicas - {store.replica}
        believed = store.is_known and account not in self._wary
        claim = account.claim(
            store.replica,
            before,
            self._now(),
            parts=None if self._closes else self._parts,
            gone=gone if believed else (),
        )
        return before, claim, take(before, claim)

    def _swap(self, account: Account, before: Tally, _claim: Claim, turn: Turn) -> Swap:
        known = self._store.get(account.name)
        return Swap(
            account.name,
            None if known is None else before,
            turn.tally,
            turn.buried,
            account.life_s,
        )

    def _leave_as_it_is(self, account: Account) -> None:
        if self._store.is_known:
            self._turn_away(account)

    def _settle(
        self, account: Account, claim: Claim, turn: Turn, found: Found | None
    ) -> None:
        if found is None:
            self.counts.taken += 1
            account.taken(claim, turn)
            if turn.warns:
                self._warn(account)
            self._turn_away(account)
            return
        self.counts.contested += 1
        # Perhaps it was not another's turn that came before, but another replica
        # that is not gone after all.
        self._wary.add(account)
        account.refused(claim, found.tally or Tally())
        if not found.is_present:
            self._lose()
        self.mark(account, urgent=True)

    def _notice(self, names: Iterable[str]) -> None:
        """See what others have made of tallies that concern this replica."""
        for name in names:
            account = self._accounts.get(name)
            if account is None:
                continue
            tally = self._store.get(name) or Tally()
            if account.see(tally, self._store.replica, self._parts) or account.waiting:
                self.mark(account, urgent=True)

    def _turn_away(self, account: Account) -> None:
        """Have those wait on for whom something may come back, and nobody else."""
        if account in self._wary:
            # There may be something to be had of those that are gone after all.
            self._wary.discard(account)
            if account.waiting:
                self.mark(account, urgent=True)
                return
        account.hear()
        if account.is_used_up:
            account.turn_away(Verdict.USED_UP)

    def _lose(self) -> None:
        """Hold nothing any more, having been taken for gone."""
        if self._was_present:
            self._was_present = False
            self.counts.lost += 1
            _log.warning("quota_shares_lost", replica=self._store.replica)
            for account in self._accounts.values():
                account.lose()

    def _fail(self, batch: list[Account], reason: str) -> None:
        self._note_away(reason)
        self.counts.failed += 1
        for account in batch:
            self.mark(account)
        # It is tried again until it is back, though there were nothing to tell it.
        self._waiting.set()
        for account in self._marked:
            account.turn_away(Verdict.AWAY)

    def _note_away(self, reason: str) -> None:
        if not self.is_away:
            _log.warning("quotas_unshared", reason=reason)
        self.is_away = True

    def _succeed(self, *, answered: bool) -> None:
        if answered and self.is_away:
            _log.info("quotas_shared")
            self.is_away = False
        if not self._marked:
            self._done.set()

    @property
    def _parts(self) -> int:
        return _PARTS_A_REPLICA * max(1, len(self._store.replicas))
