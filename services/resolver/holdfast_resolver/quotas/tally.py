"""What the replicas know together of one quota in one period. Pure.

A tally is what has been spent, and of what is left the share that each replica
holds: what it has reserved for calls under way, and what it may reserve without
asking. A replica changes it by a turn: from what the tally was and what the replica
has to say follows what the tally becomes, which the store takes only if it still is
what it was. So a turn is a whole, and turns follow one another.

The rule that all of it serves: **a call is let in while something is left**, that
is while what is spent and held is less than the limit. Who is let in holds as much
as it may cost, though that be more than is left; then nothing is left, and nobody
is let in until some of it comes back. So what is spent passes a limit by less than
one call's reservation, however many replicas there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

_REMEMBERED_S = 600
"""For how long a share is kept that is empty and whose replica is gone, in seconds:
a replica that comes back from a pause finds there whether its last turn was taken."""


class Share(msgspec.Struct, frozen=True, array_like=True):
    """What one replica holds of a quota.

    Attributes:
        held: What it may spend: `reserved`, and what it may reserve.
        reserved: What calls under way may cost, as of its last turn.
        relieved: What other replicas gave back for calls of its that ended there,
            from the beginning.
        turn: The number of its last turn, so that it knows it again.
        ends_s: When the last of its calls is over at the latest, in Unix seconds; its
            last turn if it has none.
    """

    held: int = 0
    reserved: int = 0
    relieved: int = 0
    turn: int = 0
    ends_s: int = 0


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """What is spent of a quota, and who holds how much of the rest.

    Attributes:
        spent: What calls have cost, all told.
        warned: Whether the warning of this period has been given.
        shares: By replica.
    """

    spent: int = 0
    warned: bool = False
    shares: dict[str, Share] = msgspec.field(default_factory=dict)

    def left(self, limit: int) -> int:
        """Return what nobody has spent or holds. Negative if the limit is passed."""
        return limit - self.spent - sum(s.held for s in self.shares.values())

    def reserved(self, now_s: float) -> int:
        """Return what calls under way may cost, as of each replica's last turn."""
        return sum(
            min(share.reserved, share.held)
            for share in self.shares.values()
            if share.ends_s > now_s
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """What a replica has to say of a quota, and what it asks for.

    Attributes:
        number: Of the turn that it is for. No other of the replica's has it.
        limit: The quota's, as the replica knows it now.
        settled: What calls have cost that the tally does not have yet.
        outstanding: What it has reserved for calls that have not ended, as far as
            it knows itself.
        matched: How much of what others gave back for it is no longer outstanding.
        relief: What is to be given back for calls that other replicas let in.
        wanted: The reservations that wait, in their order.
        ends_s: When the last of its calls is over, those that wait too.
        parts: Into how many parts what is left is divided, of which a replica holds
            one ahead of need. None: it is to hold nothing ahead.
        warn_at: What has to be spent for a warning. None: there is none.
        gone: Replicas that are no more.
    """

    replica: str
    number: int
    limit: int
    now_s: float
    settled: int = 0
    outstanding: int = 0
    matched: int = 0
    relief: Mapping[str, int] = field(default_factory=dict)
    wanted: tuple[int, ...] = ()
    ends_s: int = 0
    parts: int | None = 4
    warn_at: int | None = None
    gone: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Turn:
    """What becomes of a tally, and what that means to the replica whose turn it is.

    Attributes:
        tally: What it becomes.
        granted: How many of those who wait are let in.
        left: What nobody has spent or holds then.
        ahead: What a replica may hold ahead of need.
        warns: Whether it is this turn that reaches what warnings are given at.
        buried: Of the replicas that are said to be gone, those whose shares it
            takes back: true only if they are.
    """

    tally: Tally
    granted: int = 0
    left: int = 0
    ahead: int = 0
    warns: bool = False
    buried: frozenset[str] = frozenset()


def take(before: Tally, claim: Claim) -> Turn:
    """Say what a claim makes of a tally."""
    shares = dict(before.shares)
    mine = shares.pop(claim.replica, Share())
    buried = _bury(shares, claim)
    for name, amount in claim.relief.items():
        if name in shares:
            shares[name] = _relieved(shares[name], amount)
    spent = before.spent + claim.settled
    others = sum(share.held for share in shares.values())
    reserved = max(0, claim.outstanding - (mine.relieved - claim.matched))
    held = mine.held - claim.settled
    unheld = claim.limit - spent - others
    granted, reserved, held = _let_in(claim.wanted, unheld, reserved, held)
    ahead = share_ahead(unheld - reserved, claim.parts)
    # Between half and twice of that is left as it is: not every call takes a turn.
    if not ahead <= 2 * (held - reserved) <= 4 * ahead:
        held = reserved + ahead
    warns = claim.warn_at is not None and not before.warned and spent >= claim.warn_at
    same = Share(held, reserved, mine.relieved, mine.turn, mine.ends_s)
    left = unheld - held
    if (
        same == mine
        and spent == before.spent
        and not warns
        and _as_before(shares, before.shares, claim.replica)
    ):
        return Turn(before, granted, left, ahead)
    ends_s = max(claim.ends_s, int(claim.now_s))
    shares[claim.replica] = Share(held, reserved, mine.relieved, claim.number, ends_s)
    after = Tally(spent, before.warned or warns, shares)
    return Turn(after, granted, left, ahead, warns, buried)


def share_ahead(left: int, parts: int | None) -> int:
    """Say what a replica may hold ahead of need, of what is left to it and others."""
    return 0 if parts is None else max(0, left) // parts


def _as_before(
    others: dict[str, Share], before: dict[str, Share], replica: str
) -> bool:
    return others == {name: each for name, each in before.items() if name != replica}


def _let_in(
    wanted: tuple[int, ...], unheld: int, reserved: int, held: int
) -> tuple[int, int, int]:
    """Let in who waits, in order, while something is left.

    Returns:
        How many are let in, and what is reserved and held then.
    """
    for number, amount in enumerate(wanted):
        if unheld <= reserved:
            return number, reserved, held
        reserved += amount
        held = max(held, reserved)
    return len(wanted), reserved, held


def _relieved(share: Share, amount: int) -> Share:
    amount = min(amount, share.held)
    return msgspec.structs.replace(
        share,
        held=share.held - amount,
        reserved=max(0, share.reserved - amount),
        relieved=share.relieved + amount,
    )


def _bury(shares: dict[str, Share], claim: Claim) -> frozenset[str]:
    """Take back what replicas held that are gone; return whose share that changes.

    What they had reserved comes back when their calls are over: they may go on
    elsewhere, and are paid for when they end there.
    """
    buried: set[str] = set()
    for name in claim.gone & shares.keys():
        share = shares[name]
        kept = min(share.reserved, share.held) if share.ends_s > claim.now_s else 0
        if (share.held, share.reserved) != (kept, kept):
            shares[name] = msgspec.structs.replace(share, held=kept, reserved=kept)
        elif share.ends_s + _REMEMBERED_S <= claim.now_s:
            del shares[name]
        else:
            continue
        buried.add(name)
    return frozenset(buried)
