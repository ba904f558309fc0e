"""What one replica does with its share of a quota between two turns. Pure.

Reserving and settling are a few additions here. What the tally has to be told of
them is gathered until the next turn.
"""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from holdfast_resolver.quotas.tally import Claim, Share, Tally, Turn, share_ahead
from holdfast_resolver.quotas.waiting import Verdict, Waiter

_SPAN_S = 15
"""Reservations that nobody ends are over together, in spans of so many seconds: one
number a span, and not one a call."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A turn of which it is not known yet whether it was taken."""

    settled: int
    relief: dict[tuple[str, int], int]
    waiters: tuple[Waiter, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for an account at present.

    Attributes:
        limit: The quota's.
        warn_at: What has to be spent for a warning. None: there is none.
    """

    limit: int = 0
    warn_at: int | None = None


class Account:
    """One replica's part in a quota, for one period.

    Attributes:
        name: The tally's.
        ends_s: When the period does, in Unix seconds.
        life_s: For how long the tally is needed, in seconds; None: for good.
        terms: The quota's. Zero until it is asked of: what is settled counts
            whatever the limit is.
        source: What they were made of, for whoever makes them.
        waiting: Who waits to be let in.
        free: What may be reserved without asking anybody.
        low: What `free` must not fall below unnoticed.
        spent: What all have spent of it, as far as is known here.
        warned: Whether that is as much as warnings are given at.
    """

    __slots__ = (
        "_by_span",
        "_keeps",
        "_matched",
        "_outstanding",
        "_relief",
        "_relieved",
        "_sent",
        "_settled",
        "_spent",
        "_turn",
        "_usual",
        "ends_s",
        "free",
        "life_s",
        "low",
        "name",
        "source",
        "terms",
        "waiting",
        "warned",
    )

    def __init__(
        self,
        name: str,
        ends_s: int,
        *,
        keeps: bool = True,
        life_s: int | None = None,
    ) -> None:
        """Begin with nothing.

        Args:
            name: The tally's.
            ends_s: When the period ends, in Unix seconds.
            keeps: Whether what is reserved is given back when a call ends. If not,
                it is spent by being reserved.
            life_s: For how long the tally is needed, in seconds; None: for good.
        """
        self.name = name
        self.ends_s = ends_s
        self.life_s = life_s
        self.terms = Terms()
        self.source: object = None
        self.waiting: deque[Waiter] = deque()
        self.free = 0
        self.low = 0
        self.warned = False
        self._keeps = keeps
        self._spent = 0
        self._settled = 0
        self._outstanding = 0
        self._matched = 0
        self._relieved = 0
        self._usual = 1
        self._by_span: defaultdict[int, int] = defaultdict(int)
        self._relief: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._turn = 0
        self._sent: dict[tuple[str, int], _Sent] = {}

    @property
    def spent(self) -> int:
        """What all have spent of it, as far as is known here."""
        return self._spent + self._settled

    @property
    def used(self) -> int:
        """What is spent, and what calls of this replica may yet cost."""
        return self.spent + self._outstanding

    @property
    def is_used_up(self) -> bool:
        """Whether all of it is spent, so that nothing comes back."""
        return self.spent >= self.terms.limit

    @property
    def is_near(self) -> bool:
        """Whether so little is left that each call has to ask for it."""
        return self.low < self._usual

    @property
    def has_news(self) -> bool:
        """Whether the tally has to be told something, or asked."""
        return bool(self._settled or self._relief or self.waiting or self._sent)

    @property
    def is_idle(self) -> bool:
        """Whether it can be forgotten."""
        return not (self.has_news or self._outstanding)

    def follow(self, terms: Terms) -> None:
        """Go by other terms. Until the next turn nothing is free by them."""
        if terms != self.terms:
            self.terms = terms
            self.free = min(0, self.free)
            self._judge()

    def reserve(self, amount: int, ends_s: int) -> bool:
        """Let a call in, if what it may cost is free."""
        if amount > self.free or self.free <= 0:
            return False
        self.owe(amount, ends_s)
        return True

    def owe(self, amount: int, ends_s: int) -> None:
        """Let a call in, whether or not what it may cost is free."""
        self.free -= amount
        self._usual = amount
        if self._keeps:
            self._outstanding += amount
            self._by_span[_span(ends_s)] += amount
        else:
            self._settled += amount

    def give_back(self, amount: int, ends_s: int) -> None:
        """Note that a call which this replica let in has ended, or was none."""
        if not self._keeps:
            self._settled -= amount
            self.free += amount
            return
        span = _span(ends_s)
        if amount > self._by_span.get(span, 0):
            return  # It was over before it ended: its time had passed.
        self._outstanding -= amount
        self._by_span[span] -= amount
        self.free += amount
        self._let_in()

    def settle(self, amount: int) -> None:
        """Note what a call has cost, whoever let it in."""
        self._settled += amount
        self.free -= amount
        self._judge()

    def relieve(self, replica: str, amount: int, ends_s: int) -> None:
        """Note that a call has ended which another replica let in."""
        if amount:
            self._relief[replica, _span(ends_s)] += amount

    def expire(self, now_s: float) -> bool:
        """Let go of what was reserved for calls whose time has passed.

        Some of it others have given back already, for calls that ended there.

        Returns:
            Whether there were any.
        """
        over = [span for span in self._by_span if span <= now_s]
        for span in over:
            amount = self._by_span.pop(span)
            known = min(amount, max(0, self._relieved - self._matched))
            self._outstanding -= amount
            self._matched += known
            self.free += amount - known
        if not self._outstanding:
            self._matched = self._relieved
        for key in [key for key in self._relief if key[1] <= now_s]:
            del self._relief[key]
        return bool(over)

    def claim(
        self,
        replica: str,
        tally: Tally,
        now_s: float,
        *,
        parts: int | None,
        gone: Iterable[str] = (),
    ) -> Claim:
        """Say what the tally has to be told and asked.

        Args:
            replica: What this one is called.
            tally: As it is, for all that is known.
            now_s: Unix time in seconds.
            parts: Of what is left, one is held ahead. None: nothing is.
            gone: Replicas that are no more.
        """
        self._recognize(tally)
        relief: defaultdict[str, int] = defaultdict(int)
        for (name, _), amount in self._relief.items():
            relief[name] += amount
        self._turn += 1
        return Claim(
            replica=replica,
            number=self._turn,
            limit=self.terms.limit,
            now_s=now_s,
            settled=self._settled,
            outstanding=self._outstanding,
            matched=self._matched,
            relief=relief,
            wanted=tuple(waiter.amount for waiter in self.waiting),
            ends_s=max(
                [*self._by_span, *(_span(waiter.ends_s) for waiter in self.waiting)],
                default=0,
            ),
            parts=parts,
            warn_at=self.terms.warn_at,
            gone=frozenset(gone),
        )

    def unchanged(self, claim: Claim, turn: Turn) -> None:
        """Go by a turn that leaves the tally as it is."""
        for waiter in tuple(self.waiting)[: turn.granted]:
            self._tell(waiter)
        self._see(turn.tally, claim.replica)
        self.low = turn.ahead // 2

    def send(self, claim: Claim, turn: Turn) -> None:
        """Note that a turn is on its way: until it is known, the less counts."""
        waiters = tuple(self.waiting)[: turn.granted]
        self._sent[claim.replica, claim.number] = _Sent(
            claim.settled, dict(self._relief), waiters
        )
        promised = sum(waiter.amount for waiter in waiters)
        share = turn.tally.shares[claim.replica]
        self.free = min(self.free, self._freed(share) + claim.settled - promised)

    def taken(self, claim: Claim, turn: Turn) -> None:
        """Go by a turn that the store has taken."""
        self._accept(self._sent[claim.replica, claim.number])
        self._see(turn.tally, claim.replica)
        self.low = turn.ahead // 2

    def refused(self, claim: Claim, found: Tally) -> None:
        """Go by what the tally is, where the store has not taken a turn.

        Or has, and did not get to say so before it was asked again.
        """
        if not self._recognize(found):
            del self._sent[claim.replica, claim.number]
        self._see(found, claim.replica)

    def see(self, tally: Tally, replica: str, parts: int | None) -> bool:
        """Take note of what others have made of the tally.

        Returns:
            Whether this replica holds more ahead than it should by now.
        """
        self._spent = tally.spent
        self._relieved = tally.shares.get(replica, Share()).relieved
        left = tally.left(self.terms.limit) + max(0, self.free)
        ahead = share_ahead(left, parts)
        self.low = ahead // 2
        self._judge()
        return self.free > 2 * ahead

    def lose(self) -> None:
        """Hold nothing any more: the replica was taken for gone.

        What its calls may cost is in the tally as that of a replica which is gone.
        """
        self._by_span.clear()
        self._outstanding = self._matched = self._relieved = 0
        self.free = -self._settled
        self.low = 0

    def hear(self) -> None:
        """Note that all who wait have had their turn."""
        for waiter in self.waiting:
            waiter.is_heard = True

    def turn_away(self, verdict: Verdict) -> None:
        """Let nobody wait any longer."""
        for waiter in tuple(self.waiting):
            self.withdraw(waiter)
            waiter.tell(verdict)

    def withdraw(self, waiter: Waiter) -> None:
        """Let somebody wait no more."""
        waiter.is_gone = True
        if waiter in self.waiting:
            self.waiting.remove(waiter)

    def _freed(self, share: Share) -> int:
        reserved = max(0, self._outstanding - (share.relieved - self._matched))
        return share.held - reserved - self._settled

    def _recognize(self, tally: Tally) -> bool:
        """Find a turn of its own in the tally of which it had heard no more."""
        for (replica, number), sent in self._sent.items():
            share = tally.shares.get(replica)
            if share is not None and share.turn == number:
                self._accept(sent)
                return True
        return False

    def _accept(self, sent: _Sent) -> None:
        """Go by a turn that was taken. Of those before it none can be any more."""
        self._sent.clear()
        self._settled -= sent.settled
        for key, amount in sent.relief.items():
            if key in self._relief:
                self._relief[key] -= amount
                if not self._relief[key]:
                    del self._relief[key]
        for waiter in sent.waiters:
            if not waiter.is_gone:
                self._tell(waiter)

    def _see(self, tally: Tally, replica: str) -> None:
        share = tally.shares.get(replica, Share())
        self._spent = tally.spent
        self._relieved = share.relieved
        if self._sent:
            self.free = min(self.free, self._freed(share))
        else:
            self.free = self._freed(share)
        self._judge()

    def _let_in(self) -> None:
        """Let in who waits, as far as what is free goes."""
        while self.waiting and self.reserve(
            self.waiting[0].amount, self.waiting[0].ends_s
        ):
            self._welcome(self.waiting[0])

    def _tell(self, waiter: Waiter) -> None:
        """Let somebody in for whom the tally has a reservation."""
        self.owe(waiter.amount, waiter.ends_s)
        self._welcome(waiter)

    def _welcome(self, waiter: Waiter) -> None:
        self.withdraw(waiter)
        waiter.is_let_in = True
        waiter.tell(Verdict.LET_IN)

    def _judge(self) -> None:
        warn_at = self.terms.warn_at
        self.warned = warn_at is not None and self.spent >= warn_at


def _span(ends_s: int) -> int:
    """Return when the span ends that a moment is in."""
    return -(-ends_s // _SPAN_S) * _SPAN_S
